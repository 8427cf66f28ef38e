"""One MLflow run of one study, written through the client so that several can be open at once."""

from __future__ import annotations

import json
import logging
import math
import os
import socket
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import mlflow
from filelock import FileLock
from mlflow.entities import Dataset, DatasetInput, Metric, Param, RunStatus
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from etudes.atomic import atomic_file
from etudes.imports import uncollected
from etudes.lock import process_identity
from etudes.serving.registered import ENVIRONMENT
from etudes.tracking import live
from etudes.tracking.failures import GuardedClient, check_sqlite, impatient, sqlite_file, store_errors
from etudes.tracking.live import Value

logger = logging.getLogger(__name__)

PARENT = "mlflow.parentRunId"
PARAMETER_LENGTH = 6000  # MLflow's limit for one value
BATCH = 900  # MLflow takes 1,000 metrics at once


@dataclass(frozen=True)
class Store:
    """A tracking store: the client and where new experiments put their artifacts."""

    client: GuardedClient
    uri: str
    artifact_location: str | None


def use_store(config: Any) -> Store:
    """Point MLflow at the configured store (``config`` is kedro-mlflow's ``KedroMlflowConfig``)."""
    uri = config.server.mlflow_tracking_uri
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(config.server.mlflow_registry_uri or uri)
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # Alembic reports every migration of a new database, pyfunc every check of an example, urllib3 every try.
    for name in ("alembic", "mlflow.pyfunc", "urllib3.connectionpool"):
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.getLogger("mlflow.store.db.utils").setLevel(
        logging.CRITICAL
    )  # prints a traceback before it raises
    client = GuardedClient(_client(uri), uri)
    return Store(client, uri, config.tracking.experiment.create_experiment_kwargs.artifact_location)


def _client(uri: str) -> MlflowClient:
    """The client, which imports the store."""
    with uncollected(), store_errors(uri):
        path = sqlite_file(uri)
        if path is not None:
            _prepare_file(path)
        return MlflowClient(uri)


def _prepare_file(path: Path) -> None:
    """Make a store in a file, whole or not at all: MLflow lays out its tables in steps, and never again if one failed.

    One process at a time: two that find no file would both make one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        for stale in path.parent.glob(f".{path.name}.*.tmp*"):  # of a process that was killed here
            stale.unlink()
        if path.exists() and path.stat().st_size:
            check_sqlite(path)
            return
        from mlflow.store.tracking import DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        with atomic_file(path) as temporary:
            store = SqlAlchemyStore(f"sqlite:///{temporary}", DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH)
            store.engine.dispose()


def flatten(values: Any, prefix: str = "") -> dict[str, str]:
    """Nested parameters as ``group.name -> text``; lists stay together as one text."""
    if not isinstance(values, dict) or not values:
        return {prefix: str(values)}
    flat: dict[str, str] = {}
    for name, value in values.items():
        flat.update(flatten(value, f"{prefix}.{name}" if prefix else str(name)))
    return flat


class StudyRun:
    """An open run. Everything is written in batches."""

    def __init__(
        self,
        client: GuardedClient,
        study: str,
        run_id: str,
        experiment_id: str,
        commit: str | None = None,
        monitored: bool = True,
    ) -> None:
        self.client, self.study, self.run_id, self.experiment_id = client, study, run_id, experiment_id
        self.commit = commit
        self._monitor = _start_monitor(run_id) if monitored else None

    @classmethod
    def start(
        cls, store: Store, study: str, experiment: Experiment, context: Any, run_params: dict[str, Any]
    ) -> Self:
        """Open a run in a study's experiment, and link it with a run that a kill left open."""
        tags = {
            "mlflow.runName": study,
            "mlflow.source.name": "kedro run",
            ENVIRONMENT: "base" if context.env in (None, "local") else context.env,
            "etudes.session": str(run_params.get("run_id", "")),
            "etudes.seed": str(context.config_loader["parameters"]["run"]["seed"]),
            **process_tags(),
        }
        git = git_commit(Path(context.project_path))
        if git:
            tags["mlflow.source.git.commit"] = git
        given = _given_tags()
        if experiment.killed and PARENT not in given:  # beside others, which one it continues cannot be told
            tags["etudes.restart_of"] = experiment.killed[0]
        tags |= given
        run = store.client.create_run(experiment.id, tags=tags, run_name=tags["mlflow.runName"])
        return cls(store.client, study, run.info.run_id, experiment.id, git)

    @classmethod
    def attach(cls, store: Store, study: str, run_id: str, project: Path) -> Self:
        """A run that another process opened and watches; it is not ended here."""
        experiment = store.client.get_run(run_id).info.experiment_id
        return cls(store.client, study, run_id, experiment, git_commit(project), monitored=False)

    def log_parameters(self, parameters: dict[str, Any]) -> None:
        entries = [Param(name, text[:PARAMETER_LENGTH]) for name, text in flatten(parameters).items()]
        for start in range(0, len(entries), 100):  # MLflow takes 100 parameters at once
            self.client.log_batch(self.run_id, params=entries[start : start + 100])

    def log_values(self, values: list[Value]) -> None:
        """Metric values with their time and step; not-a-number is left out (stores refuse it)."""
        entries = [
            Metric(name, value, round(when * 1000), step)
            for name, value, when, step in values
            if not math.isnan(value)
        ]
        for start in range(0, len(entries), BATCH):
            self.client.log_batch(self.run_id, metrics=entries[start : start + BATCH])

    def log_output(self, name: str, value: Any, path: Path | None) -> None:
        """Log what a node gave: numbers as metrics, files of the report stage as artifacts, the data as an input."""
        now = time.time()
        if name == "metrics":
            scores, intervals = without_bounds(value)
            self.log_values([(key, float(number), now, 0) for key, number in scores.items()])
            if intervals:
                self.client.log_text(self.run_id, json.dumps(intervals, indent=1), "intervals.json")
        elif name.endswith("_resources"):
            # With the live metrics: a database write of its own costs each node up to 25 ms.
            live.log(self.study, "resources", 0, dict(_numbers(name.removesuffix("_resources"), value)))
        elif name == "data_card":
            self._log_data(value)
        if name.endswith("_figure"):
            from etudes.reporting.standalone import figure_page

            # MLflow's viewer shows HTML; plotly's JSON it would print.
            self.client.log_text(
                self.run_id, figure_page(value), f"figures/{name.removesuffix('_figure')}.html"
            )
        if name == "report" and path is not None and path.exists():
            from etudes.reporting.page import stamped

            with atomic_file(path) as temporary:
                page = stamped(value, datetime.now(UTC), self.commit, self.run_id)
                temporary.write_text(page, encoding="utf-8")
        folder = artifact_folder(name)
        if folder is not None and path is not None and path.exists():
            self.client.log_artifact(self.run_id, str(path), folder or None)

    def _log_data(self, card: dict[str, Any]) -> None:
        fingerprint = str(card.get("fingerprint", ""))
        self.set_tag("etudes.data_fingerprint", fingerprint)
        self.set_tag("etudes.embedded_sample", str(card.get("embedded_sample", False)).lower())
        dataset = Dataset(
            name=str(card.get("source", self.study))[:500],
            digest=fingerprint[:36] or "unknown",
            source_type="local",
            source=str(card.get("files", ""))[:5000],
        )
        self.client.log_inputs(self.run_id, [DatasetInput(dataset, [])])

    def set_tag(self, name: str, value: str) -> None:
        self.client.set_tag(self.run_id, name, value)

    def end(self, status: str, error: BaseException | None = None) -> None:
        """End the run as FINISHED, FAILED or KILLED, with what went wrong."""
        monitor, self._monitor = self._monitor, None
        if monitor is not None:
            monitor.finish()
        if error is not None:
            self.set_tag("etudes.error", f"{type(error).__name__}: {error}"[:5000])
        self.client.set_terminated(self.run_id, status)
        logger.info("MLflow run %s of %s: %s", self.run_id, self.study, status)


class Continued:
    """Writes the curves of a node that was started before in the same run: steps that are there are not written again."""

    def __init__(self, run: StudyRun) -> None:
        self._run = run
        self._last: dict[str, int] = {}

    def __call__(self, values: list[Value]) -> None:
        self._run.log_values([value for value in values if value[3] > self._last_step(value[0])])

    def _last_step(self, name: str) -> int:
        """The last step in the store; what this process writes itself is not looked up."""
        if name not in self._last:
            there = self._run.client.get_metric_history(self._run.run_id, name)
            self._last[name] = max((metric.step for metric in there), default=-1)
        return self._last[name]


def without_bounds(
    metrics: dict[str, float],
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """The metrics without the bounds of their intervals, and those intervals: MLflow draws a chart for every metric.

    Returns:
        ``metric -> value``, and ``metric -> {value, low, high}``.
    """
    intervals = {
        name: {"value": value, "low": metrics[f"{name}.low"], "high": metrics[f"{name}.high"]}
        for name, value in metrics.items()
        if f"{name}.low" in metrics and f"{name}.high" in metrics
    }
    bounds = {f"{name}.{end}" for name in intervals for end in ("low", "high")}
    return {name: value for name, value in metrics.items() if name not in bounds}, intervals


def artifact_folder(name: str) -> str | None:
    """Folder of a run's artifacts an output belongs to; None for outputs that are not logged."""
    if name == "report":
        return ""
    if name in ("data_card", "split_card"):
        return "data"
    for suffix, folder in (("_table", "tables"), ("_history", "histories"), ("_image", "images")):
        if name.endswith(suffix):
            return folder
    return None


def _numbers(prefix: str, value: Any) -> list[tuple[str, float]]:
    if isinstance(value, dict):
        return [pair for key, item in value.items() for pair in _numbers(f"{prefix}.{key}", item)]
    return [(prefix, float(value))] if isinstance(value, int | float) and not isinstance(value, bool) else []


@dataclass(frozen=True)
class Experiment:
    """A study's experiment, and the runs in it that a kill had left open."""

    id: str
    killed: list[str]


def open_experiment(store: Store, study: str) -> Experiment:
    """Find or make a study's experiment; close runs that a kill left open there, and remove what they registered last.

    Raises:
        TrackingError: the store cannot be used.
    """
    with impatient():  # nothing is lost yet
        experiment_id = _experiment(store, study)
    return Experiment(experiment_id, _close_stale_runs(store.client, experiment_id))


def _experiment(store: Store, name: str) -> str:
    experiment = store.client.get_experiment_by_name(name)
    if experiment is None:
        location = f"{store.artifact_location}/{name}" if store.artifact_location else None
        # Without its kind MLflow's interface takes an experiment for one of language-model traces.
        tags = {"mlflow.experimentKind": "custom_model_development"}
        try:
            return str(store.client.create_experiment(name, artifact_location=location, tags=tags))
        except MlflowException as error:
            # Another run of the study may have been a moment earlier.
            experiment = store.client.get_experiment_by_name(name)
            if error.error_code != "RESOURCE_ALREADY_EXISTS" or experiment is None:
                raise
    if experiment.lifecycle_stage == "deleted":
        store.client.restore_experiment(experiment.experiment_id)
    return str(experiment.experiment_id)


def _given_tags() -> dict[str, str]:
    """What MLflow's variable MLFLOW_RUN_CONTEXT says of the runs of this process: a sweep's, for one."""
    from mlflow.tracking.context.system_environment_context import SystemEnvironmentContext

    context = SystemEnvironmentContext()
    return {name: str(value) for name, value in context.tags().items()} if context.in_context() else {}


def process_tags() -> dict[str, str]:
    return {
        "etudes.host": socket.gethostname(),
        "etudes.pid": str(os.getpid()),
        "etudes.process": str(process_identity(os.getpid())),
    }


def _close_stale_runs(client: GuardedClient, experiment_id: str) -> list[str]:
    """End runs of this machine that are still RUNNING although their process is gone (a kill -9, a power cut)."""
    host = socket.gethostname()
    running = client.search_runs(
        [experiment_id], f"attributes.status = 'RUNNING' and tags.`etudes.host` = '{host}'", max_results=50
    )
    stale = []
    for run in running:
        tags = run.data.tags
        if process_identity(int(tags.get("etudes.pid", "0"))) == tags.get("etudes.process", ""):
            continue
        _remove_unfinished_versions(client, run.info.run_id)
        client.set_terminated(run.info.run_id, RunStatus.to_string(RunStatus.KILLED))
        logger.warning(
            "MLflow run %s was left open by a killed process; it is closed as KILLED.", run.info.run_id
        )
        stale.append(run.info.run_id)
    return stale


def _remove_unfinished_versions(client: GuardedClient, run_id: str) -> None:
    """Versions that a killed run made without coming to their alias: whether they deserve it was never asked."""
    for version in client.search_model_versions(f"run_id = '{run_id}'"):
        if not client.get_model_version(version.name, version.version).aliases:
            client.delete_model_version(version.name, version.version)
            logger.warning("Version %s of %s, of a killed run, is removed.", version.version, version.name)


def git_commit(project: Path) -> str | None:
    """Commit of the checkout, read from its files: starting git costs more than a trivial node."""
    folder = project / ".git"
    try:
        if folder.is_file():  # a worktree: its head is its own, branches are those of the repository
            folder = project / folder.read_text(encoding="utf-8").removeprefix("gitdir:").strip()
        head = (folder / "HEAD").read_text(encoding="utf-8").strip()
        if not head.startswith("ref: "):
            return head
        branch = head.removeprefix("ref: ")
        common = folder / "commondir"
        if common.is_file():
            folder = folder / common.read_text(encoding="utf-8").strip()
        if (folder / branch).is_file():
            return (folder / branch).read_text(encoding="utf-8").strip()
        packed = (folder / "packed-refs").read_text(encoding="utf-8").splitlines()
        return next((line.split()[0] for line in packed if line.endswith(f" {branch}")), None)
    except OSError:
        return None


def _start_monitor(run_id: str) -> Any:
    """CPU, memory and GPU curves of the run; off where MLflow's own switch says so."""
    if os.environ.get("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "true").lower() in ("false", "0"):
        return None
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    logging.getLogger("mlflow.system_metrics").setLevel(logging.ERROR)
    monitor = SystemMetricsMonitor(run_id, sampling_interval=5, samples_before_logging=2)
    monitor.start()
    return monitor
