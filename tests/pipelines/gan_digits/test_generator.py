"""The trained generator: the dev score that chose it, what its noise and label decide, and the claim about VAEs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from digit_toys import run_settings, settings, splits
from etudes.digits.judge import DigitJudge
from etudes.pipelines.gan_digits.evaluation import HANDS, STEPS, all_panels, claim_table, paths
from etudes.pipelines.gan_digits.model import ConditionalGAN, on_dev, train_gan

RUN = run_settings()


@pytest.fixture(scope="module")
def judge() -> DigitJudge:
    train, dev, _, _ = splits()
    return DigitJudge.fit(train, dev, settings("gan_digits", "judge"), RUN)[0]


@pytest.fixture(scope="module")
def trained(judge: DigitJudge) -> tuple[ConditionalGAN, dict[str, Any]]:
    train, dev, _, _ = splits()
    return train_gan(train, dev, judge, settings("gan_digits", "gan", batch_size=16), RUN)


@pytest.fixture(scope="module")
def gan(trained: tuple[ConditionalGAN, dict[str, Any]]) -> ConditionalGAN:
    return trained[0]


def test_the_dev_score_is_the_best_and_that_of_the_model_that_came_back(
    trained: tuple[ConditionalGAN, dict[str, Any]], judge: DigitJudge
) -> None:
    gan, history = trained
    scores = [row["dev_fid"] for row in history["epochs"]]
    assert history["dev"]["fid"] == min(scores) and gan.epoch == scores.index(min(scores)) + 1
    assert on_dev(gan, judge, splits()[1], RUN.seed) == pytest.approx(history["dev"])


def test_label_and_noise_decide_what_is_drawn(gan: ConditionalGAN) -> None:
    z = np.tile(np.random.default_rng(0).normal(size=(1, gan.latent)).astype(np.float32), (10, 1))
    assert len({picture.tobytes() for picture in gan.pictures(z, np.arange(10))}) == 10
    first, again, other = (gan.sample(np.arange(10), seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_a_path_has_both_ends(gan: ConditionalGAN) -> None:
    found = paths(gan, 5)
    noise = np.random.default_rng(5).normal(size=(10, 2, gan.latent)).astype(np.float32)
    assert found.shape[:2] == (10, STEPS)
    for end, column in ((0, 0), (1, -1)):
        alone = gan.pictures(noise[:, end], np.arange(10))
        assert np.abs(found[:, column].astype(int) - alone.astype(int)).max() <= 1


def test_panels_are_those_of_the_variants_that_ran(gan: ConditionalGAN) -> None:
    rows = all_panels({"gan": gan}, 0).rows
    assert set(rows["panel"]) == {"interpolation", "training_gan", "hands_gan"}
    assert rows.loc[rows["panel"] == "hands_gan", "row"].nunique() == HANDS
    assert len(all_panels({}, 0)) == 0


def test_the_claim_counts_what_is_better_only_where_it_is_decided() -> None:
    metrics = {}
    for name, gan, vae, half in (
        ("fid", 1.0, 3.0, 0.5),
        ("kid", 0.1, 0.2, 0.3),
        ("label_accuracy", 0.99, 0.95, 0.01),
        ("precision", 0.7, 0.9, 0.02),
        ("recall", 0.9, 0.2, 0.02),
    ):
        for variant, value in (("gan", gan), ("vae", vae)):
            ends = {f"{variant}.{name}.low": value - half, f"{variant}.{name}.high": value + half}
            metrics |= {f"{variant}.{name}": value, **ends}
    metrics |= {"gan.diversity": 1.1, "vae.diversity": 0.7, "gan.novelty": 1.3, "vae.novelty": 0.9}
    table = claim_table(metrics).set_index("measure")
    expected = ["gan", "neither", "gan", "vae", "gan", "gan", "vae"]
    assert table["better"].tolist() == expected
    assert table.loc["fid", "low"] == pytest.approx(-2 - np.hypot(0.5, 0.5))
    assert claim_table({"gan.fid": 1.0}).empty
