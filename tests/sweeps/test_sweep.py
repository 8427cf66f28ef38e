"""A sweep without processes: what runs, what is taken over, what the table says; and the command's refusals."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import etudes.sweeps.sweep as module
from etudes.results.runs import SeedRun
from etudes.sweeps.command import sweep as command
from etudes.sweeps.space import parse_space
from etudes.sweeps.sweep import Plan, Sweep

STUDY = "income_classification"
RATE = f"{STUDY}.boosting.learning_rate"


class Inline:
    """One place, in this thread."""

    places = 1

    def __init__(self) -> None:
        self.closed = False

    def submit(self, run: SeedRun) -> Future[None]:
        future: Future[None] = Future()
        try:
            run.execute()
            future.set_result(None)
        except Exception as error:
            future.set_exception(error)
        return future

    def close(self) -> None:
        self.closed = True


def rate_of(run: SeedRun) -> float:
    return float(re.search(rf"{RATE}=([^,]+)", run.made_by["parameters"] + f",{RATE}=0.1")[1])  # type: ignore[index]


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> list[SeedRun]:
    """Runs that were executed; each is best on dev at a rate of 0.2, and fails at 0.9."""
    done: list[SeedRun] = []

    def execute(run: SeedRun) -> None:
        done.append(run)
        if rate_of(run) == 0.9:
            raise RuntimeError("The run failed (exit 1): no rows")
        models = run.outputs / "06_models" / "test" / STUDY
        models.mkdir(parents=True, exist_ok=True)
        loss = abs(rate_of(run) - 0.2)
        for name, found in (
            ("boosting", {"dev": {"log_loss": loss}}),
            ("logistic", {"dev": {"log_loss": 0.01}}),
        ):
            (models / f"{name}_history.json").write_text(json.dumps(found))
        for name in ("majority", "naive_bayes", "gaussian"):
            (models / f"{name}_history.json").write_text(json.dumps({"skipped": True}))
        marker = run.outputs / "runs" / "test" / f"{STUDY}.json"
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.write_text(json.dumps({**run.made_by, "wall_seconds": 2.0}))

    def read(outputs: Path, study: str, env: str) -> dict[str, Any]:
        made_by = json.loads((outputs / "runs" / env / f"{study}.json").read_text())
        rate = rate_of(SeedRun(outputs, outputs, made_by))
        scores = {"boosting.accuracy": 0.8 + rate / 10 + made_by["seed"] / 100, "majority.accuracy": 0.7}
        return {
            **made_by,
            "chosen": "boosting",
            "dev": abs(rate - 0.2) + made_by["seed"] / 1000,
            "metrics": scores,
            "data": {"fingerprint": "f", "source": "s", "embedded_sample": True},
            "split": {"test_rows": 5},
            "test_rows": {"accuracy": 5},
            "resources": {},
            "tables": {},
        }

    monkeypatch.setattr(SeedRun, "execute", execute)
    monkeypatch.setattr(module, "read_run", read)
    monkeypatch.setattr("etudes.results.record.load_study", lambda name: type("S", (), {"tables": ()}))
    return done


@pytest.fixture
def sweep_of(tmp_path: Path) -> Callable[..., tuple[Sweep, list[str]]]:
    def made(*given: str, seeds: int = 2, search: Any = None, trials: int = 0) -> tuple[Sweep, list[str]]:
        space, told = parse_space(given, search is not None), list[str]()
        parameters = {STUDY: {"boosting": {"learning_rate": 0.1}}}
        plan = Plan(tmp_path, STUDY, "test", space, seeds, parameters, search, trials)
        return Sweep(plan, tmp_path / "sweeps", Inline, None, told.append), told

    return made


def test_every_setting_runs_with_every_seed_and_only_once(
    sweep_of: Callable[..., tuple[Sweep, list[str]]], executed: list[SeedRun]
) -> None:
    sweep, told = sweep_of(f"{RATE}=0.1,0.2")
    table = sweep.run()
    assert [(rate_of(run), run.made_by["seed"]) for run in executed] == [
        (0.1, 0),
        (0.1, 1),
        (0.2, 0),
        (0.2, 1),
    ]
    assert told[0] == "[1/4] boosting.learning_rate=0.1, seed 0, 2 s"
    first, second = re.findall(r"^\| boosting.learning_rate=[^|]+ \|.*$", table, re.M)[:2]
    assert "best on dev" in second and "best on dev" not in first, "by the dev loss, not by the test accuracy"
    assert "| boosting.learning_rate=0.2 | `boosting`, chosen on dev | 0.825 [" in table
    assert (tmp := sweep.folder / f"{sweep.key}.md").read_text() == table + "\n", tmp
    again, told = sweep_of(f"{RATE}=0.1,0.2,0.3")
    again.run()
    assert len(executed) == 6 and told[0] == "4 of 6 runs ended before and are taken over"


def test_seeds_alone_give_the_table_of_the_report(
    sweep_of: Callable[..., tuple[Sweep, list[str]]], executed: list[SeedRun]
) -> None:
    table = sweep_of(seeds=3)[0].run()
    assert table.startswith("| variant | accuracy ↑") and "`majority`" in table and "seeds 0 to 2" in table
    assert all(run.made_by["parameters"] == "" for run in executed)


def test_a_failed_run_leaves_the_others_their_table(
    sweep_of: Callable[..., tuple[Sweep, list[str]]], executed: list[SeedRun]
) -> None:
    sweep, told = sweep_of(f"{RATE}=0.1,0.9")
    with pytest.raises(RuntimeError, match="2 runs failed") as failed:
        sweep.run()
    assert "boosting.learning_rate=0.9, seed 1: The run failed (exit 1): no rows" in str(failed.value)
    assert "| 0.815 [" in told[-1], "the table of what ended is told before"
    hopeless, _ = sweep_of(f"{RATE}=0.9", seeds=5)
    with pytest.raises(RuntimeError, match="The first 3 runs failed, the others are not tried"):
        hopeless.run()


def test_a_search_reads_dev_alone_and_its_best_runs_with_every_seed(
    sweep_of: Callable[..., tuple[Sweep, list[str]]], executed: list[SeedRun]
) -> None:
    sweep, told = sweep_of(f"{RATE}=0.05..0.5", search="tpe", trials=12)
    table = sweep.run()
    trials, seeds = executed[:12], executed[12:]
    assert all(run.stages == ("ingest", "preprocess", "train") for run in trials), (
        "no evaluate stage: no test data"
    )
    assert all(f"{STUDY}.variants=[boosting]" in run.made_by["parameters"] for run in trials)
    assert rate_of(trials[0]) == 0.1, "the configured setting comes first"
    best = min(trials, key=lambda run: abs(rate_of(run) - 0.2))
    assert [(rate_of(run), run.made_by["seed"], run.stages) for run in seeds] == [
        (rate_of(best), 0, ()),
        (rate_of(best), 1, ()),
    ]
    assert not any(run.outputs.exists() for run in trials), "their scores are kept"
    assert "Best of 12 trials (12 ended) by dev log_loss" in " ".join(told) and "`boosting`" in table
    assert "No trial was pruned: dev scores of a running training are read from MLflow" in " ".join(told)
    more, _ = sweep_of(f"{RATE}=0.05..0.5", search="tpe", trials=14)
    more.run()
    assert len([run for run in executed if run.stages]) == 14, "trials that ended are not repeated"


def test_a_trial_that_ended_before_it_was_told_is_not_run_again(
    sweep_of: Callable[..., tuple[Sweep, list[str]]],
    executed: list[SeedRun],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sweep, _ = sweep_of(f"{RATE}=0.05..0.5", search="tpe", trials=3, seeds=1)
    with monkeypatch.context() as killed:
        killed.setattr(module._Trials, "_score", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            sweep.run()
    assert len(executed) == 1
    again, _ = sweep_of(f"{RATE}=0.05..0.5", search="tpe", trials=3, seeds=1)
    again.run()
    assert [rate_of(run) for run in executed if run.stages].count(0.1) == 1


def test_choices_that_were_tried_are_known(
    sweep_of: Callable[..., tuple[Sweep, list[str]]], executed: list[SeedRun]
) -> None:
    sweep, told = sweep_of(f"{RATE}=0.1,0.3", search="random", trials=8, seeds=1)
    sweep.run()
    assert len([run for run in executed if run.stages]) == 2
    assert sum(line.endswith(", as before") for line in told) == 6


def test_several_variants_are_judged_by_the_best_and_not_pruned(
    sweep_of: Callable[..., tuple[Sweep, list[str]]], executed: list[SeedRun]
) -> None:
    sweep, told = sweep_of(f"{RATE}=0.1,0.3", "run.precision=no,bf16", search="random", trials=2, seeds=1)
    sweep.run()
    assert not any("variants" in run.made_by["parameters"] for run in executed)
    assert any("by dev log_loss 0.01" in line for line in told), "of logistic"
    assert any("No trial was pruned: several variants are trained" in line for line in told)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["income_clasification"],
            "There is no study 'income_clasification'; did you mean 'income_classification'?",
        ),
        ([STUDY, "--trials=5"], "--trials are those of a search; add --search=tpe"),
        ([STUDY, "--search=tpe", f"--params={RATE}=1..2"], "add --trials=50"),
        ([STUDY, "--search=tpe", "--trials=2"], "--search has nothing to choose from"),
        ([STUDY, "--seeds=0"], "0 is not in the range 1<=x<=1000"),
        ([STUDY, "--search=grid"], "'grid' is not one of 'tpe', 'random'"),
        ([STUDY, "--env=tset"], "did you mean 'test'?"),
        ([STUDY, "--runner-params=workers=2"], "add --runner=etudes.runners.DaskRunner"),
        (
            [STUDY, "--runner=etudes.runners.DaskRunner", "--workers=2"],
            "with --runner say --runner-params=workers=N",
        ),
        ([STUDY, "--env=test", f"--params={STUDY}.bosting.learning_rate=1,2"], "did you mean"),
        ([STUDY, "--env=test", f"--params={RATE}=fast,slow"], f"{RATE}: Input should be a valid number"),
        (
            [STUDY, "--env=test", "--runner=ThreadRunner"],
            "ThreadRunner runs nodes of a study at the same time",
        ),
    ],
)
def test_what_cannot_be_swept_is_refused_in_one_message(arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code in (1, 2) and message in done.output, done.output
    assert "Traceback" not in done.output


@pytest.mark.parametrize("search", [None, "tpe"])
def test_ctrl_c_is_one_line_and_its_status(search: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etudes.sweeps.command._sweep", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    more = ["--search=tpe", "--trials=2", f"--params={RATE}=0.1,0.2"] if search else []
    done = CliRunner().invoke(command, [STUDY, *more])
    assert done.exit_code == 130 and done.output.splitlines() == [
        "Interrupted. What ended is kept; the same command goes on from here."
    ]


@pytest.mark.parametrize(("given", "asked"), [([], "test"), (["--env=full"], "full")])
def test_the_environment_is_the_option_or_that_of_the_shell(
    given: list[str], asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[str] = []
    monkeypatch.setattr("etudes.sweeps.command._sweep", lambda _study, env, *_: taken.append(env) or "")
    monkeypatch.setenv("KEDRO_ENV", "test")
    assert CliRunner().invoke(command, [STUDY, *given]).exit_code == 0
    assert taken == [asked]
