"""Trainings from several seeds side by side, each in a process of its own.

Workers know neither catalog nor tracker: what they `record` travels to the parent, which alone logs, under the name of
the job. With one process everything runs in the caller's own, with the same numbers.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from etudes.training.session import Session, current_session, enter_session, training_session

Argument = TypeVar("Argument")
Result = TypeVar("Result")
# Read when a worker starts: a thread more would only fight with the neighbours; bars of many workers would overwrite
# each other.
WORKER_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}


PR_SET_PDEATHSIG = 1  # Linux' number for the signal that a process gets when its parent ends


class WorkerError(RuntimeError):
    """A worker failed; the message is its own, with the job's name."""


def run_side_by_side(
    function: Callable[[Argument], Result], jobs: Mapping[str, Argument], processes: int | None
) -> list[Result]:
    """``[function(argument) for argument in jobs.values()]``, with at most ``processes`` at a time.

    Every job has a session of its own: its checkpoints lie in a folder of its name, and what it records goes to the
    caller's session as ``<job>.<metric>``. If one fails, or the caller is interrupted, all end.

    Args:
        function: at module level (workers import it); seeds itself, and uses one thread.
        jobs: name and argument of each job; arguments and results are picklable.
        processes: workers at a time; None for one a processor core; 1 for none beside the caller's process.

    Raises:
        WorkerError: a worker failed or was killed.
    """
    count = workers(processes, len(jobs))
    if count <= 1:
        return [_run_here(function, name, argument) for name, argument in jobs.items()]
    return _run_workers(function, jobs, count)


def workers(processes: int | None, parts: int) -> int:
    """How many processes work on so many parts: ``processes``, or one a processor core where it is None."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(processes or cores, parts)


def _run_here(function: Callable[[Argument], Result], name: str, argument: Argument) -> Result:
    import torch

    session = current_session()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in a worker, so that the numbers are the same
    try:
        if session is None:
            return function(argument)
        folder = session.checkpoints / name if session.checkpoints else None
        with training_session(f"{session.label} {name}", folder, _named(session, name), session.study):
            return function(argument)
    finally:
        torch.set_num_threads(threads)


def _named(session: Session, name: str) -> Callable[[int, dict[str, float]], None]:
    def sink(step: int, metrics: dict[str, float]) -> None:
        session.sink(step, {f"{name}.{metric}": value for metric, value in metrics.items()})

    return sink


def _run_workers(
    function: Callable[[Argument], Result], jobs: Mapping[str, Argument], count: int
) -> list[Result]:
    context = multiprocessing.get_context("spawn")  # a fork would copy the locks of this process's threads
    session = current_session()
    waiting = list(jobs.items())[::-1]
    running: dict[Connection, tuple[str, Any]] = {}
    results: dict[str, Result] = {}
    try:
        while waiting or running:
            while waiting and len(running) < count:
                name, argument = waiting.pop()
                receiver, sender = context.Pipe(duplex=False)
                folder = session.checkpoints / name if session and session.checkpoints else None
                # Unpickled by `_work`: a study's imports take seconds, in which the parent may die already.
                job = pickle.dumps((function, name, argument, folder, session.study if session else ""))
                process = context.Process(target=_work, args=(sender, job), name=name, daemon=True)
                with _environment(WORKER_ENVIRONMENT):
                    process.start()
                sender.close()  # so that the pipe ends when the worker does
                running[receiver] = name, process
            for connection in wait(list(running)):
                assert isinstance(connection, Connection)
                name, process = running[connection]
                kind, content = _receive(connection, name, process)
                if kind == "record":
                    if session is not None:
                        _named(session, name)(*content)
                    continue
                if kind == "error":
                    message, trace = content
                    raise WorkerError(f"{name}: {message}") from RuntimeError(trace)
                results[name] = content
                connection.close()
                process.join()
                del running[connection]
    finally:
        for _, process in running.values():
            process.terminate()
        for _, process in running.values():
            process.join()
    return [results[name] for name in jobs]


def _receive(connection: Connection, name: str, process: Any) -> tuple[str, Any]:
    try:
        return connection.recv()
    except EOFError:
        process.join()
        raise WorkerError(
            f"{name}: its process ended without a result (exit status {process.exitcode}; -9 often means that memory "
            "ran out: run fewer processes at a time)"
        ) from None


def _work(sender: Connection, job: bytes) -> None:
    """What a worker runs."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted as well, and ends this process
    _die_with_parent()
    function, name, argument, folder, study = pickle.loads(job)
    enter_session(
        Session(name, folder, lambda step, metrics: sender.send(("record", (step, metrics))), study)
    )
    try:
        sender.send(("result", function(argument)))
    except BrokenPipeError:
        return  # the parent is gone
    except Exception as error:
        sender.send(("error", (f"{error}" or type(error).__name__, traceback.format_exc())))


def _die_with_parent() -> None:
    """Let this worker end when its parent is killed, whose successor would share files with it."""
    if sys.platform == "linux":
        # A thread alone would wait for Python's lock, which the import of a large library holds for seconds.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
