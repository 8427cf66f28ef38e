"""Two judges that share no picture: one chooses the epochs on dev, the other scores on test.

A generator whose epoch a judge chose suits that judge's weaknesses also on test. So `Examiner`, which scores there, is
another network with other random numbers, learned from the other half of the training pictures, and chooses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor, nn

from etudes.cards import examples_fingerprint, fingerprint_of
from etudes.digits.files import DIGITS
from etudes.digits.judge import DigitJudge
from etudes.digits.parameters import DigitSplitParameters, JudgeParameters
from etudes.digits.scoring import Generator
from etudes.evaluation.generative import frechet_distance
from etudes.examples import Examples
from etudes.models import register_model
from etudes.splits import stratified
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed

Trained = tuple[Any, dict[str, Any]]


class ExaminerNetwork(nn.Module):
    """Two convolutions of 5 x 5 with stride instead of pooling, smooth units, no normalisation; features; a linear layer.

    intensities (batch, 1, S, S) in 0..1 -> logits (batch, 10). S must be a multiple of 4.
    """

    def __init__(self, side: int, width: int, features: int, dropout: float) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, width, 5, stride=2, padding=2),
            nn.GELU(),
            nn.Conv2d(width, 2 * width, 5, stride=2, padding=2),
            nn.GELU(),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(2 * width * (side // 4) ** 2, features),
            nn.GELU(),
        )
        self.output = nn.Linear(features, DIGITS)

    def forward(self, intensities: Tensor) -> Tensor:
        return self.output(self.body(intensities))


@register_model("gan_digits.examiner")
class Examiner(DigitJudge):
    """The judge of the test pictures."""

    network_class = ExaminerNetwork


def train_judge(
    train_split: Examples,
    dev_split: Examples,
    split: DigitSplitParameters,
    parameters: JudgeParameters,
    run: RunParameters,
) -> Trained:
    """The judge that chooses the epochs, from one half of the training pictures."""
    return DigitJudge.fit(halves(train_split, split)[0], dev_split, parameters, run)


def train_examiner(
    train_split: Examples,
    dev_split: Examples,
    split: DigitSplitParameters,
    parameters: JudgeParameters,
    run: RunParameters,
) -> Trained:
    """The judge that scores on test, from the other half and from random numbers of its own."""
    own = run.model_copy(update={"seed": derive_seed(run.seed, "examiner")})
    return Examiner.fit(halves(train_split, split)[1], dev_split, parameters, own)


def halves(train: Examples, split: DigitSplitParameters) -> tuple[Examples, Examples]:
    """The training pictures in two, half of each digit in either, whatever the run's seed."""
    first = stratified(train.rows["label"].to_numpy(), 0.5, split.seed)
    return train.take(first), train.take(~first)


@dataclass
class JudgedScores:
    """FID and label accuracy of a generator beside real pictures, as one judge sees them. Picklable.

    Args:
        judge: what reads the pictures.
        real: rows ``label``, array ``pixels``; a picture is drawn for each label.
        seed: of the drawn pictures.
    """

    judge: DigitJudge
    real: Examples
    seed: int

    def __post_init__(self) -> None:
        self.labels = self.real.rows["label"].to_numpy()
        self.features = self.judge.judge(np.asarray(self.real["pixels"])).features

    def __call__(self, generator: Generator) -> dict[str, float]:
        """``fid`` and ``label_accuracy``."""
        verdict = self.judge.judge(generator.sample(self.labels, self.seed))
        return {
            "fid": frechet_distance(verdict.features, self.features),
            "label_accuracy": float((verdict.digits == self.labels).mean()),
        }

    @property
    def fingerprint(self) -> str:
        """Of all that the scores depend on beside the generator."""
        return f"{fingerprint_of(self.judge)} {examples_fingerprint(self.real)} {self.seed}"


def judges_table(
    models: Mapping[str, Any], judges: Mapping[str, DigitJudge], test: Examples, seed: int
) -> pd.DataFrame:
    """FID and label accuracy on test in the eyes of each judge: does the one that chose the epochs flatter?"""
    rows = []
    for judge, found in judges.items():
        scores = JudgedScores(found, test, seed)
        rows += [{"pictures": name, "judge": judge, **scores(model)} for name, model in models.items()]
    return pd.DataFrame(rows, columns=["pictures", "judge", "fid", "label_accuracy"])
