"""The scores of regressors: against loops, against a known answer, and what blocks change."""

from __future__ import annotations

import numpy as np
import pytest

from etudes.benches.regressors import BlockScores, errors, mae, out_of_fold, rmse


def noisy(seed: int, n: int = 60) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    """A truth, two answers, and twelve blocks of five rows."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=n)
    return (
        truth,
        {"a": truth + rng.normal(size=n), "b": truth + 2 * rng.normal(size=n)},
        np.repeat(np.arange(n // 5), 5),
    )


def test_errors_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import mean_absolute_error, root_mean_squared_error

    truth, answers, _ = noisy(0)
    assert mae(truth, answers["a"]) == pytest.approx(mean_absolute_error(truth, answers["a"]))
    assert rmse(truth, answers["a"]) == pytest.approx(root_mean_squared_error(truth, answers["a"]))


@pytest.mark.parametrize("shape", [(60, 1), (59,), (1, 60)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    for error in (rmse, mae):
        with pytest.raises(ValueError, match=r"both have the shape \(N,\)"):
            error(np.zeros(60), np.zeros(shape))
    with pytest.raises(ValueError, match="N >= 1"):
        errors(np.zeros(0), np.zeros(0))


def test_a_resample_is_whole_blocks_and_serves_all_answers() -> None:
    truth, answers, blocks = noisy(1)
    scores = BlockScores(truth, answers, blocks, resamples=40, seed=3)
    generator = np.random.default_rng(3)
    for drawn in scores.drawn:
        rows = np.concatenate([np.flatnonzero(blocks == b) for b in generator.integers(0, 12, size=12)])
        expected = [rmse(truth[rows], answers[name][rows]) for name in ("a", "b")]
        np.testing.assert_allclose(drawn, expected, rtol=1e-12)


def test_what_is_saved_is_paired_and_positive_where_the_first_is_better() -> None:
    truth, answers, blocks = noisy(2)
    scores = BlockScores(truth, answers, blocks, resamples=500)
    saved, other = scores.saved("a", "b"), scores.saved("b", "a")
    assert saved.value == pytest.approx(rmse(truth, answers["b"]) - rmse(truth, answers["a"]))
    assert 0 < saved.low < saved.value < saved.high
    assert (other.value, other.low) == pytest.approx((-saved.value, -saved.high))
    table = scores.table([("a", "b"), ("a", "left out")])
    assert table[["variant", "against"]].to_numpy().tolist() == [["a", "b"]]
    assert table["saved.low"].iloc[0] == saved.low
    assert scores.rmse("a").flat("x.rmse").keys() == {"x.rmse", "x.rmse.low", "x.rmse.high"}


def test_an_interval_covers_where_errors_of_a_block_are_alike() -> None:
    """Errors that are one number a block: over rows the interval would be a fifth as wide as it must be."""
    rng, inside, alone = np.random.default_rng(4), 0, 0
    for _ in range(200):
        of_block = rng.normal(size=40)
        error = np.repeat(of_block, 25)
        for blocks in (np.repeat(np.arange(40), 25), np.arange(1000)):
            found = BlockScores(error, {"zero": np.zeros(1000)}, blocks, resamples=200).rmse("zero")
            covered = found.low <= 1 <= found.high
            inside += covered and len(set(blocks)) == 40
            alone += covered and len(set(blocks)) == 1000
    assert inside / 200 > 0.87 and alone / 200 < 0.5


def test_days_are_counted_from_the_first_and_one_block_is_refused() -> None:
    times = np.datetime64("2014-10-01T22:00:00", "s") + np.arange(60) * np.timedelta64(3600, "s")
    truth, answers, _ = noisy(5)
    by_day = BlockScores.by_day(truth, answers, times, days=2, resamples=30)
    number = [0] * 26 + [1] * 34  # two hours of the first day, the second day; then the third and the fourth
    np.testing.assert_array_equal(by_day.drawn, BlockScores(truth, answers, np.array(number), 30).drawn)
    with pytest.raises(ValueError, match="all rows are of one block"):
        BlockScores.by_day(truth, answers, times, days=9, resamples=30)
    with pytest.raises(ValueError, match="blocks must have the shape"):
        BlockScores(truth, answers, np.zeros(3), 30)


def test_answers_out_of_fold_are_of_rows_without_it_in_their_order() -> None:
    fold, y = np.array([1, 0, 2, 0, 1]), np.array([1.0, 2.0, 4.0, 8.0, 16.0])

    def answer(kept: np.ndarray, out: np.ndarray) -> np.ndarray:
        return y[kept].sum() + 100 * np.flatnonzero(out)

    assert out_of_fold(fold, answer).tolist() == [14, 121, 227, 321, 414]
    both = out_of_fold(fold, lambda kept, out: np.stack([answer(kept, out), y[out]], axis=1))
    assert both[:, 0].tolist() == [14, 121, 227, 321, 414] and both[:, 1].tolist() == y.tolist()
