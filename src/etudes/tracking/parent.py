"""The MLflow run of a sweep, whose children are the runs of its seeds and trials."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, Self

from mlflow.entities import Metric

from etudes.tracking.runs import PARENT, Store, StudyRun, open_experiment, process_tags, use_store

SWEEP = "etudes.sweep"
RUN = "etudes.run"


class ParentRun:
    """An open run of a sweep; one that was killed is opened again."""

    def __init__(self, store: Store, run: StudyRun) -> None:
        self._store, self._run = store, run
        self._children: dict[str, str] = {}

    @classmethod
    def open(cls, config: Any, study: str, sweep: str, parameters: Mapping[str, str]) -> Self:
        """Open the run of a sweep in its study's experiment.

        Args:
            config: kedro-mlflow's ``KedroMlflowConfig``.
            sweep: what tells the sweep from others; a run with it is there if it was begun before.
            parameters: of the run.
        """
        store = use_store(config)
        experiment = open_experiment(store, study).id
        there = store.client.search_runs([experiment], f"tags.`{SWEEP}` = '{sweep}' and tags.`{RUN}` = ''")
        if there:
            run_id = there[0].info.run_id
            store.client.update_run(run_id, status="RUNNING")
        else:
            tags = {SWEEP: sweep, RUN: "", "mlflow.source.name": "kedro sweep"}
            run = store.client.create_run(experiment, tags=tags, run_name=f"sweep {sweep[:8]}")
            run_id = run.info.run_id
        for name, value in process_tags().items():
            store.client.set_tag(run_id, name, value)
        opened = StudyRun(store.client, study, run_id, experiment, monitored=False)
        if not there:
            opened.log_parameters(dict(parameters))
        return cls(store, opened)

    @property
    def run_id(self) -> str:
        return self._run.run_id

    def tags(self, sweep: str, run: str, name: str) -> dict[str, str]:
        """What makes a run its child: ``run`` tells it from others, ``name`` is shown."""
        return {PARENT: self.run_id, SWEEP: sweep, RUN: run, "mlflow.runName": name}

    def curve(self, run: str, metric: str) -> dict[int, float]:
        """What a child has logged of a metric so far, by step."""
        if run not in self._children:
            found = self._store.client.search_runs(
                [self._run.experiment_id],
                f"tags.`{PARENT}` = '{self.run_id}' and tags.`{RUN}` = '{run}'",
                order_by=["attributes.start_time DESC"],
                max_results=1,
            )
            if not found:
                return {}
            self._children[run] = found[0].info.run_id
        history = self._store.client.get_metric_history(self._children[run], metric)
        return {point.step: point.value for point in history}

    def log(self, values: Mapping[str, float], step: int = 0) -> None:
        now = round(time.time() * 1000)
        metrics = [Metric(name, value, now, step) for name, value in values.items()]
        self._store.client.log_batch(self.run_id, metrics=metrics)

    def log_result(self, table: str, summaries: Mapping[str, Any]) -> None:
        """The table of a sweep and the numbers behind it, as files."""
        self._store.client.log_text(self.run_id, table, "sweep.md")
        self._store.client.log_text(self.run_id, json.dumps(summaries, indent=1), "sweep.json")

    def end(self, status: str, error: BaseException | None = None) -> None:
        self._run.end(status, error)
