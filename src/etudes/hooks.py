"""Before a study runs: check its parameters, lock its outputs; while it trains: give the node its surroundings."""

from __future__ import annotations

import atexit
import logging
import time
from collections.abc import Iterable
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

from kedro.framework.hooks import hook_impl

from etudes import interrupts, study
from etudes.atomic import remove_debris
from etudes.config import outputs_root
from etudes.lock import OutputsLock
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
        self._started = 0.0
        self._lock: OutputsLock | None = None

    @hook_impl(tryfirst=True)
    def after_context_created(self, context: Any) -> None:
        self._context = context
        context.config_loader.project = Path(context.project_path)  # whatever folder `--conf-source` named
        # Kedro builds the typed groups next and would report a wrong value in pydantic's words. What a run asked for
        # is known here by a private name only; without it the check happens when the pipeline starts.
        from kedro.framework.project import pipelines

        requested = getattr(pipelines, "_requested_pipelines", None)
        if requested:
            runtime = context.config_loader.runtime_params or {}
            check_parameters(context.config_loader["parameters"], runtime, requested)

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Any, catalog: Any) -> None:
        names = {node.namespace.split(".")[0] for node in pipeline.nodes if node.namespace}
        runtime = run_params.get("runtime_params") or {}
        parameters = self._context.config_loader["parameters"]
        check_parameters(parameters, runtime, names)
        check_runner(str(run_params.get("runner")))
        self._hold_outputs(pipeline, names, parameters["run"]["wait"])
        self._count, self._total = 0, len(pipeline.nodes)

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

    @hook_impl(tryfirst=True)
    def before_node_run(self, node: Any, catalog: Any) -> None:
        interrupts.check()
        self._count += 1
        self._started = time.perf_counter()
        logger.info("[%d/%d] %s", self._count, self._total, node.name)
        if node.namespace is None or not node.name.rpartition(".")[2].startswith("train_"):
            return
        variant = node.name.rpartition(".")[2].removeprefix("train_")
        model = catalog.get(f"{node.namespace}.{variant}_model")
        folder = getattr(model, "_filepath", None)
        checkpoints = Path(folder).parent / "checkpoints" / variant if folder else None
        sink = partial(live.log, node.namespace, variant)
        enter_session(Session(variant, checkpoints, sink))

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

    known = {"run", *study.study_names()}
    for name in runtime:
        if name not in known:
            near = get_close_matches(name, sorted(known))
            hint = f"did you mean '{near[0]}'?" if near else f"expected one of {', '.join(sorted(known))}"
            raise ParameterError(f"--params: '{name}' is neither 'run' nor a study; {hint}")
    models: dict[str, Any] = {"run": RunParameters}
    models.update(
        {name: study.parameters_model(name) for name in sorted(set(studies) & set(study.study_names()))}
    )
    for name, model in models.items():
        try:
            model.model_validate(parameters.get(name, {}))
        except ValidationError as error:
            raise ParameterError(describe_validation(name, model, error)) from error


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
            lines.append(f"{place} is not a parameter; {_nearest(model, item['loc'])}")
        elif item["type"] == "missing":
            lines.append(f"{place} is missing")
        else:
            lines.append(f"{place}: {item['msg']} (found {item['input']!r})")
    where = f"conf/<environment>/parameters{'' if name == 'run' else '/' + name}.yml, or --params"
    return "Wrong parameters:\n  " + "\n  ".join(lines) + f"\nMend them in {where}."


def _nearest(model: Any, location: tuple[Any, ...]) -> str:
    """The parameter that was probably meant, among those of the group at ``location``."""
    *groups, wrong = location
    for group in groups:
        field = getattr(model, "model_fields", {}).get(group)
        model = field.annotation if field else None
    known = sorted(getattr(model, "model_fields", {}))
    near = get_close_matches(str(wrong), known, n=1)
    return f"did you mean '{near[0]}'?" if near else f"expected one of {', '.join(known)}"
