"""The study as a user runs it: end to end in `test`, a question to the model, bad input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from etudes.serving.predictor import load_predictor
from projects import kedro, make_project

STUDY = "lunar_lander_bbf"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("lander") / "project")


def test_study_runs_end_to_end(project: Path) -> None:
    done = kedro(project, "run", "--env=test", f"--pipelines={STUDY}", "--params=run.track=false")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    data = project / "data"
    metrics = json.loads((data / "07_model_output" / "test" / STUDY / "metrics.json").read_text())
    for variant in ("random", "heuristic", "dqn", "n_step", "discount", "resets", "bbf"):
        assert {f"{variant}.iqm", f"{variant}.mean_return", f"{variant}.solved_share"} <= set(metrics)
    assert metrics["random.iqm.low"] <= metrics["random.iqm"] <= metrics["random.iqm.high"]
    reports = data / "08_reporting" / "test" / STUDY
    page = (reports / "report.html").read_text()
    assert "small run" in page and "hand-written" not in page.partition("<body")[0]
    assert (reports / "filmstrip.png").read_bytes().startswith(b"\x89PNG")
    predictor = load_predictor(reports / "predictor")
    assert "action" in predictor.describe(predictor.predict(predictor.parse("[0, 1.4, 0, 0, 0, 0, 0, 0]")))


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ({"id": "LunarLander-v2", "solved": 200}, ("own.json", "LunarLander-v2", "cannot be made", "v3")),
        ({"id": "LunarLander-v3", "solved": 200, "gravity": -5}, ("own.json", "unknown key gravity")),
    ],
    ids=["retired environment", "unknown key"],
)
def test_bad_environment_ends_in_one_message(
    project: Path, tmp_path: Path, content: dict[str, object], parts: tuple[str, ...]
) -> None:
    (tmp_path / "own.json").write_text(json.dumps(content))
    folder = project / "conf" / "mine" / "catalog"
    folder.mkdir(parents=True, exist_ok=True)
    entry = {
        "type": "etudes.datasets.RawFileDataset",
        "source": None,
        "file": "own.json",
        "raw": str(tmp_path),
    }
    (folder / f"{STUDY}.yml").write_text(yaml.safe_dump({f"{STUDY}.raw_environment": entry}))
    done = kedro(project, "run", "--env=mine", f"--pipelines={STUDY}", "--params=run.track=false")
    screen = done.stdout + done.stderr
    assert done.returncode == 1 and "Traceback" not in screen, screen[-3000:]
    assert sum(line.startswith("Error:") for line in done.stderr.splitlines()) == 1, done.stderr
    flat = " ".join(done.stderr.split())
    assert all(part in flat for part in parts), flat
