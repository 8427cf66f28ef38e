"""The trained generators: the dev score that chose them, the two judges, what noise and label decide, the claim about VAEs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from digit_toys import run_settings, settings, splits
from etudes.digits.judge import DigitJudge
from etudes.digits.parameters import DigitSplitParameters
from etudes.digits.scoring import SCORES
from etudes.evaluation.generative import frechet_distance
from etudes.pipelines.gan_digits.evaluation import HANDS, STEPS, all_panels, claim_table, paths
from etudes.pipelines.gan_digits.judges import (
    Examiner,
    JudgedScores,
    halves,
    judges_table,
    train_examiner,
    train_judge,
)
from etudes.pipelines.gan_digits.model import ConditionalGAN, train_gan, train_vae
from etudes.pipelines.gan_digits.report import claim

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
    assert JudgedScores(judge, splits()[1], RUN.seed)(gan) == pytest.approx(history["dev"])


def test_the_epoch_of_the_vae_is_chosen_by_the_same_rule(judge: DigitJudge) -> None:
    """Whatever the bound says: a judge whose features grow with each look makes the first epoch the best."""
    train, dev, _, _ = splits()
    settings_of_vae = settings("gan_digits", "vae", fit={"epochs": 3})
    vae, history = train_vae(train, dev, judge, settings_of_vae, RUN)
    scores = [row["dev_fid"] for row in history["epochs"]]
    assert history["dev"]["fid"] == min(scores) and history["best_epoch"] == scores.index(min(scores)) + 1
    found = JudgedScores(judge, dev, RUN.seed)(vae)
    assert found == pytest.approx({name: history["dev"][name] for name in found})
    growing = GrowingJudge(judge.network, judge.config, mean=judge.mean, spread=judge.spread)
    vae, history = train_vae(train, dev, growing, settings_of_vae, RUN)
    bounds = [row["dev_loss"] for row in history["epochs"]]
    assert history["best_epoch"] == 1 and bounds[0] > min(bounds)


class GrowingJudge(DigitJudge):
    """Sees each set of pictures twice as far off as the one before."""

    registered_name, looks = "growing", 0

    def judge(self, pixels: np.ndarray) -> Any:
        self.looks += 1
        verdict = super().judge(pixels)
        return verdict._replace(features=verdict.features * 2.0**self.looks)


def test_a_score_is_of_the_pictures_drawn_for_the_labels(gan: ConditionalGAN, judge: DigitJudge) -> None:
    dev = splits()[1]
    labels = dev.rows["label"].to_numpy()
    read, real = judge.judge(gan.sample(labels, 3)), judge.judge(dev["pixels"])
    found = JudgedScores(judge, dev, 3)(gan)
    assert found["fid"] == pytest.approx(frechet_distance(read.features, real.features))
    assert found["label_accuracy"] == (read.digits == labels).mean()


def test_the_judges_share_no_picture_and_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    train, dev, _, _ = splits()
    split = DigitSplitParameters(dev_fraction=0.2, seed=0, binarisation_seed=0)
    first, second = halves(train, split)
    assert len(first) + len(second) == len(train) and abs(len(first) - len(second)) <= 10
    assert not set(first.rows["id"]) & set(second.rows["id"])
    assert set(first.rows["label"]) == set(second.rows["label"]) == set(range(10))
    seen: list[tuple[list[str], int]] = []
    fitted = DigitJudge.fit.__func__  # type: ignore[attr-defined]

    def note(cls: Any, pictures: Any, dev: Any, parameters: Any, run: Any) -> Any:
        seen.append((list(pictures.rows["id"]), run.seed))
        return fitted(cls, pictures, dev, parameters, run)

    monkeypatch.setattr(DigitJudge, "fit", classmethod(note))
    judge, _ = train_judge(train, dev, split, settings("gan_digits", "judge"), RUN)
    examiner, history = train_examiner(train, dev, split, settings("gan_digits", "examiner"), RUN)
    assert [ids for ids, _ in seen] == [list(first.rows["id"]), list(second.rows["id"])]
    assert seen[0][1] != seen[1][1] and 0 <= history["dev"]["accuracy"] <= 1
    assert type(judge) is DigitJudge and type(examiner) is Examiner
    assert set(judge.network.state_dict()) != set(examiner.network.state_dict())
    again = Examiner.from_state(examiner.state())
    assert np.array_equal(again.judge(dev["pixels"]).features, examiner.judge(dev["pixels"]).features)


def test_both_judges_see_the_same_pictures(gan: ConditionalGAN, judge: DigitJudge) -> None:
    test = splits()[2]
    table = judges_table({"gan": gan}, {"judge": judge, "examiner": judge}, test, 0)
    assert table["judge"].tolist() == ["judge", "examiner"] and table["fid"].nunique() == 1


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


def compared(
    spread: float, **values: tuple[float, float]
) -> tuple[dict[str, float], dict[str, dict[str, np.ndarray]]]:
    """Metrics of both, and resamples around them: of the same real pictures (much), and of the GAN's own (``spread``)."""
    generator = np.random.default_rng(0)
    metrics: dict[str, float] = {}
    resampled: dict[str, dict[str, np.ndarray]] = {"gan": {}, "vae": {}}
    for name in SCORES:
        pair = values.get(name, (1.0, 1.0))
        shared, own = generator.normal(size=(2, 2000))
        for variant, value in zip(("gan", "vae"), pair, strict=True):
            metrics[f"{variant}.{name}"] = value
            resampled[variant][name] = value + 5 * shared + (spread * own if variant == "gan" else 0)
    return metrics, resampled


def test_an_advantage_is_positive_where_the_gan_is_better() -> None:
    values = {
        "fid": (1.0, 3.0),
        "kid": (2.0, 1.0),
        "recall": (0.9, 0.2),
        "diversity": (1.1, 0.7),
        "novelty": (1.3, 0.9),
    }
    table = claim_table(*compared(0.0, **values)).set_index("measure")
    expected = {"fid": 2.0, "kid": -1.0, "recall": 0.7, "diversity": 0.2, "novelty": -0.2, "precision": 0.0}
    assert table.loc[list(expected), "advantage"].tolist() == pytest.approx(list(expected.values()))
    assert table.loc[["fid", "kid", "recall", "precision"], "better"].tolist() == [
        "gan",
        "vae",
        "gan",
        "neither",
    ]
    assert claim_table({"gan.fid": 1.0}, {"gan": {}}).empty


def test_the_advantage_is_paired_and_corrected_for_seven_measures() -> None:
    """What both share adds nothing to the interval; two and a half deviations are enough alone, and not among seven."""
    table = claim_table(*compared(0.1, fid=(1.0, 1.25), kid=(1.0, 2.0))).set_index("measure")
    half = (table["high"] - table["low"]) / 2
    assert half["fid"] == pytest.approx(0.196, rel=0.1)
    assert table.loc["fid", "low"] > 0 and 0.05 < table.loc["fid", "p"] < 0.15
    assert table.loc["fid", "better"] == "neither" and table.loc["kid", "better"] == "gan"


def test_the_answer_says_what_follows() -> None:
    said = claim(claim_table(*compared(0.1, fid=(1.0, 3.0))))
    assert said.startswith("**Yes**: the GAN is better on fid; cannot tell: kid, label accuracy")
    assert "+2.00 [1.80, 2.20]" in said
    both = claim(claim_table(*compared(0.1, fid=(1.0, 3.0), precision=(0.1, 3.0))))
    assert both.startswith("**It depends on the measure**") and "the VAE on precision" in both
    assert claim(claim_table(*compared(0.1, fid=(3.0, 1.0)))).startswith("**No**")
    assert claim(claim_table(*compared(0.1))).startswith("**Cannot tell**")
    assert claim(claim_table({}, {})) == "One of the two was left out of this run."
