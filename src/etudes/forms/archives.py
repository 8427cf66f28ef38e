"""Pictures of a raw folder, wherever they lie in it: as files, or in zip archives that stand for the files in them."""

from __future__ import annotations

import contextlib
import io
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator

from etudes.forms.files import ends_in, is_data
from etudes.forms.pictures import PICTURES
from etudes.forms.raw import RawFile, RawFolder

LARGEST = (
    10_000_000  # bytes of one picture in an archive: a larger one is a mistake, or an attack on the memory
)
ARCHIVES = (".zip",)
UTF_8 = 0x800  # the flag of a member whose name is UTF-8


def picture_files(raw: RawFolder) -> Iterator[tuple[str, RawFile]]:
    """All picture files with their places: relative names, in an archive those inside it.

    Raises:
        ValueError: a damaged archive, one inside another, one that unpacks to a picture beyond `LARGEST`, or a member
            outside of its archive.
    """
    for name in raw:
        if ends_in(name, ARCHIVES):
            yield from _archived(raw.read(name))
        elif ends_in(name, PICTURES):
            yield name, raw.read(name)


def _archived(archive: RawFile) -> Iterator[tuple[str, RawFile]]:
    try:
        with zipfile.ZipFile(io.BytesIO(archive.content)) as bundle:
            members = [(_place(info, archive), info) for info in bundle.infolist() if not info.is_dir()]
            for place, member in sorted(members, key=lambda pair: pair[0]):
                if not is_data(place) or not ends_in(place, (*PICTURES, *ARCHIVES)):
                    continue
                if ends_in(place, ARCHIVES):
                    raise ValueError(f"{archive.name}: {place} is an archive in an archive; unpack it")
                if member.file_size > LARGEST:
                    raise ValueError(
                        f"{archive.name}: {place} unpacks to {member.file_size:,} bytes; expected a picture of at most "
                        f"{LARGEST:,}"
                    )
                yield place, RawFile(f"{archive.name}: {place}", bundle.read(member), archive.facts)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise ValueError(
            f"{archive.name}: the archive cannot be read ({error}); expected a whole zip file. Copy or fetch it again."
        ) from error


def _place(member: zipfile.ZipInfo, archive: RawFile) -> str:
    """A member's relative name; nothing is ever written there.

    Raises:
        ValueError: it points outside of the archive.
    """
    name = member.filename
    if not member.flag_bits & UTF_8:
        # macOS writes UTF-8 without the flag, and Python takes it for a code page of DOS.
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    # Windows' own names have backslashes and drives; absolute names and ./ are those of tools for back-ups.
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ValueError(f"{archive.name}: {member.filename!r} points outside of the archive; pack it again")
    return unicodedata.normalize("NFC", "/".join(parts))
