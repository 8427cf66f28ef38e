"""What lies behind an error: libraries wrap what happened in errors of their own."""

from __future__ import annotations

import errno
from collections.abc import Iterator

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# Of libraries that pass on the system's words alone.
FULL_WORDS = ("No space left on device", "Disk quota exceeded", "database or disk is full")


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, what it was raised from or during, and so on."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        yield error
        seen.add(id(error))
        error = error.__cause__ or error.__context__


def is_disk_full(error: BaseException) -> bool:
    """Whether an error is, wraps or quotes that there is no room left to write."""
    return any(
        (isinstance(each, OSError) and each.errno in FULL) or any(words in str(each) for words in FULL_WORDS)
        for each in chain(error)
    )
