"""One evaluation for every generator of digits: the same real pictures, the same judge, the same number of pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.digits.files import DIGITS
from etudes.digits.parameters import GeneratorScoresParameters
from etudes.evaluation.bootstrap import resample_weights
from etudes.evaluation.generative import (
    Array,
    Estimate,
    diversity,
    frechet_estimate,
    inside,
    kernel_blocks,
    kernel_estimate,
    nearest,
    pair_distances,
    precision_recall,
    ratio_of_means,
    share_estimate,
    weighted_frechet,
)
from etudes.examples import Examples

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]
SCORES = ("fid", "kid", "label_accuracy", "precision", "recall", "diversity", "novelty")


class Generator(Protocol):
    """A model that draws pictures of digits."""

    @property
    def conditional(self) -> bool:
        """Whether it heeds the labels."""
        ...

    def sample(self, labels: Labels, seed: int) -> Pixels:
        """One picture for each label: (N, S, S), uint8; the same seed gives the same pictures."""
        ...


class Judge(Protocol):
    """What reads pictures; `etudes.digits.judge.DigitJudge` is one."""

    def judge(self, pixels: Pixels) -> Any: ...


class GeneratorScores:
    """Scores sets of pictures against the test pictures.

    The generators get the labels of the test pictures, so the digits stand in the same proportions in both sets.

    Args:
        judge: the digit classifier, trained on real training pictures.
        train, test: rows ``label``, array ``pixels``.
        parameters: sizes and resamples.
        seed: of everything that is drawn here.
    """

    def __init__(
        self,
        judge: Judge,
        train: Examples,
        test: Examples,
        parameters: GeneratorScoresParameters,
        seed: int,
    ) -> None:
        self.judge, self.parameters, self.seed = judge, parameters, seed
        self.labels: Labels = test.rows["label"].to_numpy()
        self.train = train
        self._train_points = _points(train["pixels"])
        verdict = judge.judge(np.asarray(test["pixels"]))
        self.features: Array = verdict.features
        self.judge_accuracy = share_estimate(int((verdict.digits == self.labels).sum()), len(test))
        count = min(parameters.novelty_images, len(test))
        self._shown = np.sort(np.random.default_rng(seed).permutation(len(test))[:count])
        self._test_distances, _ = nearest(_points(test["pixels"][self._shown]), self._train_points)

    def score(self, pixels: Pixels, wanted: Labels | None) -> tuple[dict[str, float], Examples]:
        """All scores of one set of pictures, and the first of them with what was found of each.

        Args:
            pixels: (N, S, S), uint8; as many as there are test pictures makes the distances comparable.
            wanted: the digits that were asked for (N,), or None if none were.

        Returns:
            Flat scores (`SCORES`, with intervals but for the diversity; ``label_accuracy`` only where digits were
            asked for), and ``novelty_images`` examples: rows ``label`` (asked for, or else read), ``judged``, ``confidence`` (of the digit that
            was judged), ``nearest`` (id of the training picture with the smallest pixel distance), ``distance``
            (root of the summed squared differences of intensities 0..1); arrays ``pixels`` and ``nearest_pixels``.
        """
        verdict = self.judge.judge(pixels)
        k, resamples = self.parameters.neighbours, self.parameters.resamples
        digits = verdict.digits if wanted is None else wanted
        precision, recall = precision_recall(self.features, verdict.features, k)
        kid = kernel_estimate(verdict.features, self.features, self.parameters.kid_block, self.seed)
        estimates: dict[str, Estimate] = {
            "fid": frechet_estimate(verdict.features, self.features, resamples, self.seed),
            "kid": kid,
            "precision": precision,
            "recall": recall,
        }
        if wanted is not None:
            hits = int((verdict.digits == wanted).sum())
            estimates["label_accuracy"] = share_estimate(hits, len(wanted))
        chosen = self._shown[self._shown < len(pixels)]
        shown = pixels[chosen]
        distances, positions = nearest(_points(shown), self._train_points)
        estimates["novelty"] = ratio_of_means(distances, self._test_distances, resamples, self.seed)
        scores = {
            key: value for name, estimate in estimates.items() for key, value in estimate.flat(name).items()
        }
        scores["diversity"] = diversity(verdict.features, digits, self.features, self.labels, DIGITS)
        rows = pd.DataFrame(
            {
                "id": [f"{i:06d}" for i in chosen],
                "label": digits[chosen],
                "judged": verdict.digits[chosen],
                "confidence": verdict.probabilities.max(1)[chosen],
                "nearest": self.train.rows["id"].to_numpy()[positions],
                "distance": distances,
            }
        )
        near = np.asarray(self.train["pixels"][positions])
        return scores, Examples(rows, {"pixels": shown, "nearest_pixels": near})

    def score_generator(self, generator: Generator) -> tuple[dict[str, float], Examples]:
        """Draw a picture for each test label and score them."""
        pixels = generator.sample(self.labels, self.seed)
        return self.score(pixels, self.labels if generator.conditional else None)

    def resampled(self, generator: Generator) -> dict[str, Array]:
        """Every score of a conditional generator on ``resamples`` resamples of the test rows: (B,) by name.

        A row is a test picture and what was drawn for its label. All generators meet the same resamples, so the
        difference of two is paired: what the real pictures share cancels in it. The balls of precision and recall and
        the training pictures stay as they are; of KID its disjoint blocks are drawn.
        """
        pixels, k, n = generator.sample(self.labels, self.seed), self.parameters.neighbours, len(self.labels)
        verdict, real = self.judge.judge(pixels), self.features
        drawn = verdict.features
        distances, _ = nearest(_points(pixels[self._shown]), self._train_points)
        shares = np.stack(
            [verdict.digits == self.labels, inside(drawn, real, k), inside(real, drawn, k)], axis=1
        )
        blocks = kernel_blocks(drawn, real, self.parameters.kid_block, self.seed)
        classes = [np.flatnonzero(self.labels == digit) for digit in range(DIGITS)]
        pairs = [(rows, pair_distances(drawn[rows]), pair_distances(real[rows])) for rows in classes]
        parts = []
        for weights in resample_weights(n, self.parameters.resamples, self.seed):
            shown = weights[:, self._shown]
            parts.append(
                {
                    "fid": np.array([weighted_frechet(drawn, real, counts) for counts in weights]),
                    **dict(
                        zip(("label_accuracy", "precision", "recall"), (weights @ shares / n).T, strict=True)
                    ),
                    "diversity": _weighted_diversity(weights, pairs),
                    "novelty": (shown @ distances) / (shown @ self._test_distances),
                }
            )
        found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        of_blocks = resample_weights(len(blocks), self.parameters.resamples, self.seed)
        return found | {"kid": np.concatenate([weights @ blocks / len(blocks) for weights in of_blocks])}

    def of_all(self, models: Mapping[str, Any]) -> tuple[dict[str, float], Examples, pd.DataFrame]:
        """Every generator: flat metrics, what all of them drew (column ``variant``), and `references`."""
        metrics: dict[str, float] = {}
        drawn: dict[str, Examples] = {}
        for name, model in models.items():
            scored, drawn[name] = self.score_generator(model)
            metrics |= {f"{name}.{metric}": value for metric, value in scored.items()}
        references = self.references()
        return metrics | self.flat_floor(references), joined(drawn), references

    def references(self) -> pd.DataFrame:
        """The same scores of pictures that no generator made: one row each.

        ``training pictures``: real ones, the floor of the distances, for which nothing new was drawn. ``class means``:
        the mean training picture of the digit asked for, which is read as that digit and always the same.
        """
        labels = self.train.rows["label"].to_numpy()
        count = min(len(self.train), len(self.labels))
        rows = np.sort(np.random.default_rng(self.seed + 1).permutation(len(self.train))[:count])
        copies, _ = self.score(np.asarray(self.train["pixels"][rows]), labels[rows])
        means = np.stack(
            [np.asarray(self.train["pixels"])[labels == digit].mean(0) for digit in range(DIGITS)]
        )
        blurred, _ = self.score(np.round(means).astype(np.uint8)[self.labels], self.labels)
        return pd.DataFrame(
            [{"pictures": "training pictures", **copies}, {"pictures": "class means", **blurred}]
        )

    def flat_floor(self, references: pd.DataFrame) -> dict[str, float]:
        """What belongs to no variant, for the flat metrics: the judge's accuracy and the floor of the distances."""
        copies = references.iloc[0]
        floors = {
            f"real.floor_{name}{end}": float(copies[f"{name}{end}"])
            for name in ("fid", "kid")
            for end in ("", ".low", ".high")
        }
        return {**self.judge_accuracy.flat("judge.accuracy"), **floors}


def _weighted_diversity(
    weights: Array, pairs: Sequence[tuple[NDArray[np.signedinteger], Array, Array]]
) -> Array:
    """`diversity` of resamples: weights (B, N) of the rows; by class its rows, distances of drawn and of real pairs.

    A class that a resample lacks is left out of its mean.
    """
    sums = np.zeros((2, len(weights)))
    for rows, drawn, real in pairs:
        own = weights[:, rows]
        of_drawn, of_real = (np.einsum("bi,bi->b", own @ distances, own) for distances in (drawn, real))
        known = of_real > 0
        sums[0, known] += of_drawn[known] / of_real[known]
        sums[1] += known
    return sums[0] / sums[1]


def _points(pixels: Pixels) -> Array:
    """Pictures as points: intensities 0..1, (N, S * S)."""
    return np.asarray(pixels, dtype=np.float32).reshape(len(pixels), -1) / np.float32(255)


def joined(drawn: Mapping[str, Examples]) -> Examples:
    """The pictures of all variants as one set, with a column ``variant`` and ids that say whose they are."""
    rows = [
        examples.rows.assign(variant=name, id=f"{name}-" + examples.rows["id"])
        for name, examples in drawn.items()
    ]
    arrays = [examples.arrays for examples in drawn.values()]
    return Examples(
        pd.concat(rows, ignore_index=True),
        {name: np.concatenate([each[name] for each in arrays]) for name in arrays[0]},
    )
