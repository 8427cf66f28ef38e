"""The whole study from the command line, and what it says of bad input."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from numpy.typing import NDArray
from PIL import Image

from etudes.serving.predictor import load_predictor
from projects import kedro, make_project

pytestmark = pytest.mark.slow
Predict = Callable[..., Result]
RUN = ("run", "--env=test", "--pipelines=gan_digits")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_project(tmp_path_factory.mktemp("gan") / "project")
    done = kedro(folder, *RUN)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder


def outputs_of(project: Path) -> dict[str, str]:
    return {
        str(path.relative_to(project)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((project / "data").rglob("*"))
        if path.is_file()
    }


def test_the_sample_gives_metrics_a_page_and_a_predictor(project: Path) -> None:
    data = project / "data"
    metrics = json.loads((data / "07_model_output/test/gan_digits/metrics.json").read_text())
    assert {"class_pixels.fid", "gan.fid", "vae.fid", "judge.accuracy"} <= set(metrics)
    page = (data / "08_reporting/test/gan_digits/report.html").read_text()
    assert "embedded sample" in page and "Do GANs beat VAEs?" in page
    predictor = load_predictor(data / "08_reporting/test/gan_digits/predictor")
    assert predictor.predict(predictor.parse('{"label": 3, "seed": 2}'))["label"].tolist() == [3] * 10


def pixels_of(path: Path) -> NDArray[np.uint8]:
    return np.asarray(Image.open(path).convert("L"))


def test_a_seed_draws_a_row_for_each_digit_and_a_label_its_row_alone(project: Path, predict: Predict) -> None:
    done = predict(project, "gan_digits", "7")
    assert done.exit_code == 0, done.output
    assert "100 pictures, 10 in a row" in done.stdout and "as the digit asked for" in done.stdout
    grid = project / "asked" / "gan_digits_7.png"
    assert f"Written: {grid}" in done.stdout
    assert predict(project, "gan_digits", '{"seed": 7, "label": 3}').exit_code == 0
    row = pixels_of(project / "asked" / "gan_digits_seed-7-label-3.png")
    height, width = pixels_of(grid).shape
    assert height == width == row.shape[1]
    cell = (height - row.shape[0]) // 9  # a picture and the line below it
    assert np.array_equal(pixels_of(grid)[3 * cell : 3 * cell + len(row)], row)


def test_a_picture_that_is_there_is_replaced_only_when_asked(project: Path, predict: Predict) -> None:
    path = project / "asked" / "own.png"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"mine")
    refused = predict(project, "gan_digits", '{"label": 1}', "--output=own.png")
    assert (
        refused.exit_code == 1
        and "own.png exists already" in refused.stderr
        and "--overwrite" in refused.stderr
    )
    assert path.read_bytes() == b"mine"
    assert predict(project, "gan_digits", '{"label": 1}', "--output=own.png", "--overwrite").exit_code == 0
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("wish", "part"),
    [
        ("seven", "the seed is 'seven'; expected a whole number from 0 to"),
        ("7.5", "the seed is '7.5'"),
        ("99999999999", "the seed is '99999999999'"),
        ('{"seed": true}', "seed in row 0 is True"),
        ('{"seed": 7, "label": 12}', "is 12; expected a whole number from 0 to 9"),
        ('{"digit": 7}', "there is no column 'digit'"),
    ],
)
def test_what_is_no_seed_is_refused_and_nothing_is_written(
    project: Path, predict: Predict, wish: str, part: str
) -> None:
    before = sorted((project / "asked").iterdir()) if (project / "asked").exists() else []
    done = predict(project, "gan_digits", wish)
    assert done.exit_code == 1 and part in " ".join(done.stderr.split()), done.output
    assert sorted((project / "asked").iterdir()) == before


def test_an_impossible_sample_ends_in_one_message_and_keeps_earlier_outputs(project: Path) -> None:
    catalog, before = project / "conf" / "test" / "catalog" / "gan_digits.yml", outputs_of(project)
    text = catalog.read_text()
    catalog.write_text(text.replace("n_train: 300, n_test: 100", "n_train: 30, n_test: 100", 2))
    try:
        done = kedro(project, *RUN, "--params=run.track=false")
    finally:
        catalog.write_text(text)
    assert done.returncode == 1 and "Traceback" not in done.stdout + done.stderr
    assert sum(line.startswith("Error:") for line in done.stderr.splitlines()) == 1, done.stderr
    assert "too few pictures of 0 (3)" in " ".join(done.stderr.split()), done.stderr
    assert outputs_of(project) == before
