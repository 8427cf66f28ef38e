"""What a record keeps of its runs, one by one and all at once."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

from etudes.cli import record as record_command
from etudes.lock import Holder, LockedError, process_identity
from etudes.results import record as module
from etudes.results import runs as of_runs
from etudes.results.record import (
    LONGEST,
    public_rows,
    record_study,
    summarise,
    with_part,
    with_run,
)
from etudes.results.runs import SeedRun, ended_alike, read_run, records_folder
from etudes.results.tables import chosen_variant, count
from etudes.study import RecordedPart, load_study

STUDY = "meta_learning"


def run_of(seed: int, accuracy: float, fingerprint: str = "abc", **changes: Any) -> dict[str, Any]:
    steps = [{"variant": "maml", "task": "characters", "shots": 1, "step": 10, "value": accuracy}]
    return {
        "study": STUDY,
        "environment": "full",
        "parameters": "",
        "commit": "c0ffee",
        "seed": seed,
        "wall_seconds": 1.5,
        "chosen": "anil" if seed == 1 else "maml",
        "metrics": {
            "maml.accuracy_1shot": accuracy,
            "maml.accuracy_1shot.low": accuracy - 0.1,
            "maml.accuracy_1shot.high": accuracy + 0.1,
            "maml.mse_after_10": 2 * accuracy,
        },
        "data": {"fingerprint": fingerprint, "source": "omniglot", "drawings": 40, "embedded_sample": False},
        "split": {"train_rows": 7, "held_out": [[1, 2]], "everything": list(range(LONGEST))},
        "test_rows": {"mse_after_10": 600},
        "resources": {"maml": {"seconds": 10.0 * (seed + 1)}},
        "tables": {"steps": steps, "alphabets": [], "differences": []},
        **changes,
    }


def test_a_record_says_how_it_was_made_and_how_much_of_the_public_set_there_was() -> None:
    found = summarise([run_of(0, 0.5), run_of(1, 0.7), run_of(2, 0.6, commit="decaf")])
    assert found["command"] == "kedro record meta_learning --env=full --seeds=3"
    assert found["commit"] == ["c0ffee", "c0ffee", "decaf"]
    assert found["public_rows"] == {"drawings": [40, 32_460]}
    assert found["test_rows"] == {"mse_after_10": 600}
    assert found["chosen"] == ["maml", "anil", "maml"] and chosen_variant(found) == "maml"
    assert public_rows({"source": "omniglot", "embedded_sample": True}) == {}
    assert public_rows({"source": "a game", "embedded_sample": False}) == {}


def test_the_test_rows_of_a_headline_are_counted_in_the_predictions(tmp_path: Path) -> None:
    rows = [
        {"variant": variant, "task": task, "shots": shots, "step": step}
        for variant, tasks in (("maml", 3), ("anil", 2))
        for _ in range(tasks)
        for task in ("sinusoids", "characters, queries together")
        for shots in (1, 10)
        for step in (0, 10)
    ]
    pd.DataFrame(rows[:-1]).to_parquet(tmp_path / "predictions.parquet")
    assert of_runs._test_rows(tmp_path, STUDY, {"test_rows": 99}) == {
        "mse_after_10": 3,
        "transductive_1shot": 3,
    }
    assert of_runs._test_rows(tmp_path, "vae", {"test_rows": 99}) == {"elbo": 99}
    pd.DataFrame(rows[:1]).to_parquet(tmp_path / "predictions.parquet")
    assert set(of_runs._test_rows(tmp_path, STUDY, {"test_rows": 99}).values()) == {0}


def test_seeds_become_values_mean_and_interval_and_long_lists_stay_with_the_runs() -> None:
    found = summarise([run_of(0, 0.5), run_of(1, 0.7)])
    assert found["seeds"] == [0, 1]
    assert found["split"] == {"train_rows": 7, "held_out": [[1, 2]]}
    summary = found["metrics"]["maml.accuracy_1shot"]
    assert (summary["mean"], summary["n"], summary["values"]) == (pytest.approx(0.6), 2, [0.5, 0.7])
    assert summary["tests"] == [[0.4, 0.6], [0.6, 0.8]]
    assert (summary["low"], summary["high"]) == (0.0, 1.0), "two seeds say little, but a share stays a share"
    assert "tests" not in found["metrics"]["maml.mse_after_10"]


def test_a_seed_added_later_gives_the_record_of_all_at_once() -> None:
    runs = [run_of(0, 0.5), run_of(1, 0.7), run_of(2, 0.65)]
    whole, added = summarise(runs), with_run(summarise([runs[0], runs[2]]), runs[1])
    for name in ("seeds", "chosen", "command", "commit", "wall_seconds", "metrics", "tables", "resources"):
        assert added[name] == whole[name], name


def test_a_record_without_the_values_of_its_seeds_keeps_mean_and_spread() -> None:
    runs = [run_of(0, 0.5), run_of(1, 0.7), run_of(2, 0.65)]
    old = summarise([runs[0], runs[2]])
    for summary in old["metrics"].values():
        del summary["values"]
        if summary.pop("tests", None):
            summary["test_error"] = [0.1, 0.1]
    whole = summarise(runs)["metrics"]["maml.accuracy_1shot"]
    added = with_run(old, runs[1])["metrics"]["maml.accuracy_1shot"]
    for key in ("mean", "n", "std", "low", "high"):
        assert added[key] == pytest.approx(whole[key], abs=2e-5), key
    assert added["test_error"] == [0.1, 0.1] and "values" not in added


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (run_of(1, 0.5), "holds seed 1 already"),
        (run_of(2, 0.5, fingerprint="other"), "differs from the record in data;"),
        (
            run_of(2, 0.5, parameters="a=1", split={"train_rows": 8}),
            "in parameters, split.train_rows, split.held_out",
        ),
    ],
)
def test_a_run_of_something_else_is_not_added(run: dict[str, Any], message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        with_run(summarise([run_of(0, 0.5), run_of(1, 0.6)]), run)


SINUSOIDS = RecordedPart("sinusoids", ("mse_after_10",), ("steps",), {"task": "sinusoids"})


def both(errors: tuple[float, float], accuracy: float, **changes: Any) -> dict[str, Any]:
    """A record of two seeds with rows of both families."""
    runs = [run_of(seed, accuracy, **changes) for seed in (0, 1)]
    for run, error in zip(runs, errors, strict=True):
        run["metrics"]["maml.mse_after_10"] = error
        row = {"variant": "maml", "task": "sinusoids", "shots": 10, "step": 10, "value": error}
        run["tables"]["steps"] = [row, *run["tables"]["steps"]]
    return summarise(runs) | {"recorded": f"day {accuracy}"}


def test_a_part_recorded_alone_replaces_its_numbers_and_says_how_it_was_made() -> None:
    old, new = both((3.0, 5.0), 0.9), both((1.0, 2.0), 0.2, commit="decaf", parameters="a=1")
    found = with_part(old, new, SINUSOIDS)
    for name, source in (("maml.mse_after_10", new), ("maml.accuracy_1shot", old)):
        assert found["metrics"][name] == source["metrics"][name]
    assert found["tables"]["steps"] == [new["tables"]["steps"][0], old["tables"]["steps"][1]]
    (how,) = found["parts"]
    assert (how["part"], how["variants"]) == ("sinusoids", [])
    assert how["command"] == "kedro record meta_learning --env=full --seeds=2 --params=a=1 --part=sinusoids"
    assert (how["commit"], how["recorded"]) == ("decaf", "day 0.2")
    for name in ("command", "commit", "recorded", "split", "resources", "chosen"):
        assert found[name] == old[name], name
    again = with_part(found, both((7.0, 7.0), 0.1), SINUSOIDS)
    assert again["metrics"]["maml.mse_after_10"]["mean"] == 7 and len(again["parts"]) == 1
    with pytest.raises(RuntimeError, match="sinusoids of the record was made by other runs"):
        with_run(found, run_of(2, 0.5))


def test_a_part_of_some_variants_leaves_the_others_and_drops_what_compares_the_two() -> None:
    old, new = both((3.0, 5.0), 0.9), both((1.0, 2.0), 0.2)
    part = replace(SINUSOIDS, tables=("steps", "differences"))
    pairs = [("maml", "random"), ("maml", "anil"), ("anil", "random")]

    def differences(value: float, *pairs: tuple[str, str]) -> list[dict[str, Any]]:
        tasks = [("sinusoids", *pair) for pair in pairs] + [("characters", *pairs[0])]
        shared = {"shots": 10, "step": 10, "difference": {"mean": value}}
        return [{"first": a, "second": b, "task": task, **shared} for task, a, b in tasks]

    old["tables"]["differences"] = differences(1.0, *pairs)
    new["tables"]["differences"] = differences(2.0, pairs[0])
    for record in (old, new):
        record["metrics"]["random.mse_after_10"] = {"mean": 4.0}
    old["metrics"]["anil.mse_after_10"] = {"mean": 3.0}
    found = with_part(old, new, part)
    assert found["metrics"]["anil.mse_after_10"] == {"mean": 3.0}
    assert [how["variants"] for how in found["parts"]] == [["maml", "random"]]
    assert [how["variants"] for how in with_part(found, new, part)["parts"]] == [["maml", "random"]]
    del new["metrics"]["random.mse_after_10"]
    later = with_part(found, new, part)["parts"]
    assert [how["variants"] for how in later] == [["maml", "random"], ["maml"]], (
        "who is still from which runs"
    )
    told = [(*row.values(),) for row in found["tables"]["differences"]]
    assert [row[:3] for row in told] == [
        ("maml", "random", "sinusoids"),
        ("anil", "random", "sinusoids"),
        ("maml", "random", "characters"),
    ], "of maml and anil on sinusoids nothing is known, random has the numbers that it had"
    assert [row[-1]["mean"] for row in told] == [2.0, 1.0, 1.0]


def test_a_part_that_chooses_the_model_brings_its_choice() -> None:
    part = replace(SINUSOIDS, metrics=("mse_after_10", load_study(STUDY).dev_metric))
    found = with_part(both((3.0, 5.0), 0.9), both((1.0, 2.0), 0.2, chosen="reptile"), part)
    assert found["chosen"] == ["reptile"] * 2
    old = both((3.0, 5.0), 0.9)
    old["metrics"]["anil.mse_after_10"] = {"mean": 3.0}
    assert with_part(old, both((1.0, 2.0), 0.2, chosen="reptile"), part)["chosen"] == old["chosen"], (
        "not all that dev chooses from were trained"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"fingerprint": "other"}, "in data;"), ({"environment": "base"}, "in environment;")],
)
def test_a_part_of_other_data_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        with_part(both((3.0, 5.0), 0.9), both((3.0, 5.0), 0.9, **changes), SINUSOIDS)
    with pytest.raises(RuntimeError, match="in seeds;"):
        with_part(both((3.0, 5.0), 0.9), summarise([run_of(0, 0.5)]), SINUSOIDS)


def test_a_part_is_refused_before_anything_runs_where_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SeedRun, "execute", lambda _: pytest.fail("a seed was run"))
    with pytest.raises(RuntimeError, match="record the study first"):
        record_study(tmp_path, STUDY, "full", 3, part="sinusoids")
    module.write_record(tmp_path, both((3.0, 5.0), 0.9))
    with pytest.raises(RuntimeError, match=r"no part 'circles' that can be recorded alone; .* sinusoids"):
        record_study(tmp_path, STUDY, "full", 3, part="circles")


def test_a_split_that_changes_with_the_seed_is_recorded_seed_by_seed() -> None:
    first, second = run_of(0, 0.5), run_of(1, 0.7)
    second["split"] |= {"train_rows": 1009, "held_out": [[3]]}
    found = summarise([first, second])
    assert found["split"] == {"train_rows": [7, 1009], "held_out": [[[1, 2]], [[3]]]}
    assert count(found["split"]["train_rows"]) == "7 to 1,009"
    assert count(1009) == "1,009"


def test_runs_on_different_data_are_no_record() -> None:
    with pytest.raises(RuntimeError, match="different data"):
        summarise([run_of(0, 0.5), run_of(1, 0.7, fingerprint="other")])


def test_resume_runs_only_the_seeds_that_did_not_end_with_the_same_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[int] = []

    def ends(self: SeedRun) -> None:
        started.append(self.made_by["seed"])
        if len(started) == 2:
            raise RuntimeError("killed")
        path = self.outputs / "runs" / "full" / f"{STUDY}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.made_by))

    monkeypatch.setattr(SeedRun, "execute", ends)
    monkeypatch.setattr(module, "read_run", lambda outputs, *_: run_of(int(outputs.name[-1]), 0.5))
    with pytest.raises(RuntimeError, match="killed; nothing is recorded"):
        record_study(tmp_path, STUDY, "full", 3)
    assert not (tmp_path / "docs").exists(), "a record of some of the seeds is none"
    (tmp_path / "docs" / "results").mkdir(parents=True)
    path = record_study(tmp_path, STUDY, "full", 3, resume=True)
    assert started == [0, 1, 1, 2] and json.loads(path.read_text())["seeds"] == [0, 1, 2]
    record_study(tmp_path, STUDY, "full", 3, resume=True)
    assert len(started) == 4
    (tmp_path / "conf" / "base").mkdir(parents=True)
    (tmp_path / "conf" / "base" / "parameters.yml").write_text("run: {seed: 1}")
    record_study(tmp_path, STUDY, "full", 1, resume=True)
    assert started[4:] == [0], "another configuration, another run"


def test_outputs_without_an_end_are_no_run(tmp_path: Path) -> None:
    assert not ended_alike(tmp_path, {"study": STUDY, "environment": "full"})
    with pytest.raises(RuntimeError, match="no run of meta_learning in full ended in this folder"):
        read_run(tmp_path, STUDY, "full")


def test_the_mean_of_resources_is_that_of_all_seeds() -> None:
    found = with_run(summarise([run_of(0, 0.5), run_of(1, 0.5)]), run_of(2, 0.5))
    assert found["resources"]["maml"]["seconds"] == statistics.fmean([10, 20, 30])


def test_a_study_that_another_process_records_is_refused_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SeedRun, "execute", lambda _: pytest.fail("a seed was run"))
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        identity = process_identity(process.pid)
        assert identity is not None
        holder = replace(Holder.here([], [f"{STUDY}.record"]), pid=process.pid, process=identity)
        path = records_folder(tmp_path) / ".runs" / "test" / "0123456789abcdef.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(asdict(holder)), encoding="utf-8")
        with pytest.raises(LockedError, match=f"process {process.pid}"):
            record_study(tmp_path, STUDY, "test", 1)


@pytest.mark.parametrize(("given", "asked"), [([], "test"), (["--env=full"], "full")])
def test_the_environment_is_the_option_or_that_of_the_shell(
    given: list[str], asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[str] = []
    monkeypatch.setattr(module, "record_study", lambda _project, _study, env, *_: taken.append(env))
    monkeypatch.setenv("KEDRO_ENV", "test")
    assert CliRunner().invoke(record_command, [STUDY, *given]).exit_code == 0
    assert taken == [asked]
