"""Before a study runs: check its parameters, lock its outputs; while it trains: give the node its surroundings."""

from __future__ import annotations

import atexit
import logging
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from kedro.framework.hooks import hook_impl

from etudes import interrupts, study
from etudes.atomic import remove_debris
from etudes.config import outputs_root
from etudes.lock import OutputsLock
from etudes.suggestions import hint, near_names, near_paths, paths_of
from etudes.tracking import live
from etudes.training.session import Session, enter_session

logger = logging.getLogger(__name__)
SLOW_NODE_SECONDS = 2.0
OWN_RUNNERS = "etudes.runners."


class ParameterError(ValueError):
    """A parameter that is unknown, misspelt or out of range."""


class RunnerError(ValueError):
    """A runner that a study cannot be run with."""


class StudyHook:
    """Validates the parameters of the studies that run, holds their outputs while they run, and opens a training session
    for each training node."""

    def __init__(self) -> None:
        self._context: Any = None
        self._count = self._total = 0
        self._left_out: frozenset[str] = frozenset()
        self._started = 0.0
        self._lock: OutputsLock | None = None

    @hook_impl(tryfirst=True)  # a wrong parameter is told before the tracker's library is loaded
    def after_context_created(self, context: Any) -> None:
        self._context = context
        context.config_loader.start_from(Path(context.project_path))  # whatever folder `--conf-source` named
        # Kedro builds the typed groups next and would report a wrong value in pydantic's words. What a run asked for
        # is known here by a private name only; without it the check happens when the pipeline starts.
        from kedro.framework.project import pipelines

        requested = set(getattr(pipelines, "_requested_pipelines", None) or ())
        if requested:
            loader, others = context.config_loader, set(study.study_names()) - requested
            runtime = loader.runtime_params or {}
            if requested <= set(study.study_names()):  # not `__default__`, nor a pipeline of several studies
                for name in sorted(others & set(runtime)):
                    run = ", ".join(sorted(requested))
                    raise ParameterError(
                        f"--params: '{name}' is a study that does not run here; expected {run} or run"
                    )
                loader.leave_out(others)
            check_parameters(loader["parameters"], runtime, requested)

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Any, catalog: Any) -> None:
        names = {node.namespace.split(".")[0] for node in pipeline.nodes if node.namespace}
        runtime = run_params.get("runtime_params") or {}
        parameters = self._context.config_loader["parameters"]
        check_parameters(parameters, runtime, names)
        check_runner(str(run_params.get("runner")))
        self._hold_outputs(pipeline, names, parameters["run"]["wait"])
        self._left_out = frozenset(node.name for node in pipeline.nodes if is_left_out(node, parameters))
        self._count, self._total = 0, len(pipeline.nodes) - len(self._left_out)

    def _hold_outputs(self, pipeline: Any, studies: Iterable[str], wait: bool) -> None:
        """Take the outputs of a run before it writes anything, and clear what killed runs left half-written there."""
        env = "base" if self._context.env in (None, "local") else self._context.env
        outputs = outputs_root(Path(self._context.project_path))
        atexit.register(self._release)
        self._lock = OutputsLock(outputs / ".runs" / env, pipeline.inputs(), pipeline.all_outputs())
        others = self._lock.acquire(wait)
        for name in set(studies) - others:  # what another run is writing looks the same
            for folder in outputs.glob(f"*/{env}/{name}"):
                for path in remove_debris(folder):
                    logger.info("Removed what a killed run left: %s", path)

    def _release(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()

    @property
    def surroundings(self) -> dict[str, Any]:
        """What opens this run in another process: ``project``, ``conf_source``, ``environment``, ``parameters`` (those of the
        command), and ``notes``, the folder of what runs in this environment."""
        loader = self._context.config_loader
        assert self._lock is not None, "a run holds its outputs"
        return {
            "project": str(self._context.project_path),
            "conf_source": str(loader.conf_source),
            "environment": self._context.env,
            "parameters": loader.runtime_params or {},
            "notes": str(self._lock.folder),
        }

    @property
    def gpus(self) -> int:
        """How many GPUs a training node of this run cannot do without."""
        run = self._context.config_loader["parameters"]["run"]
        return run["devices"] if run["device"] == "cuda" else 0

    def counted(self, pipeline: Any) -> frozenset[str]:
        """The nodes of a pipeline that do something in this run."""
        return frozenset(node.name for node in pipeline.nodes) - self._left_out

    @hook_impl(tryfirst=True)
    def before_node_run(self, node: Any, catalog: Any) -> None:
        interrupts.check()
        self._started = time.perf_counter()
        if node.name not in self._left_out:
            self._count += 1
            logger.info("[%d/%d] %s", self._count, self._total, node.name)
        if node.namespace is None or not node.name.rpartition(".")[2].startswith("train_"):
            return
        variant = node.name.rpartition(".")[2].removeprefix("train_")
        model = catalog.get(f"{node.namespace}.{variant}_model")
        folder = getattr(model, "_filepath", None)
        checkpoints = Path(folder).parent / "checkpoints" / variant if folder else None
        sink = partial(live.log, node.namespace, variant)
        enter_session(Session(variant, checkpoints, sink, node.namespace))

    @hook_impl(trylast=True)
    def after_node_run(self, node: Any) -> None:
        enter_session(None)
        interrupts.check()
        seconds = time.perf_counter() - self._started
        if seconds >= SLOW_NODE_SECONDS:
            logger.info("        done in %.1f s", seconds)

    @hook_impl(trylast=True)
    def after_pipeline_run(self, pipeline: Any, catalog: Any) -> None:
        for name in sorted(pipeline.all_outputs()):
            if name.endswith(".report"):
                logger.info("Report: %s", catalog.get(name)._filepath)
        self._release()
        interrupts.conclude()

    @hook_impl(trylast=True)
    def on_node_error(self, error: Exception, node: Any) -> None:
        enter_session(None)

    @hook_impl(trylast=True)
    def on_pipeline_error(self, error: Exception) -> None:
        self._release()


def is_left_out(node: Any, parameters: dict[str, Any]) -> bool:
    """Whether a node trains a variant that its study's ``variants`` leave out; it is called, and does nothing."""
    variant = node.name.rpartition(".")[2].removeprefix("train_")
    selects = f"params:{node.namespace}.variants" in node.inputs and node.name.endswith(f".train_{variant}")
    return selects and variant not in parameters[node.namespace]["variants"]


def check_runner(runner: str) -> None:
    """Refuse a runner that changes results: seeds, hooks and live metrics belong to one node at a time in a process.

    Args:
        runner: its class name, or what Python prints of an instance.

    Raises:
        RunnerError: it is neither Kedro's sequential one nor one of this project.
    """
    name = runner.strip("<").partition(" ")[0]
    if name.rpartition(".")[2] in ("SequentialRunner", "None") or name.startswith(OWN_RUNNERS):
        return
    raise RunnerError(
        f"{name.rpartition('.')[2]} runs nodes of a study at the same time, which changes its numbers (generators and "
        "live metrics are those of a process). Use SequentialRunner, the default, and one command for each study to "
        "run several at once."
    )


def check_parameters(parameters: dict[str, Any], runtime: dict[str, Any], studies: Iterable[str]) -> None:
    """Validate each running study's whole parameter group, and that runtime parameters name something that exists.

    Kedro checks the groups that nodes ask for; a misspelt group, or a misspelt study in ``--params``, would pass it.

    Raises:
        ParameterError: with the parameter, what was found and what is allowed.
    """
    from pydantic import ValidationError

    from etudes.training.parameters import RunParameters

    studies = sorted(set(studies) & set(study.study_names()))
    check_names(parameters, runtime, studies)
    models: dict[str, Any] = {"run": RunParameters}
    models.update({name: study.parameters_model(name) for name in studies})
    for name, model in models.items():
        try:
            model.model_validate(parameters.get(name, {}))
        except ValidationError as error:
            raise ParameterError(describe_validation(name, model, error)) from error


def check_names(parameters: dict[str, Any], runtime: dict[str, Any], studies: Iterable[str]) -> None:
    """Refuse runtime parameters outside ``run`` and the studies, which Kedro would pass and nobody read.

    Args:
        parameters: all that are configured; what was meant is looked for among those of the running ``studies``, or of
            all where these are none.
        runtime: what a run was given.

    Raises:
        ParameterError: with the full name of what was probably meant.
    """
    known = ["run", *study.study_names()]
    for name in sorted(set(runtime) - set(known)):
        groups = [group for group in ("run", *(studies or known[1:])) if group in parameters]
        paths = list(paths_of({group: parameters[group] for group in groups}))
        wanted = next(paths_of({name: runtime[name]}), name)
        near = near_names(name, known, 1) or near_paths(wanted, paths)
        raise ParameterError(f"--params: '{wanted}' is neither of 'run' nor of a study; {hint(near, known)}")


def describe_validation(name: str, model: Any, error: Any) -> str:
    """One line per wrong parameter: its full name, what was found, what was expected.

    Args:
        name: the group that was validated, ``run`` or a study.
        model: its pydantic model, which knows the right names.
        error: pydantic's ``ValidationError``.
    """
    lines = []
    for item in error.errors():
        place = ".".join([name, *map(str, item["loc"])])
        if item["type"] == "extra_forbidden":
            lines.append(f"{place} is not a parameter; {_nearest(name, model, item['loc'])}")
        elif item["type"] == "missing":
            lines.append(f"{place} is missing")
        else:
            lines.append(f"{place}: {item['msg']} (found {item['input']!r})")
    where = f"conf/<environment>/parameters{'' if name == 'run' else '/' + name}.yml, or --params"
    return "Wrong parameters:\n  " + "\n  ".join(lines) + f"\nMend them in {where}."


def _nearest(name: str, model: Any, location: tuple[Any, ...]) -> str:
    """The parameter that was probably meant: of the group at ``location``, else of the whole tree of ``model``."""
    *groups, wrong = location
    group = model
    for part in groups:
        field = getattr(group, "model_fields", {}).get(part)
        group = field.annotation if field else None
    known = sorted(getattr(group, "model_fields", {}))
    near = near_names(str(wrong), known, 1) or near_paths(
        ".".join(map(str, location)), _paths_of(model, f"{name}.")
    )
    return hint(near, known)


def _paths_of(model: Any, prefix: str) -> list[str]:
    """The dotted names of all parameters below a pydantic model."""
    paths = []
    for name, field in getattr(model, "model_fields", {}).items():
        paths += _paths_of(field.annotation, f"{prefix}{name}.") or [f"{prefix}{name}"]
    return paths
