"""Text files that hold one record a line: every faulty line is collected, and all are said in one message."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from etudes.forms.files import problem_lines, read_text
from etudes.forms.raw import RawFile

Record = TypeVar("Record")


def read_lines(
    raw: RawFile, parse: Callable[[str], Record], form: str, what: str, comment: str = ""
) -> list[tuple[int, Record]]:
    """Each line's number (from 1) and what ``parse`` makes of it; blank lines are skipped.

    Args:
        raw: a UTF-8 text file.
        parse: of one line; raises a ValueError that says what is wrong in it.
        form: what a line looks like, for the message.
        what: what the records are called (``films``).
        comment: lines that begin with it are skipped.

    Raises:
        ValueError: a wrong encoding, faulty lines, or no records at all.
    """
    problems: list[str] = []
    records: list[tuple[int, Record]] = []
    for number, line in enumerate(read_text(raw).split("\n"), start=1):
        if not line.strip() or (comment and line.startswith(comment)):
            continue
        try:
            records.append((number, parse(line)))
        except ValueError as error:
            problems.append(f"line {number}: {error}")
    if problems:
        lines = "line" if len(problems) == 1 else "lines"
        raise ValueError(
            f"{raw.name}: {len(problems)} {lines} cannot be read. Expected {form}, UTF-8.{problem_lines(problems)}\n"
            "Mend the lines, or get the file again."
        )
    if not records:
        raise ValueError(
            f"{raw.name}: there are no {what} in it. Expected lines of {form}; get the file again."
        )
    return records
