"""Run a function on one device or on many, from inside a node.

With one process the function is called directly: no process group, no spawn. With more,
`torch.distributed.launcher.api.elastic_launch` starts the ranks; the pipeline itself is never run a second time. Ranks
know neither catalog nor tracker: what they `record` travels to the parent process, which alone logs.
"""

from __future__ import annotations

import itertools
import json
import os
import secrets
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any, TypeVar

from etudes.training.parameters import RunParameters
from etudes.training.session import Session, current_session, enter_session

Result = TypeVar("Result")
_launches = itertools.count()  # machines that meet again in one run need a new name for each meeting


def launch(func: Callable[..., Result], *args: Any, run: RunParameters) -> Result:
    """Call ``func(*args)`` once per device and return what rank 0 returns.

    Args:
        func: a function at module level (ranks import it).
        args: picklable when there is more than one process.
        run: ``devices`` processes on each of ``nodes`` machines; ``rendezvous`` (``host:port``) where the machines
            meet, needed for more than one.

    Raises:
        ValueError: several nodes without a rendezvous.
        RuntimeError: a rank failed; the message is that of the first failure.
    """
    if run.devices * run.nodes == 1:
        return func(*args)
    if run.nodes > 1 and not run.rendezvous:
        raise ValueError(
            f"run.nodes = {run.nodes} needs run.rendezvous = host:port of the first machine; found none"
        )
    return _launch_ranks(func, args, run)


def _launch_ranks(func: Callable[..., Result], args: tuple[Any, ...], run: RunParameters) -> Result:
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    session = current_session()
    place = _place(run.rendezvous) if run.nodes > 1 and run.rendezvous else _Place()
    relay = _Relay(session)
    config = LaunchConfig(
        min_nodes=run.nodes,
        max_nodes=run.nodes,
        nproc_per_node=run.devices,
        rdzv_backend="c10d",
        rdzv_endpoint=run.rendezvous or "localhost:0",
        rdzv_configs={} if place.first is None else {"is_host": place.first},
        local_addr=place.address,
        run_id=f"etudes-{os.environ.get('ETUDES_LAUNCH_ID', 'run')}-{next(_launches)}",
        start_method="spawn",
        max_restarts=0,
        monitor_interval=0.2,
        signals_to_handle="SIGTERM,SIGHUP,SIGQUIT",  # Ctrl-C stays one; theirs would be an error like others
    )
    checkpoints = str(session.checkpoints) if session and session.checkpoints else None
    label, study = (session.label, session.study) if session else ("", "")
    # Each rank gets its share of the cores; without this every rank would start a thread per core.
    variables = {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // run.devices))}
    if place.interface and "GLOO_SOCKET_IFNAME" not in os.environ:
        variables["GLOO_SOCKET_IFNAME"] = place.interface
    try:
        with _environment(variables):
            results = elastic_launch(config, _rank)(
                func, args, relay.address, relay.secret, label, study, checkpoints
            )
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        raise RuntimeError(f"Rank {rank} of {func.__name__} failed: {failure.message}") from error
    finally:
        relay.close()
    return results[min(results)]


@dataclass(frozen=True)
class _Place:
    """How this machine meets the others: by which of its addresses and interfaces, and whether it is the first one; None
    where torch finds that out.
    """

    address: str | None = None
    interface: str | None = None
    first: bool | None = None


def _place(rendezvous: str) -> _Place:
    """Ask the system which of this machine's addresses leads to the meeting point.

    torch and gloo ask for the address of the machine's own name. Many systems (Debian's 127.0.1.1) answer with one that no
    other machine reaches, and then the first machine waits for itself, or its ranks for each other.

    Raises:
        ValueError: the meeting point is no host and port, or there is no way to it.
    """
    import psutil

    host, _, port = rendezvous.rpartition(":")
    try:
        family, *_, there = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(there)  # sends nothing
            own = probe.getsockname()[0]
    except (OSError, ValueError) as error:
        raise ValueError(
            f"run.rendezvous = {rendezvous}: {error}; expected host:port of the first machine, such as 10.0.0.1:29500"
        ) from error
    if ip_address(own.partition("%")[0]).is_loopback:  # several commands on one machine
        return _Place()
    interfaces = psutil.net_if_addrs().items()
    interface = next(
        (name for name, entries in interfaces if own in [entry.address for entry in entries]), None
    )
    return _Place(own, interface, own == there[0])


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables of the environment for processes that are started inside the block."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _rank(
    func: Callable[..., Result],
    args: tuple[Any, ...],
    address: str,
    secret: bytes,
    label: str,
    study: str,
    checkpoints: str | None,
) -> Result | None:
    """What each process runs: join the group, relay what rank 0 records, leave the group."""
    import torch

    rank = int(os.environ["RANK"])
    connection = Client(address, authkey=secret) if rank == 0 else None

    def sink(step: int, metrics: dict[str, float]) -> None:
        if connection is not None:
            connection.send_bytes(json.dumps([step, metrics]).encode())

    enter_session(Session(label, Path(checkpoints) if checkpoints else None, sink, study))
    try:
        result = func(*args)
        if int(os.environ["GROUP_WORLD_SIZE"]) > 1 and torch.distributed.is_initialized():
            shared = [result]  # the pipeline of every machine goes on with what rank 0 found
            torch.distributed.broadcast_object_list(shared, src=0)
            result = shared[0]
    finally:
        if connection is not None:
            connection.close()
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
    return result if os.environ["LOCAL_RANK"] == "0" else None


class _Relay:
    """Receives metrics from rank 0 as JSON (never pickles) and hands them to the parent's session."""

    def __init__(self, session: Session | None) -> None:
        self.secret = secrets.token_bytes(16)
        self._session = session
        self._listener = Listener(authkey=self.secret)
        self.address = self._listener.address
        self._thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()

    def _receive(self) -> None:
        try:
            with self._listener.accept() as connection:
                self._forward(connection)
        except (EOFError, OSError):
            return  # the rank ended, or the listener was closed before a rank connected

    def _forward(self, connection: Connection) -> None:
        while True:
            step, metrics = json.loads(connection.recv_bytes())
            if self._session is not None:
                self._session.sink(step, metrics)

    def close(self) -> None:
        self._thread.join(timeout=5)
        self._listener.close()
