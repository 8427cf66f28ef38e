"""Repeat a study over seeds and write ``docs/results/<study>.json``.

A record is made of runs: what the outputs of one seed hold, read by `read_run`. `summarise` makes a record of all of
them at once, `with_run` adds one to a record that is there, `with_part` renews what a study says can be recorded alone.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from etudes.atomic import atomic_file
from etudes.lock import OutputsLock
from etudes.results.runs import Run, SeedRun, origin, read_run, records_folder
from etudes.results.side_by_side import Processes, side_by_side
from etudes.results.summaries import (
    average_table,
    mean_resources,
    merge_resources,
    merge_table,
    rounded,
    row_key,
    summarise_metrics,
    with_value,
)
from etudes.sources.table import load_sources
from etudes.study import RecordedPart, RecordedTable, load_study

PACKAGES = (
    "etudes",
    "kedro",
    "mlflow",
    "torch",
    "torchvision",
    "transformers",
    "scikit-learn",
    "spacy",
    "gensim",
    "pandas",
    "numpy",
)
LONGEST = 4_000  # characters of one value of a card that a record keeps
SAME = ("study", "environment", "parameters", "data", "test_rows")  # of a record and of a run added to it
HOW = (
    "command",
    "commit",
    "parameters",
    "recorded",
    "device",
    "versions",
    "wall_seconds",
)  # what is said of a part


def record_study(
    project: Path,
    study: str,
    env: str,
    seeds: int,
    params: str = "",
    resume: bool = False,
    part: str = "",
    workers: int = 1,
) -> Path:
    """Run ``kedro run --pipelines=STUDY`` once for each seed and write the record; registers nothing.

    Args:
        project: the project's folder.
        env: configuration environment.
        seeds: number of runs, with seeds 0 .. seeds - 1.
        params: further ``--params``, comma-separated.
        resume: take over the outputs of seeds that ended with the same code, configuration and parameters, and let the
            others go on from the checkpoints of their trainings.
        part: name of the study's part to renew in the record that is there; empty for a record of all.
        workers: how many seeds run at once.

    Raises:
        RuntimeError: a run failed, or runs saw different data; the record is then as it was. The outputs of the seeds
            that ended are kept for ``resume``. Or there is no such part, or no record to renew it in.
        LockedError: the study is being recorded by another process.
    """
    load_study(study)
    there = (_record_of(project, study), _part_of(study, part)) if part else None
    folders = [records_folder(project) / f"seed_{seed}" for seed in range(seeds)]
    # Each run holds its own outputs; here they are held until they have been read.
    lock = OutputsLock(records_folder(project) / ".runs" / env, [], [f"{study}.record"])
    lock.acquire()
    try:
        made_by = origin(project, study, env, params)
        runs = [
            SeedRun(project, outputs, {**made_by, "seed": seed}, resume)
            for seed, outputs in enumerate(folders)
        ]
        todo = (run for run in runs if not (resume and run.ended))
        side_by_side(Processes(workers), todo, _ended)
        found = summarise([read_run(outputs, study, env) for outputs in folders])
    finally:
        lock.release()
    found |= {"recorded": datetime.now(UTC).strftime("%Y-%m-%d")}
    return write_record(project, with_part(there[0], found, there[1]) if there else found)


def _ended(run: SeedRun, error: BaseException | None) -> None:
    if error is not None:
        raise RuntimeError(
            f"{error}; nothing is recorded. With --resume the same command goes on from here"
        ) from error


def add_run(project: Path, study: str, env: str, outputs: Path) -> Path:
    """Add the outputs of one further seed, which an earlier `record_study` left behind, to the record that is there.

    Raises:
        RuntimeError: there is no record, it holds the seed, or it is of other data, parameters or another split.
    """
    return write_record(project, with_run(_record_of(project, study), read_run(outputs, study, env)))


def _record_of(project: Path, study: str) -> dict[str, Any]:
    path = project / "docs" / "results" / f"{study}.json"
    if not path.exists():
        raise RuntimeError(f"{path} is not there; record the study first")
    return json.loads(path.read_text(encoding="utf-8"))


def _part_of(study: str, name: str) -> RecordedPart:
    parts = {part.name: part for part in load_study(study).parts}
    if name not in parts:
        raise RuntimeError(
            f"{study} has no part '{name}' that can be recorded alone; its study.toml declares {', '.join(parts) or 'none'}"
        )
    return parts[name]


def write_record(project: Path, record: Mapping[str, Any]) -> Path:
    """Write ``docs/results/<study>.json``."""
    path = project / "docs" / "results" / f"{record['study']}.json"
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return path


def public_rows(data: Mapping[str, Any]) -> dict[str, list[int]]:
    """By part, how many rows of the public data set there were of how many; empty for data that are made."""
    source = load_sources().get(str(data.get("source")))
    if source is None or data["embedded_sample"]:
        return {}
    used = {part: data.get(f"{part}_rows", data.get(part)) for part in source.rows}
    return {part: [int(rows), source.rows[part]] for part, rows in used.items() if rows is not None}


def summarise(runs: Sequence[Run]) -> dict[str, Any]:
    """One record from the runs of all seeds: of every metric the values, their mean and their interval.

    Raises:
        RuntimeError: the runs saw different data.
    """
    fingerprints = sorted({run["data"]["fingerprint"] for run in runs})
    if len(fingerprints) > 1:
        raise RuntimeError(f"The runs saw different data ({', '.join(fingerprints)}); record them again")
    first, study = runs[0], load_study(runs[0]["study"])
    tables = {
        entry.name: average_table(entry, [run["tables"][entry.name] for run in runs])
        for entry in study.tables
    }
    return {
        **{name: first[name] for name in ("study", "environment", "parameters", "data")},
        "command": command(first, len(runs)),
        "commit": _agreed([run["commit"] for run in runs]),
        "seeds": [run["seed"] for run in runs],
        "public_rows": public_rows(first["data"]),
        "test_rows": _agreed_by_name([run["test_rows"] for run in runs]),
        "split": _short(_agreed_by_name([run["split"] for run in runs])),
        "chosen": [run["chosen"] for run in runs],
        "metrics": rounded(summarise_metrics([run["metrics"] for run in runs])),
        "tables": rounded(tables),
        "resources": rounded(mean_resources([run["resources"] for run in runs])),
        "wall_seconds": [run["wall_seconds"] for run in runs],
        "device": _device(),
        "versions": {package: version(package) for package in PACKAGES}
        | {"python": platform.python_version()},
    }


def with_run(record: Mapping[str, Any], run: Run) -> dict[str, Any]:
    """A record with one seed more, as if all had been recorded together.

    A record that lacks the values of its seeds keeps their mean and spread, to which the new value is added.

    Raises:
        RuntimeError: the record holds the seed, or is of other data, parameters or another split, or a part of it was
            recorded alone.
    """
    record, seed, n = dict(record), run["seed"], len(record["seeds"])
    if "parts" in record:
        raise RuntimeError(
            f"{record['study']}: {', '.join(told['part'] for told in record['parts'])} of the record was made by other runs; "
            "record all seeds again"
        )
    if seed in record["seeds"]:
        raise RuntimeError(f"{record['study']}: the record holds seed {seed} already")
    there = {**record, **_short({f"split.{name}": value for name, value in record["split"].items()})}
    new = {**run, **_short({f"split.{name}": value for name, value in run["split"].items()})}
    other = [
        name
        for name in (*SAME, *(key for key in there if key.startswith("split.")))
        if there.get(name) != new.get(name)
    ]
    if other:
        raise RuntimeError(
            f"{record['study']}: seed {seed} differs from the record in {', '.join(other)}; record all seeds again"
        )
    place = sum(other < seed for other in record["seeds"])

    def inserted(name: str, value: Any) -> list[Any]:
        values = record[name] if isinstance(record[name], list) else [record[name]] * n
        return [*values[:place], value, *values[place:]]

    entries = {entry.name: entry for entry in load_study(record["study"]).tables}
    metrics = {
        name: with_value(name, summary, run["metrics"], place) for name, summary in record["metrics"].items()
    }
    tables = {
        name: merge_table(entries[name], rows, run["tables"][name], place)
        for name, rows in record["tables"].items()
    }
    return record | {
        "seeds": inserted("seeds", seed),
        "command": command(record, n + 1),
        "commit": _agreed(inserted("commit", run["commit"])),
        **({"chosen": inserted("chosen", run["chosen"])} if "chosen" in record else {}),
        "metrics": rounded(metrics),
        "tables": rounded(tables),
        "resources": rounded(merge_resources(record["resources"], run["resources"], n)),
        "wall_seconds": inserted("wall_seconds", run["wall_seconds"]),
    }


def with_part(record: Mapping[str, Any], renewed: Mapping[str, Any], part: RecordedPart) -> dict[str, Any]:
    """A record with the numbers of one part from another one, made by further runs of as many seeds on the same data.

    They are of the variants that these runs trained. All else stays as it was recorded, costs and split included, but for
    rows that set a variant with new numbers beside one that was not trained again. ``parts`` says how the new numbers were
    made.

    Raises:
        RuntimeError: the two are of other seeds, data or another environment.
    """
    study = load_study(record["study"])
    pairs = {name: (record[name], renewed[name]) for name in ("study", "environment", "seeds")}
    pairs["data"] = (record["data"]["fingerprint"], renewed["data"]["fingerprint"])
    if other := [name for name, (old, new) in pairs.items() if old != new]:
        raise RuntimeError(
            f"{study.name}: the runs of part '{part.name}' differ from the record in {', '.join(other)}; record all again"
        )

    metrics = {n: s for n, s in renewed["metrics"].items() if n.partition(".")[2] in part.metrics}
    told = {name: record["metrics"].get(name, {}).get("mean") for name in metrics}
    changed = {_variant(name) for name, new in metrics.items() if new["mean"] != told[name]}
    renewed_variants = sorted(set(map(_variant, metrics)))
    everyone = set(map(_variant, record["metrics"])) <= set(renewed_variants)
    tables = {
        entry.name: _renewed_rows(
            entry, part, record["tables"].get(entry.name, []), renewed["tables"][entry.name], changed
        )
        for entry in study.tables
        if entry.name in part.tables
    }
    rows = {metric: count for metric, count in renewed["test_rows"].items() if metric in part.metrics}
    how = {
        **{name: renewed[name] for name in HOW},
        "command": f"{renewed['command']} --part={part.name}",
        "part": part.name,
        "variants": [] if everyone else renewed_variants,
    }
    before = [
        told
        for told in record.get("parts", [])
        if told["part"] != part.name or not (everyone or set(told["variants"]) <= set(renewed_variants))
    ]
    return {
        **record,
        "metrics": {**record["metrics"], **metrics},
        "tables": {**record["tables"], **tables},
        "test_rows": {**record["test_rows"], **rows},
        "parts": [*before, how],
        **({"chosen": renewed["chosen"]} if everyone and study.dev_metric in part.metrics else {}),
    }


def _variant(name: str) -> str:
    """Of whom a flat metric is."""
    return name.partition(".")[0]


def _renewed_rows(
    entry: RecordedTable,
    part: RecordedPart,
    old: Sequence[dict[str, Any]],
    new: Sequence[dict[str, Any]],
    changed: set[str],
) -> list[dict[str, Any]]:
    """The old table with the part's rows of the new one, less the part's rows that speak of ``changed`` variants' old numbers."""

    def own(row: Mapping[str, Any]) -> bool:
        return all(row[name] == value for name, value in part.rows.items())

    fresh = {row_key(entry, row): row for row in new if own(row)}
    rows = [
        fresh.pop(key, row)
        for row in old
        if (key := row_key(entry, row)) in fresh or not (own(row) and changed & set(key))
    ]
    return [*rows, *fresh.values()]


def command(made_by: Mapping[str, Any], seeds: int) -> str:
    """The command that makes a record."""
    given = f" --params={made_by['parameters']}" if made_by["parameters"] else ""
    return f"kedro record {made_by['study']} --env={made_by['environment']} --seeds={seeds}{given}"


def _short(card: Mapping[str, Any]) -> dict[str, Any]:
    """A card without its long lists: a record says how data were split, the run's own card which rows went where."""
    return {key: value for key, value in card.items() if len(json.dumps(value)) <= LONGEST}


def _agreed(values: list[Any]) -> Any:
    """The value that all seeds agree on, or the list of theirs."""
    return values[0] if all(value == values[0] for value in values) else values


def _agreed_by_name(cards: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        name: _agreed([card.get(name) for card in cards])
        for name in dict.fromkeys(name for card in cards for name in card)
    }


def _device() -> str:
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name(0)
    return f"CPU, {os.cpu_count()} cores ({platform.machine()})"
