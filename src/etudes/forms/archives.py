"""Pictures of a raw folder, wherever they lie in it: as files, or in zip archives that stand for the files in them."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator

from etudes.forms.raw import RawFile, RawFolder

LARGEST = (
    10_000_000  # bytes of one picture in an archive: a larger one is a mistake, or an attack on the memory
)


def png_files(raw: RawFolder) -> Iterator[tuple[str, RawFile]]:
    """All PNG files with their places: relative names, in an archive those inside it.

    Raises:
        ValueError: a damaged archive, or one that unpacks to a picture beyond `LARGEST`.
    """
    for name in raw:
        if name.lower().endswith(".zip"):
            yield from _archived(raw.read(name))
        elif name.lower().endswith(".png"):
            yield name, raw.read(name)


def _archived(archive: RawFile) -> Iterator[tuple[str, RawFile]]:
    try:
        with zipfile.ZipFile(io.BytesIO(archive.content)) as bundle:
            for member in sorted(bundle.infolist(), key=lambda info: info.filename):
                # macOS adds a folder of shadow files to the archives that it packs.
                if not member.filename.lower().endswith(".png") or member.filename.startswith("__MACOSX"):
                    continue
                if member.file_size > LARGEST:
                    raise ValueError(
                        f"{archive.name}: {member.filename} unpacks to {member.file_size:,} bytes; expected a picture "
                        f"of at most {LARGEST:,}"
                    )
                file = RawFile(f"{archive.name}: {member.filename}", bundle.read(member), archive.facts)
                yield member.filename, file
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise ValueError(
            f"{archive.name}: the archive cannot be read ({error}); expected a whole zip file. Copy or fetch it again."
        ) from error
