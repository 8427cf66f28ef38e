"""The study as a user runs it: from end to end, on drawings of the user's own, and on bad ones."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import Result

from etudes.samples.strokes import raw_file
from projects import kedro, make_project

pytestmark = pytest.mark.slow
STUDY = "meta_learning"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a user's own drawings, in which two variants ran once to their end."""
    folder = make_project(tmp_path_factory.mktemp("meta") / "project")
    drawings = raw_file("characters", alphabets=3, characters=8, drawers=8, size=28, seed=3)
    for name in drawings:
        path = folder / "raw" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(drawings.read(name).content)
    mine = folder / "conf" / "mine"
    for kind in ("catalog", "parameters"):
        (mine / kind).mkdir(parents=True)
    catalog = {
        f"{STUDY}.raw_characters": {
            "type": "etudes.datasets.RawFolderDataset",
            "source": None,
            "folder": "strokes",
            "suffixes": [".png"],
            "raw": str(folder / "raw"),
        }
    }
    (mine / "catalog" / f"{STUDY}.yml").write_text(yaml.safe_dump(catalog))
    parameters = yaml.safe_load((folder / "conf" / "test" / "parameters" / f"{STUDY}.yml").read_text())
    parameters[STUDY]["variants"] = ["random", "maml"]
    (mine / "parameters" / f"{STUDY}.yml").write_text(yaml.safe_dump(parameters))
    done = kedro(folder, "run", "--env=mine", f"--pipelines={STUDY}")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder


def outputs_of(project: Path) -> dict[str, str]:
    return {
        str(path.relative_to(project)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((project / "data").rglob("*"))
        if path.is_file()
    }


def test_own_drawings_give_metrics_a_page_and_answers(own: Path, predict: Callable[..., Result]) -> None:
    data = own / "data"
    metrics = json.loads((data / "07_model_output" / "mine" / STUDY / "metrics.json").read_text())
    assert {key.split(".")[0] for key in metrics} == {"random", "maml"}
    page = (data / "08_reporting" / "mine" / STUDY / "report.html").read_text()
    for words in (
        "How fast each start learns",
        "What adapting looks like",
        "Accuracy inside one alphabet",
        "Accuracy among 8 characters",
        "First minus second, task by task",
    ):
        assert words in page
    assert "embedded sample" not in page, "these are the user's own drawings"
    question = '{"support": [[-2, 1.5], [0, 0.2], [3, -1]], "query": [1, 2.5]}'
    answered = predict(own, STUDY, question, "--env=mine")
    assert answered.exit_code == 0, answered.output
    assert "after 10 gradient steps" in answered.stdout


def test_truncated_drawing_ends_in_one_message_and_keeps_earlier_outputs(own: Path) -> None:
    path, before = own / "raw" / "strokes" / "alphabet02" / "character03" / "04.png", outputs_of(own)
    content = path.read_bytes()
    path.write_bytes(content[:60])
    try:
        done = kedro(own, "run", "--env=mine", f"--pipelines={STUDY}", "--params=run.track=false")
    finally:
        path.write_bytes(content)
    screen = done.stdout + done.stderr
    assert done.returncode == 1 and "Traceback" not in screen, screen[-3000:]
    assert sum(line.startswith("Error:") for line in done.stderr.splitlines()) == 1, done.stderr
    flat = " ".join(done.stderr.split())
    assert "alphabet02/character03/04.png" in flat and "no picture can be read" in flat, flat
    assert outputs_of(own) == before
