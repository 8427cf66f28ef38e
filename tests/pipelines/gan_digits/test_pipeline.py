"""The whole study from the command line, and what it says of bad input."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from etudes.serving.predictor import load_predictor
from projects import kedro, make_project

pytestmark = pytest.mark.slow
RUN = ("run", "--env=test", "--pipelines=gan_digits")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_project(tmp_path_factory.mktemp("gan") / "project")
    done = kedro(folder, *RUN, "--params=run.track=false")
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
    assert predictor.predict(predictor.parse('{"label": 3, "seed": 2}'))["label"].tolist() == [3]


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
