"""Statistics over runs, against scipy and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, trim_mean

from etudes.rl.statistics import (
    Statistic,
    episodes_interval,
    interquartile_mean,
    mean_band,
    mean_score,
    performance_profile,
    probability_of_improvement,
)


@pytest.mark.parametrize("runs", [1, 2, 3, 5, 10, 11])
@pytest.mark.parametrize("tasks", [1, 4])
def test_interquartile_mean_equals_scipy(runs: int, tasks: int) -> None:
    scores = np.random.default_rng(runs).normal(size=(runs, tasks))
    assert interquartile_mean(scores) == pytest.approx(trim_mean(scores.ravel(), 0.25))


def test_interquartile_mean_takes_leading_dimensions() -> None:
    scores = np.random.default_rng(0).normal(size=(6, 10, 2))
    expected = [trim_mean(table.ravel(), 0.25) for table in scores]
    np.testing.assert_allclose(interquartile_mean(scores), expected)


# Nominal 0.95; 200 repeats give a standard error of 0.015. Plain percentiles cover 0.70 to 0.89 where runs scatter widely.
@pytest.mark.parametrize(("runs", "spread"), [(1, 0.0), (5, 20.0), (10, 20.0), (10, 60.0)])
@pytest.mark.parametrize("statistic", [mean_score, interquartile_mean])
def test_intervals_cover_the_truth_about_as_often_as_they_say(
    runs: int, spread: float, statistic: Statistic
) -> None:
    generator, covered = np.random.default_rng([runs, round(spread)]), 0
    for repetition in range(200):
        own, shared = spread * generator.normal(size=(runs, 1)), 30 * generator.normal(size=(1, 50))
        returns = own + shared + 60 * generator.normal(size=(runs, 50))
        low, high = episodes_interval(returns, statistic, 200, seed=repetition)
        covered += low <= 0 <= high
    assert covered / 200 >= 0.92


def test_a_difference_is_of_the_same_episodes() -> None:
    """Episodes that are hard for both sides move the difference of neither; runs still do."""
    shared = 100 * np.random.default_rng(0).normal(size=(1, 40))
    low, high = episodes_interval(shared + 3, mean_score, 200, minus=shared)
    assert low == pytest.approx(3) and high == pytest.approx(3)
    low, high = episodes_interval(shared + np.array([[0.0], [6.0]]), mean_score, 200, minus=shared)
    assert low == pytest.approx(0) and high == pytest.approx(6)


def test_what_gives_no_interval_is_refused() -> None:
    for returns, minus in (([[3.0]], None), ([[3.0, np.nan]], None), ([[1.0, 2.0]], [[1.0, 2.0, 3.0]])):
        with pytest.raises(ValueError, match="of the same episodes, two or more"):
            episodes_interval(returns, mean_score, 100, minus=minus)


def test_probability_of_improvement_by_hand() -> None:
    """Pairs (1,0) (1,1) (1,3) (2,0) (2,1) (2,3): three wins, a draw, two losses."""
    found = probability_of_improvement([1.0, 2.0], [0.0, 1.0, 3.0], 500)
    assert found["probability"] == pytest.approx(3.5 / 6)
    assert 0 <= found["low"] <= 3.5 / 6 <= found["high"] <= 1


def test_probability_of_improvement_equals_the_mann_whitney_statistic() -> None:
    generator = np.random.default_rng(2)
    a, b = generator.normal(0.5, 1, 10), generator.normal(0, 1, 7)
    expected = mannwhitneyu(a, b).statistic / 70
    assert probability_of_improvement(a, b, 100)["probability"] == pytest.approx(expected)
    assert probability_of_improvement(b, a, 100)["probability"] == pytest.approx(1 - expected)


def test_single_runs_are_compared_without_an_interval() -> None:
    assert probability_of_improvement([1.0], [0.0], 100) == {"probability": 1.0}
    with pytest.raises(ValueError, match="tasks"):
        probability_of_improvement([[1.0, 2.0]], [[1.0]], 100)


def test_performance_profile_by_hand() -> None:
    profile = performance_profile([[0.0, 1.0], [1.0, 2.0]], [-1, 0, 1, 2], 200)
    np.testing.assert_allclose(profile["share"], [1, 0.75, 0.25, 0])
    assert (profile["low"] <= profile["share"]).all() and (profile["share"] <= profile["high"]).all()
    alone = performance_profile([[0.0, 1.0]], [0.5], 200)
    assert alone["share"] == alone["low"] == alone["high"] == 0.5


def test_bands_hold_whole_runs_together() -> None:
    curves = np.array([[0.0, 10.0], [1.0, 11.0]])
    low, high = mean_band(curves, 300)
    np.testing.assert_allclose(high - low, [1, 1])
    low, high = mean_band(np.tile(curves, (4, 1)), 300, statistic="iqm")
    assert (low <= [0.5, 10.5]).all() and (high >= [0.5, 10.5]).all()


def test_the_mean_over_runs_may_come_first() -> None:
    """The plain mean has a faster way; it gives what any other statistic would get."""
    generator = np.random.default_rng(0)
    ours, others = generator.normal(size=(5, 30)), generator.normal(size=(1, 30))
    slow = episodes_interval(ours, lambda scores: 1 * mean_score(scores), 300, minus=others)
    assert episodes_interval(ours, mean_score, 300, minus=others) == pytest.approx(slow, abs=1e-12)
