"""One evaluation for all generators: real pictures are the best, copies are not new, one picture a digit is not diverse."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from digit_toys import splits
from etudes.digits.parameters import GeneratorScoresParameters
from etudes.digits.scoring import SCORES, GeneratorScores, joined
from etudes.evaluation.bootstrap import resample_weights
from etudes.evaluation.generative import frechet_distance

PARAMETERS = GeneratorScoresParameters(neighbours=3, kid_block=20, resamples=20, novelty_images=60)


class Verdict(NamedTuple):
    probabilities: np.ndarray
    features: np.ndarray

    @property
    def digits(self) -> np.ndarray:
        return self.probabilities.argmax(1)


class ByPixels:
    """Reads a picture as the digit of the nearest class mean; features are sums of pixels over 4 x 4 regions."""

    def __init__(self) -> None:
        train = splits(300, 100)[0]
        labels = train.rows["label"].to_numpy()
        self.means = np.stack([train["pixels"][labels == digit].mean(0) for digit in range(10)])

    def judge(self, pixels: np.ndarray) -> Verdict:
        gaps = ((pixels[:, None] - self.means) ** 2).sum((2, 3))
        shares = np.exp(-(gaps - gaps.min(1, keepdims=True)) / 1e4)
        regions = pixels.reshape(-1, 4, 2, 4, 2).sum((2, 4)).reshape(len(pixels), 16)
        return Verdict(shares / shares.sum(1, keepdims=True), regions / 500.0)


@pytest.fixture(scope="module")
def scores() -> GeneratorScores:
    train, _, test, _ = splits(300, 100)
    return GeneratorScores(ByPixels(), train, test, PARAMETERS, 0)


class Noise:
    conditional = False

    def sample(self, labels: np.ndarray, seed: int) -> np.ndarray:
        return np.random.default_rng(seed).integers(0, 256, (len(labels), 8, 8), dtype=np.uint8)


class OneForEach:
    """The first training picture of the digit that is asked for, or of the one after it."""

    conditional = True

    def __init__(self, step: int) -> None:
        self.step = step

    def sample(self, labels: np.ndarray, seed: int) -> np.ndarray:
        train = splits(300, 100)[0]
        first = np.array([np.flatnonzero(train.rows["label"] == digit)[0] for digit in range(10)])
        return np.asarray(train["pixels"])[first[(labels + self.step) % 10]]


def test_every_score_is_there_with_its_interval(scores: GeneratorScores) -> None:
    found, examples = scores.score_generator(OneForEach(0))
    assert set(SCORES) <= set(found)
    for name in set(SCORES) - {"diversity"}:
        assert found[f"{name}.low"] <= found[name] <= found[f"{name}.high"]
    assert len(examples) == 60
    assert {"label", "judged", "confidence", "nearest", "distance"} <= set(examples.rows.columns)


class Between:
    """Test pictures mixed with the training picture that is ``step`` places further: a generator that misses a little."""

    conditional = True

    def __init__(self, share: float, step: int) -> None:
        self.share, self.step = share, step

    def sample(self, labels: np.ndarray, seed: int) -> np.ndarray:
        train, _, test, _ = splits(300, 100)
        other = np.roll(np.asarray(train["pixels"]), self.step, 0)[: len(labels)]
        mixed = (1 - self.share) * np.asarray(test["pixels"]) + self.share * other
        return np.round(mixed).astype(np.uint8)


def test_resamples_are_the_scores_of_the_rows_that_were_drawn(scores: GeneratorScores) -> None:
    generator, labels = Between(0.4, 5), scores.labels
    found = scores.resampled(generator)
    assert set(found) == set(SCORES) and all(len(values) == 20 for values in found.values())
    counts = next(resample_weights(100, 20, 0))[3].astype(int)
    rows = np.repeat(np.arange(100), counts)
    pixels = generator.sample(labels, 0)
    verdict = ByPixels().judge(pixels)
    drawn, real, wanted = verdict.features[rows], scores.features[rows], labels[rows]
    assert found["fid"][3] == pytest.approx(frechet_distance(drawn, real))
    assert found["label_accuracy"][3] == pytest.approx((verdict.digits[rows] == wanted).mean())
    pairs = [
        [cdist(part, part).sum() for part in (drawn[wanted == k], real[wanted == k])] for k in set(wanted)
    ]
    assert found["diversity"][3] == pytest.approx(np.mean([first / second for first, second in pairs]))
    values, _ = scores.score(pixels, labels)
    for name in ("precision", "recall", "novelty", "kid"):
        assert abs(found[name].mean() - values[name]) < 3 * found[name].std() / 20**0.5 + 0.02


def test_what_the_real_pictures_share_cancels_in_a_difference(scores: GeneratorScores) -> None:
    one, like, other = (scores.resampled(Between(share, 5)) for share in (0.4, 0.4, 0.5))
    for name in SCORES:
        assert np.array_equal(one[name], like[name])
    assert np.std(one["fid"] - other["fid"]) < 0.5 * np.hypot(np.std(one["fid"]), np.std(other["fid"]))


def test_training_pictures_are_the_floor(scores: GeneratorScores) -> None:
    floor = scores.references().iloc[0]
    noise, _ = scores.score_generator(Noise())
    assert floor["fid"] < noise["fid"] / 20 and floor["kid"] < noise["kid"] / 20
    assert (
        floor["precision"] > 0.8
        and floor["recall"] > 0.8
        and floor["diversity"] == pytest.approx(1.0, abs=0.1)
    )
    assert floor["novelty"] == 0.0
    assert noise["precision"] == 0.0 and noise["novelty"] > 2


def test_copies_are_not_new_and_one_for_each_digit_is_not_diverse(scores: GeneratorScores) -> None:
    found, examples = scores.score_generator(OneForEach(0))
    assert found["novelty"] == 0.0 and found["diversity"] == pytest.approx(0.0, abs=1e-6)
    assert np.array_equal(examples["pixels"], examples["nearest_pixels"])


def test_label_accuracy_is_of_the_digit_that_was_asked_for(scores: GeneratorScores) -> None:
    right, wrong = (scores.score_generator(OneForEach(step))[0]["label_accuracy"] for step in (0, 1))
    assert right > 0.7 and wrong < 0.3
    assert "label_accuracy" not in scores.score_generator(Noise())[0]


def test_class_means_are_read_well_and_always_the_same(scores: GeneratorScores) -> None:
    means = scores.references().iloc[1]
    assert means["label_accuracy"] == 1.0 and means["diversity"] == pytest.approx(0.0, abs=1e-6)


def test_the_floor_goes_into_the_flat_metrics(scores: GeneratorScores) -> None:
    flat = scores.flat_floor(scores.references())
    assert {"judge.accuracy", "real.floor_fid", "real.floor_kid.low"} <= set(flat)


def test_joined_pictures_say_whose_they_are(scores: GeneratorScores) -> None:
    drawn = {"one": scores.score_generator(OneForEach(0))[1], "noise": scores.score_generator(Noise())[1]}
    together = joined(drawn)
    assert len(together) == 120 and together.rows["variant"].value_counts().to_dict() == {
        "one": 60,
        "noise": 60,
    }
    of_noise = together.take((together.rows["variant"] == "noise").to_numpy())
    assert np.array_equal(of_noise["pixels"], drawn["noise"]["pixels"])
