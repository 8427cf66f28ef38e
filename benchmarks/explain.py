"""Where a tracked run's extra time goes: ``python -m benchmarks.explain`` in the folder of a trivial project.

Prints one JSON object, part -> seconds. A part's time does not hold that of another part inside it.
"""

# ruff: noqa: T201
from __future__ import annotations

import gc
import importlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.trivial import STUDY


class Stopwatch:
    """Seconds by part; a part that starts inside another one stops the outer clock."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inner = [0.0]

    def call(self, part: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        start = time.perf_counter()
        self._inner.append(0.0)
        try:
            return function(*args, **kwargs)
        finally:
            elapsed = time.perf_counter() - start
            own = elapsed - self._inner.pop()
            self._inner[-1] += elapsed
            self.seconds[part] = self.seconds.get(part, 0.0) + own

    def watch(self, owner: Any, name: str, part: str) -> None:
        """Replace a function of a class or module by one that is timed."""
        original = getattr(owner, name)
        bound = hasattr(original, "__self__")

        def timed(*args: Any, **kwargs: Any) -> Any:
            return self.call(part, original, *args, **kwargs)

        setattr(owner, name, staticmethod(timed) if bound else timed)


def main() -> None:
    from kedro.framework.session import KedroSession
    from kedro.framework.startup import bootstrap_project

    watch = Stopwatch()
    # The command line of kedro-mlflow imports this much in every kedro command, tracked or not.
    watch.call("import mlflow (bare run too)", importlib.import_module, "kedro_mlflow.framework.cli.cli")
    bootstrap_project(Path.cwd())
    importlib.import_module(
        "etudes.datasets.atomic"
    )  # as in a run, the catalog has loaded half of SQLAlchemy before
    gc.disable()  # as `etudes.tracking.runs` does
    store = watch.call(
        "import of MLflow's database store", importlib.import_module, "mlflow.store.tracking.sqlalchemy_store"
    )
    gc.enable()
    runs = importlib.import_module("etudes.tracking.runs")
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    watch.watch(store.SqlAlchemyStore, "__init__", "opening the store")
    watch.watch(runs.StudyRun, "start", "creation of the run")
    watch.watch(runs, "_start_monitor", "system-metrics monitor")
    watch.watch(SystemMetricsMonitor, "finish", "system-metrics monitor")
    for name in ("log_parameters", "log_values", "log_output"):
        watch.watch(runs.StudyRun, name, "writing batches and artifacts")
    watch.watch(runs.StudyRun, "end", "ending the run")
    with KedroSession.create(Path.cwd()) as session:
        session.run(pipeline_names=[STUDY])
    print(json.dumps(watch.seconds))


if __name__ == "__main__":
    main()
