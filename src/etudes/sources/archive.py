"""Taking named members out of a zip or tar archive, and nothing else."""

from __future__ import annotations

import contextlib
import hashlib
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from etudes.sources.files import CHUNK, FetchError, check_space, disk_errors, put_in_place, writing
from etudes.sources.table import RawFile

MEMBER_LIMIT = 16 << 30  # bytes; a member whose size the table knows may have that size only


def extract(file: RawFile, archive: Path, target: Path, limit: int = MEMBER_LIMIT) -> tuple[int, str]:
    """Write the member ``file.member`` of ``archive`` to ``target``; its size in bytes and its SHA-256.

    The place on disk comes from the table and never from the archive, so a hostile archive cannot choose
    it. Raises :class:`FetchError` for a damaged archive, a member that is missing, no regular file, larger
    than ``limit`` bytes or other than the table says, and for a full or read-only disk. ``target`` is then
    as it was.
    """
    member = _safe(file.member or "", archive)
    part = target.with_name(f"{target.name}.part")
    try:
        with _damaged(archive), _opened(archive, member) as (stream, size):
            _check_size(file, archive, size, limit)
            with disk_errors(target):
                check_space(target, size)
            sha256 = _copy(stream, part, target, size)
        return put_in_place(file, part, target, sha256, f"{archive.name}:{member}"), sha256
    finally:
        # A half extracted file cannot be gone on with: unlike a download it costs nothing to redo.
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def _safe(member: str, archive: Path) -> str:
    path = PurePosixPath(member)
    if not member or path.is_absolute() or ".." in path.parts or "\\" in member or ":" in member:
        raise FetchError(f"{archive}: refused to extract {member!r}: it points outside the archive's folder")
    return member


@contextlib.contextmanager
def _damaged(archive: Path) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError) as error:
        raise FetchError(
            f"{archive}: the archive cannot be read ({error}). Remove it and run it again"
        ) from error
    except NotImplementedError as error:
        raise FetchError(f"{archive}: compressed in a way Python cannot read ({error})") from error


@contextlib.contextmanager
def _opened(archive: Path, member: str) -> Iterator[tuple[IO[bytes], int]]:
    """The stream of a member and its size in bytes, as the archive declares it."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as bundle:
            info = _zip_info(bundle, archive, member)
            with bundle.open(info) as stream:
                yield stream, info.file_size
        return
    with tarfile.open(archive, "r:*") as tar:
        try:
            entry = tar.getmember(member)
        except KeyError:
            raise _absent(archive, member, tar.getnames()) from None
        found = tar.extractfile(entry) if entry.isreg() else None
        if found is None:
            raise _irregular(archive, member)
        with found:
            yield found, entry.size


def _zip_info(bundle: zipfile.ZipFile, archive: Path, member: str) -> zipfile.ZipInfo:
    try:
        info = bundle.getinfo(member)
    except KeyError:
        raise _absent(archive, member, bundle.namelist()) from None
    if info.is_dir() or stat.S_ISLNK(info.external_attr >> 16):
        raise _irregular(archive, member)
    if info.flag_bits & 0x1:
        raise FetchError(f"{archive}: member {member!r} is encrypted; it cannot be extracted")
    return info


def _absent(archive: Path, member: str, names: list[str]) -> FetchError:
    shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    return FetchError(f"{archive}: no member {member!r} in it; found: {shown or 'nothing'}")


def _irregular(archive: Path, member: str) -> FetchError:
    return FetchError(f"{archive}: refused to extract {member!r}: it is a link or a folder, not a file")


def _check_size(file: RawFile, archive: Path, size: int, limit: int) -> None:
    if file.bytes not in (None, size):
        raise FetchError(f"{archive}: member {file.member!r}: expected {file.bytes:,} bytes, found {size:,}")
    if size > limit:
        raise FetchError(
            f"{archive}: refused to extract {file.member!r}: {size:,} bytes, the limit is {limit:,}"
        )


def _copy(stream: IO[bytes], part: Path, target: Path, size: int) -> str:
    """Copy at most ``size`` bytes: a header may lie about what follows it."""
    digest, written = hashlib.sha256(), 0
    with writing(part, target, "wb") as write:
        while chunk := stream.read(CHUNK):
            written += len(chunk)
            if written > size:
                raise FetchError(f"{target.name}: the archive holds more than the {size:,} bytes it declares")
            digest.update(chunk)
            write(chunk)
    return digest.hexdigest()
