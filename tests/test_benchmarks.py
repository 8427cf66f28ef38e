"""The benchmarks compare like with like; how fast anything is, only `python -m benchmarks` says."""

from __future__ import annotations

import copy
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from benchmarks.__main__ import BENCHMARKS, main
from benchmarks.explain import Stopwatch
from benchmarks.linear import by_hand, ours
from benchmarks.loop import bilstm_problem, plain_loop
from benchmarks.memory import short
from benchmarks.sample import Sample, changed, load_sample
from benchmarks.table import Row, at_least, at_most, render
from benchmarks.timing import interleaved
from benchmarks.trivial import STUDY, add_copies, make_project, make_trivial_project

from etudes.training.fit import fit
from projects import kedro


@pytest.fixture(scope="module")
def sample() -> Sample:
    return load_sample("test")


def test_table_marks_what_is_kept_and_what_is_missed() -> None:
    rows = [
        at_most("start-up", 1.0, 1.0, 1.2),
        at_most("run", 2.0, 1.0, 1.6),
        at_least("fit", 990.0, 1000.0, 0.95, "tokens/s"),
        at_least("tfidf", 900.0, 1000.0, 0.95, "texts/s"),
        Row("memory", "300 MiB"),
    ]
    lines = render(rows).splitlines()
    assert len({len(line) for line in lines}) == 1, "the columns are aligned"
    assert [line.split("|")[-2].strip() for line in lines[2:]] == ["yes", "NO", "yes", "NO", "-"]
    assert "| 2.00x " in lines[3] and "<= 1.6x" in lines[3]


def test_contestants_take_turns_and_the_best_counts() -> None:
    turns: list[str] = []
    best = interleaved({"a": lambda: turns.append("a"), "b": lambda: turns.append("b")}, repeats=3)
    assert turns == ["a", "b"] * 3
    assert 0 <= best["a"].wall < float("inf") and best["b"].cpu >= 0


def test_time_of_an_inner_part_is_not_counted_twice() -> None:
    watch = Stopwatch()
    numbers = range(200_000)
    watch.call("outer", lambda: watch.call("inner", lambda: sum(numbers)))
    assert watch.seconds["inner"] > watch.seconds["outer"]


def test_unknown_benchmark_is_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["speed"]) == 2
    said = capsys.readouterr().err
    assert "speed" in said and all(name in said for name in BENCHMARKS)


def test_memory_runs_change_epochs_only(sample: Sample) -> None:
    bilstm = load_sample("base").parameters.bilstm
    assert short(bilstm).fit.epochs == 2
    assert short(bilstm).model_dump(exclude={"fit"}) == bilstm.model_dump(exclude={"fit"})
    assert short(sample.parameters.tfidf) == sample.parameters.tfidf


def test_plain_loop_and_fit_reach_the_same_weights(sample: Sample) -> None:
    settings = changed(sample.parameters.bilstm.fit, epochs=3, warmup=0.2)
    problems = [bilstm_problem(sample) for _ in range(2)]
    for first, second in zip(*(p.model.state_dict().values() for p in problems), strict=True):
        assert torch.equal(first, second), "both start from the same weights"
    before = copy.deepcopy(problems[0].model.state_dict())
    losses = plain_loop(problems[0], settings, sample.run)
    history = fit(problems[1], settings, sample.run)
    np.testing.assert_allclose(losses, [row["train_loss"] for row in history], atol=1e-5)
    theirs: dict[str, Any] = problems[1].model.state_dict()
    for name, value in problems[0].model.state_dict().items():
        torch.testing.assert_close(value, theirs[name], atol=1e-5, rtol=0)
        assert not torch.equal(value, before[name]), f"{name} was not trained"


def test_tfidf_by_hand_gives_the_scores_of_the_study(sample: Sample) -> None:
    arguments = (sample.train, sample.test, sample.classes, sample.parameters.tfidf)
    np.testing.assert_allclose(by_hand(*arguments), ours(*arguments), atol=1e-5)


@pytest.mark.slow
def test_trivial_study_runs_and_is_tracked(tmp_path: Path) -> None:
    project = make_trivial_project(tmp_path / "project", nodes=5)
    done = kedro(project, "run", f"--pipelines={STUDY}")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    metrics = json.loads((project / f"data/07_model_output/base/{STUDY}/metrics.json").read_text())
    assert metrics == {"v00.score": 1.0}
    with closing(sqlite3.connect(project / "mlflow.db")) as database:
        tracked = {key for (key,) in database.execute("select key from metrics")}
    assert {"v00.score", "v00.train_loss", "resources.v00.seconds"} <= tracked


@pytest.mark.slow
def test_bare_project_runs_the_same_study_untracked(tmp_path: Path) -> None:
    project = make_trivial_project(tmp_path / "project", nodes=5, hooks=False)
    done = kedro(project, "run", f"--pipelines={STUDY}")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert (project / f"data/07_model_output/base/{STUDY}/metrics.json").exists()
    assert not (project / "mlflow.db").exists()


def test_a_copied_study_is_a_study_of_its_own_in_every_environment(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    pipelines, conf = project / "src" / "etudes" / "pipelines", project / "conf"
    before = {path.name for path in pipelines.iterdir()}
    total = len(list(pipelines.glob("*/study.toml"))) + 2
    add_copies(project, "gan_digits", total)
    copies = sorted({path.name for path in pipelines.iterdir()} - before)
    assert len(copies) == 2 and len(list(pipelines.glob("*/study.toml"))) == total
    for name in copies:
        source = "".join(path.read_text() for path in (pipelines / name).rglob("*.py"))
        assert f"etudes.pipelines.{name}." in source
        assert source.replace(name, "").count("gan_digits") == 0
        for original in conf.rglob("gan_digits.yml"):
            copied = original.with_name(f"{name}.yml")
            assert copied.read_text() == original.read_text().replace("gan_digits", name)
