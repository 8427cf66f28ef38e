"""Where live metrics of a training node go while it runs. Knows nothing of MLflow, so that it costs no import."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

# One metric value: (name, value, seconds since the epoch, step).
Value = tuple[str, float, float, int]
FLUSH_SECONDS = 2.0


class LiveWriter:
    """Collects metric values and hands them on in batches: one database write for many values.

    ``write`` is called from the training's thread at most every two seconds, so curves grow while training runs.
    """

    def __init__(self, write: Callable[[list[Value]], None]) -> None:
        self._write = write
        self._waiting: list[Value] = []
        self._last = time.monotonic()
        self._lock = threading.Lock()

    def add(self, variant: str, step: int, metrics: dict[str, float]) -> None:
        now = time.time()
        with self._lock:
            self._waiting += [
                (f"{variant}.{name}", float(value), now, step) for name, value in metrics.items()
            ]
            due = time.monotonic() - self._last >= FLUSH_SECONDS
        if due:
            self.flush()

    def flush(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
            self._last = time.monotonic()
        if waiting:
            self._write(waiting)


_writers: dict[str, LiveWriter] = {}


def open_writer(study: str, writer: LiveWriter) -> None:
    """Send the live metrics of a study to ``writer``."""
    _writers[study] = writer


def close_writer(study: str) -> None:
    """Write what waits and forget the writer."""
    writer = _writers.pop(study, None)
    if writer is not None:
        writer.flush()


def flush(study: str) -> None:
    """Write what waits; does nothing when the study is not tracked."""
    writer = _writers.get(study)
    if writer is not None:
        writer.flush()


def log(study: str, variant: str, step: int, metrics: dict[str, float]) -> None:
    """Log metrics of one step of a variant; does nothing when the study is not tracked."""
    writer = _writers.get(study)
    if writer is not None:
        writer.add(variant, step, metrics)
