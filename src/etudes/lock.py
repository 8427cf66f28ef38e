"""Who is running what: two runs never write, or write and read, the same outputs at the same time.

A run leaves a file with its process and the names of its outputs in a folder of the environment
(``<outputs>/.runs/<environment>``) before it writes anything, and removes it when it ends. Another run looks there
first. Runs that share no output go on side by side: other studies, or single variants of one study.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import socket
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from filelock import FileLock

from etudes.atomic import atomic_file

logger = logging.getLogger(__name__)
POLL_SECONDS = 0.5


class LockedError(RuntimeError):
    """Another run holds outputs that this one needs."""


@dataclass(frozen=True)
class Holder:
    """A run that holds outputs.

    ``process`` tells it from an earlier or later process of the same number, ``space`` is the system's table of process numbers
    (a container has its own): only inside it can be seen whether a process lives.
    """

    host: str
    space: str
    pid: int
    process: str
    since: str
    command: str
    reads: list[str]
    writes: list[str]

    @classmethod
    def here(cls, reads: Iterable[str], writes: Iterable[str]) -> Holder:
        """This process."""
        return cls(
            socket.gethostname(),
            _process_space(),
            os.getpid(),
            process_identity(os.getpid()) or "",
            time.strftime("%Y-%m-%d %H:%M:%S"),
            " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
            sorted(reads),
            sorted(writes),
        )

    def shared_with(self, other: Holder) -> list[str]:
        """Outputs that one of the two writes and the other writes or reads."""
        ours, theirs = set(self.writes), set(other.writes)
        return sorted(ours & theirs | ours & set(other.reads) | theirs & set(self.reads))

    def is_near(self, other: Holder) -> bool:
        """Whether each can see the other's process."""
        return (self.host, self.space) == (other.host, other.space)


class OutputsLock:
    """The outputs of one run.

    Args:
        folder: of the environment, ``<outputs>/.runs/<environment>``.
        reads: names of the datasets that the run reads.
        writes: names of the datasets that it writes.
    """

    def __init__(self, folder: Path, reads: Iterable[str], writes: Iterable[str]) -> None:
        self.folder = folder
        self.holder = Holder.here(reads, writes)
        self.path = folder / f"{secrets.token_hex(8)}.json"

    def acquire(self, wait: bool = False) -> set[str]:
        """Take all outputs at once, or none; a process that takes outputs a second time gives up its first ones.

        Args:
            wait: for other runs to end, instead of failing.

        Returns:
            The studies that others are running in this environment.

        Raises:
            LockedError: another run holds one of them; it is named.
            OSError: the folder cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        waiting_for = None
        while True:
            with FileLock(self.folder / ".lock"):
                others = self._others()
                path, holder = next(
                    ((path, other) for path, other in others if self.holder.shared_with(other)), (None, None)
                )
                if path is None or holder is None:
                    with atomic_file(self.path) as temporary:
                        temporary.write_text(json.dumps(asdict(self.holder)), encoding="utf-8")
                    return {name.partition(".")[0] for _, other in others for name in other.writes}
            if not wait:
                raise LockedError(self._refusal(path, holder))
            if waiting_for != path:
                waiting_for = path
                logger.info("Waiting: %s", self._occupied(path, holder))
            time.sleep(POLL_SECONDS)

    def release(self) -> None:
        """Let others have the outputs; does nothing where they are not held."""
        with suppress(
            OSError
        ):  # the folder may be gone, or never have been; a file that stays names a dead process
            self.path.unlink()

    def _others(self) -> list[tuple[Path, Holder]]:
        """Who else is running; files of processes that are gone are removed."""
        found = []
        for path in sorted(self.folder.glob("*.json")):
            try:
                holder = Holder(**json.loads(path.read_text(encoding="utf-8")))
            except FileNotFoundError:  # it has ended a moment ago
                continue
            except (ValueError, TypeError) as error:
                raise LockedError(
                    f"{path} should say which run is using the outputs, and cannot be read. If no run is using them, "
                    "remove it."
                ) from error
            if not holder.is_near(self.holder):
                found.append((path, holder))
                continue
            alive = process_identity(holder.pid) == holder.process
            if alive and holder.pid != self.holder.pid:
                found.append((path, holder))
                continue
            # Its process is gone, or it is this one, whose first run a notebook interrupted.
            path.unlink(missing_ok=True)
            if not alive:
                logger.info("A run of %s held outputs and is gone (process %d).", holder.since, holder.pid)
        return found

    def _occupied(self, path: Path, holder: Holder) -> str:
        shared = self.holder.shared_with(holder)
        studies = ", ".join(dict.fromkeys(name.partition(".")[0] for name in shared))
        text = (
            f"{studies} ({self.folder.name}) is being run by process {holder.pid} on {holder.host} since "
            f"{holder.since} (`{holder.command}`), into the same outputs ({self.folder.parents[1]})."
        )
        if not holder.is_near(self.holder):
            text += f" Whether it still runs cannot be seen from here: if it does not, remove {path}."
        return text

    def _refusal(self, path: Path, holder: Holder) -> str:
        return (
            f"{self._occupied(path, holder)} Nothing was written. Try again when it has ended, let this run wait for "
            "it (--params=run.wait=true), or give this one outputs of its own (ETUDES_OUTPUTS=<folder>)."
        )


def process_identity(pid: int) -> str | None:
    """What tells a process from another one that had or gets its number; None where there is none (or a zombie).

    It is when the process started: processes of different numbers may have the same.
    """
    if sys.platform == "linux":
        try:
            state, *fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        # Ticks since the machine started: unlike a time of day they do not move when the clock is set.
        return None if state in (b"Z", b"X") else f"{boot} {int(fields[18])}"
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
    except psutil.NoSuchProcess:
        return None


def _process_space() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""
