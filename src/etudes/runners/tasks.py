"""A node, or a whole run, in another process: what is sent is text, since neither catalog nor nodes nor hooks can be pickled."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from etudes import interrupts
from etudes.results.runs import SeedRun

logger = logging.getLogger(__name__)
# What else decides where a run reads and writes; the same in every process.
ENVIRONMENT = ("ETUDES_OUTPUTS", "ETUDES_RAW", "MLFLOW_TRACKING_URI", "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING")


@dataclass(frozen=True)
class RunFacts:
    """What opens the same run in another process.

    ``parameters`` are the runtime parameters as JSON, ``surroundings`` pairs of `ENVIRONMENT`, ``tracked`` pairs of a study and
    its MLflow run, ``attempts`` a folder of this run alone where started nodes leave their names.
    """

    project: str
    conf_source: str
    environment: str | None
    parameters: str
    studies: tuple[str, ...]
    run_id: str
    surroundings: tuple[tuple[str, str], ...]
    tracked: tuple[tuple[str, str], ...]
    attempts: str


@dataclass(frozen=True)
class NodeResult:
    """What ended: a node's name and those of the datasets it wrote, seconds it took, and where (host:process)."""

    node: str
    outputs: tuple[str, ...]
    seconds: float
    place: str


class Task(Protocol):
    """What an engine sends to one of its processes; it can be pickled."""

    @property
    def name(self) -> str:
        """What to call it in a message."""

    @property
    def key(self) -> str:
        """What tells it from all others."""

    def execute(self) -> NodeResult:
        """Do it, in the process it was sent to.

        Raises:
            NodeError: whatever went wrong, as text.
        """


class NodeError(RuntimeError):
    """A node raised an error in another process.

    Args:
        node: its name.
        said: type and message of the error.
        trace: its traceback; the error itself may not survive the way here.
    """

    def __init__(self, node: str, said: str, trace: str = "") -> None:
        super().__init__(node, said, trace)
        self.node, self.said, self.trace = node, said, trace

    def __str__(self) -> str:
        return f"{self.node}: {self.said}"


@dataclass
class _Opened:
    """A run that is open in this process, for one attempt at its nodes."""

    facts: RunFacts
    again: bool
    nodes: dict[str, Any]
    catalog: Any
    hooks: Any


_opened: _Opened | None = None
# Generators, hooks and the session are those of a process: one task at a time, however many threads a worker has.
_turn = threading.Lock()
_running: Task | None = None


def running() -> Task | None:
    """What runs in this process, if anything."""
    return _running


@contextmanager
def _alone(task: Task) -> Iterator[None]:
    """One task at a time; what it raises becomes text.

    Raises:
        NodeError: whatever went wrong.
    """
    global _running  # noqa: PLW0603  a process has one
    with _turn:
        _running = task
        try:
            yield
        except (Exception, KeyboardInterrupt) as error:
            raise NodeError(task.name, f"{type(error).__name__}: {error}", traceback.format_exc()) from None
        finally:
            _running = None


def _place() -> str:
    return f"{os.uname().nodename}:{os.getpid()}"


@dataclass(frozen=True)
class NodeTask:
    """One node of a run."""

    run: RunFacts
    node: str

    @property
    def name(self) -> str:
        return self.node

    @property
    def key(self) -> str:
        return f"{self.run.run_id}-{self.node}"

    def execute(self) -> NodeResult:
        """Load, call, save, with the project's hooks; log to the run that the driver opened.

        A node that has been started before in this run (its process was killed) goes on from its checkpoint, as with
        ``run.resume``.

        Raises:
            NodeError: whatever went wrong, as text.
        """
        started = time.perf_counter()
        with _alone(self):
            interrupts.forget()
            opened = _open(self.run, again=_was_started(self))
            node = opened.nodes[self.node]
            from kedro.runner.task import Task as KedroTask

            KedroTask(node, opened.catalog, False, opened.hooks, self.run.run_id).execute()
            _tracking(opened.hooks).flush()
        return NodeResult(self.node, tuple(node.outputs), time.perf_counter() - started, _place())


@dataclass(frozen=True)
class RunTask:
    """A whole run of a study with a seed, in a process of its own beside this one.

    ``surroundings`` are pairs of `ENVIRONMENT` of who sends it.
    """

    run: SeedRun
    surroundings: tuple[tuple[str, str], ...]

    @property
    def name(self) -> str:
        return f"seed {self.run.made_by['seed']}"

    @property
    def key(self) -> str:
        return str(self.run.outputs)

    def execute(self) -> NodeResult:
        """Run it. One that was begun before (its process was killed) goes on from its checkpoints.

        Raises:
            NodeError: whatever went wrong, as text.
        """
        started = time.perf_counter()
        with _alone(self):
            _surround(self.surroundings)
            self.run.execute()
        return NodeResult(self.name, (), time.perf_counter() - started, _place())


def execute(task: Task) -> NodeResult:
    """What an engine calls in the process that a task was sent to."""
    return task.execute()


def stop(run: RunFacts) -> None:
    """Interrupt the node of a run that runs in this process, at its next live metric, checkpoint or output; those of other runs
    go on."""
    if isinstance(_running, NodeTask) and _running.run == run:
        interrupts.request()


def _was_started(task: NodeTask) -> bool:
    folder = Path(task.run.attempts)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        (folder / task.node).touch(exist_ok=False)
    except FileExistsError:
        return True
    return False


def _open(facts: RunFacts, again: bool) -> _Opened:
    """The run in this process; only the latest one is kept, since hooks and configuration are those of a process."""
    global _opened  # noqa: PLW0603
    if _opened is not None and (_opened.facts, _opened.again) == (facts, again):
        return _opened
    _opened = None
    _surround(facts.surroundings)
    os.chdir(facts.project)  # the settings look for the project from here
    from kedro.framework.project import pipelines
    from kedro.framework.session import KedroSession
    from kedro.framework.startup import bootstrap_project

    bootstrap_project(Path(facts.project))
    for name in ("etudes.hooks", "distributed"):  # the driver tells how far all are, and what was lost
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in [name for name in logging.root.manager.loggerDict if name.startswith("distributed.")]:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    parameters = json.loads(facts.parameters)
    if again:
        parameters = {**parameters, "run": {**parameters.get("run", {}), "resume": True}}
    session = KedroSession.create(
        facts.project, env=facts.environment, conf_source=facts.conf_source, runtime_params=parameters
    )
    pipelines.set_requested(list(facts.studies))
    context = session.load_context()
    catalog = context._get_catalog(save_version=facts.run_id)
    nodes = {node.name: node for study in facts.studies for node in pipelines[study].nodes}
    for name in {name for node in nodes.values() for name in (*node.inputs, *node.outputs)}:
        catalog.get(name, fallback_to_runtime_pattern=True)
    _tracking(session._hook_manager).attach(dict(facts.tracked), catalog, again)
    _opened = _Opened(facts, again, nodes, catalog, session._hook_manager)
    return _opened


def _surround(surroundings: Iterable[tuple[str, str]]) -> None:
    for name in ENVIRONMENT:
        os.environ.pop(name, None)
    os.environ.update(surroundings)


def _tracking(hooks: Any) -> Any:
    return hook_with(hooks, "attach")


def hook_with(hooks: Any, method: str) -> Any:
    """The project's hook that has a method: its classes stand above this package.

    Raises:
        LookupError: none has it; the project's settings name other hooks.
    """
    for plugin in hooks.get_plugins():
        if hasattr(plugin, method):
            return plugin
    raise LookupError(
        f"no hook has '{method}'; expected StudyHook, TrackingHook and RunStatusHook among HOOKS in settings.py"
    )


def inherited() -> tuple[tuple[str, str], ...]:
    """`ENVIRONMENT` of this process."""
    return tuple((name, os.environ[name]) for name in ENVIRONMENT if name in os.environ)


def stored_in_memory(catalog: Any, names: Iterable[str]) -> list[str]:
    """Datasets that other processes would not find: those that no entry or pattern of the catalog writes anywhere."""
    from kedro.io import MemoryDataset

    return sorted(
        name
        for name in names
        if isinstance(catalog.get(name, fallback_to_runtime_pattern=True), MemoryDataset)
        and not name.startswith(("params:", "parameters"))
    )
