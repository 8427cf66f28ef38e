"""The study as a user runs it: end to end in `test`, a question to the model, bad input."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import Result
from PIL import Image, ImageSequence

from projects import kedro, make_project

STUDY = "lunar_lander_bbf"
pytestmark = pytest.mark.slow
Predict = Callable[..., Result]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("lander") / "project")


def test_study_runs_end_to_end(project: Path) -> None:
    done = kedro(project, "run", "--env=test", f"--pipelines={STUDY}")
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


def test_a_seed_plays_an_episode_into_a_gif_that_runs_in_real_time(project: Path, predict: Predict) -> None:
    done = predict(project, STUDY, "7")
    assert done.exit_code == 0, done.output
    path = project / "asked" / f"{STUDY}_7.gif"
    assert "episode 7: return" in done.stdout and f"Written: {path}" in done.stdout
    steps = int(done.stdout.partition(" steps")[0].split()[-1])
    with Image.open(path) as film:
        seconds = sum(frame.info["duration"] for frame in ImageSequence.Iterator(film)) / 1000
        assert film.size == (600, 400) and film.n_frames > 5
    assert seconds == pytest.approx(steps / 50 + 1.5, abs=0.05), "50 steps a second, and the end stands still"
    assert path.stat().st_size < 2_000_000


def test_an_observation_gets_an_action_and_no_file(project: Path, predict: Predict) -> None:
    before = sorted((project / "asked").iterdir()) if (project / "asked").exists() else []
    observation = "[0, 1.4, 0, 0, 0, 0, 0, 0]"
    done = predict(project, STUDY, observation)
    assert done.exit_code == 0 and done.stdout.startswith("action"), done.output
    refused = predict(project, STUDY, observation, "--output=landing.gif")
    assert refused.exit_code == 1 and "has no drawing" in refused.stderr
    assert sorted((project / "asked").iterdir()) == before


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("land", "a JSON list of 8 numbers"),
        ("7.5", "or the seed of an episode, such as 7"),
        ("99999999999", "the seed is 99999999999; expected a whole number"),
        ("[1, 2]", "a JSON list of 8 numbers"),
    ],
)
def test_a_wrong_question_gets_one_message_and_writes_nothing(
    project: Path, predict: Predict, text: str, part: str
) -> None:
    before = sorted((project / "asked").iterdir()) if (project / "asked").exists() else []
    done = predict(project, STUDY, text)
    assert done.exit_code == 1 and part in " ".join(done.stderr.split()), done.output
    assert sorted((project / "asked").iterdir()) == before


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
