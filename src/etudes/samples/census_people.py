"""People of the embedded census sample: answers drawn from made-up tables, and a known P(income > 50K | answers).

Not one number is taken from a census: shares, tables and effects were written for this sample, so that it has the
difficulties of the real task. The label depends on the *observed* answers alone, a missing one included, so that the
posterior of every row is known exactly.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
MISSING = "?"
COLUMNS = (
    "age",
    "workclass",
    "fnlwgt",
    "education",
    "education-num",
    "marital-status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "capital-gain",
    "capital-loss",
    "hours-per-week",
    "native-country",
)
EDUCATION = (
    "Preschool",
    "1st-4th",
    "5th-6th",
    "7th-8th",
    "9th",
    "10th",
    "11th",
    "12th",
    "HS-grad",
    "Some-college",
    "Assoc-voc",
    "Assoc-acdm",
    "Bachelors",
    "Masters",
    "Prof-school",
    "Doctorate",
)
EDUCATION_SHARES = (0.2, 0.5, 1, 2, 1.5, 3, 3.5, 1.3, 31, 23, 5, 4, 16, 6, 1.2, 0.8)
# Of each occupation: weight at 6 and at 14 years of education, factor for women, effect on the log-odds, mean hours.
OCCUPATIONS: dict[str, tuple[float, float, float, float, float]] = {
    "Adm-clerical": (2.0, 2.0, 4.0, -0.2, 38),
    "Craft-repair": (5.0, 0.6, 0.1, 0.1, 42),
    "Exec-managerial": (0.8, 5.5, 0.8, 0.8, 45),
    "Farming-fishing": (2.0, 0.3, 0.2, -0.9, 47),
    "Handlers-cleaners": (3.0, 0.1, 0.2, -0.7, 38),
    "Machine-op-inspct": (4.0, 0.1, 0.7, -0.4, 41),
    "Other-service": (4.5, 0.4, 1.8, -0.9, 35),
    "Prof-specialty": (0.2, 8.0, 1.1, 0.6, 42),
    "Protective-serv": (0.6, 0.5, 0.2, 0.4, 43),
    "Sales": (2.0, 3.0, 0.8, 0.3, 41),
    "Tech-support": (0.3, 1.2, 0.9, 0.5, 39),
    "Transport-moving": (2.6, 0.2, 0.1, -0.1, 45),
}
WORKCLASSES: dict[str, tuple[float, float]] = {  # share, effect on the log-odds
    "Private": (74, 0.0),
    "Self-emp-not-inc": (8, -0.4),
    "Self-emp-inc": (3.5, 0.4),
    "Local-gov": (6.5, -0.1),
    "State-gov": (4.5, -0.3),
    "Federal-gov": (3.3, 0.5),
    "Without-pay": (0.2, -2.0),
}
COUNTRIES: dict[str, tuple[float, float]] = {
    "United-States": (90, 0.0),
    "Mexico": (3, -0.5),
    "Philippines": (1, 0.1),
    "Germany": (1, 0.2),
    "Canada": (1, 0.2),
    "India": (0.8, 0.1),
    "England": (0.8, 0.2),
    "Cuba": (0.8, 0.0),
    "China": (0.8, -0.2),
    "Poland": (0.5, -0.1),
    "Laos": (0.3, -0.4),
}
RACES: dict[str, tuple[float, float]] = {
    "White": (84, 0.0),
    "Black": (10, -0.2),
    "Asian-Pac-Islander": (3.5, 0.0),
    "Amer-Indian-Eskimo": (1.3, -0.3),
    "Other": (1.2, -0.2),
}
MARRIED = "Married-civ-spouse"
UNMARRIED = ("Never-married", "Divorced", "Separated", "Widowed", "Married-spouse-absent")
TOP_CODED = 99_999


def draw_people(n: int, rng: np.random.Generator) -> pd.DataFrame:
    """``n`` people with the 14 answers of `COLUMNS`, before any income is drawn."""
    age = np.clip(17 + rng.gamma(2.6, 8.6, n), 17, 90).astype(np.int64)
    male = rng.random(n) < 0.64
    education = 1 + _choose(np.tile(EDUCATION_SHARES, (n, 1)), rng)
    education = np.where(age < 20, np.minimum(education, 10), education)  # nobody has a degree at 18
    workclass = _drawn(WORKCLASSES, n, rng)
    occupation = _occupations(education, male, rng)
    marital = _marital(age, male, rng)
    hours = _hours(occupation, male, age, rng)
    gain, loss = _capital(age, education, rng)
    silent = rng.random(n) < np.where((age < 22) | (age > 63), 0.17, 0.03)
    country = np.where(rng.random(n) < 0.02, MISSING, _drawn(COUNTRIES, n, rng))
    return pd.DataFrame(
        {
            "age": age,
            "workclass": np.where(silent, MISSING, workclass),
            "fnlwgt": np.exp(rng.normal(12.0, 0.55, n)).astype(np.int64),
            "education": np.array(EDUCATION)[education - 1],
            "education-num": education,
            "marital-status": marital,
            "occupation": np.where(silent | (rng.random(n) < 0.005), MISSING, occupation),
            "relationship": _relationships(age, male, marital, rng),
            "race": _drawn(RACES, n, rng),
            "sex": np.where(male, "Male", "Female"),
            "capital-gain": gain,
            "capital-loss": loss,
            "hours-per-week": hours,
            "native-country": country,
        }
    )[list(COLUMNS)]


def probability_above(people: pd.DataFrame) -> FloatArray:
    """The process's own P(income > 50K | answers) (N,): what the best possible classifier would say.

    Additive effects, as a logistic model has them; beside them steps of capital gain and loss, a hump over age, and
    four interactions: marriage and sex, profession and education, profession and the age of the hump, hours and
    self-employment.
    """
    age, education, hours, gain, loss = (
        people[name].to_numpy(dtype=np.float64)
        for name in ("age", "education-num", "hours-per-week", "capital-gain", "capital-loss")
    )
    married = (people["marital-status"] == MARRIED).to_numpy()
    female = (people["sex"] == "Female").to_numpy()
    professional = people["occupation"].isin(["Exec-managerial", "Prof-specialty"]).to_numpy()
    own_master = people["workclass"].isin(["Self-emp-not-inc", "Self-emp-inc"]).to_numpy()
    log_odds = (
        -2.3
        + _effects(people["occupation"], {name: row[3] for name, row in OCCUPATIONS.items()}, -0.6)
        + _effects(people["workclass"], {name: row[1] for name, row in WORKCLASSES.items()}, 0.0)
        + _effects(people["native-country"], {name: row[1] for name, row in COUNTRIES.items()}, 0.0)
        + _effects(people["race"], {name: row[1] for name, row in RACES.items()}, 0.0)
        + np.select([married, female], [2.6, -0.9], 0.0)
        + 0.5 * (married & female)
        + np.where(professional, 0.55, 0.15) * (education - 10)
        - np.where(professional, 1.1, 0.7) * ((age - np.where(professional, 52, 42)) / 13) ** 2
        + np.where(own_master, 0.0, 0.06) * (np.clip(hours, 20, 55) - 40)
        + np.select([gain >= 7000, gain >= 3000, gain > 0], [5.0, 0.6, -1.2], 0.0)
        + np.select([(loss > 1750) & (loss < 2000), loss > 0], [2.6, -0.6], 0.0)
    )
    return 1 / (1 + np.exp(-log_odds))


def _effects(answers: pd.Series, table: dict[str, float], missing: float) -> FloatArray:
    return np.asarray(answers.map({**table, MISSING: missing}), dtype=np.float64)


def _drawn(table: dict[str, tuple[float, float]], n: int, rng: np.random.Generator) -> NDArray[np.str_]:
    shares = np.array([row[0] for row in table.values()])
    return rng.choice(list(table), size=n, p=shares / shares.sum())


def _choose(weights: NDArray[np.generic], rng: np.random.Generator) -> NDArray[np.int64]:
    """One column number for each row of weights (n, K), with probabilities in their proportion."""
    edges = np.cumsum(weights, axis=1, dtype=np.float64)
    drawn = (rng.random((len(edges), 1)) * edges[:, -1:] >= edges).sum(axis=1)
    return np.minimum(drawn, edges.shape[1] - 1).astype(np.int64)


def _occupations(
    education: NDArray[np.int64], male: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.str_]:
    table = np.array(list(OCCUPATIONS.values()))
    share = np.clip((education[:, None] - 6) / 8, 0, 1)  # geometric between the two columns
    weights = table[:, 0] ** (1 - share) * table[:, 1] ** share * np.where(male[:, None], 1.0, table[:, 2])
    return np.array(list(OCCUPATIONS))[_choose(weights, rng)]


def _marital(age: NDArray[np.int64], male: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.str_]:
    n = len(age)
    married = rng.random(n) < np.where(male, 0.74, 0.22) * (1 - np.exp(-np.maximum(age - 19, 0) / 8))
    young, old = np.clip((62 - age) / 30, 0.03, 1), np.clip((age - 55) / 30, 0.01, 1)
    weights = np.column_stack([3 * young, 1.2 - young, np.full(n, 0.15), old, np.full(n, 0.08)])
    return np.where(married, MARRIED, np.array(UNMARRIED)[_choose(np.maximum(weights, 0.01), rng)])


def _relationships(
    age: NDArray[np.int64],
    male: NDArray[np.bool_],
    marital: NDArray[np.str_],
    rng: np.random.Generator,
) -> NDArray[np.str_]:
    child = rng.random(len(age)) < np.clip((30 - age) / 14, 0.02, 0.8)
    alone = np.array(["Not-in-family", "Unmarried", "Other-relative"])[
        _choose(np.tile((6, 2.5, 0.8), (len(age), 1)), rng)
    ]
    at_home = (
        rng.random(len(age)) < 0.95
    )  # the others live with relatives: else marriage would follow from this column
    spouse = np.where(at_home, np.where(male, "Husband", "Wife"), "Other-relative")
    return np.where(marital == MARRIED, spouse, np.where(child, "Own-child", alone))


def _hours(
    occupation: NDArray[np.str_],
    male: NDArray[np.bool_],
    age: NDArray[np.int64],
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    n = len(age)
    usual = _effects(pd.Series(occupation), {name: row[4] for name, row in OCCUPATIONS.items()}, 40)
    drawn = rng.normal(usual + np.where(male, 2, -3), 9)
    drawn -= np.where(rng.random(n) < np.where((age < 23) | (age > 65), 0.6, 0.06), 18, 0)
    full_time = rng.random(n) < 0.45
    return np.where(full_time & (drawn > 28), 40, np.clip(np.round(drawn), 1, 99)).astype(np.int64)


def _capital(
    age: NDArray[np.int64], education: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Gains of few people and very skewed, top-coded as in the census; losses of those without a gain."""
    n = len(age)
    gains = rng.random(n) < 0.03 + 0.012 * np.maximum(education - 9, 0) + 0.001 * np.maximum(age - 40, 0)
    gain = np.where(gains, np.minimum(np.exp(rng.normal(8.5, 1.1, n)), TOP_CODED), 0).astype(np.int64)
    loses = ~gains & (rng.random(n) < 0.05)
    loss = np.where(loses, np.clip(rng.normal(1880, 330, n), 150, 4300), 0).astype(np.int64)
    return gain, loss
