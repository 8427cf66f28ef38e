"""The learning curve on toys whose truth is known, and its parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from etudes.pipelines.income_classification import curve
from etudes.pipelines.income_classification.features import Features
from etudes.pipelines.income_classification.linear import sigmoid
from etudes.splits import spread

Settings = Callable[..., Any]
NUMBERS = Features([f"x{i}" for i in range(8)], [], np.zeros(8), np.ones(8))


def gaussian_world(rows: int, seed: int) -> curve.Set:
    """Two Gaussians with one covariance: what the Gaussian model assumes is true."""
    generator = np.random.default_rng(seed)
    labels = (generator.random(rows) < 0.4).astype(np.int64)
    mixing = np.random.default_rng(99).normal(size=(8, 8))
    return generator.normal(size=(rows, 8)) @ mixing + 0.8 * labels[:, None], labels


def logistic_world(rows: int, seed: int) -> curve.Set:
    """Log-odds linear in very skewed columns: logistic regression's assumption is true, the Gaussian's is not."""
    generator = np.random.default_rng(seed)
    matrix = np.exp(1.2 * generator.normal(size=(rows, 8)))
    odds = matrix @ np.array([1.0, -1, 0.8, -0.8, 0.5, -0.5, 0, 0])
    return matrix, (generator.random(rows) < sigmoid(odds)).astype(np.int64)


def advantages(world: Callable[[int, int], curve.Set], settings: Settings, rows: int = 1600) -> pd.DataFrame:
    parameters = settings("learning_curve", smallest=25, growth=4.0, draws=12, folds=3, penalties=[1.0])
    found = curve.learning_curve(
        NUMBERS, world(rows, 0), world(5000, 1), ["gaussian", "logistic"], parameters, 0
    )
    table = curve.summarise(found)
    return table[table["kind"] == "advantage"]


def test_the_generative_model_wins_with_little_data_where_it_is_true(settings: Settings) -> None:
    table = advantages(gaussian_world, settings)
    verdict = curve.verdicts(table).set_index("metric").loc["log-loss"]
    assert (
        verdict["claim holds"] == "yes"
        and verdict["better at"].startswith("25")
        and verdict["worse at"] == "–"
    )
    last = table[(table["metric"] == "accuracy")].iloc[-1]
    assert last["size"] == 1600 and abs(last["mean"]) < 0.01, "with much data both reach the same"


def test_the_generative_model_loses_with_much_data_where_it_is_false(settings: Settings) -> None:
    found = curve.verdicts(advantages(logistic_world, settings)).set_index("metric")
    assert "400" in found["worse at"]["log-loss"].split()
    assert set(found["claim holds"]) == {"no"}


def test_sizes_are_geometric_and_end_at_all() -> None:
    assert curve.part_sizes(800, 50, 2.0) == [50, 100, 200, 400, 800]
    assert curve.part_sizes(5100, 50, 2.0)[-1] == 5100
    assert curve.part_sizes(50, 50, 2.0) == [50]
    assert curve.part_sizes(49, 50, 2.0) == []


def test_parts_are_nested_and_have_the_classes_in_their_shares() -> None:
    labels = (np.arange(1000) % 4 == 0).astype(np.int64)
    order = spread(labels, np.random.default_rng(0), first=0.5)
    assert sorted(order) == list(range(1000))
    for size in (50, 100, 500):
        assert labels[order[:size]].mean() == pytest.approx(0.25, abs=0.02)
    other = spread(labels, np.random.default_rng(1), first=0.5)
    assert not np.array_equal(order, other)


def test_cross_validation_chooses_the_penalty_that_generalises(settings: Settings) -> None:
    generator = np.random.default_rng(0)
    labels = np.arange(200) % 2
    noise = generator.normal(size=(200, 30))
    path = curve.paths(NUMBERS)["logistic"]
    assert curve.choose_penalty(path, noise, labels, [0.1, 10.0, 1e4], 5) == 1e4, "there is nothing to learn"
    telling = np.column_stack([labels * 2.0 - 1 + generator.normal(size=200), noise[:, :2]])
    assert curve.choose_penalty(path, telling, labels, [0.1, 1e6], 5) == 0.1


def test_a_part_knows_only_its_own_mean_and_scale(splits: Any, settings: Settings) -> None:
    """The rest of train may be anything: the model of a part does not change."""
    features = Features.fit(splits[0], settings("features"))
    raw, labels = features.raw(splits[0]), splits[0]["label"].to_numpy()
    parameters = settings("learning_curve")
    fits = curve.paths(features)
    for method in curve.METHODS:
        one, penalty = curve.fit_part(method, fits[method], raw[:200], labels[:200], parameters)
        changed = raw.copy()
        changed[200:] = 1e6
        other, _ = curve.fit_part(method, fits[method], changed[:200], labels[:200], parameters)
        np.testing.assert_array_equal(one.weights, other.weights)
        assert penalty in parameters.penalties


def test_all_methods_have_one_form_on_the_same_columns(splits: Any, settings: Settings) -> None:
    features = Features.fit(splits[0], settings("features"))
    sets = [(features.raw(frame), frame["label"].to_numpy()) for frame in (splits[0], splits[2])]
    rows = curve.learning_curve(features, *sets, list(curve.METHODS), settings("learning_curve"), 0)
    assert set(rows["method"]) == set(curve.METHODS)
    draws = rows.groupby("size")["draw"].nunique()
    assert draws.iloc[-1] == 1 and (draws.iloc[:-1] == 3).all(), "all of train is one draw"
    again = curve.learning_curve(features, *sets, list(curve.METHODS), settings("learning_curve"), 0)
    pd.testing.assert_frame_equal(rows, again)


def test_differences_are_paired_by_draw() -> None:
    rows = pd.DataFrame(
        [
            {
                "method": method,
                "size": 50,
                "draw": draw,
                "penalty": 1.0,
                "accuracy": 0.5 + draw / 10 + bonus,
                "log_loss": 1 - draw / 10 - bonus,
            }
            for draw in range(4)
            for method, bonus in (("gaussian", 0.02), ("logistic", 0.0))
        ]
    )
    table = curve.summarise(rows).set_index(["kind", "name", "metric"])
    for metric in curve.METRICS:
        gap = table.loc[("advantage", "gaussian", metric)]
        assert gap["mean"] == pytest.approx(0.02), "positive is better, in both metrics"
        assert gap["high"] - gap["low"] < 1e-9, "the spread of the draws cancels"
        score = table.loc[("score", "gaussian", metric)]
        assert score["high"] - score["low"] > 0.1


def test_crossing_lies_between_sizes_on_a_logarithmic_axis() -> None:
    assert curve.crossing([100, 1000], [0.1, -0.1]) == pytest.approx(10**2.5)
    assert curve.crossing([50, 100, 200, 400], [-0.1, 0.3, 0.0, -0.2]) == pytest.approx(200)
    assert curve.crossing([100, 1000], [0.1, 0.2]) is None
    assert curve.crossing([100, 1000], [-0.1, 0.2]) is None
    assert curve.crossing([100], [0.1]) is None


@pytest.mark.parametrize("methods", [[], ["logistic"], ["gaussian"]])
def test_variants_that_were_left_out_leave_no_verdict(settings: Settings, methods: list[str]) -> None:
    parameters = settings("learning_curve", smallest=25)
    rows = curve.learning_curve(
        NUMBERS, gaussian_world(100, 0), gaussian_world(50, 1), methods, parameters, 0
    )
    table = curve.summarise(rows)
    assert curve.verdicts(table).empty and set(table["name"]) == set(methods)
    assert curve.advantages(table).empty


def test_parts_with_too_few_of_a_class_are_left_out(settings: Settings) -> None:
    matrix, labels = gaussian_world(200, 0)
    labels = (np.arange(200) < 8).astype(np.int64)
    parameters = settings("learning_curve", smallest=25, growth=2.0, folds=4)
    rows = curve.learning_curve(NUMBERS, (matrix, labels), (matrix, labels), ["logistic"], parameters, 0)
    assert min(rows["size"]) == 100, "of 50 people two would be above"
