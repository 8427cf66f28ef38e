"""The public photos and SqueezeNet, where they are at hand."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from etudes.benches.attacks import answers
from etudes.datasets import RawFolderDataset
from etudes.forms.raw import RawFolder
from etudes.vision.named_photos import ingest, parse_names
from etudes.vision.parameters import PhotoParameters
from etudes.vision.pretrained import Pretrained
from etudes.vision.victims import View

pytestmark = pytest.mark.real_data


@pytest.fixture(scope="module")
def raw() -> Path:
    folder = Path(os.environ.get("ETUDES_RAW", ""))
    needed = ("imagenet_samples", "weights/squeezenet1_1")
    if not os.environ.get("ETUDES_RAW") or not all((folder / name).is_dir() for name in needed):
        pytest.skip(
            "needs the public data: set ETUDES_RAW to a folder that holds imagenet_samples and weights"
        )
    return folder


def test_every_tenth_photo_is_recognised_as_often_as_the_weights_promise(raw: Path) -> None:
    photos = RawFolderDataset(source="imagenet_samples", suffixes=[".jpeg"], raw=str(raw)).load()
    rows = parse_names(photos)
    assert len(rows) == 1000 and rows["name"][2] == "great white shark"
    some = list(photos)[::10]
    # A part of the folder has no class indices by place: the names say them.
    entries = {
        f"{index}_photo_{index}.jpeg": photos.entries[name]
        for index, name in zip(range(0, 1000, 10), some, strict=True)
    }
    examples = ingest(RawFolder("some", entries), PhotoParameters(size=256, crop=224))[0]
    view = View(Pretrained(raw).network("squeezenet1_1_caffe")).eval()
    found = answers(view, examples["pixels"], 2, 25)
    accuracy = float(np.mean(found.predicted == examples.rows["label"].to_numpy()))
    assert 0.51 < accuracy < 0.71, "61 % over all; 100 photos leave 10 points on either side"
