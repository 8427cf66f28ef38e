"""Runs side by side: in processes of this machine, or wherever an engine has places for them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Any, Protocol

from etudes.results.runs import SeedRun

WATCH_SECONDS = 2.0


class RunEngine(Protocol):
    """Places that execute runs."""

    @property
    def places(self) -> int:
        """How many runs it can execute at once."""

    def submit(self, run: SeedRun) -> Future[Any]:
        """Execute a run on a free place; the future raises what went wrong."""

    def close(self) -> None:
        """Let the places go; nothing runs there any more."""


class Processes:
    """Fresh processes of this machine, ``places`` at once; several share its processors, and print into files."""

    def __init__(self, places: int) -> None:
        self.places = places
        self._pool = ThreadPoolExecutor(places)  # a thread waits for each process

    def submit(self, run: SeedRun) -> Future[None]:
        if self.places > 1:
            share = max(1, (os.cpu_count() or 1) // self.places)
            log = run.log or run.outputs / "run.log"
            run = replace(run, threads=None if "OMP_NUM_THREADS" in os.environ else share, log=log)
        return self._pool.submit(run.execute)

    def close(self) -> None:
        self._pool.shutdown()


def side_by_side(
    engine: RunEngine,
    runs: Iterable[SeedRun],
    took: Callable[[SeedRun, BaseException | None], None],
    watch: Callable[[SeedRun], None] | None = None,
) -> None:
    """Execute runs, as many at once as there are places; all calls are in this thread.

    Args:
        engine: its places; it is closed at the end.
        runs: the next one is asked for when a place is free.
        took: called with each run that ended, and its error if it failed. What it raises ends everything.
        watch: called with each run that goes on, every other second.

    Raises:
        BaseException: whatever ``runs``, ``took``, ``watch`` or a signal raised; runs that go on are stopped first.
    """
    todo, running = iter(runs), dict[Future[Any], SeedRun]()
    try:
        while True:
            while len(running) < engine.places and (run := next(todo, None)) is not None:
                run.forget_stop()
                running[engine.submit(run)] = run
            if not running:
                return
            ended, _ = wait(running, WATCH_SECONDS if watch else None, FIRST_COMPLETED)
            for future in ended:
                run = running.pop(future)
                took(run, future.exception())
            for run in running.values() if watch else ():
                watch(run)  # type: ignore[misc]
    except BaseException as error:
        for run in running.values():
            run.stop(at_once=not isinstance(error, KeyboardInterrupt))
        wait(running)
        raise
    finally:
        engine.close()
