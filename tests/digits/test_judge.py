"""The judge learns digits from real pictures, reads what it is shown, and comes back as it was saved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from digit_toys import fit_settings, run_settings, splits
from etudes.digits.judge import JudgeNetwork, JudgeProblem, shifted
from etudes.digits.parameters import JudgeParameters
from etudes.models import load_model, save_model
from etudes.pipelines.vae.model import Judge
from etudes.training.fit import fit
from etudes.training.session import training_session

PARAMETERS = JudgeParameters(width=8, features=16, dropout=0.1, shift=1, fit=fit_settings(epochs=8))


@pytest.fixture(scope="module")
def judge() -> Judge:
    train, dev, _, _ = splits(600, 100)
    return Judge.fit(train, dev, PARAMETERS, run_settings())[0]


def test_it_reads_digits_that_it_never_saw(judge: Judge) -> None:
    test = splits(600, 100)[2]
    verdict = judge.judge(test["pixels"])
    assert (verdict.digits == test.rows["label"]).mean() > 0.7  # a tenth by chance
    assert verdict.probabilities.sum(1) == pytest.approx(np.ones(100))


def test_features_of_training_digits_are_standardised(judge: Judge) -> None:
    features = judge.judge(splits(600, 100)[0]["pixels"]).features
    assert features.mean(0) == pytest.approx(np.zeros(16), abs=1e-6)
    assert features.std(0) == pytest.approx(np.ones(16), abs=1e-6)


def test_it_comes_back_as_it_was_saved(judge: Judge, tmp_path: Path) -> None:
    pixels = splits(600, 100)[2]["pixels"]
    save_model(judge, tmp_path / "judge")
    again = load_model(tmp_path / "judge")
    assert np.array_equal(again.judge(pixels).features, judge.judge(pixels).features)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((2, 16, 16), np.uint8),
        np.zeros((2, 8, 8)),
        np.zeros((0, 8, 8), np.uint8),
        np.zeros((8, 8), np.uint8),
    ],
)
def test_other_pictures_are_refused(judge: Judge, pixels: np.ndarray) -> None:
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


def test_training_resumes_to_the_same_judge(tmp_path: Path) -> None:
    train, dev, _, _ = splits()

    def problem() -> JudgeProblem:
        torch.manual_seed(0)
        return JudgeProblem(JudgeNetwork(8, 4, 8, 0.2), train, dev, 1, 16)

    whole, cut = problem(), problem()
    fit(whole, fit_settings(epochs=3), run_settings())
    calls = iter(range(100))
    collate = cut.collate

    def breaking(*arguments: object) -> object:
        if next(calls) == 7:
            raise KeyboardInterrupt
        return collate(*arguments)  # type: ignore[arg-type]

    cut.collate = breaking  # type: ignore[method-assign, assignment]
    with training_session("judge", tmp_path, lambda step, metrics: None):
        with pytest.raises(KeyboardInterrupt):
            fit(cut, fit_settings(epochs=3), run_settings())
        resumed = problem()
        fit(resumed, fit_settings(epochs=3), run_settings(resume=True))
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name
