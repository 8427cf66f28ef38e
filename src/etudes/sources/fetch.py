"""Getting the files of a raw data set into its folder: download, Hugging Face, archives."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from etudes.sources.archive import extract
from etudes.sources.download import Limits, download
from etudes.sources.files import FetchError, digest_of, disk_errors, lock, mismatch, put_in_place
from etudes.sources.table import RawFile, Source, get_source, how_to_get

__all__ = ["FetchError", "Fetched", "Limits", "fetch"]


@dataclasses.dataclass(frozen=True)
class Fetched:
    """One file that is in its place now. ``size`` is in bytes.

    ``sha256`` is ``None`` for a file that was there already and whose checksum the table does not know;
    ``checked`` says whether the table's checksum was compared.
    """

    path: Path
    size: int
    sha256: str | None
    state: Literal["kept", "downloaded", "extracted"]
    checked: bool


def fetch(source: Source | str, raw: Path, limits: Limits | None = None) -> tuple[Fetched, ...]:
    """Get all files of ``source`` that are not in ``<raw>/<name>/`` yet; what is there is never touched.

    An archive is got only if a file taken from it is missing. Raises :class:`FetchError` with one message
    (for a manual set: what to do by hand) and UnknownSourceError for an unknown name; the files that came
    before the failing one stay.
    """
    source = get_source(source) if isinstance(source, str) else source
    folder = raw / source.name
    files = _wanted(source)
    kept = {file.name: found for file in files if (found := _existing(file, folder / file.name))}
    todo = [file for file in files if file.name not in kept]
    if source.how == "manual":
        _refuse_manual(source, folder)
    archives = {file.archive for file in todo}
    carriers = [_ensure(source, file, folder, limits) for file in source.files if file.name in archives]
    got = {file.name: _ensure(source, file, folder, limits) for file in todo}
    return (*carriers, *(kept.get(file.name) or got[file.name] for file in files))


def _refuse_manual(source: Source, folder: Path) -> None:
    """Raise :class:`FetchError` with what to do if a file is missing that only a person can bring."""
    needed = {file.archive or file.name for file in source.needed if not (folder / file.name).exists()}
    if missing := sorted(name for name in needed if not (folder / name).exists()):
        raise FetchError(f"{source.name}: {', '.join(missing)} not there; {how_to_get(source, folder)}")


def _wanted(source: Source) -> Iterable[RawFile]:
    if source.how == "manual":
        return source.needed
    archives = {file.archive for file in source.files}
    return [file for file in source.files if file.name not in archives]


def _ensure(source: Source, file: RawFile, folder: Path, limits: Limits | None) -> Fetched:
    target = folder / file.name
    if found := _existing(file, target):
        return found
    with lock(target):
        # Another process may have brought it between the look above and the lock.
        return _existing(file, target) or _get(source, file, folder, limits)


def _get(source: Source, file: RawFile, folder: Path, limits: Limits | None) -> Fetched:
    target = folder / file.name
    state: Literal["downloaded", "extracted"] = "downloaded"
    if file.archive is not None:
        (size, sha256), state = extract(file, folder / file.archive, target), "extracted"
    elif source.how == "huggingface":
        size, sha256 = _from_hub(source, file, target)
    else:
        size, sha256 = download(file, target, limits)
    return Fetched(target, size, sha256, state, checked=file.sha256 is not None)


def _existing(file: RawFile, target: Path) -> Fetched | None:
    """The file that is there already, checked; ``None`` if there is none.

    A wrong one may be somebody's own work, so it is reported and never removed.
    """
    with disk_errors(target):
        if not target.exists():
            return None
        if not target.is_file():
            raise FetchError(f"{target}: expected a file, found a folder; move it away and run it again")
        size = target.stat().st_size
        # Size first: hashing a gigabyte to learn what its size says is wasted time.
        wrong_size = mismatch(file, size, file.sha256 or "")
        sha256 = digest_of(target).hexdigest() if file.sha256 and not wrong_size else None
    if wrong := wrong_size or mismatch(file, size, sha256 or ""):
        raise FetchError(
            f"{target}: a file is there, but not the one of the table: {wrong}. "
            f"It was left as it is; move it away and run it again"
        )
    return Fetched(target, size, sha256, "kept", checked=file.sha256 is not None)


def _from_hub(source: Source, file: RawFile, target: Path) -> tuple[int, str]:
    """Get one file through ``huggingface_hub`` (which resumes by itself); its size in bytes and SHA-256."""
    # A folder of its own, so that a file comes to its place only after it was checked.
    staging = target.with_name(f"{target.name}.hub")
    origin = f"Hugging Face {source.repo_type} {source.repo}"
    try:
        from huggingface_hub import hf_hub_download

        found = hf_hub_download(
            repo_id=str(source.repo),
            filename=file.name,
            repo_type=source.repo_type,
            revision=source.revision,
            local_dir=staging,
        )
    except Exception as error:  # the errors of its HTTP and storage libraries share no base class
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise FetchError(
            f"{file.name}: not downloaded from {origin}: {reason}. Run it again to go on; "
            f"a repository behind a login needs: hf auth login"
        ) from error
    with disk_errors(target):
        sha256 = digest_of(Path(found)).hexdigest()
    size = put_in_place(file, Path(found), target, sha256, origin)
    shutil.rmtree(staging, ignore_errors=True)
    return size, sha256
