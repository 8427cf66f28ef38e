"""Rates of groups, by hand and by simulation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from etudes.evaluation.groups import RATES, group_tables

TEST = pd.DataFrame(
    {
        "sex": ["Male"] * 6 + ["Female"] * 4,
        "race": ["White"] * 9 + ["Other"],
        "label": [1, 1, 0, 0, 0, 0, 1, 0, 0, 0],
    }
)
PROBABILITIES = np.array([0.9, 0.2, 0.8, 0.1, 0.1, 0.1, 0.4, 0.3, 0.2, 0.1])


def rates(**conditions: str) -> pd.Series:
    table, _ = group_tables(TEST, {"logistic": PROBABILITIES}, ("sex", "race"), 100, smallest=1)
    for column, value in conditions.items():
        table = table[table[column] == value]
    assert len(table) == 1
    return table.iloc[0]


def test_rates_by_hand() -> None:
    men = rates(group="Male")
    assert men["people"] == 6
    assert men[list(RATES)].tolist() == pytest.approx([2 / 6, 4 / 6, 2 / 6, 1 / 2, 1 / 4, 2.2 / 6 - 2 / 6])
    women = rates(group="Female")
    assert women[list(RATES)].tolist() == pytest.approx([1 / 4, 3 / 4, 0, 0, 0, 0])


def test_a_rate_of_nobody_is_missing() -> None:
    other = rates(group="Other")
    assert np.isnan(other["tpr"]) and np.isnan(other["tpr.low"]) and other["fpr"] == 0


def test_small_groups_are_left_out() -> None:
    table, gaps = group_tables(TEST, {"logistic": PROBABILITIES}, ("sex", "race"), 100, smallest=5)
    assert table["group"].tolist() == ["Male", "White"]
    assert gaps.empty and "gap" in gaps


def test_gaps_are_to_the_largest_group() -> None:
    _, gaps = group_tables(TEST, {"logistic": PROBABILITIES}, ("sex", "race"), 100, smallest=2)
    assert set(gaps["reference"]) == {"Male"} and set(gaps["group"]) == {"Female"}
    by_rate = gaps.set_index("rate")["gap"]
    assert by_rate["tpr"] == pytest.approx(-1 / 2) and by_rate["base_rate"] == pytest.approx(1 / 4 - 2 / 6)


def test_intervals_cover_the_truth() -> None:
    """True positive rate 0.7 by construction: the 95 % interval holds it in about 95 of 100 samples."""
    generator = np.random.default_rng(0)
    hits = 0
    for _ in range(100):
        labels = generator.integers(0, 2, 300)
        answers = np.where(labels == 1, generator.random(300) < 0.7, generator.random(300) < 0.2)
        test = pd.DataFrame({"sex": "Male", "race": "White", "label": labels})
        table, _ = group_tables(test, {"v": answers.astype(float)}, ("sex",), 300, smallest=1)
        hits += int(table.iloc[0]["tpr.low"] <= 0.7 <= table.iloc[0]["tpr.high"])
    assert 88 <= hits <= 100


def test_every_variant_is_measured_on_the_same_resamples() -> None:
    table, gaps = group_tables(
        TEST, {"a": PROBABILITIES, "b": PROBABILITIES}, ("sex", "race"), 100, smallest=1
    )
    for frame in (table, gaps):
        one, other = (
            frame[frame["variant"] == v].drop(columns="variant").reset_index(drop=True) for v in "ab"
        )
        pd.testing.assert_frame_equal(one, other)
