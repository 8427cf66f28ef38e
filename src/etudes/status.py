"""What became of each node of a run, where kedro-viz shows it. Its own hook knows whole runs by Kedro's sequential runner alone;
here every command names its studies, and nodes may run in other processes.
"""

from __future__ import annotations

import json
import logging
import time
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kedro.framework.hooks import hook_impl

from etudes.atomic import atomic_file

logger = logging.getLogger(__name__)
FOLDER = Path(".viz")  # kedro-viz's, in the project
LAST_RUN = FOLDER / "kedro_pipeline_events.json"

Event = dict[str, Any]


@dataclass(frozen=True)
class _Failure:
    """Message and traceback of an error."""

    said: str
    trace: str


class RunStatusHook:
    """Writes what kedro-viz calls events: one file for the last run, and one for the last run of each study."""

    def __init__(self) -> None:
        self._nodes: dict[str, Any] = {}
        self._ended: dict[str, float] = {}
        self._failed: dict[str, _Failure] = {}
        self._current: Any = None
        self._project: Path | None = None

    @hook_impl(trylast=True)  # a run that is refused leaves what is there
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Any, catalog: Any) -> None:
        from kedro.utils import is_kedro_project

        project = Path(run_params["project_path"])
        self._project = project if is_kedro_project(project) else None  # an installed package has none
        self._nodes, self._catalog = {node.name: node for node in pipeline.nodes}, catalog
        self._ended, self._failed, self._current = {}, {}, None
        self._started = _now()

    @hook_impl
    def before_dataset_loaded(self, node: Any) -> None:
        self._begin(node)

    @hook_impl
    def before_node_run(self, node: Any) -> None:  # the first that is told of one without inputs
        self._begin(node)

    def _begin(self, node: Any) -> None:
        if node is not self._current:
            self._close()
            self._current, self._began = node, time.perf_counter()

    def _close(self) -> None:
        """The current node has ended, its outputs saved: another begins, or the run ends."""
        if self._current is not None:
            self.node_ended(self._current.name, time.perf_counter() - self._began)
        self._current = None

    def node_ended(self, name: str, seconds: float) -> None:
        """A node has ended, in this process or in another one."""
        self._ended[name] = seconds

    def node_failed(self, name: str, said: str, trace: str) -> None:
        """A node has failed, in this process or in another one."""
        self._failed[name] = _Failure(said, trace)

    @hook_impl(trylast=True)
    def after_pipeline_run(self) -> None:
        self._close()
        self._write(None)

    @hook_impl(trylast=True)
    def on_pipeline_error(self, error: Exception) -> None:
        failure = _Failure(str(error), "".join(traceback.format_exception(error)))
        if self._current is not None:
            self.node_failed(self._current.name, failure.said, failure.trace)
        self._write(failure)

    def _write(self, failure: _Failure | None) -> None:
        nodes, self._nodes = self._nodes, {}
        if self._project is None or not nodes:
            return
        studies: dict[str, dict[str, Any]] = {}
        for name, node in nodes.items():
            studies.setdefault(name.partition(".")[0], {})[name] = node
        try:
            _save(self._project / LAST_RUN, self._events(nodes, failure))
            for study, own in studies.items():
                ended = own.keys() <= self._ended.keys()
                failures = [self._failed[name] for name in own if name in self._failed]
                why = None if ended else next(iter(failures), failure)
                _save(self._project / study_file(study), self._events(own, why))
        except OSError as error:
            logger.warning("The status of this run is not kept for kedro-viz: %s", error)

    def _events(self, nodes: Mapping[str, Any], failure: _Failure | None) -> list[Event]:
        from kedro_viz.integrations.kedro.hooks_utils import hash_node

        events: list[Event] = [{"event": "before_pipeline_run", "timestamp": self._started}]
        for name, node in nodes.items():
            about = {"node": name, "node_id": hash_node(node)}
            if name in self._ended:
                events += self._datasets("after_dataset_loaded", node.inputs)
                events.append(
                    {
                        "event": "after_node_run",
                        **about,
                        "duration": self._ended[name],
                        "status": "success",
                    }
                )
                events += self._datasets("after_dataset_saved", node.outputs)
            elif name in self._failed:
                events.append({"event": "on_node_error", **about, **_told(self._failed[name])})
        end = {"event": "after_pipeline_run"}
        if failure is not None:
            end = {"event": "on_pipeline_error", **_told(failure)}
        return [*events, {**end, "timestamp": _now()}]

    def _datasets(self, event: str, names: Iterable[str]) -> list[Event]:
        from kedro_viz.integrations.kedro.hooks_utils import hash_node

        return [
            {
                "event": event,
                "dataset": name,
                "node_id": hash_node(name),
                "status": "Available",
                "size": _size(getattr(self._catalog.get(name), "_filepath", None)),
            }
            for name in names
            if not name.startswith("params:")
        ]


def study_file(study: str) -> Path:
    """Where the events of a study's last run are, in the project."""
    return FOLDER / "studies" / f"{study}.json"


def events_of(project: Path, study: str) -> list[Event]:
    """Events of the last run of a study; none if there was none."""
    path = project / study_file(study)
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []


def _save(path: Path, events: list[Event]) -> None:
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(events, indent=1) + "\n", encoding="utf-8")


def _told(failure: _Failure) -> Event:
    return {"error": failure.said, "traceback": failure.trace, "timestamp": _now()}


def _size(path: Any) -> int:
    """Bytes of a file, or of all files of a folder; 0 where there is neither."""
    place = Path(str(path)) if path is not None else Path()
    if path is None or not place.exists():
        return 0
    files = [place] if place.is_file() else [each for each in place.rglob("*") if each.is_file()]
    return sum(each.stat().st_size for each in files)


def _now() -> str:
    return datetime.now(UTC).isoformat()
