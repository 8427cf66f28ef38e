"""The judge learns digits from real pictures and reads what it is shown."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from digit_toys import fit_settings, run_settings, splits
from etudes.digits.judge import DigitJudge, shifted
from etudes.digits.parameters import JudgeParameters

PARAMETERS = JudgeParameters(width=8, features=16, dropout=0.1, shift=1, fit=fit_settings(epochs=8))


@pytest.fixture(scope="module")
def judge() -> DigitJudge:
    train, dev, _, _ = splits(600, 100)
    return DigitJudge.fit(train, dev, PARAMETERS, run_settings())[0]


def test_it_reads_digits_that_it_never_saw(judge: DigitJudge) -> None:
    test = splits(600, 100)[2]
    verdict = judge.judge(test["pixels"])
    assert (verdict.digits == test.rows["label"]).mean() > 0.7  # a tenth by chance
    assert verdict.probabilities.sum(1) == pytest.approx(np.ones(100))


def test_features_of_training_digits_are_standardised(judge: DigitJudge) -> None:
    features = judge.judge(splits(600, 100)[0]["pixels"]).features
    assert features.mean(0) == pytest.approx(np.zeros(16), abs=1e-6)
    assert features.std(0) == pytest.approx(np.ones(16), abs=1e-6)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((2, 16, 16), np.uint8),
        np.zeros((2, 8, 8)),
        np.zeros((0, 8, 8), np.uint8),
        np.zeros((8, 8), np.uint8),
    ],
)
def test_other_pictures_are_refused(judge: DigitJudge, pixels: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"expects pictures \(N, 8, 8\)"):
        judge.judge(pixels)


def test_shifts_move_pictures_whole() -> None:
    torch.manual_seed(0)
    batch = torch.zeros(200, 1, 8, 8)
    batch[:, 0, 4, 4] = 1.0
    moved = shifted(batch, 2)
    assert moved.sum((1, 2, 3)).tolist() == [1.0] * 200
    places = moved.flatten(1).argmax(1)
    assert {(int(p) // 8, int(p) % 8) for p in places} == {(r, c) for r in range(2, 7) for c in range(2, 7)}
    assert shifted(batch, 0) is batch
