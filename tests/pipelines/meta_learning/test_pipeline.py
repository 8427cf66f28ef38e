"""The study as a user runs it: from end to end, on drawings of the user's own, and on bad ones."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from etudes.samples.strokes import raw_file
from projects import kedro, make_project

pytestmark = pytest.mark.slow
STUDY = "meta_learning"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a user's own drawings, in which two variants ran once; tests that spoil it copy it."""
    folder = make_project(tmp_path_factory.mktemp("meta") / "project")
    drawings = raw_file("characters", alphabets=3, characters=5, drawers=8, size=28, seed=3)
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


def test_it_runs_from_end_to_end_and_answers(own: Path) -> None:
    data = own / "data"
    metrics = json.loads((data / "07_model_output" / "mine" / STUDY / "metrics.json").read_text())
    assert {key.split(".")[0] for key in metrics} == {"random", "maml"}
    page = (data / "08_reporting" / "mine" / STUDY / "report.html").read_text()
    for words in (
        "How fast each start learns",
        "What adapting looks like",
        "First minus second, task by task",
    ):
        assert words in page
    assert "embedded sample" not in page, "these are the user's own drawings"
    question = '{"support": [[-2, 1.5], [0, 0.2], [3, -1]], "query": [1, 2.5]}'
    answered = kedro(own, "predict", STUDY, question, "--env=mine")
    assert answered.returncode == 0, answered.stdout + answered.stderr
    assert "after 10 gradient steps" in answered.stdout


def _truncate(raw: Path) -> None:
    path = raw / "strokes" / "alphabet02" / "character03" / "04.png"
    path.write_bytes(path.read_bytes()[:60])


def _thin_out(raw: Path) -> None:
    for drawing in (1, 2):
        (raw / "strokes" / "alphabet03" / "character01" / f"{drawing:02d}.png").unlink()


CASES: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "truncated drawing": (_truncate, ("alphabet02/character03/04.png", "no picture can be read")),
    "too few drawings": (_thin_out, ("alphabet03/character01 has 6 drawings", "a task needs 7")),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_drawings_end_in_one_message_and_keep_earlier_outputs(
    own: Path, tmp_path: Path, case: str
) -> None:
    spoil, parts = CASES[case]
    copy = tmp_path / "project"
    shutil.copytree(own, copy, symlinks=True)
    path = copy / "conf" / "mine" / "catalog" / f"{STUDY}.yml"
    path.write_text(path.read_text().replace(str(own), str(copy)))
    before = outputs_of(copy)
    spoil(copy / "raw")
    done = kedro(copy, "run", "--env=mine", f"--pipelines={STUDY}", "--params=run.track=false")
    screen = done.stdout + done.stderr
    assert done.returncode == 1 and "Traceback" not in screen, screen[-3000:]
    assert sum(line.startswith("Error:") for line in done.stderr.splitlines()) == 1, done.stderr
    flat = " ".join(done.stderr.split())
    for part in parts:
        assert part in flat, f"{part!r} is not in: {flat}"
    assert outputs_of(copy) == before
