"""The memory of a broken download: how much came, and of which version of the file."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etudes.sources.files import disk_errors
from etudes.sources.table import RawFile

if TYPE_CHECKING:
    import requests


@dataclasses.dataclass(frozen=True)
class Held:
    """What an earlier try left: ``offset`` bytes of the version ``validator`` (ETag or date) of the file."""

    offset: int = 0
    validator: str | None = None
    total: int | None = None


def total_of_range(response: requests.Response, held: Held) -> int | None:
    """Size of the whole file in bytes if the range sent is the one asked for, of the same file."""
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
    if found is None or int(found[1]) != held.offset or held.total not in (None, int(found[2])):
        return None
    return int(found[2])


def validator_of(response: requests.Response) -> str | None:
    """What If-Range may be given: a strong ETag, else the date. A weak ETag does not promise equal bytes."""
    etag = response.headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified")


def note_of(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def write_note(file: RawFile, part: Path, response: requests.Response, total: int | None) -> None:
    note = {"url": file.url, "validator": validator_of(response), "total": total}
    note_of(part).write_text(json.dumps(note), encoding="utf-8")


def read_held(file: RawFile, part: Path) -> Held:
    """What can be gone on with; nothing if it is unknown which version of which file the part is of."""
    if not part.is_file() or not note_of(part).is_file():
        return Held()
    try:
        note: Any = json.loads(note_of(part).read_text(encoding="utf-8"))
        held = Held(part.stat().st_size, note["validator"], note["total"])
        usable = note["url"] == file.url and isinstance(held.validator, str)
    except (ValueError, KeyError, TypeError):
        return Held()
    most = held.total if held.total is not None else file.bytes
    return held if usable and (most is None or held.offset <= most) else Held()


def discard(part: Path, target: Path) -> None:
    with disk_errors(target):
        part.unlink(missing_ok=True)
        note_of(part).unlink(missing_ok=True)
