"""Writes that either happen whole or not at all, also when several processes write the same name."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# What a kill leaves behind: `.model.x1y2z3w4.tmp` (being written), `.model.x1y2z3w4.old` (moved aside).
_DEBRIS = re.compile(r"\.(?P<moved>.+?)(\.[a-z0-9_]{8})?\.old|\..+\.[a-z0-9_]{8}\.tmp")
# What systems say to a folder that is to be renamed to the name of one that is there.
_TAKEN = (errno.ENOTEMPTY, errno.EEXIST)


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; rename it to ``path`` if the block ends well, remove it if not.

    Raises:
        OSError: the folder cannot be written or the disk is full; ``path`` is then as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside ``path``; put it in the place of ``path`` if the block ends well.

    A folder that stood at ``path`` is moved aside first and removed after, so that a kill between the two renames
    leaves it under an ``.old`` name and never half of each. Of several writers at once the last one's folder stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))
    aside: list[Path] = []
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        recover_folder(path)
        while True:
            if path.exists():
                aside.append(_beside(path, "old"))
                with suppress(FileNotFoundError):  # another writer was faster
                    path.rename(aside[-1])
            try:
                temporary.rename(path)
                break
            except OSError as error:
                if error.errno not in _TAKEN:  # another writer was faster
                    raise
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        recover_folder(path)
        if path.exists():
            _remove_asides(aside, path)
        raise
    _remove_asides(aside, path)


def recover_folder(path: Path) -> None:
    """Undo a replacement that a kill interrupted between its two renames."""
    if path.exists():
        return
    # By its name alone a folder may hold any character that a pattern takes for its own.
    asides = [
        entry
        for entry in (path.parent.iterdir() if path.parent.is_dir() else ())
        if (found := _DEBRIS.fullmatch(entry.name)) and found["moved"] == path.name
    ]
    for old in sorted(asides, key=_moved_at, reverse=True):
        with suppress(OSError):  # another process was first, with this one or with a new folder
            old.rename(path)
            return


def remove_debris(folder: Path) -> list[Path]:
    """Remove below ``folder`` what killed processes left: half-written files and folders; put back what they moved aside.

    Nobody else may be writing there (`etudes.lock`).

    Returns:
        What was removed.
    """
    removed = []
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            found = _DEBRIS.fullmatch(name)
            entry = Path(parent, name)
            if found is None or (found["moved"] and not entry.is_dir()):
                continue
            if found["moved"]:
                recover_folder(Path(parent, found["moved"]))
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            elif entry.is_file():
                entry.unlink()
            else:
                continue
            removed.append(entry)
        folders[:] = [name for name in folders if not _DEBRIS.fullmatch(name)]
    return removed


def _beside(path: Path, kind: str) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.{kind}")


def _remove_asides(aside: list[Path], path: Path) -> None:
    """Remove folders that were moved aside, under a name that `recover_folder` does not take for a whole one."""
    for old in aside:
        doomed = _beside(path, "tmp")
        with suppress(OSError):  # another process has put it back
            old.rename(doomed)
            shutil.rmtree(doomed, ignore_errors=True)


def _moved_at(old: Path) -> int:
    with suppress(FileNotFoundError):
        return old.stat().st_ctime_ns
    return 0


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
