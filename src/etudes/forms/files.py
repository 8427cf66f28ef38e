"""What a user's file is: its name, whether it is data at all, and the text in it.

One rule for catalogs, folders, archives and questions. Endings compare without case; links are followed; what systems
leave beside the data is no data; text is UTF-8 with lines ended by ``\\n``, whatever it was written with.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etudes.forms.raw import RawFile

# macOS, Windows and Synology leave these beside the data; names that begin with a dot are left out as well.
LEFT_BEHIND = frozenset({"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "icon\r"})
# Where nobody would begin a sentence: /, ~, ./, ../, C:\
PATH = re.compile(r"[/~\\]|\.{1,2}[/\\]|[A-Za-z]:[/\\]")
ENCODINGS = (
    (b"\xff\xfe\0\0", "UTF-32"),
    (b"\0\0\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
SHOWN_PROBLEMS = 5


def ends_in(name: str, endings: Sequence[str]) -> bool:
    """Whether a name has one of the ``endings`` (``.png`` or ``png``), in capital or small letters."""
    wanted = tuple(f".{ending.removeprefix('.')}".casefold() for ending in endings)
    return name.casefold().endswith(wanted)


def is_data(name: str) -> bool:
    """Whether a relative name (``/`` between parts) is a user's data: not hidden, nothing that a system left behind."""
    return not any(
        part.startswith(".") or part.casefold() in LEFT_BEHIND for part in PurePosixPath(name).parts
    )


def files_below(folder: Path, endings: Sequence[str] = ()) -> dict[str, Path]:
    """The data files in a folder and the folders in it, links followed: relative names (``/``, NFC) and their paths.

    Args:
        folder: where to look.
        endings: of the files to take; all files if empty.

    Raises:
        ValueError: a folder that cannot be read, a link to nothing, a name that is no UTF-8 or looks like another.
    """
    found: dict[str, Path] = {}
    for entry in _walk(str(folder), (os.path.realpath(folder),)):
        name = Path(entry.path).relative_to(folder).as_posix()
        if entry.is_symlink() and not os.path.exists(entry.path):
            raise ValueError(
                f"{entry.path}: a link to {os.readlink(entry.path)}, where nothing is; mend the link or remove it"
            )
        if not entry.is_file() or (endings and not ends_in(name, endings)):
            continue
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise ValueError(
                f"{folder}: the name {name!a} is not UTF-8; rename the file or folder"
            ) from error
        composed = unicodedata.normalize("NFC", name)
        if composed in found:
            raise ValueError(f"{folder}: {name!a} and another file have names that look the same; rename one")
        found[composed] = Path(entry.path)
    return found


def user_path(text: str) -> Path:
    """A path as a user writes it: ``~`` is the home folder, spaces and line ends around it do not count."""
    exact, stripped = os.path.expanduser(text), os.path.expanduser(text.strip())
    return Path(exact if os.path.exists(exact) else stripped)


def names_file(text: str, endings: Sequence[str]) -> bool:
    """Whether a user's input is the name of a file rather than the input itself.

    So is one line that names a file that is there; and one that ends in one of the ``endings`` and has no spaces, or
    begins as a path does. ``He wrote wolf.txt`` is a sentence while there is no such file.
    """
    line = text.strip()
    if "\n" in line:
        return False
    name = re.split(r"[/\\]", line)[-1]
    like_a_name = name != line or "." in name[1:]
    if like_a_name and os.path.isfile(user_path(text)):  # unlike Path.is_file it takes a text of any length
        return True
    return ends_in(line, endings) and (not re.search(r"\s", line) or PATH.match(line) is not None)


def unix_lines(text: str) -> str:
    """A text with lines ended by ``\\n``, not by ``\\r\\n`` or ``\\r``, and without a byte order mark before it."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def read_text(raw: RawFile) -> str:
    """The file as text, as `unix_lines` makes it.

    Raises:
        ValueError: it is not UTF-8, or holds a zero byte; the message names the line, the encoding and what to do.
    """
    for mark, encoding in ENCODINGS:
        if raw.content.startswith(mark):
            raise ValueError(f"{raw.name}: the text is {encoding}, not UTF-8; save the file as UTF-8 text")
    try:
        text = unix_lines(raw.content.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = unix_lines(raw.content[: error.start].decode("utf-8")).count("\n") + 1
        raise ValueError(
            f"{raw.name}, line {line}: byte 0x{raw.content[error.start]:02x} is not UTF-8. Expected a UTF-8 file; save "
            "or convert it as UTF-8 text (it may be Windows-1252 or Latin-1), or get it again."
        ) from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise ValueError(
            f"{raw.name}, line {line}: holds a zero byte; expected a UTF-8 text file, found a binary one or UTF-16"
        )
    return text


def problem_lines(problems: Sequence[str]) -> str:
    """What is wrong with a file as the lines of a message: the first few problems, and how many more there are."""
    shown = [*problems[:SHOWN_PROBLEMS]]
    if len(problems) > SHOWN_PROBLEMS:
        shown.append(f"... and {len(problems) - SHOWN_PROBLEMS} more")
    return "".join(f"\n  {line}" for line in shown)


def _walk(folder: str, above: tuple[str, ...]) -> Iterator[os.DirEntry[str]]:
    """All data in a folder but folders, which are gone into; a link to one of those ``above`` is not, again."""
    try:
        children = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise ValueError(
            f"{folder}: cannot be read ({error.strerror}); expected a readable folder"
        ) from error
    for entry in children:
        if not is_data(entry.name):
            continue
        if not os.path.isdir(entry.path):  # unlike entry.is_dir it takes a link to itself
            yield entry
        elif (real := os.path.realpath(entry.path)) not in above:
            yield from _walk(entry.path, (*above, real))
