"""The Kedro hook that writes runs to MLflow.

It reads kedro-mlflow's configuration file and class, and does the plugin's work per study: one experiment and one run
for each study of a command, parameters flattened and written in one batch, nothing per node but the artifacts a node
made. MLflow's store is opened when a pipeline starts, not when the project is loaded.
"""

from __future__ import annotations

import atexit
import logging
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from kedro.framework.hooks import hook_impl

from etudes import interrupts, study
from etudes.tracking import live

logger = logging.getLogger(__name__)


class TrackingHook:
    """Opens, fills and closes one MLflow run for each study of a command."""

    def __init__(self) -> None:
        self._context: Any = None
        self._runs: dict[str, Any] = {}
        self._produced: dict[str, set[str]] = {}
        self._catalog: Any = None

    @hook_impl
    def after_context_created(self, context: Any) -> None:
        from kedro.config import MissingConfigException
        from kedro_mlflow.config.kedro_mlflow_config import KedroMlflowConfig

        try:
            raw = context.config_loader["mlflow"]
        except MissingConfigException:
            raw = {}
        # `kedro mlflow ui` reads the tracking URI here.
        object.__setattr__(context, "mlflow", KedroMlflowConfig.model_validate(raw))
        self._context = context

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Any, catalog: Any) -> None:
        parameters = self._context.config_loader["parameters"]
        if not parameters["run"]["track"]:
            return
        from etudes.tracking.runs import StudyRun, open_experiment, use_store

        self._kill_open_runs()  # of a run that was interrupted in this process, a notebook's
        self._catalog = catalog
        store = use_store(self._context.mlflow)
        atexit.register(self._kill_open_runs)
        for name in studies_of(pipeline):
            experiment = open_experiment(store, name)
            self._produced[name] = set()
            with interrupts.held():
                run = StudyRun.start(store, name, experiment, self._context, run_params)
                self._runs[name] = run
            run.log_parameters({name: parameters.get(name, {}), "run": parameters["run"]})
            live.open_writer(name, live.LiveWriter(run.log_values))

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any) -> None:
        interrupts.check()
        # Not after_node_run: Kedro saves a node's outputs after that, and the file would be the previous run's.
        name, _, short = dataset_name.partition(".")
        run = self._runs.get(name)
        if run is not None:
            self._produced[name].add(short)
            run.log_output(short, data, _path_of(self._catalog, dataset_name))

    @hook_impl
    def on_pipeline_error(self, error: Exception) -> None:
        self._end_runs("KILLED" if interrupts.is_interrupt(error) else "FAILED", error)

    @hook_impl
    def after_pipeline_run(self, catalog: Any) -> None:
        try:
            for name in list(self._runs):
                self._finish(name, catalog)
        except Exception as error:
            self.on_pipeline_error(error)
            raise

    @property
    def open_runs(self) -> dict[str, str]:
        """MLflow's run of each study that is open."""
        return {name: run.run_id for name, run in self._runs.items()}

    def attach(self, runs: Mapping[str, str], catalog: Any, again: bool) -> None:
        """Log to runs that another process opened, and will end.

        Args:
            runs: study -> MLflow run.
            catalog: of this process.
            again: nodes are repeated: what their curves hold already is not written twice.
        """
        self._runs.clear()
        self._catalog = catalog
        if not runs:
            return
        from etudes.tracking.runs import Continued, StudyRun, use_store

        store = use_store(self._context.mlflow)
        for name, run_id in runs.items():
            run = StudyRun.attach(store, name, run_id, Path(self._context.project_path))
            self._runs[name], self._produced[name] = run, set()
            live.open_writer(name, live.LiveWriter(Continued(run) if again else run.log_values))

    def flush(self) -> None:
        """Write the live metrics that wait."""
        for name in self._runs:
            live.flush(name)

    def took(self, outputs: Iterable[str]) -> None:
        """Another process wrote these outputs, and logged them."""
        for output in outputs:
            name, _, short = output.partition(".")
            if name in self._produced:
                self._produced[name].add(short)

    def conclude(self, failed: Mapping[str, Exception], catalog: Any) -> None:
        """End the runs of studies that succeeded beside others that failed, and those as failed."""
        for name in sorted(self._runs):
            if name not in failed:
                self._finish(name, catalog)
        for name in sorted(set(self._runs) & set(failed)):
            run = self._runs.pop(name)
            live.close_writer(name)
            run.end("FAILED", failed[name])

    def _finish(self, name: str, catalog: Any) -> None:
        """Register what a study gave, and end its run."""
        run, settings = self._runs[name], self._context.config_loader["parameters"]["run"]
        live.close_writer(name)
        interrupts.check()
        end: AbstractContextManager[None] = interrupts.held()
        if "predictor" in self._produced[name] and settings["register_model"]:
            from etudes.tracking.registry import registered_predictor

            folder = _path_of(catalog, f"{name}.predictor")
            end = registered_predictor(run, folder, settings["promote_new_data"])
        with end:
            run.end("FINISHED")
            del self._runs[name]
            if not self._runs:
                interrupts.conclude()

    def _end_runs(self, status: str, error: BaseException | None = None) -> None:
        """End what is open. A store that fails here must not hide what failed before, nor let it wait."""
        while self._runs:
            from etudes.tracking.failures import impatient

            name, run = self._runs.popitem()
            try:
                with impatient():
                    live.close_writer(name)
                    run.end(status, error)
            except Exception as failure:
                logger.warning("MLflow run %s of %s stays open: %s", run.run_id, name, failure)

    def _kill_open_runs(self) -> None:
        """Runs that are open when the interpreter ends were interrupted (Ctrl-C is no pipeline error for Kedro)."""
        self._end_runs("KILLED")


def studies_of(pipeline: Any) -> list[str]:
    """Names of the studies whose nodes are in a pipeline, sorted."""
    namespaces = {node.namespace.split(".")[0] for node in pipeline.nodes if node.namespace}
    return sorted(namespaces & set(study.study_names()))


def _path_of(catalog: Any, name: str) -> Path | None:
    path = getattr(catalog.get(name), "_filepath", None)
    return Path(path) if path is not None else None
