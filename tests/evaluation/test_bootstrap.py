"""The vectorised bootstrap against an explicit loop, its coverage, and its flat keys."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from etudes.evaluation import bootstrap_intervals, classification_metrics, with_intervals
from etudes.evaluation.bootstrap import resample_weights
from etudes.evaluation.classification import METRICS, SUMS, Examples, weighted_metrics


def random_case(n: int, k: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, k, size=n)
    return labels, generator.dirichlet(np.full(k, 0.5), size=n)


@pytest.mark.parametrize(("n", "k"), [(1, 2), (12, 3), (60, 8)])
def test_intervals_equal_an_explicit_loop_over_the_same_draws(n: int, k: int) -> None:
    labels, probabilities = random_case(n, k, seed=1)
    generator = np.random.default_rng(7)
    loop = []
    for _ in range(80):
        drawn = generator.integers(0, n, size=n)
        loop.append(classification_metrics(labels[drawn], probabilities[drawn]))
        # The classes are those of the whole split; one that a resample neither has nor predicts is undefined there.
        predicted = probabilities[drawn].argmax(1)
        classes = np.intersect1d(labels, [*labels[drawn], *predicted])
        loop[-1]["macro_f1"] = f1_score(
            labels[drawn], predicted, labels=classes, average="macro", zero_division=0
        )
    found = bootstrap_intervals(labels, probabilities, n_resamples=80, level=0.9, seed=7)
    assert tuple(found) == METRICS
    for name in SUMS:
        expected = np.quantile([values[name] for values in loop], [0.05, 0.95])
        np.testing.assert_allclose(found[name], expected, rtol=0, atol=1e-12)


def test_weights_count_as_repeated_examples() -> None:
    labels, probabilities = random_case(30, 4, seed=2)
    weights = np.random.default_rng(3).multinomial(30, np.full(30, 1 / 30), size=20)
    found = weighted_metrics(Examples.check(labels, probabilities), weights.astype(np.float64))
    for row, counts in enumerate(weights):
        repeated = np.repeat(np.arange(30), counts)
        expected = classification_metrics(labels[repeated], probabilities[repeated])
        del expected["ece"]  # no sum over examples
        assert {name: found[name][row] for name in SUMS} == pytest.approx(expected, rel=0, abs=1e-12)


def test_resamples_do_not_depend_on_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = np.concatenate(list(resample_weights(17, 25, seed=5)))
    monkeypatch.setattr("etudes.evaluation.bootstrap.BLOCK_ELEMENTS", 17 * 4)
    chunks = list(resample_weights(17, 25, seed=5))
    assert [len(chunk) for chunk in chunks] == [4] * 6 + [1]
    np.testing.assert_array_equal(np.concatenate(chunks), whole)
    assert (whole.sum(axis=1) == 17).all()


def test_same_seed_same_intervals_and_another_seed_others() -> None:
    labels, probabilities = random_case(50, 4, seed=4)
    first = bootstrap_intervals(labels, probabilities, 100, seed=1)
    assert bootstrap_intervals(labels, probabilities, 100, seed=1) == first
    assert bootstrap_intervals(labels, probabilities, 100, seed=2) != first


def test_higher_level_gives_a_wider_interval_around_it() -> None:
    labels, probabilities = random_case(100, 4, seed=4)
    narrow = bootstrap_intervals(labels, probabilities, 200, level=0.5)
    wide = bootstrap_intervals(labels, probabilities, 200, level=0.99)
    for name in METRICS:
        assert wide[name][0] < narrow[name][0] < narrow[name][1] < wide[name][1]


def test_accuracy_interval_covers_the_true_accuracy_about_95_times_in_100() -> None:
    # Fixed seed, so the result cannot vary; 300 simulations give the coverage a standard error of 0.013.
    truth, n, covered = 0.8, 200, 0
    generator = np.random.default_rng(11)
    for simulation in range(300):
        labels = (generator.random(n) >= truth).astype(int)
        low, high = bootstrap_intervals(labels, np.tile([0.9, 0.1], (n, 1)), 200, seed=simulation)["accuracy"]
        covered += low <= truth <= high
    assert 0.89 <= covered / 300 <= 0.985


def test_with_intervals_has_the_value_and_both_bounds_of_every_metric() -> None:
    labels, probabilities = random_case(60, 5, seed=6)
    flat = with_intervals("lstm", labels, probabilities, n_resamples=50, level=0.8, seed=3, bins=7)
    point = classification_metrics(labels, probabilities, bins=7)
    bounds = bootstrap_intervals(labels, probabilities, 50, 0.8, 3, bins=7)
    expected: dict[str, float] = {}
    for name in METRICS:
        expected |= {f"lstm.{name}": point[name]}
        expected |= {f"lstm.{name}.low": bounds[name][0], f"lstm.{name}.high": bounds[name][1]}
    assert flat == expected
    assert all(type(value) is float for value in flat.values())


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0, float("nan")])
def test_level_outside_zero_to_one_is_refused(level: float) -> None:
    with pytest.raises(ValueError, match="level must lie strictly between 0 and 1, found"):
        bootstrap_intervals([0, 1], [[0.5, 0.5], [0.5, 0.5]], level=level)


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="n_resamples must be at least 1, found 0"):
        bootstrap_intervals([0], [[0.5, 0.5]], n_resamples=0)
    with pytest.raises(ValueError, match=r"labels must have shape \(N,\)"):
        bootstrap_intervals([[0]], [[0.5, 0.5]])
    with pytest.raises(ValueError, match="variant must be a name"):
        with_intervals("", [0], [[0.5, 0.5]])
