"""The calibration error: against halvings drawn one by one, its interval where the truth is known, its edges."""

from __future__ import annotations

import numpy as np
import pytest

from etudes.evaluation import with_intervals
from etudes.evaluation.calibration import calibration_error

BINS = 15


def draw(
    n: int, sharpness: float, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Confidences of a classifier whose logits are ``sharpness`` times too large, how often it is right at each, and bins."""
    logits = np.abs(generator.normal(0, 1.8, size=n))
    confidence, right = (1 / (1 + np.exp(-scale * logits)) for scale in (sharpness, 1.0))
    return confidence, right, np.ceil(confidence * BINS).astype(np.int64) - 1


def true_error(sharpness: float) -> float:
    confidence, right, bin_ = draw(2_000_000, sharpness, np.random.default_rng(0))
    return float(np.abs(np.bincount(bin_, weights=right - confidence)).sum()) / len(bin_)


def sample(n: int, sharpness: float, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    confidence, right, bin_ = draw(n, sharpness, generator)
    return (generator.random(n) < right) - confidence, bin_


# Fixed seeds, 400 repeats, so a standard error of 0.011 at 0.95; found: 0.965 to 1.
@pytest.mark.parametrize("n", [100, 1000, 10_000])
@pytest.mark.parametrize("sharpness", [0.6, 1.0, 1.1, 1.5, 3.0])
def test_the_interval_covers_the_true_error_at_least_as_often_as_it_says(n: int, sharpness: float) -> None:
    truth, generator = true_error(sharpness), np.random.default_rng([n, round(10 * sharpness)])
    found = np.array([calibration_error(*sample(n, sharpness, generator)) for _ in range(400)])
    assert np.mean((found[:, 1] <= truth + 1e-4) & (truth <= found[:, 2])) >= 0.94
    assert (found[:, 1] <= found[:, 0]).all() and (found[:, 0] <= found[:, 2]).all(), (
        "it holds its own estimate"
    )


def test_a_calibrated_classifier_has_an_error_of_nearly_nothing() -> None:
    generator = np.random.default_rng(3)
    found = np.array([(calibration_error(*sample(3000, 1.0, generator))) for _ in range(200)])
    gaps, bin_ = sample(3000, 1.0, generator)
    plain = np.abs(np.bincount(bin_, weights=gaps)).sum() / 3000
    assert found[:, 0].mean() < 0.3 * plain
    assert np.mean(found[:, 1] == 0) >= 0.95, "zero is in the interval"


def test_a_clear_error_keeps_its_plain_estimate() -> None:
    gaps, bin_ = sample(20_000, 4.0, np.random.default_rng(4))
    plain = np.abs(np.bincount(bin_, weights=gaps)).sum() / 20_000
    assert calibration_error(gaps, bin_)[0] == pytest.approx(plain, rel=0.01)


def test_the_estimate_is_the_mean_over_random_halves() -> None:
    generator = np.random.default_rng(5)
    gaps, bin_ = sample(2000, 1.1, generator)
    halved = []
    for _ in range(2000):
        first = generator.random(2000) < 0.5
        one, other = (np.bincount(bin_[part], weights=gaps[part], minlength=BINS) for part in (first, ~first))
        halved.append((np.sign(one) * other + np.sign(other) * one).sum() / 2000)
    assert calibration_error(gaps, bin_)[0] == pytest.approx(np.mean(halved), abs=0.0015)


@pytest.mark.parametrize(
    ("gaps", "low", "high"),
    [([-0.9], 0.0, 1.0), ([0.0], 0.0, 0.99), ([0.0] * 3000, 0.0, 0.001), ([0.1, 0.1, 0.1], 0.0, 0.99)],
)
def test_few_examples_leave_much_open_and_many_little(gaps: list[float], low: float, high: float) -> None:
    found = calibration_error(np.array(gaps), np.zeros(len(gaps), dtype=np.int64))
    assert found[1] == low and found[0] <= found[2] <= high
    assert found[2] > 0


def test_a_higher_level_is_wider_and_the_flat_metrics_have_it() -> None:
    gaps, bin_ = sample(500, 2.0, np.random.default_rng(6))
    (_, low, high), (_, lower, higher) = (calibration_error(gaps, bin_, level) for level in (0.5, 0.99))
    assert lower < low < high < higher
    probabilities = np.random.default_rng(7).dirichlet([1, 1, 1], size=200)
    flat = with_intervals("made", probabilities.argmax(1), probabilities, n_resamples=20)
    assert flat["made.ece.low"] < flat["made.ece"] < flat["made.ece.high"], "always right, and unsure of it"
