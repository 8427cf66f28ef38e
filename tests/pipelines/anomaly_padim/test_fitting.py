"""The network, what is fitted through it, and the answers to users."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torchvision import models

from etudes.benches.detectors import image_scores, members
from etudes.evaluation import roc_auc
from etudes.forms.pictures import png_bytes
from etudes.models import load_model, save_model
from etudes.pipelines.anomaly_padim import fitting, images
from etudes.pipelines.anomaly_padim.backbone import Backbone, train_backbone
from etudes.pipelines.anomaly_padim.model import AnomalyPredictor
from etudes.vision.pretrained import NETWORKS, Pretrained

CPU = torch.device("cpu")
CARD = {"variant": "padim", "embedded_sample": True, "dev_score": 0.5}


def test_a_pretrained_network_is_named_and_needs_its_file_no_more(
    tmp_path: Path, settings: Any, run_settings: Any
) -> None:
    entry = NETWORKS["resnet18"]
    path = tmp_path / entry.source / entry.file
    path.parent.mkdir()
    torch.save(models.resnet18(weights=None).state_dict(), path)
    parameters = settings("backbone", network="resnet18")
    backbone, history = train_backbone(Pretrained(tmp_path), parameters, run_settings)
    assert history["network"] == "resnet18" and history["channels"] == [64, 128, 256]
    assert history["fingerprint"] == Pretrained(tmp_path).fingerprint("resnet18")
    assert backbone.stage_of(np.array([0, 63, 64, 192])).tolist() == [1, 1, 2, 3]
    path.unlink()
    save_model(backbone, tmp_path / "model")
    pixels = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    first, again, whole = (
        torch.cat(list(model.embed(pixels, np.array([0, 70, 300]), size, CPU)))
        for model, size in ((backbone, 2), (load_model(tmp_path / "model"), 2), (backbone, 3))
    )
    assert first.shape == (3, 3, 16, 16) and torch.equal(first, again)
    torch.testing.assert_close(first, whole, atol=1e-5, rtol=1e-5)


def test_the_pool_is_random_seeded_and_never_larger_than_the_network(fitted: Any, settings: Any) -> None:
    first, again, other = (fitting.pool_of(fitted.backbone, settings("gaussian"), n) for n in (0, 0, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert len(first) == 14 and (np.diff(first) > 0).all()
    everything = fitting.pool_of(fitted.backbone, settings("gaussian", channels=5000), 0)
    assert everything.tolist() == list(range(fitted.backbone.channels))


def test_statistics_are_those_of_the_training_pictures(fitted: Any, settings: Any) -> None:
    pool, found = fitted.statistics.channels, fitted.statistics.categories["board"]
    vectors = fitting.vectors_of(
        fitted.train, "board", fitted.backbone, pool, settings("gaussian"), fitted.run
    )
    assert found.count == len(vectors) == len(members(fitted.train, "board"))
    expected = np.cov(vectors.flatten(2)[:, :, 7].numpy().astype(np.float64), rowvar=False)
    np.testing.assert_allclose(found.covariance(slice(7, 8))[0].numpy(), expected, atol=1e-4, rtol=1e-4)


def test_thresholds_come_from_good_dev_pictures_alone(fitted: Any, settings: Any) -> None:
    model, history = fitted.fit("pool")
    for category in fitted.card["categories"]:
        pool = fitted.statistics.channels
        vectors = fitting.vectors_of(
            fitted.dev, category, fitted.backbone, pool, settings("gaussian"), fitted.run
        )
        rows = members(fitted.dev, category)
        defective, heat = fitted.dev.rows["defective"].to_numpy()[rows], model.maps(vectors, category)
        expected = np.quantile(image_scores(heat[~defective]), settings("maps").quantile)
        assert model.thresholds[category] == pytest.approx(float(expected))
        score = history["dev_by_category"][category]["image_auroc"]
        assert score == pytest.approx(roc_auc(image_scores(heat), defective))
    with pytest.raises(
        ValueError, match="category 'bottle' is not known to this model; it knows fabric, board"
    ):
        model.maps(torch.zeros(1, 14, 16, 16), "bottle")


def test_subsets_have_the_asked_size_and_other_channels_each(fitted: Any, settings: Any) -> None:
    subsets = settings("subsets")
    random, _ = fitted.fit("random")
    picked = [tuple(found.columns) for found in random.gaussians["board"]]
    assert random.draws == subsets.draws == len(picked) and len(set(picked)) > 1
    assert all(len(columns) == subsets.size for columns in picked)
    assert [tuple(found.columns) for found in random.gaussians["fabric"]] == picked
    axes = fitted.fit("axes")[0].gaussians["board"][0].axes
    assert axes.shape == (subsets.size, len(fitted.statistics.channels))
    too_many = (*fitted.network, *fitted.how[:2], settings("subsets", size=14), fitted.run)
    with pytest.raises(ValueError, match=r"subsets\.size = 14, but the pool has 14 channels"):
        fitting.fit_patches(*too_many, of="random")


@pytest.mark.parametrize("name", ["best", "worst"])
def test_chosen_channels_are_those_of_all_of_dev_and_their_score_is_cross_fitted(
    fitted: Any, settings: Any, name: str
) -> None:
    model, history = fitted.fit(name)
    size, sign = settings("subsets").size, -1 if name == "best" else 1
    seen, statistics = fitted.importance.categories["board"], fitted.statistics.categories["board"]
    assert set(model.gaussians["board"][0].columns) == set(np.argsort(sign * seen.mean, kind="stable")[:size])
    rows = members(fitted.dev, "board")
    folds, defective = (fitted.dev.rows[column].to_numpy()[rows] for column in ("fold", "defective"))
    pool, gaussian = fitted.statistics.channels, settings("gaussian")
    vectors = fitting.vectors_of(fitted.dev, "board", fitted.backbone, pool, gaussian, fitted.run)
    expected = []
    for fold in (0, 1):
        columns = np.sort(np.argsort(sign * seen.folds[fold], kind="stable")[:size])
        chosen = statistics.gaussian(gaussian.epsilon, columns=columns)
        other = type(model)("network", pool, model.size, model.sigma, {"board": [chosen]}, {})
        scores = image_scores(other.maps(vectors, "board"))[folds != fold]
        expected.append(roc_auc(scores, defective[folds != fold]))
    assert history["cross_fitted"]
    assert history["dev_by_category"]["board"]["image_auroc"] == pytest.approx(np.mean(expected))


def test_without_a_category_the_most_similar_one_is_taken(
    fitted: Any, settings: Any, run_settings: Any
) -> None:
    how = (settings("gaussian"), settings("maps"), run_settings)
    colour, _ = fitting.fit_mean_image(fitted.train, fitted.dev, fitted.card, *how)
    good = [members(fitted.test, name)[0] for name in ("board", "fabric")]
    frame = pd.DataFrame({"image": [png_bytes(fitted.test["pixels"][row]) for row in good]})
    for model in (fitted.fit("pool")[0], colour):
        predictor = AnomalyPredictor(model, CARD, fitted.backbone, settings("images"))
        assert (predictor.backbone is None) == (model is colour)
        assert predictor.predict(frame)["category"].tolist() == ["board", "fabric"]
        asked = predictor.predict(frame.assign(category=["board", "board"]))
        assert asked["category"].tolist() == ["board", "board"]
        assert asked["anomalous"].tolist() == (asked["score"] > asked["threshold"]).tolist()
        vectors = fitting.vectors_of(
            fitted.test, "board", predictor.through, model.channels, how[0], run_settings
        )
        assert asked["score"][0] == pytest.approx(image_scores(model.maps(vectors, "board"))[0], rel=1e-4)


@pytest.mark.real_data
def test_bottles_of_the_public_data_set_are_told_apart(settings: Any, run_settings: Any) -> None:
    """The official test set with SqueezeNet: image AUROC at least 0.99, pixel AUROC at least 0.96."""
    from etudes.datasets.raw import RawFolderDataset

    raw = Path(os.environ.get("ETUDES_RAW", "/nonexistent"))
    network = NETWORKS["squeezenet1_1_caffe"]
    if not (raw / "mvtec_ad" / "bottle").is_dir() or not (raw / network.source / network.file).exists():
        pytest.skip("needs mvtec_ad and weights/squeezenet1_1 under ETUDES_RAW")
    parameters = settings("images", categories=["bottle"], resize=256, crop=224)
    folder = RawFolderDataset(source="mvtec_ad", raw=str(raw), suffixes=[".png", ".jpg"], needs=["bottle"])
    train, test, _ = images.ingest(folder.load(), parameters)
    gaussian, maps = settings("gaussian", channels=100), settings("maps", sigma=4.0)
    backbone = Backbone.pretrained(Pretrained(raw), "squeezenet1_1_caffe")
    card = {"categories": ["bottle"]}
    statistics, _ = fitting.fit_statistics(train, card, backbone, gaussian, run_settings)
    _, history = fitting.fit_patches(
        test, backbone, statistics, gaussian, maps, settings("subsets"), run_settings
    )
    assert history["dev"]["image_auroc"] >= 0.99 and history["dev"]["pixel_auroc"] >= 0.96
