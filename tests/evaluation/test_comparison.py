"""Paired comparison of two classifiers and the t-interval over seeds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from etudes.evaluation import classification_metrics, mean_interval, paired_comparison

DIFFERENCES = ("accuracy", "macro_f1")


def random_case(n: int, k: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, k, size=n)
    return labels, generator.dirichlet(np.ones(k), size=n), generator.dirichlet(np.ones(k), size=n)


def test_identical_predictions_differ_by_zero_with_p_one() -> None:
    labels, a, _ = random_case(50, 4, seed=0)
    found = paired_comparison(labels, a, a, n_resamples=100)
    assert found.pop("mcnemar_p") == 1.0
    assert set(found.values()) == {0.0}


def test_differences_and_intervals_equal_an_explicit_loop_over_the_same_draws() -> None:
    labels, a, b = random_case(40, 4, seed=1)
    found = paired_comparison(labels, a, b, n_resamples=60, level=0.9, seed=9)

    def difference(rows: np.ndarray) -> list[float]:
        of_a = classification_metrics(labels[rows], a[rows])
        of_b = classification_metrics(labels[rows], b[rows])
        return [of_a[name] - of_b[name] for name in DIFFERENCES]

    generator = np.random.default_rng(9)
    loop = np.array([difference(generator.integers(0, 40, size=40)) for _ in range(60)])
    for column, name in enumerate(DIFFERENCES):
        low, high = np.quantile(loop[:, column], [0.05, 0.95])
        assert found[f"{name}_difference"] == pytest.approx(difference(np.arange(40))[column], abs=1e-12)
        assert found[f"{name}_difference.low"] == pytest.approx(low, abs=1e-12)
        assert found[f"{name}_difference.high"] == pytest.approx(high, abs=1e-12)


def test_mcnemar_p_of_a_hand_worked_example() -> None:
    # a alone is right 7 times, b alone once: p = 2 (C(8,0) + C(8,1)) / 2^8 = 18 / 256. Two agreements do not
    # count.
    labels = np.zeros(10, dtype=int)
    right, wrong = [0.9, 0.1], [0.1, 0.9]
    a = np.array([right] * 7 + [wrong] + [right, wrong])
    b = np.array([wrong] * 7 + [right] + [right, wrong])
    found = paired_comparison(labels, a, b, n_resamples=10)
    assert (found["only_a_correct"], found["only_b_correct"]) == (7.0, 1.0)
    assert found["mcnemar_p"] == pytest.approx(18 / 256, rel=1e-12)
    assert found["accuracy_difference"] == pytest.approx(0.6, abs=1e-12)


def test_exchanging_the_classifiers_changes_the_sign_alone() -> None:
    labels, a, b = random_case(40, 4, seed=2)
    forward, back = paired_comparison(labels, a, b), paired_comparison(labels, b, a)
    assert forward["mcnemar_p"] == back["mcnemar_p"]
    assert forward["only_a_correct"] == back["only_b_correct"]
    for name in DIFFERENCES:
        key = f"{name}_difference"
        assert forward[key] == -back[key]
        assert forward[f"{key}.low"] == pytest.approx(-back[f"{key}.high"], abs=1e-12)


def test_comparison_refuses_tables_that_do_not_pair() -> None:
    labels, a, b = random_case(10, 4, seed=3)
    with pytest.raises(ValueError, match=r"4 columns \(n_classes\), found 2"):
        paired_comparison(labels, a, np.full((10, 2), 0.5))
    with pytest.raises(ValueError, match="as many rows, found 10 and 9"):
        paired_comparison(labels, a, b[:9])
    with pytest.raises(ValueError, match="level must lie"):
        paired_comparison(labels, a, b, level=95)
    with pytest.raises(ValueError, match="n_resamples must be at least 1"):
        paired_comparison(labels, a, b, n_resamples=0)


def test_mean_interval_equals_the_t_interval_of_scipy() -> None:
    values = [0.81, 0.84, 0.79, 0.83, 0.80]
    found = mean_interval(values, level=0.9)
    low, high = stats.t.interval(0.9, df=4, loc=np.mean(values), scale=stats.sem(values))
    expected = {"mean": np.mean(values), "n": 5, "std": np.std(values, ddof=1), "low": low, "high": high}
    assert found == pytest.approx(expected, rel=0, abs=1e-12)


def test_the_interval_of_splits_that_share_rows_is_that_of_nadeau_and_bengio() -> None:
    values, shared = [0.81, 0.84, 0.79, 0.83, 0.80], 0.43
    found = mean_interval(values, shared=shared)
    half = stats.t.ppf(0.975, 4) * np.sqrt((1 / 5 + shared) * np.var(values, ddof=1))
    assert (found["low"], found["high"]) == pytest.approx((np.mean(values) - half, np.mean(values) + half))
    with pytest.raises(ValueError, match="shared must be 0 or more, found -0"):
        mean_interval(values, shared=-0.1)


def test_mean_of_one_run_has_no_interval() -> None:
    assert mean_interval([0.5]) == {"mean": 0.5, "n": 1.0}


@pytest.mark.parametrize("values", [[], [[1.0], [2.0]], 3.0, [1.0, float("nan")], [1.0, float("inf")], ["a"]])
def test_mean_interval_refuses_what_is_no_list_of_finite_numbers(values: object) -> None:
    with pytest.raises(ValueError, match="values must"):
        mean_interval(values)  # type: ignore[arg-type]


def test_mean_interval_refuses_a_level_in_percent() -> None:
    with pytest.raises(ValueError, match="level must lie"):
        mean_interval([1.0, 2.0], level=95)
