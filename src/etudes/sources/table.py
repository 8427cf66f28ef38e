"""The table of raw data sets (``sources.toml``): what each one is, where it lies, what is there of it."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from etudes.suggestions import near_names

TABLE = Path(__file__).with_name("sources.toml")


class MissingDataError(ValueError):
    """Raw data are not where they should be; the message says what, where, and how to get them.

    Attributes: ``name`` (the set), ``folder`` (where it is looked for), ``missing`` (file names).
    """

    def __init__(self, message: str, *, name: str, folder: Path, missing: tuple[str, ...]) -> None:
        super().__init__(message)
        self.name, self.folder, self.missing = name, folder, missing


class UnknownSourceError(ValueError):
    """No data set of this name; the message offers the nearest names."""


def _inside(name: str) -> str:
    """Refuse a name that could leave the folder it is joined to, on any system."""
    path = PurePosixPath(name)
    bad = path.is_absolute() or "\\" in name or ":" in name or "\0" in name
    if bad or not path.parts or ".." in path.parts or str(path) != name:
        raise ValueError(f"{name!r} is not a plain relative path (no '..', no drive, no backslash)")
    return name


def _web(url: str) -> str:
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
        raise ValueError(f"{url!r} is not an http or https address")
    return url


InsidePath = Annotated[str, AfterValidator(_inside)]
WebAddress = Annotated[str, AfterValidator(_web)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RawFile(_Model):
    """One file of a set. ``bytes`` is its size in bytes, ``None`` where unknown. What is fetched has its ``sha256``.

    ``rows`` is for the reader only: nothing checks it. With ``folder`` the name is that of a folder of many files
    (photographs of one category), of which only is asked that it holds any.
    """

    name: InsidePath
    url: WebAddress | None = None
    bytes: Annotated[int, Field(ge=1)] | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    archive: InsidePath | None = None
    member: InsidePath | None = None
    rows: int | None = None
    folder: bool = False
    required: bool = True

    @model_validator(mode="after")
    def _one_origin(self) -> RawFile:
        if self.folder and (self.url, self.archive, self.bytes, self.sha256) != (None,) * 4:
            raise ValueError(f"{self.name}: a folder has no address, archive, size or checksum")
        if (self.archive is None) != (self.member is None):
            raise ValueError(f"{self.name}: archive and member go together")
        if self.url is not None and self.archive is not None:
            raise ValueError(f"{self.name}: give either url or archive, not both")
        return self


class Source(_Model):
    """One raw data set: where it comes from, under which licence, and its files.

    ``rows`` are the rows of the public set by part (``train``, ``test``, ``characters``), so that a record can say how many
    of them there were. A part is called as in the data card of the studies that read it, without its ``_rows``.
    """

    name: InsidePath
    title: str
    source: WebAddress
    licence: str
    citation: str
    how: Literal["download", "manual", "huggingface"]
    instructions: str = ""
    repo: str | None = None
    repo_type: Literal["dataset", "model"] = "dataset"
    revision: str | None = None
    rows: dict[str, Annotated[int, Field(ge=1)]] = {}
    files: Annotated[tuple[RawFile, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _complete(self) -> Source:
        names = [file.name for file in self.files]
        if len(set(names)) != len(names):
            raise ValueError(f"{self.name}: a file name occurs twice")
        for file in self.files:
            if file.archive is not None and (file.archive not in names or file.archive in self._members()):
                raise ValueError(f"{self.name}/{file.name}: archive {file.archive!r} is no file of the set")
            if self.how != "manual" and file.folder:
                raise ValueError(f"{self.name}/{file.name}: only a manual set may name a folder")
            if self.how == "download" and file.url is None and file.archive is None:
                raise ValueError(f"{self.name}/{file.name}: a download needs url, or archive and member")
            if self.how != "manual" and file.archive is None and file.sha256 is None:
                raise ValueError(f"{self.name}/{file.name}: what is fetched needs its sha256")
        if self.how == "manual" and not self.instructions:
            raise ValueError(f"{self.name}: a manual set needs instructions")
        if (self.how == "huggingface") != (self.repo is not None):
            raise ValueError(f"{self.name}: repo goes with how = 'huggingface'")
        return self

    def _members(self) -> set[str]:
        return {file.name for file in self.files if file.archive is not None}

    @property
    def needed(self) -> tuple[RawFile, ...]:
        """The files a study may rely on: the required ones, without archives that only carry others."""
        archives = {file.archive for file in self.files}
        return tuple(file for file in self.files if file.required and file.name not in archives)

    @property
    def size(self) -> int | None:
        """Bytes on disk of the needed files; ``None`` if one of them is unknown."""
        sizes = [file.bytes for file in self.needed]
        return None if None in sizes else sum(size or 0 for size in sizes)


class FileStatus(_Model):
    """One file on disk. ``size`` is in bytes (of the part file for ``part``; ``None`` when missing)."""

    name: str
    path: Path
    state: Literal["present", "wrong size", "part", "missing"]
    size: int | None
    expected: int | None
    needed: bool


class Status(_Model):
    """What is on disk of one set, judged by names and sizes (``fetch`` checks the checksums)."""

    name: str
    state: Literal["present", "partial", "missing"]
    folder: Path
    files: tuple[FileStatus, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of the needed files that are not there in full."""
        return tuple(file.name for file in self.files if file.needed and file.state != "present")

    @property
    def size(self) -> int:
        """Bytes on disk, part files included."""
        return sum(file.size or 0 for file in self.files)


def load_sources(path: Path | None = None) -> dict[str, Source]:
    """The sources by name, of the package's own table or of ``path``.

    Raises ValueError (pydantic's or tomllib's) for a wrong table.
    """
    tables: Mapping[str, dict[str, object]] = tomllib.loads((path or TABLE).read_text(encoding="utf-8"))
    return {name: Source.model_validate({"name": name, **table}) for name, table in tables.items()}


def get_source(name: str, sources: Mapping[str, Source] | None = None) -> Source:
    """The source called ``name``. Raises :class:`UnknownSourceError` with the nearest names."""
    sources = load_sources() if sources is None else sources
    if name in sources:
        return sources[name]
    near = near_names(name, sources) or sorted(sources)
    raise UnknownSourceError(f"no data set {name!r}; did you mean: {', '.join(near)}?")


def raw_folder(project_path: Path | None = None) -> Path:
    """The absolute folder of the raw data: ETUDES_RAW if set, else ``<project>/data/01_raw``.

    Without ``project_path`` the project is the nearest folder upwards from the working folder whose
    pyproject.toml has a ``[tool.kedro]`` table, else the working folder. The folder need not exist.
    """
    chosen = os.environ.get("ETUDES_RAW", "").strip()
    if chosen:
        return Path(os.path.abspath(Path(chosen).expanduser()))
    project = _find_project(Path.cwd()) if project_path is None else project_path
    return Path(os.path.abspath(project)) / "data" / "01_raw"


def raw_folder_origin() -> str:
    """Why the raw folder is where it is, for a message."""
    return (
        "set by ETUDES_RAW"
        if os.environ.get("ETUDES_RAW", "").strip()
        else "the project's; ETUDES_RAW sets another"
    )


def _find_project(start: Path) -> Path:
    for folder in (start, *start.parents):
        table = folder / "pyproject.toml"
        if table.is_file() and "[tool.kedro]" in table.read_text(encoding="utf-8", errors="replace"):
            return folder
    return start


def _file_status(file: RawFile, folder: Path, needed: bool) -> FileStatus:
    path, part = folder / file.name, folder / f"{file.name}.part"
    state: Literal["present", "wrong size", "part", "missing"] = "missing"
    size = None
    if file.folder:
        state = "present" if any(child.is_file() for child in path.rglob("*")) else "missing"
    elif path.is_file():
        size = path.stat().st_size
        # An empty file is never data: it is what a failed copy leaves behind.
        state = "present" if size and file.bytes in (None, size) else "wrong size"
    elif part.is_file():
        size, state = part.stat().st_size, "part"
    return FileStatus(name=file.name, path=path, state=state, size=size, expected=file.bytes, needed=needed)


def status(source: Source, raw: Path) -> Status:
    """What is there of ``source`` under ``raw``; reads names and sizes only, so it is fast."""
    folder = raw / source.name
    needed = {file.name for file in source.needed}
    files = tuple(_file_status(file, folder, file.name in needed) for file in source.files)
    complete = all(file.state == "present" for file in files if file.needed)
    some = any(file.state != "missing" for file in files)
    state: Literal["present", "partial", "missing"] = (
        "present" if complete else "partial" if some else "missing"
    )
    return Status(name=source.name, state=state, folder=folder, files=files)


def how_to_get(source: Source, folder: Path) -> str:
    """One sentence: the command, or the page, the files and the folder."""
    if source.how == "manual":
        names = ", ".join(dict.fromkeys(file.archive or file.name for file in source.needed))
        return f"get it by hand from {source.source}: {source.instructions} Put {names} into {folder}"
    return f"run: kedro data fetch {source.name}"


def require(
    name: str, raw: Path, files: Sequence[str] | None = None, sources: Mapping[str, Source] | None = None
) -> Path:
    """The folder of the set ``name``, certain that its files (or only ``files``) are there.

    Raises :class:`MissingDataError` with what is missing, where it is expected and how to get it, and
    :class:`UnknownSourceError` for an unknown set or file.
    """
    source = get_source(name, sources)
    found = status(source, raw)
    if unknown := set(files or ()) - {file.name for file in found.files}:
        raise UnknownSourceError(f"data set {name!r} has no file {', '.join(sorted(unknown))}")
    asked = [file for file in found.files if (file.needed if files is None else file.name in files)]
    wrong = [file for file in asked if file.state != "present"]
    if wrong:
        what = "; ".join(_describe(file) for file in wrong)
        message = (
            f"data set {name!r} is not complete: {what}. "
            f"Expected in {found.folder} (the raw folder is {raw_folder_origin()}). "
            f"To get it, {how_to_get(source, found.folder)}"
        )
        missing = tuple(file.name for file in wrong)
        raise MissingDataError(message, name=name, folder=found.folder, missing=missing)
    return found.folder


def _describe(file: FileStatus) -> str:
    if file.state == "missing":
        return f"{file.name} is missing"
    if file.state == "part":
        return f"{file.name} is only partly downloaded ({file.size:,} bytes)"
    expected = "data" if file.expected is None else f"{file.expected:,}"
    return f"{file.name} has {file.size:,} bytes, expected {expected}"
