"""The networks: names, training on photos of their own, files, and weights that cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from etudes.pipelines.adversarial_strip.networks import (
    Networks,
    PictureProblem,
    View,
    parse_view,
    prepare_networks,
    small_network,
)
from pydantic import ValidationError

from etudes.examples import Examples
from etudes.models import ModelFileError, load_model, save_model
from etudes.vision.pretrained import Pretrained, WeightsError

Settings = Callable[..., Any]


def test_names_with_and_without_a_size() -> None:
    assert parse_view("mobilenet_v2") == ("mobilenet_v2", None)
    assert parse_view("squeezenet1_1_caffe@192") == ("squeezenet1_1_caffe", 192)


@pytest.mark.parametrize("wrong", ["alexnett", "cnn@", "cnn@x", "cnn@8", "@224", ""])
def test_a_name_that_is_no_network_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"networks\.names"):
        parse_view(wrong)


def test_names_may_be_one_text(settings: Settings) -> None:
    assert settings("networks", names="cnn+mlp").names == ("cnn", "mlp")
    with pytest.raises(ValidationError, match="expected different networks"):
        settings("networks", names="cnn+cnn")


@pytest.mark.parametrize("name", ["cnn", "deep_cnn", "mlp"])
def test_small_networks_answer_every_class(name: str) -> None:
    assert small_network(name, 7, 16)(torch.zeros(2, 3, 16, 16)).shape == (2, 7)


def test_a_view_resizes_its_photos() -> None:
    seen = []

    class Recorder(torch.nn.Module):
        def forward(self, photos: torch.Tensor) -> torch.Tensor:
            seen.append(tuple(photos.shape))
            return photos.mean((2, 3))

    View(Recorder(), 32)(torch.zeros(2, 3, 48, 48))
    View(Recorder())(torch.zeros(2, 3, 48, 48))
    assert seen == [(2, 3, 32, 32), (2, 3, 48, 48)]


def test_small_networks_learn_and_survive_saving(
    photos: Callable[..., Examples],
    settings: Settings,
    run_settings: Settings,
    reloaded: Callable[[Any], Any],
) -> None:
    examples = photos(160)
    parameters = settings("networks", names="cnn+mlp+cnn@32", fit={"epochs": 6, "batch_size": 16})
    pretrained = Pretrained(Path("nowhere"))
    networks, history = prepare_networks(examples, 4, 3, pretrained, parameters, run_settings())
    assert networks.victim == "cnn" and set(networks.networks) == {"cnn", "mlp"}
    assert history["dev"]["mlp"] > 0.9, history["dev"]
    again = reloaded(networks)
    pictures = torch.rand(2, 3, 16, 16)
    for name in ("cnn", "mlp", "cnn@32"):
        assert torch.equal(networks.view(name)(pictures), again.view(name)(pictures))
        assert networks.fingerprint(name) == again.fingerprint(name)
    assert networks.fingerprint("cnn") == networks.fingerprint("cnn@32") != networks.fingerprint("mlp")
    alone = reloaded(networks.only("mlp"))
    assert alone.names == ["mlp"] and set(alone.networks) == {"mlp"}
    assert not any(weight.requires_grad for weight in again.view("cnn").parameters())


def test_too_few_photos_for_the_networks_are_refused(
    photos: Callable[..., Examples], settings: Settings, run_settings: Settings
) -> None:
    with pytest.raises(ValueError, match="none of class 3 among them; ask for fewer in split"):
        prepare_networks(photos(3), 4, 3, Pretrained(Path("x")), settings("networks"), run_settings())


def test_the_multilayer_perceptron_takes_no_other_size(
    photos: Callable[..., Examples], settings: Settings, run_settings: Settings
) -> None:
    parameters = settings("networks", names="mlp@32", fit={"epochs": 1})
    with pytest.raises(ValueError, match="mlp sees photos of one size"):
        prepare_networks(photos(40), 4, 3, Pretrained(Path("x")), parameters, run_settings())


def test_batches_hold_training_photos_alone(photos: Callable[..., Examples]) -> None:
    examples = photos(20)
    labels = examples.rows["label"].to_numpy()
    order = np.arange(20)
    problem = PictureProblem(small_network("cnn", 4, 16), examples["pixels"], labels, order[5:], order[:5], 4)
    seen = np.concatenate(problem.batches(np.random.default_rng(0)))
    assert sorted(seen) == list(range(5, 20))


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A raw folder with a file for a pretrained network, made of random weights."""
    from torchvision import models

    folder = tmp_path / "weights" / "squeezenet1_1"
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    path = folder / "squeezenet1_1-ncnn-fp16.pth"
    torch.save(models.squeezenet1_1(weights=None).state_dict(), path)
    return path


def test_a_pretrained_network_is_read_and_survives_saving(
    weights: Path,
    photos: Callable[..., Examples],
    settings: Settings,
    run_settings: Settings,
    reloaded: Callable[[Any], Any],
) -> None:
    parameters = settings("networks", names="squeezenet1_1_caffe+squeezenet1_1_caffe@48")
    examples = photos(4, side=64)
    networks, history = prepare_networks(
        examples, 4, 3, Pretrained(weights.parents[2]), parameters, run_settings()
    )
    assert history == {"dev": {}, "epochs": {}} and len(networks.networks) == 1
    pictures = torch.rand(1, 3, 64, 64)
    again = reloaded(networks)
    for name in networks.names:
        assert torch.equal(networks.view(name)(pictures), again.view(name)(pictures))


def test_damaged_weights_are_named(
    weights: Path, photos: Callable[..., Examples], settings: Settings, run_settings: Settings
) -> None:
    weights.write_bytes(weights.read_bytes()[:1000])
    parameters = settings("networks", names="squeezenet1_1_caffe")
    with pytest.raises(WeightsError, match=r"squeezenet1_1-ncnn-fp16\.pth: no weights can be read"):
        prepare_networks(photos(4), 4, 3, Pretrained(weights.parents[2]), parameters, run_settings())


def test_a_network_that_does_not_know_the_classes_is_refused(
    weights: Path, photos: Callable[..., Examples], settings: Settings, run_settings: Settings
) -> None:
    parameters = settings("networks", names="squeezenet1_1_caffe")
    with pytest.raises(ValueError, match="knows 1000 classes, the photos show classes up to 1004"):
        prepare_networks(
            photos(4, side=64), 1005, 3, Pretrained(weights.parents[2]), parameters, run_settings()
        )


def test_a_damaged_model_file_is_named(networks: Networks, tmp_path: Path) -> None:
    save_model(networks, tmp_path / "networks")
    path = tmp_path / "networks" / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ModelFileError, match="networks: the model cannot be read"):
        load_model(tmp_path / "networks")
