"""What a node may reach besides its inputs: live metrics, a checkpoint folder, a progress bar.

Nodes stay pure: nothing here changes what they return. Outside a Kedro run (a notebook, a test of one function)
no session is open, metrics go nowhere and there are no checkpoints.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from etudes.interrupts import check

Item = TypeVar("Item")
Sink = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class Session:
    """The surroundings of one running node.

    ``checkpoints`` is a folder of this node's own; ``sink(step, metrics)`` takes live metrics; ``study`` is whose code a
    checkpoint depends on besides the library's.
    """

    label: str
    checkpoints: Path | None
    sink: Sink
    study: str = ""


_current: ContextVar[Session | None] = ContextVar("etudes_training_session", default=None)


@contextmanager
def training_session(label: str, checkpoints: Path | None, sink: Sink, study: str = "") -> Iterator[Session]:
    """Open a session for the code inside the ``with`` block."""
    session = Session(label, checkpoints, sink, study)
    token = _current.set(session)
    try:
        yield session
    finally:
        _current.reset(token)


def current_session() -> Session | None:
    """The session of the running node, or None outside a run."""
    return _current.get()


def enter_session(session: Session | None) -> None:
    """Set the session for everything that follows; hooks, which cannot hold a ``with`` block, use this."""
    _current.set(session)


@contextmanager
def part(name: str) -> Iterator[None]:
    """Surround one of several trainings of a node: checkpoints in a folder of its own, live metrics as ``<name>_<metric>``."""
    outer = _current.get()
    if outer is None:
        yield
        return

    def sink(step: int, metrics: dict[str, float]) -> None:
        outer.sink(step, {f"{name}_{metric}": value for metric, value in metrics.items()})

    folder = outer.checkpoints / name if outer.checkpoints else None
    token = _current.set(replace(outer, label=f"{outer.label}, {name}", checkpoints=folder, sink=sink))
    try:
        yield
    finally:
        _current.reset(token)


def record(step: int, metrics: dict[str, float]) -> None:
    """Send live metrics of one step (an epoch, an episode) to the tracker; does nothing outside a run."""
    check()
    session = _current.get()
    if session is not None:
        session.sink(step, metrics)


def progress(items: Iterable[Item], label: str, total: int | None = None) -> Iterable[Item]:
    """Wrap an iterable in a progress bar on a terminal; in a log file or a pipe it is silent."""
    if not sys.stderr.isatty():
        return items
    from tqdm import tqdm

    return tqdm(items, desc=label, total=total, leave=False, dynamic_ncols=True, mininterval=0.2)
