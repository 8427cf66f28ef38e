"""The embedded census sample: what it promises of its form, its difficulties and its ceiling."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from etudes.samples.census import bayes_ceiling, census_people, raw_file
from etudes.samples.census_people import COLUMNS, EDUCATION, MARRIED, probability_above

N = 20_000


@pytest.fixture(scope="module")
def people() -> pd.DataFrame:
    return census_people(N, seed=1)


def test_same_seed_same_people_in_another_process() -> None:
    code = (
        "import hashlib; from etudes.samples.census import raw_file;"
        "print(hashlib.sha256(raw_file('test', 300, 200, 5).content).hexdigest())"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    import hashlib

    here = raw_file("test", 300, 200, 5).content
    assert there.strip() == hashlib.sha256(here).hexdigest()
    assert here != raw_file("test", 300, 200, 6).content


def test_parts_are_independent_of_each_other() -> None:
    assert raw_file("test", 300, 200, 5).content == raw_file("test", 900, 200, 5).content
    train, test = census_people(500, 5, "train"), census_people(500, 5, "test")
    assert not train["fnlwgt"].isin(test["fnlwgt"]).all()


def test_lines_are_those_of_the_public_files() -> None:
    train = raw_file("train", 300, 200, 5)
    test = raw_file("test", 300, 200, 5)
    lines = train.content.decode().splitlines()
    assert len(lines) == 300 and all(line.count(", ") == 14 for line in lines)
    assert {line.rpartition(", ")[2] for line in lines} == {"<=50K", ">50K"}
    comment, *lines = test.content.decode().splitlines()
    assert comment == "|1x3 Cross validator" and len(lines) == 200
    assert {line.rpartition(", ")[2] for line in lines} == {"<=50K.", ">50K."}
    assert train.embedded_sample and "ceiling" not in train.facts
    assert test.facts["ceiling"]["n"] == 200


def test_the_difficulties_are_there(people: pd.DataFrame) -> None:
    assert (people["income"] == ">50K").mean() == pytest.approx(0.23, abs=0.02)
    assert (people["capital-gain"] > 0).mean() == pytest.approx(0.05, abs=0.02)
    gains = people["capital-gain"][people["capital-gain"] > 0]
    assert gains.mean() > 1.5 * gains.median(), "skewed"
    missing = (people == "?").mean()
    assert (
        0.03 < missing["workclass"] < missing["occupation"] < 0.1 and 0.01 < missing["native-country"] < 0.03
    )
    assert people["education"].map(EDUCATION.index).add(1).equals(people["education-num"])
    married = people["marital-status"] == MARRIED
    spouse = people["relationship"].isin(["Husband", "Wife"])
    assert married[spouse].all() and 0.9 < spouse[married].mean() < 1, "close, and not the same column"
    assert list(people.columns) == [*COLUMNS, "income", "p"]


def test_the_label_follows_the_known_probability(people: pd.DataFrame) -> None:
    """In each decile of p, the share above 50K is the mean of p, within five standard errors."""
    above = (people["income"] == ">50K").to_numpy()
    for part in np.array_split(np.argsort(people["p"].to_numpy()), 10):
        p = people["p"].to_numpy()[part]
        assert abs(above[part].mean() - p.mean()) < 5 * np.sqrt((p * (1 - p)).sum()) / len(part) + 1e-9


def test_the_probability_is_read_from_the_answers_alone(people: pd.DataFrame) -> None:
    np.testing.assert_array_equal(probability_above(people[list(COLUMNS)]), people["p"])


def test_an_interaction_cannot_be_said_by_a_sum(people: pd.DataFrame) -> None:
    """Being a woman costs the unmarried more than the married: the effects do not add up."""
    one = people.head(1)

    def odds(marital: str, sex: str) -> float:
        p = float(probability_above(one.assign(**{"marital-status": marital, "sex": sex}))[0])
        return float(np.log(p / (1 - p)))

    married = odds(MARRIED, "Female") - odds(MARRIED, "Male")
    unmarried = odds("Divorced", "Female") - odds("Divorced", "Male")
    assert abs(married - unmarried) > 1


def test_the_ceiling_is_what_fresh_labels_give(people: pd.DataFrame) -> None:
    """Monte Carlo: labels drawn again and again from p; expected scores of the Bayes classifier are their means."""
    few = people.head(2000)
    said = bayes_ceiling(few)
    generator, p = np.random.default_rng(0), few["p"].to_numpy()
    found = []
    for _ in range(200):
        above = generator.random(len(p)) < p
        again = bayes_ceiling(few.assign(income=np.where(above, ">50K", "<=50K")))
        found.append([again[f"realised_{name}"] for name in ("accuracy", "log_loss", "roc_auc")])
    mean, error = np.mean(found, axis=0), np.std(found, axis=0) / np.sqrt(200)
    for name, m, e in zip(("accuracy", "log_loss", "roc_auc"), mean, error, strict=True):
        assert said[name] == pytest.approx(m, abs=5 * e), name


def test_no_answer_beats_the_bayes_classifier(people: pd.DataFrame) -> None:
    said = bayes_ceiling(people)
    assert said["accuracy"] == pytest.approx(said["realised_accuracy"], abs=0.01)
    assert said["accuracy"] > 1 - said["positive_share"], "there is something to learn"
    for shift in (-1.0, 1.0):  # any other probability has a larger expected log-loss
        p = people["p"].to_numpy()
        q = 1 / (1 + np.exp(-np.log(p / (1 - p)) - shift))
        assert -(p * np.log(q) + (1 - p) * np.log1p(-q)).mean() > said["log_loss"]


def test_tiny_samples_are_whole() -> None:
    for seed in range(5):
        assert len(raw_file("train", 2, 2, seed).content.decode().splitlines()) == 2
        assert len(raw_file("test", 2, 2, seed).content.decode().splitlines()) == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("dev", 10, 10, 0), "part = 'dev'"), (("train", 1, 10, 0), "n = 1"), (("test", 10, 0, 0), "n = 0")],
)
def test_wrong_arguments_are_named(arguments: tuple[str, int, int, int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        raw_file(*arguments)
