"""The network: by name from a weight file, or trained on generated textures; and back from a model folder."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchvision import models

from etudes.pipelines.anomaly_padim import nodes
from etudes.pipelines.anomaly_padim.backbone import Backbone, PretextNetwork, PretextProblem, texture_stages
from etudes.samples.textures_pretext import FAMILIES, texture_crops
from etudes.sources.table import MissingDataError
from etudes.training.parameters import RunParameters
from etudes.vision.pretrained import NETWORKS, Pretrained, WeightsError

CPU = torch.device("cpu")
Settings = Callable[..., Any]


def weight_file(raw: Path, name: str, content: bytes | None = None) -> None:
    """A file of made weights, of the form of the public one, where a network is looked for."""
    entry = NETWORKS[name]
    path = raw / entry.source / entry.file
    path.parent.mkdir(parents=True, exist_ok=True)
    if content is None:
        torch.manual_seed(0)
        stream = io.BytesIO()
        torch.save(getattr(models, entry.constructor)(weights=None).state_dict(), stream)
        content = stream.getvalue()
    path.write_bytes(content)


def test_a_pretrained_network_is_named_and_needs_its_file_no_more(
    tmp_path: Path, settings: Settings, run_settings: RunParameters, reloaded: Callable[[Any], Any]
) -> None:
    weight_file(tmp_path, "resnet18")
    parameters = settings("backbone", network="resnet18")
    backbone, history = nodes.train_backbone(Pretrained(tmp_path), parameters, run_settings)
    assert history["network"] == "resnet18" and history["epochs"] == []
    assert history["fingerprint"] == Pretrained(tmp_path).fingerprint("resnet18")
    assert history["channels"] == [64, 128, 256]
    weights = sum(value.numel() for value in backbone.taps.state_dict().values())
    assert weights < 3_000_000, "the last stage and the classifier are left out"
    pixels = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    channels = np.array([0, 70, 300])
    found = torch.cat(list(backbone.embed(pixels, channels, 2, CPU)))
    assert found.shape == (3, 3, 16, 16)
    (tmp_path / "torchvision_weights" / "resnet18-f37072fd.pth").unlink()
    again = reloaded(backbone)
    assert torch.equal(torch.cat(list(again.embed(pixels, channels, 2, CPU))), found)


def test_stages_of_channels_count_from_one(fitted: Any) -> None:
    first, second, _ = fitted.backbone.channel_counts
    assert fitted.backbone.stage_of(np.array([0, first - 1, first, first + second])).tolist() == [1, 1, 2, 3]


FAULTS = {
    "missing": (None, MissingDataError, "resnet18-f37072fd.pth is missing"),
    "damaged": (b"\x80\x02 no weights", WeightsError, "no weights can be read"),
    "of another network": ("squeezenet1_1", WeightsError, "belongs to another network than ResNet"),
    "not finite": ("nan", WeightsError, "not finite"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_weight_file_that_cannot_be_used_is_named(
    tmp_path: Path, settings: Settings, run_settings: RunParameters, fault: str
) -> None:
    content, error, message = FAULTS[fault]
    if isinstance(content, str):
        stream = io.BytesIO()
        state = getattr(models, "resnet18" if content == "nan" else content)(weights=None).state_dict()
        if content == "nan":
            state["layer1.0.conv1.weight"][0] = float("nan")
        torch.save(state, stream)
        content = stream.getvalue()
    if content is not None:
        weight_file(tmp_path, "resnet18", content)
    parameters = settings("backbone", network="resnet18")
    with pytest.raises(error, match=message):
        nodes.train_backbone(Pretrained(tmp_path), parameters, run_settings)


def test_vectors_do_not_depend_on_the_batch_size(fitted: Any) -> None:
    pixels, channels = fitted.dev["pixels"][:5], fitted.statistics.channels
    parts = [torch.cat(list(fitted.backbone.embed(pixels, channels, size, CPU))) for size in (1, 2, 5)]
    torch.testing.assert_close(parts[0], parts[1], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(parts[0], parts[2], atol=1e-5, rtol=1e-5)


def test_the_small_network_learns_to_tell_textures_apart(
    settings: Settings, run_settings: RunParameters
) -> None:
    changes = {
        "crops": 960,
        "size": 32,
        "width": 8,
        "fit": {"epochs": 4, "patience": 4, "learning_rate": 0.01},
    }
    backbone, history = nodes.train_backbone(None, settings("backbone", **changes), run_settings)
    accuracies = [row["dev_accuracy"] for row in history["epochs"]]
    assert max(accuracies) > 3 / len(FAMILIES), "three times better than chance"
    assert backbone.channel_counts == [8, 16, 32] and backbone.network == "textures"
    again, _ = nodes.train_backbone(None, settings("backbone", **changes), run_settings)
    assert again.fingerprint == backbone.fingerprint, "the seed decides"


def test_the_pretext_problem_keeps_dev_apart_and_gives_a_loss_for_each_picture() -> None:
    pixels, labels = texture_crops(40, 32, 0)
    torch.manual_seed(0)
    problem = PretextProblem(PretextNetwork(4, len(FAMILIES)), pixels, labels, 10, 8)
    seen = np.concatenate(problem.batches(np.random.default_rng(0)))
    assert sorted(seen) == list(range(30)) and len(problem.dev_pixels) == 10
    losses, weights = problem.loss(problem.model, problem.collate(seen[:6], CPU))
    assert losses.shape == weights.shape == (6,)
    other = PretextProblem(problem.model, pixels[::-1].copy(), labels, 10, 8)
    assert problem.fingerprint != other.fingerprint


def test_a_small_network_travels_through_a_folder(reloaded: Callable[[Any], Any]) -> None:
    torch.manual_seed(0)
    backbone = Backbone("textures", texture_stages(4), 4, "made")
    again = reloaded(backbone)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 48, 48, 3), dtype=np.uint8)
    channels = np.arange(backbone.channels)
    first, second = (torch.cat(list(model.embed(pixels, channels, 2, CPU))) for model in (backbone, again))
    assert torch.equal(first, second) and again.fingerprint == "made"
