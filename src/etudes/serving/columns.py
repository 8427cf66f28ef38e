"""The columns of a user's raw input: what they may hold, and frames that are checked against that.

Nothing is guessed: a column that is not known, a number that is a truth value, a text that is a list are refused, with
the column and the row. Rows are counted from 0, as in pandas and JSON.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from numbers import Integral, Real
from typing import Any, Literal

import numpy as np
import pandas as pd

from etudes.forms.files import unix_lines
from etudes.serving.pictures import picture_file

Kind = Literal["text", "number", "whole", "picture", "json"]
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
LARGEST_WHOLE = 2**63 - 1
SHOWN = 60  # characters of a value in a message
SHOWN_PROBLEMS = 5


@dataclass(frozen=True)
class Column:
    """One column of a user's input.

    ``kind`` says what a cell holds, and what `Predictor.answer` gets of it:

    ========= =================================== ============================================
    kind      a cell                              the checked column
    ========= =================================== ============================================
    text      a text                              ``str``; NaN where empty
    number    a finite number, or its text        ``float64``; NaN where empty
    whole     a whole number, or its text         ``int64``; ``Int64`` where some are empty
    picture   a PNG or JPEG file: bytes or base64 `RawFile`; None where empty
    json      an array or an object, or its text  lists and dicts; None where empty
    ========= =================================== ============================================

    ``required`` refuses a frame without the column. ``default`` stands for an empty cell (None, NaN, no characters);
    where it is None, a required column may have no empty cell and another's cells stay empty. ``low`` and ``high`` are
    the smallest and largest number, ``choices`` all values there are. ``stripped`` takes off the spaces around a text
    (around one of the choices they never count). ``examples`` has one value for each row of the predictor's example,
    ``about`` says in a few words what the column means.
    """

    name: str
    kind: Kind
    required: bool = True
    about: str = ""
    default: Any = None
    choices: tuple[Any, ...] = ()
    low: float = -math.inf
    high: float = math.inf
    stripped: bool = False
    examples: tuple[Any, ...] = ()

    def read(self, cell: Any, place: str) -> Any:
        """A cell's value in the type of the kind; None where it is empty and may be.

        Raises:
            ValueError: it is none of what the column may hold; ``place`` says where it stands.
        """
        if isinstance(cell, str) and self.kind == "text":
            cell = unix_lines(cell)
            cell = cell.strip() if self.stripped or self.choices else cell
        if _is_empty(cell, self.kind):
            if self.required and self.default is None:
                raise ValueError(f"{place} is empty; expected {self.expected}")
            cell = self.default
            if cell is None:
                return None
        if self.kind == "picture":
            return picture_file(cell, place)
        value = _READERS[self.kind](cell.item() if isinstance(cell, np.generic) else cell)
        if self.kind in ("number", "whole") and value is not None and not self.low <= value <= self.high:
            value = None
        if value is None or (self.choices and value not in self.choices):
            near = get_close_matches(str(value), [str(choice) for choice in self.choices], n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise ValueError(f"{place} is {_shown(cell)}{hint}; expected {self.expected}")
        return value

    @property
    def expected(self) -> str:
        """What a cell may hold, in words."""
        if self.choices:
            words = f"one of {', '.join(map(str, self.choices))}"
        else:
            words = {
                "text": "a text",
                "number": "a number",
                "whole": "a whole number",
                "picture": "a PNG or JPEG file (bytes or base64)",
                "json": "a JSON array or object",
            }[self.kind]
            if math.isfinite(self.low) and math.isfinite(self.high):
                words += f" from {_plain(self.low)} to {_plain(self.high)}"
            elif math.isfinite(self.low):
                words += f" of {_plain(self.low)} or more"
            elif math.isfinite(self.high):
                words += f" of {_plain(self.high)} or less"
        return words if self.required and self.default is None else f"{words}, or nothing"

    def typed(self, values: list[Any]) -> Any:
        """The values of `read` as a pandas array of the kind's type."""
        if self.kind == "number":
            return np.array([math.nan if value is None else value for value in values], dtype=np.float64)
        if self.kind == "whole":
            return pd.array(values, dtype="Int64" if None in values else "int64")
        if self.kind == "text":
            return pd.array(values, dtype="str")
        return pd.Series(values, dtype=object)


def checked(frame: pd.DataFrame, columns: Sequence[Column]) -> pd.DataFrame:
    """A user's frame as the declared columns, all of them, in their order and types, rows numbered from 0.

    Raises:
        ValueError: a column is unknown, missing or there twice, there are no rows, or a cell holds something else than
            its column may; the message names column and row.
    """
    check_names([str(name) for name in frame.columns], columns)
    if not len(frame):
        raise ValueError("there are no rows to answer; expected one or more")
    problems: list[str] = []
    table = {}
    for column in columns:
        given = list(frame[column.name]) if column.name in frame.columns else [None] * len(frame)
        values = []
        for row, cell in enumerate(given):
            try:
                values.append(column.read(cell, f"{column.name} in row {row}"))
            except ValueError as error:
                problems.append(str(error))
        if not problems:
            table[column.name] = column.typed(values)
    if problems:
        more = f"; and {len(problems) - SHOWN_PROBLEMS} more" if len(problems) > SHOWN_PROBLEMS else ""
        raise ValueError("; ".join(problems[:SHOWN_PROBLEMS]) + more)
    return pd.DataFrame(table)


def check_names(names: Sequence[str], columns: Sequence[Column]) -> None:
    """Compare the names of a user's columns with those that are declared.

    Raises:
        ValueError: a name is unknown or there twice, or a required one is missing.
    """
    known = [column.name for column in columns]
    problems = []
    for name in dict.fromkeys(names):
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f" (did you mean '{near[0]}'?)" if near else ""
            problems.append(f"there is no column '{name[:SHOWN]}'{hint}")
        elif names.count(name) > 1:
            problems.append(f"the column {name} is there twice")
    missing = [column.name for column in columns if column.required and column.name not in names]
    if missing:
        problems.append(f"the column{'s' * (len(missing) > 1)} {', '.join(missing)} must be there")
    if problems:
        raise ValueError(f"{'; '.join(problems)}. Expected {listed(columns)}")


def listed(columns: Sequence[Column]) -> str:
    """The names of the columns, for a message."""
    required = ", ".join(column.name for column in columns if column.required)
    optional = ", ".join(column.name for column in columns if not column.required)
    return "; ".join([*([required] if required else []), *([f"optional {optional}"] if optional else [])])


def as_frame(data: Any) -> pd.DataFrame:
    """Rows as a frame whose cells stay what they are: a frame, records, or columns as lists or single values.

    Raises:
        ValueError: it is none of these, or the columns differ in length.
    """
    if isinstance(data, pd.DataFrame):
        return data
    if isinstance(data, dict):
        lists = [value for value in data.values() if isinstance(value, list | tuple | np.ndarray)]
        if not lists:
            data = [data]
        elif len(lists) == len(data) and len({len(cells) for cells in lists}) == 1:
            return pd.DataFrame({name: pd.Series(list(cells), dtype=object) for name, cells in data.items()})
    if isinstance(data, list) and all(isinstance(row, dict) for row in data):
        return pd.DataFrame(data, dtype=object)
    raise ValueError(
        f"the input is no table: {_shown(data)}; expected rows with named columns, all of one length"
    )


def _is_empty(cell: Any, kind: Kind) -> bool:
    if cell is None or cell is pd.NA or cell is pd.NaT:
        return True
    if isinstance(cell, float | np.floating):
        return bool(np.isnan(cell))
    return isinstance(cell, str) and not (cell if kind == "text" else cell.strip())


def _text(cell: Any) -> str | None:
    if not isinstance(cell, str):
        return None
    try:
        cell.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can write and no file can hold
        return None
    return str(cell)


def _number(cell: Any) -> float | None:
    if isinstance(cell, str):
        cell = float(cell) if NUMBER.fullmatch(cell := cell.strip()) else None
    if not isinstance(cell, Real) or isinstance(cell, bool):
        return None
    try:
        return float(cell) if math.isfinite(cell) else None
    except OverflowError:
        return None


def _whole(cell: Any) -> int | None:
    if isinstance(cell, str):
        cell = cell.strip()
        if re.fullmatch(r"[+-]?\d{1,19}", cell, re.ASCII):
            cell = int(cell)
    if isinstance(cell, Integral) and not isinstance(cell, bool):
        number = int(cell)
    else:
        real = _number(cell)
        # A float beyond 2^53 may stand for its neighbours too.
        if real is None or not real.is_integer() or abs(real) > 2**53:
            return None
        number = int(real)
    return number if abs(number) <= LARGEST_WHOLE else None


def _json(cell: Any) -> Any:
    if isinstance(cell, str):
        try:
            cell = json.loads(cell)
        except (ValueError, RecursionError):
            return None
    if isinstance(cell, np.ndarray):
        cell = cell.tolist()
    return list(cell) if isinstance(cell, list | tuple) else cell if isinstance(cell, dict) else None


_READERS = {"text": _text, "number": _number, "whole": _whole, "json": _json}


def _plain(number: float) -> str:
    return str(int(number)) if float(number).is_integer() else f"{number:g}"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
