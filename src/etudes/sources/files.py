"""What every way of getting a file shares: its error, its lock, its checks, its move into place."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from etudes.sources.table import RawFile

CHUNK = 1 << 18  # bytes
YOUNG_LOCK = 10.0  # seconds an empty lock file may be that of a process about to write its number

_held: set[Path] = set()


class FetchError(RuntimeError):
    """A file could not be got. The message says what, where, what was expected, and what to do."""


def digest_of(path: Path) -> hashlib._Hash:
    """A SHA-256 object fed with the whole file (none: an empty one), ready to be fed on."""
    digest = hashlib.sha256()
    if path.is_file():
        with path.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
    return digest


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn an OSError of the disk below ``path`` into one :class:`FetchError` with what to do.

    Put it around disk work only: requests' own errors are OSErrors too.
    """
    try:
        yield
    except OSError as error:
        raise FetchError(_explain(error, path)) from error


def _explain(error: OSError, path: Path) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"{path.name}: the disk is full, in {path.parent}. Files that were there are as they were. "
            f"Free some space and run it again (a download goes on from {path.name}.part, "
            f"which you may also delete), or set ETUDES_RAW to a folder on a larger disk"
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return (
            f"{path.name}: cannot write into {path.parent}: {error.strerror}. "
            f"Make the folder writable, or set ETUDES_RAW to one that is"
        )
    if error.errno in (errno.EEXIST, errno.ENOTDIR, errno.EISDIR):
        return (
            f"{path.name}: {error.filename or path.parent} is in the way: {error.strerror}. "
            f"Expected the folder {path.parent}; move what is there, or set ETUDES_RAW to another folder"
        )
    return f"{path.name}: disk error in {path.parent}: {error.strerror or error}"


def check_space(path: Path, needed: int) -> None:
    """Raise :class:`FetchError` if the disk of ``path`` has fewer than ``needed`` bytes free.

    Asked before the first byte: filling a disk harms more than this one file.
    """
    free = shutil.disk_usage(path.parent).free
    if needed > free:
        raise FetchError(
            f"{path.name}: the disk is too full: {needed:,} bytes needed in {path.parent}, {free:,} free. "
            f"Free some space, or set ETUDES_RAW to a folder on a larger disk"
        )


def open_part(part: Path, mode: str) -> IO[bytes]:
    """Open a part file to write; one place, so that a test can put a full disk here."""
    return part.open(mode)


@contextlib.contextmanager
def writing(part: Path, target: Path, mode: str) -> Iterator[Callable[[bytes], None]]:
    """A function that writes to ``part`` (mode "wb" or "ab"); all is on disk when the block ends well.

    Raises :class:`FetchError` about ``target`` for a full or read-only disk. If the block fails, what was
    written stays in ``part``.
    """
    with disk_errors(target):
        stream = open_part(part, mode)

    def write(data: bytes) -> None:
        with disk_errors(target):
            stream.write(data)

    try:
        yield write
    except BaseException:
        # Closing writes what is buffered, and on a full disk fails again: the first error is the one to tell.
        with contextlib.suppress(OSError):
            stream.close()
        raise
    with disk_errors(target), stream:
        stream.flush()
        os.fsync(stream.fileno())


def mismatch(file: RawFile, size: int, sha256: str) -> str | None:
    """Expected and found, in words, where the table knows better; ``None`` if nothing speaks against it."""
    if file.bytes not in (None, size):
        return f"expected {file.bytes:,} bytes, found {size:,}"
    if size == 0:
        return "expected data, found an empty file"
    if file.sha256 not in (None, sha256):
        return f"expected sha256 {file.sha256}, found {sha256}"
    return None


def put_in_place(file: RawFile, part: Path, target: Path, sha256: str, origin: str) -> int:
    """Check ``part`` and move it to ``target`` in one step; its size in bytes.

    Raises :class:`FetchError` naming what was expected and found; ``part`` is then removed, so that
    nothing wrong stays on disk.
    """
    with disk_errors(target):
        size = part.stat().st_size
        if wrong := mismatch(file, size, sha256):
            part.unlink()
            raise FetchError(
                f"{file.name} from {origin} is not the file of the table: {wrong}. It was removed. "
                f"Run it again; if that does not help, the file has changed at its source"
            )
        os.replace(part, target)
    return size


@contextlib.contextmanager
def lock(target: Path) -> Iterator[None]:
    """Hold ``<target>.lock``, so that one process at a time gets this file.

    The lock of a process that is gone is taken over. Raises :class:`FetchError` if another one is at it.
    """
    path = target.with_name(f"{target.name}.lock")
    with disk_errors(target):
        path.parent.mkdir(parents=True, exist_ok=True)
        _take(path, target)
        _held.add(path)
    try:
        yield
    finally:
        _held.discard(path)
        path.unlink(missing_ok=True)


def _take(path: Path, target: Path) -> None:
    for _ in range(3):
        try:
            with path.open("x", encoding="utf-8") as stream:
                stream.write(f"{os.getpid()} {socket.gethostname()}")
            return
        except FileExistsError:
            owner = _owner(path)
            if _is_alive(path, owner):
                break
            _remove_stale(path, owner)
    raise FetchError(
        f"{target.name}: another process ({_owner(path) or 'just started'}) is getting it into "
        f"{target.parent}. Wait for it to end; if none is running, remove {path}"
    )


def _owner(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def _is_alive(path: Path, owner: str) -> bool:
    import psutil

    number, _, host = owner.partition(" ")
    if not number.isdecimal():
        try:
            return time.time() - path.stat().st_mtime < YOUNG_LOCK
        except FileNotFoundError:
            return False
    if host != socket.gethostname():
        return True  # a shared disk: the processes of another machine cannot be seen from here
    if int(number) == os.getpid():
        return path in _held  # a container restarted: its new process may carry the old number
    return psutil.pid_exists(int(number))


def _remove_stale(path: Path, owner: str) -> None:
    """Remove the lock ``owner`` left, and no other: two processes may find it at the same time."""
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    with contextlib.suppress(FileNotFoundError):
        os.rename(path, aside)
        if aside.read_text(encoding="utf-8") != owner and not path.exists():
            os.rename(aside, path)  # it was a fresh one: give it back
        aside.unlink(missing_ok=True)
