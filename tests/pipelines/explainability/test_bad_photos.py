"""Photos, weights and questions that cannot be used end in a message that names them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from attack_toys import photos, untrained_victims
from etudes.forms.pictures import png_bytes
from etudes.forms.raw import RawFolder
from etudes.pipelines.explainability.model import Explainer, MapPredictor
from etudes.pipelines.explainability.parameters import Parameters
from etudes.vision import victims
from etudes.vision.named_photos import ingest
from etudes.vision.pretrained import NETWORKS, Pretrained, WeightsError
from study_settings import run_parameters, settings_of

given = settings_of("explainability", Parameters)
CAFFE = NETWORKS["squeezenet1_1_caffe"]


def png() -> bytes:
    return png_bytes(np.random.default_rng(0).integers(0, 256, (30, 30, 3), dtype=np.uint8))


def read(**changes: bytes) -> Any:
    """What the study reads of a folder of four photos, some of them changed."""
    files: Mapping[str, bytes] = {f"{n % 2}_kind{n % 2}_{n:02d}.png": png() for n in range(4)} | changes
    return ingest(RawFolder("my photos", files), given("photos"))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("0_kind0_00.png", png()[:200], "0_kind0_00.png"),
        ("0_kind0_00.png", b"", "0_kind0_00.png"),
        ("1_kind1_03.png", b"<html>404</html>", "1_kind1_03.png"),
        (
            "holiday.png",
            png(),
            r"holiday\.png .* is not named as the others; expected .*<class index>_<class name>",
        ),
        ("1_kind7_04.png", png(), "class 1 has the names kind1, kind7"),
    ],
)
def test_a_photo_that_cannot_be_read_or_has_no_class_is_named(name: str, content: bytes, said: str) -> None:
    assert len(read()[0]) == 4
    with pytest.raises(ValueError, match=said):
        read(**{name: content})


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    (tmp_path / CAFFE.source).mkdir(parents=True)
    return tmp_path


def explained(raw: Path, network: torch.nn.Module, side: int = 24) -> Any:
    """The study's network node, with the weights of a network in SqueezeNet's file."""
    torch.save(network.state_dict(), raw / CAFFE.source / CAFFE.file)
    card = {"classes": 4}
    names = given("networks", names=["squeezenet1_1_caffe"])
    return victims.train(photos(20, side=side), card, Pretrained(raw), names, run_parameters())


def test_weights_of_another_network_are_refused_by_file(raw: Path) -> None:
    from torchvision import models

    with pytest.raises(WeightsError, match=rf"{CAFFE.file} belongs to another network than SqueezeNet"):
        explained(raw, victims.small_network("deep_cnn", 4, 24))
    with pytest.raises(
        WeightsError, match=rf"{CAFFE.file}: classifier.1.weight has the shape \(3, 512, 1, 1\)"
    ):
        explained(raw, models.squeezenet1_1(num_classes=3))
    right = models.squeezenet1_1()
    assert explained(raw, right)[0].victim == "squeezenet1_1_caffe"
    with pytest.raises(ValueError, match="squeezenet1_1_caffe cannot be shown photos of 16 pixels"):
        explained(raw, right, side=16)


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (base64.b64encode(png()[:100]).decode(), "image in row 1"),
        (b"", "image in row 1"),
        ("no base64!", "image in row 1: a text that is not base64"),
        (7, "image in row 1: found int, expected the bytes of a PNG or JPEG file"),
    ],
)
def test_a_user_is_told_which_picture_cannot_be_explained(sent: object, said: str) -> None:
    explainer = Explainer("saliency", "logit", 0.0, given("maps"), 0)
    names = {str(n): f"class{n}" for n in range(4)}
    predictor = MapPredictor(explainer, {}, networks=untrained_victims("cnn"), names=names, size=16, crop=16)
    assert len(predictor.predict(predictor.example())) == 1
    with pytest.raises(ValueError, match=said):
        predictor.predict(pd.DataFrame({"image": [png(), sent]}))
