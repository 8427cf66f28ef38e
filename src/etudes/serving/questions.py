"""What a user types after ``kedro predict STUDY``: a text, JSON, the path of a file, a seed. Each fault has one message."""

from __future__ import annotations

import csv
import io

import pandas as pd

from etudes.forms.files import ends_in, names_file, read_text, unix_lines, user_path
from etudes.forms.raw import RawFile

LARGEST_FILE = 50_000_000  # bytes
LARGEST_SEED = 2**32 - 1
TEXTS = (".txt",)
SEPARATORS = ",;\t"


def read_file(name: str, expected: str) -> RawFile:
    """The file at the path ``name``.

    Raises:
        ValueError: there is no such file, it cannot be read, or it is larger than `LARGEST_FILE`.
    """
    path = user_path(name)
    try:
        if not path.is_file():
            raise ValueError(f"{name}: no such file; expected {expected}")
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise ValueError(
                f"{name}: {size:,} bytes are too many; expected {expected}, of {LARGEST_FILE:,} bytes or fewer. "
                "docs/serving.md shows how to answer large files"
            )
        return RawFile(name, path.read_bytes())
    except OSError as error:  # no permission, or a text too long to be a path
        raise ValueError(f"{name[:100]}: cannot be read ({error.strerror}); expected {expected}") from error


def text_or_file(text: str) -> str:
    """``text`` itself, or the contents of the file that it names (`etudes.forms.files.names_file`).

    Raises:
        ValueError: there is no such file, its name does not end in ``.txt``, or it is not UTF-8.
    """
    if not names_file(text, TEXTS):
        return unix_lines(text)
    if not ends_in(text.strip(), TEXTS):
        raise ValueError(f"{text} is a file; expected one that ends in .txt, or the text itself")
    return read_text(read_file(text, "a UTF-8 text file"))


def read_table(raw: RawFile, keep_spaces: bool = False) -> pd.DataFrame:
    """A CSV file whose first line names the columns: every cell as text, spaces around it taken off unless kept.

    Cells are apart by what the first line has most of: commas, semicolons or tabs.

    Raises:
        ValueError: not UTF-8, lines of different lengths, or no rows.
    """
    form = "expected a UTF-8 CSV file whose first line names the columns"
    text = read_text(raw)
    try:
        lines = csv.reader(
            io.StringIO(text, newline=""),
            delimiter=separator_of(text),
            skipinitialspace=not keep_spaces,
            strict=True,
        )
        rows = [
            (lines.line_num, row if keep_spaces else [cell.strip() for cell in row]) for row in lines if row
        ]
    except csv.Error as error:
        raise ValueError(f"{raw.name}: cannot be read ({error}); {form}") from error
    names = [name.strip() for name in rows[0][1]] if rows else []
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{raw.name}: columns stand twice: {', '.join(twice)}; {form}")
    # Not pandas' own reader: it drops the cells that a line has too many, and fills those it lacks.
    for number, cells in rows:
        if len(cells) != len(names):
            raise ValueError(
                f"{raw.name}: cannot be read (line {number} has {len(cells)} cells, the first {len(names)}); {form}"
            )
    if len(rows) < 2:
        raise ValueError(f"{raw.name}: there are no rows in it below the line of column names; {form}")
    return pd.DataFrame([cells for _, cells in rows[1:]], columns=names, dtype=str)


def separator_of(text: str) -> str:
    """What the cells of a table's first line are apart by: a comma, a semicolon or a tab."""
    first = text.lstrip().partition("\n")[0]
    return max(SEPARATORS, key=first.count)


def seed_of(value: object, place: str) -> int:
    """A seed as an int.

    Raises:
        ValueError: it is no whole number from 0 to `LARGEST_SEED`; ``place`` says where it stands.
    """
    try:
        number = float("nan") if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = float("nan")
    if not (0 <= number <= LARGEST_SEED and number.is_integer()):
        raise ValueError(f"{place} is {value!r}; expected a whole number from 0 to {LARGEST_SEED}, such as 7")
    return int(number)
