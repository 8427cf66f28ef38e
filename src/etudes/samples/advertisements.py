"""The embedded sample of job advertisements: an imaginary labour market whose salaries follow a known law.

    ln salary = 10 + role + rank + place + hours + years / 40 + noise,   noise ~ N(0, 0.15^2).

All but the noise can be read in the advertisement: the role and the rank in its title, the place in a field, hours and the years of
experience in the description. So the best answer of all is known, exp of the law without the noise, which is the median of the salary.
Some advertisements are posted again by the same employer, for another place and with another reference; these copies have the same
noise, so that whoever finds one in training knows the other.
"""

from __future__ import annotations

import csv
import io

import numpy as np
import pandas as pd

from etudes.forms.raw import RawFile

PARTS = ("advertisements",)
NOISE, COPIES = 0.15, 0.15
ROLES = {
    "Gardener": (-0.25, "Parks & Gardens Jobs", ("hedges", "lawns", "orchards")),
    "Baker": (-0.2, "Catering Jobs", ("bread", "pastry", "ovens")),
    "Carer": (-0.15, "Care Jobs", ("residents", "meals", "visits")),
    "Nurse": (0.1, "Care Jobs", ("patients", "wards", "medication")),
    "Bookkeeper": (0.0, "Finance Jobs", ("ledgers", "invoices", "payroll")),
    "Programmer": (0.3, "Computing Jobs", ("databases", "interfaces", "compilers")),
    "Surveyor": (0.25, "Building Jobs", ("bridges", "plots", "drawings")),
}
RANKS = {"Trainee": -0.3, "": 0.0, "Senior": 0.25, "Head": 0.5}
PLACES = {"Northport": -0.05, "Millbrook": -0.1, "Ashford Vale": 0.0, "Castle City": 0.2, "": 0.0}
COMPANIES = ("", "", "", "Larkspur Partners", "Gable and Sons", "Oakhill Group")
HOURS = {"full_time": 0.0, "part_time": -0.12}
OPENINGS = (
    "We are looking for a {title}.",
    "An established firm seeks a {title} to join its team.",
    "Our client needs a {title}.",
)
DUTIES = (
    "You will look after {thing}.",
    "The work is with {thing} and {other}.",
    "Daily care of {thing} is expected.",
)
HOUR_WORDS = {
    "full_time": ("Full time, five days a week.", "This is a full time post."),
    "part_time": ("Part time, mornings only.", "This post is part time, three days a week."),
}
YEARS = (
    "{years} years of experience are required.",
    "You bring {years} years in a like post.",
    "At least {years} years with us or elsewhere.",
)
CLOSINGS = (
    "Training is given.",
    "Send your letter today.",
    "Parking and meals are free.",
    "Only those who are chosen will be written to.",
    "References are asked for.",
)


def raw_file(part: str, rows: int, seed: int) -> RawFile:
    """Advertisements as the public file has them: CSV with a header.

    It carries the ceiling: the mean absolute error (GBP) of the best answers to these advertisements, ``realised_mae``, and the one that they
    expect, ``mae``.

    Raises:
        ValueError: an unknown part, or fewer than 40 rows.
    """
    if part not in PARTS or rows < 40:
        raise ValueError(f"part = '{part}', rows = {rows}; expected {PARTS[0]}, and 40 rows or more")
    table = market(rows, seed)
    stream = io.StringIO()
    table.drop(columns="best").to_csv(stream, index=False, quoting=csv.QUOTE_MINIMAL, lineterminator="\n")
    noise = np.random.default_rng(0).normal(0, NOISE, 100_000)
    ceiling = {
        "n": float(rows),
        "mae": float(table["best"].mean() * np.abs(np.exp(noise) - 1).mean()),
        "realised_mae": float((table["best"] - table["SalaryNormalized"]).abs().mean()),
    }
    facts = {"embedded_sample": True, "source": "embedded sample", "ceiling": ceiling}
    return RawFile(
        f"embedded sample of {rows} advertisements (seed {seed})", stream.getvalue().encode(), facts
    )


def market(rows: int, seed: int) -> pd.DataFrame:
    """The columns of the public file, and ``best``, the best answer (GBP)."""
    rng = np.random.default_rng(seed)
    found: list[dict[str, object]] = []
    while len(found) < rows:
        role, rank = str(rng.choice(list(ROLES))), str(rng.choice(list(RANKS), p=[0.15, 0.5, 0.25, 0.1]))
        worth, category, things = ROLES[role]
        title, hours = f"{rank} {role}".strip(), str(rng.choice(list(HOURS), p=[0.7, 0.3]))
        thing, other = rng.choice(things, size=2, replace=False)
        years, noise = int(rng.integers(0, 11)), float(rng.normal(0, NOISE))
        sentences = [
            str(rng.choice(OPENINGS)).format(title=title),
            *(str(s).format(thing=thing, other=other) for s in rng.choice(DUTIES, size=2, replace=False)),
            str(rng.choice(HOUR_WORDS[hours])),
            str(rng.choice(YEARS)).format(years=years),
            *(str(s) for s in rng.choice(CLOSINGS, size=3, replace=False)),
        ]
        fixed = worth + RANKS[rank] + HOURS[hours] + years / 40
        said = {"Company": str(rng.choice(COMPANIES)), "ContractType": hours if rng.random() < 0.5 else ""}
        for _ in range(2 if rng.random() < COPIES else 1):
            place, reference = str(rng.choice(list(PLACES))), int(rng.integers(1000, 10_000))
            best = float(np.exp(10 + fixed + PLACES[place]))
            found.append(
                {
                    "Id": len(found) + 1,
                    "Title": title,
                    "FullDescription": f"{' '.join(sentences)} Reference {reference}.",
                    "LocationRaw": f"{place}, The Shire" if place else "The Shire",
                    "LocationNormalized": place or "The Shire",
                    "ContractType": said["ContractType"],
                    "ContractTime": "",
                    "Company": said["Company"],
                    "Category": category,
                    "SalaryNormalized": round(best * float(np.exp(noise))),
                    "SourceName": "thepost.example",
                    "best": best,
                }
            )
    return pd.DataFrame(found[:rows])
