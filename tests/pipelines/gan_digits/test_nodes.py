"""Every variant trains and is scored on the same measures; what is left out stays out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from digit_toys import run_settings, settings, splits
from etudes.digits.panels import through_training
from etudes.models import load_model, save_model
from etudes.pipelines.gan_digits import nodes, report
from etudes.pipelines.gan_digits.evaluation import (
    HANDS,
    STEPS,
    all_panels,
    claim_table,
    paths,
)
from etudes.study import Skipped, load_study

RUN = run_settings()
STUDY = load_study("gan_digits")
EVALUATION = settings("gan_digits", "evaluation", scores={"novelty_images": 30, "kid_block": 10})
Trained = dict[str, tuple[Any, dict[str, Any]]]


@pytest.fixture(scope="module")
def trained() -> Trained:
    train, dev, _, _ = splits()
    judge = nodes.train_judge(train, dev, settings("gan_digits", "judge"), RUN)
    small = settings("gan_digits", "gan", batch_size=16)
    return {
        "judge": judge,
        "class_pixels": nodes.train_class_pixels(train, dev, judge[0], RUN),
        "gan": nodes.train_gan(train, dev, judge[0], small, RUN),
        "vae": nodes.train_vae(train, dev, judge[0], settings("gan_digits", "vae"), RUN),
    }


@pytest.fixture(scope="module")
def evaluated(trained: Trained) -> tuple[Any, ...]:
    train, _, test, _ = splits()
    models = {name: trained[name][0] for name in STUDY.variants}
    return nodes.evaluate(train, test, trained["judge"][0], EVALUATION, RUN, **models)


def test_every_history_has_the_score_that_chooses(trained: Trained) -> None:
    for name in STUDY.variants:
        assert trained[name][1]["dev"][STUDY.dev_metric] >= 0
    history = trained["gan"][1]
    fids = [row["dev_fid"] for row in history["epochs"]]
    assert history["dev"]["fid"] == min(fids) and history["best_epoch"] == fids.index(min(fids)) + 1


def test_the_dev_score_is_that_of_the_model_that_came_back(trained: Trained) -> None:
    dev = splits()[1]
    again = nodes._on_dev(trained["gan"][0], trained["judge"][0], dev, RUN)
    assert again["fid"] == pytest.approx(trained["gan"][1]["dev"]["fid"])


def test_every_variant_has_every_score(evaluated: tuple[Any, ...]) -> None:
    metrics, drawn, panels, references, claim = evaluated
    for name in STUDY.variants:
        for metric in STUDY.metrics:
            assert np.isfinite(metrics[f"{name}.{metric}"]), (name, metric)
    assert {"judge.accuracy", "real.floor_fid"} <= set(metrics)
    assert drawn.rows["variant"].value_counts().to_dict() == dict.fromkeys(STUDY.variants, 30)
    assert len(references) == 2 and claim["measure"].tolist() == list(STUDY.metrics)
    assert set(panels.rows["panel"]) == {
        "training_gan",
        "training_vae",
        "interpolation",
        "hands_gan",
        "hands_vae",
    }


def test_a_label_decides_what_the_gan_draws(trained: Trained) -> None:
    gan = trained["gan"][0]
    z = np.tile(np.random.default_rng(0).normal(size=(1, gan.latent)).astype(np.float32), (10, 1))
    pictures = gan.pictures(z, np.arange(10))
    assert len({picture.tobytes() for picture in pictures}) == 10
    assert np.array_equal(gan.sample(np.arange(10), 1), gan.sample(np.arange(10), 1))
    assert not np.array_equal(gan.sample(np.arange(10), 1), gan.sample(np.arange(10), 2))


def test_a_path_has_both_ends(trained: Trained) -> None:
    gan = trained["gan"][0]
    found = paths(gan, 5)
    noise = np.random.default_rng(5).normal(size=(10, 2, gan.latent)).astype(np.float32)
    assert found.shape[:2] == (10, STEPS)
    for end, column in ((0, 0), (1, -1)):
        alone = gan.pictures(noise[:, end], np.arange(10))
        assert np.abs(found[:, column].astype(int) - alone.astype(int)).max() <= 1


def test_through_training_shows_the_first_and_the_last_epoch() -> None:
    snapshots = np.arange(41, dtype=np.uint8)[:, None, None, None, None] * np.ones((1, 10, 4, 8, 8), np.uint8)
    panel, epochs = through_training(snapshots)
    assert epochs[0] == 0 and epochs[-1] == 40 and len(epochs) <= 9
    assert panel.shape == (len(epochs), 20, 8, 8)
    assert panel[:, 0, 0, 0].tolist() == epochs
    assert through_training(snapshots[:2])[1] == [0, 1]


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
            metrics |= {
                f"{variant}.{name}": value,
                f"{variant}.{name}.low": value - half,
                f"{variant}.{name}.high": value + half,
            }
    metrics |= {"gan.diversity": 1.1, "vae.diversity": 0.7, "gan.novelty": 1.3, "vae.novelty": 0.9}
    table = claim_table(metrics).set_index("measure")
    assert table["better"].to_dict() == {
        "fid": "gan",
        "kid": "neither",
        "label_accuracy": "gan",
        "precision": "vae",
        "recall": "gan",
        "diversity": "gan",
        "novelty": "vae",
    }
    assert table.loc["fid", "low"] == pytest.approx(-2 - np.hypot(0.5, 0.5))
    assert claim_table({"gan.fid": 1.0}).empty


@pytest.mark.parametrize("name", [*STUDY.variants, "judge"])
def test_every_model_comes_back_as_it_was_saved(name: str, trained: Trained, tmp_path: Path) -> None:
    model = trained[name][0]
    save_model(model, tmp_path / name)
    again = load_model(tmp_path / name)
    assert type(again) is type(model)
    for key, value in model.state().arrays.items():
        assert np.array_equal(again.state().arrays[key], value), key
    if name != "judge":
        assert np.array_equal(again.sample(np.arange(10), 0), model.sample(np.arange(10), 0))


def test_weights_that_draw_are_those_of_the_drawing_half(trained: Trained) -> None:
    gan, vae = trained["gan"][0], trained["vae"][0]
    assert gan.drawing_weights == sum(p.numel() for p in gan.generator.parameters())
    assert vae.drawing_weights == sum(p.numel() for p in vae.network.decoder.parameters())


def test_what_was_left_out_stays_out(trained: Trained, evaluated: tuple[Any, ...]) -> None:
    train, _, test, _ = splits()
    models: dict[str, Any] = {name: Skipped(name) for name in STUDY.variants}
    models["class_pixels"] = trained["class_pixels"][0]
    metrics, drawn, panels, _, claim = nodes.evaluate(
        train, test, trained["judge"][0], EVALUATION, RUN, **models
    )
    assert "gan.fid" not in metrics and set(drawn.rows["variant"]) == {"class_pixels"}
    assert len(panels) == 0 and claim.empty
    skipped = {"skipped": True}
    histories = {"class_pixels": trained["class_pixels"][1], "gan": skipped, "vae": skipped}
    assert len(report.draw(metrics, **histories)) == len(report.FIGURES)
    assert len(report.show(drawn, panels, test)) == len(report.IMAGES)


def test_panels_know_their_captions(trained: Trained) -> None:
    panels = all_panels({"gan": trained["gan"][0]}, 8, 0)
    rows = panels.rows[panels.rows["panel"] == "hands_gan"]
    assert rows["row"].nunique() == HANDS and rows["caption"].iloc[0] == "noise 1"


def test_the_smallest_distance_on_dev_answers_users(trained: Trained) -> None:
    inputs: dict[str, Any] = {name: trained[name][0] for name in STUDY.variants}
    inputs |= {f"{name}_history": {"dev": {"fid": 5.0}} for name in STUDY.variants}
    inputs["vae_history"] = {"dev": {"fid": 1.0}}
    cards = {"embedded_sample": True}, {"dev_fingerprint": "abc"}
    predictor = report.choose_predictor(*cards, trained["judge"][0], **inputs)
    assert predictor.card["variant"] == "vae" and not predictor.card["maximise"]
    answer = predictor.predict(predictor.parse('{"seed": 0, "label": 4}'))
    assert set(answer["label"]) == {4}
