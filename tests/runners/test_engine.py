"""The runner over an engine that is a thread: order, failures, what is told; no process is started."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node, Pipeline
from kedro_datasets.json import JSONDataset

from etudes.runners.engine import EngineRunner, RunnerError, StudiesFailedError
from etudes.runners.tasks import NodeError, NodeResult, NodeTask


def _one(_: Any) -> int:
    return 1


def pipeline_of(*studies: str) -> Pipeline:
    """Two nodes a study, the second after the first."""
    return Pipeline(
        [
            Node(
                _one,
                before,
                after,
                name=name,
                namespace=study,
                tags=["gpu"] * (name == "train_a"),
            )
            for study in studies
            for name, before, after in (
                ("split", "start", f"{study}.rows"),
                ("train_a", f"{study}.rows", f"{study}.a_model"),
            )
        ]
    )


def catalog_of(folder: Path, *studies: str) -> DataCatalog:
    names = [f"{study}.{name}" for study in studies for name in ("rows", "a_model")]
    stored = {name: JSONDataset(filepath=str(folder / f"{name}.json")) for name in names}
    return DataCatalog({**stored, "start": MemoryDataset(0)})


class Hooks:
    """The hooks of the project, as far as a runner asks them."""

    gpus = 0

    def __init__(self, folder: Path) -> None:
        self.surroundings = {
            "project": str(folder),
            "conf_source": str(folder / "conf"),
            "environment": "test",
            "parameters": {"run": {"seed": 3}},
            "notes": str(folder / ".runs" / "test"),
        }
        self.open_runs = {"a": "run of a"}
        self.outputs: list[str] = []
        self.failed: dict[str, Exception] = {}
        self.told: dict[str, str] = {}

    def get_plugins(self) -> list[Any]:
        return [self]

    def counted(self, pipeline: Pipeline) -> frozenset[str]:
        return frozenset(node.name for node in pipeline.nodes)

    def attach(self) -> None:
        raise AssertionError("this is the driver")

    def took(self, outputs: Iterable[str]) -> None:
        self.outputs += outputs

    def node_ended(self, name: str, seconds: float) -> None:
        self.told[name] = "ended"

    def node_failed(self, name: str, said: str, trace: str) -> None:
        self.told[name] = said

    def conclude(self, failed: Mapping[str, Exception], catalog: Any) -> None:
        self.failed = dict(failed)


class Threads:
    """Runs nothing, tells what was asked of it; nodes whose name is in ``errors`` fail."""

    def __init__(self, errors: Mapping[str, Exception]) -> None:
        self.errors, self.tasks, self.on_gpu = errors, [], []
        self.pool = ThreadPoolExecutor(2)
        self.stopped = False

    tasks: list[NodeTask]
    on_gpu: list[str]

    def start(self, gpus: int) -> None:
        assert gpus == 0

    def submit(self, task: NodeTask, gpu: bool) -> Future[NodeResult]:
        self.tasks.append(task)
        self.on_gpu += [task.node] * gpu
        return self.pool.submit(self._run, task)

    def _run(self, task: NodeTask) -> NodeResult:
        if task.node in self.errors:
            raise self.errors[task.node]
        study, _, name = task.node.partition(".")
        return NodeResult(task.node, (f"{study}.{'rows' if name == 'split' else 'a_model'}",), 0.0, "here")

    def stop(self) -> None:
        self.stopped = True
        self.pool.shutdown()


class ThreadRunner(EngineRunner):
    def __init__(self, **errors: Exception) -> None:
        super().__init__()
        self.threads = Threads({name.replace("__", "."): error for name, error in errors.items()})

    def _engine(self) -> Threads:
        return self.threads


def test_nodes_of_all_studies_run_in_their_order_and_are_taken(tmp_path: Path) -> None:
    runner, hooks = ThreadRunner(), Hooks(tmp_path)
    runner.run(pipeline_of("a", "b"), catalog_of(tmp_path, "a", "b"), hooks, run_id="now")  # type: ignore[arg-type]
    names = [task.node for task in runner.threads.tasks]
    assert sorted(names) == ["a.split", "a.train_a", "b.split", "b.train_a"]
    assert names.index("a.split") < names.index("a.train_a") and names.index("b.split") < names.index(
        "b.train_a"
    )
    assert sorted(runner.threads.on_gpu) == ["a.train_a", "b.train_a"]
    assert sorted(hooks.outputs) == ["a.a_model", "a.rows", "b.a_model", "b.rows"]
    assert hooks.told == dict.fromkeys(("a.split", "a.train_a", "b.split", "b.train_a"), "ended")
    facts = runner.threads.tasks[0].run
    assert (facts.studies, facts.run_id, facts.parameters) == (("a", "b"), "now", '{"run": {"seed": 3}}')
    assert facts.tracked == (("a", "run of a"),)
    assert runner.threads.stopped and not hooks.failed


def test_a_failed_study_is_given_up_and_the_others_end(tmp_path: Path) -> None:
    runner, hooks = (
        ThreadRunner(a__split=NodeError("a.split", "ValueError: no rows", "trace")),
        Hooks(tmp_path),
    )
    with pytest.raises(StudiesFailedError) as raised:
        runner.run(pipeline_of("a", "b"), catalog_of(tmp_path, "a", "b"), hooks, run_id="now")  # type: ignore[arg-type]
    assert str(raised.value).splitlines() == [
        "1 of 2 studies failed:",
        "  a  a.split: ValueError: no rows",
        "  b  done",
    ]
    assert "a.train_a" not in [task.node for task in runner.threads.tasks]
    assert sorted(hooks.outputs) == ["b.a_model", "b.rows"]
    assert set(hooks.failed) == {"a"} and runner.threads.stopped
    assert hooks.told == {"a.split": "ValueError: no rows", "b.split": "ended", "b.train_a": "ended"}


def test_the_loss_of_the_engine_ends_the_run(tmp_path: Path) -> None:
    runner, hooks = ThreadRunner(a__split=RunnerError("the scheduler is lost")), Hooks(tmp_path)
    with pytest.raises(RunnerError, match="the scheduler is lost"):
        runner.run(pipeline_of("a"), catalog_of(tmp_path, "a"), hooks, run_id="now")  # type: ignore[arg-type]
    assert runner.threads.stopped and not hooks.failed


def test_what_would_stay_in_memory_is_refused_before_anything_starts(tmp_path: Path) -> None:
    runner, catalog = ThreadRunner(), DataCatalog({"start": MemoryDataset(0)})
    with pytest.raises(RunnerError, match=r"a\.a_model, a\.rows would stay in the memory"):
        runner.run(pipeline_of("a"), catalog, Hooks(tmp_path), run_id="now")  # type: ignore[arg-type]
    assert not runner.threads.tasks


def test_asynchronous_loading_is_refused() -> None:
    with pytest.raises(RunnerError, match="--async has no meaning"):
        type("Async", (ThreadRunner,), {"__init__": EngineRunner.__init__})(is_async=True)
