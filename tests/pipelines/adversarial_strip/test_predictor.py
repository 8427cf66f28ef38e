"""The model that answers a user: a photo in, the network's answer without and with the strip out, in any process."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from etudes.pipelines.adversarial_strip.networks import Networks

from etudes.forms.pictures import png_bytes, read_picture
from etudes.forms.raw import RawFile
from etudes.models import save_model
from etudes.pipelines.adversarial_strip.model import StripPredictor
from etudes.pipelines.adversarial_strip.strip import Strip
from etudes.serving.predictor import Predictor

NAMES = {"0": "cat", "1": "dog", "2": "fish"}
CARD = {"variant": "margin", "dev_score": 0.5, "embedded_sample": True}


@pytest.fixture
def predictor(networks: Networks) -> StripPredictor:
    pixels = np.random.default_rng(0).integers(0, 256, size=(1, 3, 16, 3), dtype=np.uint8)
    strip = Strip(pixels, {"target": 3, "network": "cnn"})
    return StripPredictor(strip, networks.only("cnn"), NAMES, 20, 16, CARD)


@pytest.fixture
def picture() -> bytes:
    return png_bytes(np.random.default_rng(1).integers(0, 256, size=(30, 24, 3), dtype=np.uint8))


def test_a_photo_gets_answers_before_and_after_and_the_patched_picture(
    predictor: StripPredictor, picture: bytes
) -> None:
    assert isinstance(predictor, Predictor)
    frame = pd.DataFrame({"image": [picture, base64.b64encode(picture).decode()]})
    answer = predictor.predict(frame)
    assert answer.iloc[0].equals(answer.iloc[1]), "bytes and base64 are the same picture"
    row = answer.iloc[0]
    assert row["before"] in {*NAMES.values(), "class 3"}
    assert row["target_probability"] <= row["after_probability"] <= 1
    assert row["succeeded"] == (row["after"] == "class 3")
    patched = read_picture(RawFile("answer", base64.b64decode(row["picture"])))
    assert patched.shape == (16, 16, 3)
    assert np.array_equal(patched[:3], predictor.strip.pixels[0])
    assert np.array_equal(patched[3:], read_picture(RawFile("photo", picture), 20, 16)[3:])


def test_the_example_is_answered_and_described(predictor: StripPredictor) -> None:
    answer = predictor.predict(predictor.example())
    text = predictor.describe(answer)
    assert "without the strip" in text and "with the strip" in text and "%" in text


def test_a_path_is_parsed_and_what_is_no_picture_is_named(
    predictor: StripPredictor, picture: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(picture)
    assert len(predictor.predict(predictor.parse(str(path)))) == 1
    with pytest.raises(ValueError, match=r"nothing\.png: no such file"):
        predictor.parse(str(tmp_path / "nothing.png"))
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(ValueError, match=r"text\.png: no picture can be read"):
        predictor.parse(str(tmp_path / "text.png"))


def test_a_missing_column_is_refused(predictor: StripPredictor) -> None:
    with pytest.raises(ValueError, match="expected a column image"):
        predictor.predict(pd.DataFrame({"photo": [b""]}))


def test_a_fresh_process_gives_the_same_answer(
    predictor: StripPredictor, tmp_path: Path, reloaded: Callable[[StripPredictor], StripPredictor]
) -> None:
    expected = predictor.predict(predictor.example())["after_probability"][0]
    assert reloaded(predictor).predict(predictor.example())["after_probability"][0] == expected
    save_model(predictor, tmp_path / "predictor")
    script = (
        "import sys; from pathlib import Path; from etudes.serving.predictor import load_predictor;"
        "p = load_predictor(Path(sys.argv[1])); print(repr(float(p.predict(p.example())['after_probability'][0])))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "predictor")],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")},
    )
    assert float(done.stdout) == pytest.approx(expected, rel=1e-5)
