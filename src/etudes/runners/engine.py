"""What any engine gives, and a runner over it: Kedro's loop keeps the order, the engine only runs nodes by name.

Another engine is a class with the methods of `Engine` and a runner that makes one.
"""

from __future__ import annotations

import json
import logging
import shutil
from abc import abstractmethod
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any, Protocol

from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from kedro.runner import AbstractRunner

from etudes.results.runs import SeedRun
from etudes.runners.tasks import (
    NodeError,
    NodeResult,
    NodeTask,
    RunFacts,
    RunTask,
    Task,
    hook_with,
    inherited,
    stored_in_memory,
)

logger = logging.getLogger(__name__)


class RunnerError(RuntimeError):
    """What was asked cannot be run by this engine, or the engine went away."""


class StudiesFailedError(RuntimeError):
    """Some studies of a run failed; the others ended."""


class Engine(Protocol):
    """Processes that run nodes, or whole runs."""

    @property
    def places(self) -> int:
        """How many of them there are, once started."""

    def start(self, gpus: int) -> None:
        """Make or reach them.

        Args:
            gpus: that one node needs at once; 0 where a GPU is taken if there is one.

        Raises:
            RunnerError: they cannot be reached, or have fewer.
        """

    def submit(self, task: Task, gpu: bool) -> Future[NodeResult]:
        """Run it on any free process, or with ``gpu`` on one that has a GPU, where any has.

        The future raises `NodeError` where it failed or its process did not survive it, `RunnerError` where the engine is gone.
        """

    def stop(self) -> None:
        """Interrupt what runs, and let the processes go that were made for this run."""


class NodeExecutor(Executor):
    """Hands nodes to an engine. A study whose node failed is given no further ones; other studies go on.

    Kedro's loop ends at the first future that raises; here only the loss of the engine does that. A failed node counts as
    done there, and what depends on it is passed over.

    Args:
        engine: where nodes run.
        facts: of the run.
        took: called with each result, in a thread of the engine.
    """

    def __init__(self, engine: Engine, facts: RunFacts, took: Callable[[NodeResult], None]) -> None:
        self._engine, self._facts, self._took = engine, facts, took
        self.failed: dict[str, Exception] = {}

    def submit(self, task: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        node: Node = task.node
        future: Future[Node] = Future()
        if study_of(node) in self.failed:
            future.set_result(node)
            return future

        def done(inner: Future[NodeResult]) -> None:
            try:
                self._took(inner.result())
            except RunnerError as error:
                future.set_exception(error)
                return
            except Exception as error:
                self.failed.setdefault(study_of(node), error)
                logger.error("%s failed, its study is given up: %s", node.name, _first_line(error))
            future.set_result(node)

        self._engine.submit(NodeTask(self._facts, node.name), "gpu" in node.tags).add_done_callback(done)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._engine.stop()


class RunPlaces:
    """Processes of an engine as places for whole runs (`etudes.results.side_by_side`).

    Args:
        engine: not started.
        gpus: that a run needs at once; 0 where a GPU is taken if there is one.

    Raises:
        RunnerError: they cannot be reached, or have fewer.
    """

    def __init__(self, engine: Engine, gpus: int) -> None:
        self._engine = engine
        engine.start(gpus)

    @property
    def places(self) -> int:
        return self._engine.places

    def submit(self, run: SeedRun) -> Future[NodeResult]:
        return self._engine.submit(RunTask(run, inherited()), gpu=True)

    def close(self) -> None:
        self._engine.stop()


class EngineRunner(AbstractRunner):
    """Runs the nodes of one or several studies side by side on an engine."""

    def __init__(self, is_async: bool = False) -> None:
        if is_async:
            raise RunnerError("--async has no meaning where nodes run in other processes; leave it out")
        super().__init__(is_async=False)
        self._executor: NodeExecutor | None = None

    @property
    def _logger(self) -> logging.Logger:
        return logging.getLogger("kedro.runner")  # Kedro's lines for each node; ours tell more

    def places(self, gpus: int) -> RunPlaces:
        """Its processes as places for whole runs, for a sweep; ``gpus`` is how many a run cannot do without."""
        return RunPlaces(self._engine(), gpus)

    @abstractmethod
    def _engine(self) -> Engine:
        """The engine of a run, not started."""

    def _get_executor(self, max_workers: int) -> Executor | None:
        return self._executor

    def _run(
        self, pipeline: Pipeline, catalog: Any, hook_manager: Any = None, run_id: str | None = None
    ) -> None:
        lost = stored_in_memory(catalog, pipeline.all_outputs())
        if lost:
            raise RunnerError(
                f"{', '.join(lost)} would stay in the memory of the process that makes them; expected an entry in "
                "conf/<environment>/catalog that writes them"
            )
        study_hook, tracking = hook_with(hook_manager, "surroundings"), hook_with(hook_manager, "attach")
        status = hook_with(hook_manager, "node_ended")
        facts = self._facts(study_hook, tracking, pipeline, str(run_id))
        engine = self._engine()
        progress = _Progress(study_hook.counted(pipeline))

        def took(result: NodeResult) -> None:
            tracking.took(result.outputs)
            status.node_ended(result.node, result.seconds)
            progress.tell(result)

        engine.start(study_hook.gpus)
        self._executor = NodeExecutor(engine, facts, took)
        try:
            super()._run(pipeline, catalog, hook_manager, run_id)
        finally:
            shutil.rmtree(facts.attempts, ignore_errors=True)
        if self._executor.failed:
            for error in self._executor.failed.values():
                if isinstance(error, NodeError):
                    status.node_failed(error.node, error.said, error.trace)
            tracking.conclude(self._executor.failed, catalog)
            raise _failure(facts.studies, self._executor.failed)

    @staticmethod
    def _facts(study_hook: Any, tracking: Any, pipeline: Pipeline, run_id: str) -> RunFacts:
        told = study_hook.surroundings
        return RunFacts(
            project=told["project"],
            conf_source=told["conf_source"],
            environment=told["environment"],
            parameters=json.dumps(told["parameters"]),
            studies=tuple(sorted({study_of(node) for node in pipeline.nodes})),
            run_id=run_id,
            surroundings=inherited(),
            tracked=tuple(sorted(tracking.open_runs.items())),
            attempts=str(Path(told["notes"]) / f"{run_id}.started"),
        )


class _Progress:
    """One line for each node that ended, of all studies together."""

    def __init__(self, counted: frozenset[str]) -> None:
        self._counted, self._done = counted, 0

    def tell(self, result: NodeResult) -> None:
        if result.node in self._counted:
            self._done += 1
            logger.info(
                "[%d/%d] %s, %.1f s on %s",
                self._done,
                len(self._counted),
                result.node,
                result.seconds,
                result.place,
            )


def study_of(node: Node) -> str:
    """The study of a node: the first part of its namespace."""
    return (node.namespace or node.name).partition(".")[0]


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _failure(studies: tuple[str, ...], failed: dict[str, Exception]) -> StudiesFailedError:
    width = max(map(len, studies))
    lines = [
        f"  {name:{width}}  {_first_line(failed[name]) if name in failed else 'done'}" for name in studies
    ]
    failure = StudiesFailedError(f"{len(failed)} of {len(studies)} studies failed:\n" + "\n".join(lines))
    for error in failed.values():
        if isinstance(error, NodeError) and error.trace:
            failure.add_note(f"In another process, {error.node}:\n{error.trace}")  # for the log
    return failure
