"""The networks that are attacked: names, training on photos of their own, files, and weights that cannot be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from attack_toys import photos, untrained_victims
from etudes.models import ModelFileError, load_model, save_model
from etudes.training.parameters import FitParameters
from etudes.vision import victims
from etudes.vision.parameters import NetworksParameters, parse_view
from etudes.vision.pretrained import Pretrained, WeightsError
from etudes.vision.victims import View, small_network, to_uint8
from study_settings import run_parameters


def settings(names: str, **fit: Any) -> NetworksParameters:
    rest = {"weight_decay": 0.01, "gradient_clip": 1.0, "warmup": 0.0, "average": 0.0, "patience": 5}
    rest |= {"epochs": 1, "batch_size": 16, "learning_rate": 0.002, "checkpoint_steps": 100, **fit}
    return NetworksParameters(names=names, dev_fraction=0.2, fit=FitParameters(**rest))  # type: ignore[arg-type]


def train(
    count: int, names: str, raw: Path = Path("nowhere"), classes: int = 4, side: int = 16, **fit: Any
) -> Any:
    card = {"classes": classes, "target": 3}
    return victims.train(
        photos(count, side=side), card, Pretrained(raw), settings(names, **fit), run_parameters()
    )


def reloaded(model: Any, folder: Path) -> Any:
    save_model(model, folder / "model")
    return load_model(folder / "model")


def test_names_with_and_without_a_size() -> None:
    assert parse_view("mobilenet_v2") == ("mobilenet_v2", None)
    assert parse_view("squeezenet1_1_caffe@192") == ("squeezenet1_1_caffe", 192)


@pytest.mark.parametrize("wrong", ["alexnett", "cnn@", "cnn@x", "cnn@8", "@224", "mlp@32", ""])
def test_a_name_that_is_no_network_is_refused(wrong: str) -> None:
    with pytest.raises(
        ValidationError, match=r"is no network|asks for photos of 8 pixels|photos of one size"
    ):
        settings(f"cnn+{wrong}")


def test_names_may_be_one_text() -> None:
    assert settings("cnn+mlp").names == ("cnn", "mlp")
    with pytest.raises(ValidationError, match="expected different networks"):
        settings("cnn+cnn")


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


def test_small_networks_learn_and_survive_saving(tmp_path: Path) -> None:
    networks, history = train(160, "cnn+mlp+cnn@32", epochs=6)
    assert networks.victim == "cnn" and set(networks.networks) == {"cnn", "mlp"}
    assert history["dev"]["mlp"] > 0.9, history["dev"]
    again = reloaded(networks, tmp_path)
    pictures = torch.rand(2, 3, 16, 16)
    for name in ("cnn", "mlp", "cnn@32"):
        assert torch.equal(networks.view(name)(pictures), again.view(name)(pictures))
        assert networks.fingerprint(name) == again.fingerprint(name)
    assert networks.fingerprint("cnn") == networks.fingerprint("cnn@32") != networks.fingerprint("mlp")
    alone = reloaded(networks.only("mlp"), tmp_path)
    assert alone.names == ["mlp"] and set(alone.networks) == {"mlp"}
    assert not any(weight.requires_grad for weight in again.view("cnn").parameters())


def test_networks_that_cannot_be_trained_are_refused() -> None:
    with pytest.raises(ValueError, match="none of class 3 among them; ask for fewer in split"):
        train(3, "cnn")


def test_a_small_network_learns_from_its_photos_but_a_share_that_chooses_the_epoch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = []

    def fit(problem: Any, *_: Any) -> list[dict[str, float]]:
        seen.append(problem)
        return [{"dev_accuracy": 0.0}]

    monkeypatch.setattr(victims, "fit", fit)
    train(20, "cnn")
    (problem,), examples = seen, photos(20)
    labels = {p.tobytes(): n for p, n in zip(examples["pixels"], examples.rows["label"], strict=True)}
    parts = {name: list(getattr(problem, name)) for name in ("train", "dev")}
    assert {name: len(part) for name, part in parts.items()} == {"train": 16, "dev": 4}
    assert {p.tobytes() for part in parts.values() for p in part} == set(labels)
    for part, found in (("train", problem.labels), ("dev", problem.dev_labels)):
        assert [labels[p.tobytes()] for p in parts[part]] == found.tolist()


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


def test_a_pretrained_network_is_read_and_survives_saving(weights: Path, tmp_path: Path) -> None:
    names = "squeezenet1_1_caffe+squeezenet1_1_caffe@48"
    networks, history = train(4, names, weights.parents[2], side=64)
    assert history == {"dev": {}, "epochs": {}} and len(networks.networks) == 1
    pictures, again = torch.rand(1, 3, 64, 64), reloaded(networks, tmp_path)
    for name in networks.names:
        assert torch.equal(networks.view(name)(pictures), again.view(name)(pictures))


def test_weights_that_cannot_be_used_are_named(weights: Path) -> None:
    with pytest.raises(ValueError, match="knows 1000 classes, the photos show classes up to 1004"):
        train(4, "squeezenet1_1_caffe", weights.parents[2], classes=1005, side=64)
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(WeightsError, match=r"squeezenet1_1-ncnn-fp16\.pth: no weights can be read"):
        train(4, "squeezenet1_1_caffe", weights.parents[2])


def test_a_damaged_model_file_is_named(tmp_path: Path) -> None:
    save_model(untrained_victims(), tmp_path / "networks")
    path = tmp_path / "networks" / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ModelFileError, match="networks: the model cannot be read"):
        load_model(tmp_path / "networks")


def test_rounding_keeps_pixels_in_range_and_within_half_a_step() -> None:
    values = np.random.default_rng(0).random((4, 16, 3)).astype(np.float32)
    assert np.abs(to_uint8(values) / 255 - values).max() <= 0.5 / 255 + 1e-6
    assert to_uint8(np.array([[[0.0, 0.5, 1.0]]])).tolist() == [[[0, 128, 255]]]


@pytest.mark.parametrize("wrong", [-0.01, 1.01, np.nan])
def test_values_that_are_no_picture_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match=r"outside 0\.\.1"):
        to_uint8(np.array([[[wrong, 0.5, 0.5]]]))
