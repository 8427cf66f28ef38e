"""The study as a user runs it: from end to end, on files of the user's own, and on bad ones."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from etudes.samples.census import raw_file
from projects import kedro, make_project

pytestmark = pytest.mark.slow
STUDY = "income_classification"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a user's own files, in which all variants ran once; tests that spoil it copy it."""
    folder = make_project(tmp_path_factory.mktemp("income") / "project")
    raw = folder / "raw"
    raw.mkdir()
    for part in ("train", "test"):
        (raw / f"{part}.csv").write_bytes(raw_file(part, 300, 150, seed=2).content)
    mine = folder / "conf" / "mine"
    for kind in ("catalog", "parameters"):
        (mine / kind).mkdir(parents=True)
    catalog = {
        f"{STUDY}.raw_{part}": {
            "type": "etudes.datasets.RawFileDataset",
            "source": None,
            "file": f"{part}.csv",
            "raw": str(raw),
        }
        for part in ("train", "test")
    }
    (mine / "catalog" / f"{STUDY}.yml").write_text(yaml.safe_dump(catalog))
    shutil.copy(folder / "conf" / "test" / "parameters" / f"{STUDY}.yml", mine / "parameters")
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
    for variant in ("majority", "naive_bayes", "gaussian", "logistic", "boosting"):
        assert 0.5 < metrics[f"{variant}.accuracy"] <= 1
    page = (data / "08_reporting" / "mine" / STUDY / "report.html").read_text()
    for words in (
        "Does the generative model win with little data?",
        "Whom it serves worse",
        "Confident mistakes",
    ):
        assert words in page
    assert "embedded sample" not in page, "these are the user's own people"
    question = '{"age": 45, "workclass": "Private", "education": "Masters", "education-num": 14, '
    question += '"marital-status": "Married-civ-spouse", "occupation": "?", "relationship": "Husband", "race": "White", '
    question += '"sex": "Male", "capital-gain": 20000, "capital-loss": 0, "hours-per-week": 50, "native-country": "?"}'
    answered = kedro(own, "predict", STUDY, question, "--env=mine")
    assert answered.returncode == 0, answered.stdout + answered.stderr
    assert "probability of > 50K" in answered.stdout


Spoil = Callable[[Path], object]


def rewrite(change: Callable[[str], str], file: str = "train.csv") -> Spoil:
    def spoil(raw: Path) -> None:
        path = raw / file
        path.write_text(change(path.read_text()))

    return spoil


CASES: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    "missing file": (lambda raw: (raw / "test.csv").unlink(), ("test.csv", "no such file", "catalog")),
    "truncated line": (
        rewrite(lambda text: text[:-20] + "\n"),
        ("train.csv", "line 300", "of 15 fields", "Mend the lines"),
    ),
    "a class too few": (
        rewrite(lambda text: text.replace(">50K", "<=50K"), "test.csv"),
        ("test.csv", "found 150 of <=50K and 0 of >50K", "expected at least 1 of each"),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_file_ends_in_one_message_and_keeps_earlier_outputs(own: Path, tmp_path: Path, case: str) -> None:
    spoil, parts = CASES[case]
    copy = tmp_path / "project"
    shutil.copytree(own, copy, symlinks=True)
    path = copy / "conf" / "mine" / "catalog" / f"{STUDY}.yml"
    path.write_text(path.read_text().replace(str(own), str(copy)))
    before = outputs_of(copy)
    spoil(copy / "raw")
    done: subprocess.CompletedProcess[str] = kedro(
        copy, "run", "--env=mine", f"--pipelines={STUDY}", "--params=run.track=false"
    )
    screen = done.stdout + done.stderr
    assert done.returncode == 1 and "Traceback" not in screen, screen[-3000:]
    assert sum(line.startswith("Error:") for line in done.stderr.splitlines()) == 1, done.stderr
    flat = " ".join(done.stderr.split())
    for part in parts:
        assert part in flat, f"{part!r} is not in: {flat}"
    assert outputs_of(copy) == before
