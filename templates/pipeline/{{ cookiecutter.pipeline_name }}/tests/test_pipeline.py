"""The study as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from etudes.serving.predictor import load_predictor
from projects import kedro

pytestmark = pytest.mark.slow
STUDY = "{{ cookiecutter.pipeline_name }}"


def test_it_runs_from_end_to_end_and_answers(project: Path) -> None:
    done = kedro(project, "run", "--env=test", f"--pipelines={STUDY}", "--params=run.track=false")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    data = project / "data"
    metrics = json.loads((data / "07_model_output" / "test" / STUDY / "metrics.json").read_text())
    assert metrics["nearest_centroid.accuracy"] > metrics["most_frequent.accuracy"]
    reporting = data / "08_reporting" / "test" / STUDY
    page = (reporting / "report.html").read_text()
    assert "embedded sample" in page and "nearest_centroid" in page
    predictor = load_predictor(reporting / "predictor")
    assert predictor.predict(predictor.example())["label"][0] in ("class_0", "class_1", "class_2")
