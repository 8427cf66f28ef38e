"""What was probably meant: near names for a misspelt one. Nothing heavy is imported here: a typo is answered at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher, get_close_matches
from functools import cache
from typing import Any

ALIKE = 0.7  # from 0 to 1, as SequenceMatcher measures it


def near_names(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """The names that ``name`` is a misspelling or a part of, the nearest first."""
    known = list(known)
    parts = [other for other in known if len(name) > 2 and name.lower() in other.lower()]
    return list(dict.fromkeys([*get_close_matches(name, known, count), *parts]))[:count]


def near_paths(wanted: str, known: Sequence[str], count: int = 3) -> list[str]:
    """The dotted names that hold the parts of ``wanted``, or parts like them, in the same order and at the end.

    ``bilstm.epochs`` is near ``genre_classification.bilstm.fit.epochs``. Of equals the first in ``known`` comes first.
    """
    parts = wanted.split(".")
    for begin in range(len(parts)):  # a first part that is like nothing leaves the others
        scores = {path: _alignment(tuple(parts[begin:]), tuple(path.split("."))) for path in known}
        best = max(scores.values(), default=0.0)
        if best > 0:
            near = [path for path in known if scores[path] > best - 0.1]
            return sorted(near, key=lambda path: -scores[path])[:count]
    return []


def _alignment(parts: tuple[str, ...], path: tuple[str, ...]) -> float:
    """Mean likeness of the parts to those of a path, less a little for each left over; 0 if one is unlike."""
    if not parts or len(parts) > len(path):
        return 0.0
    total, end = 0.0, len(path)
    for number, part in enumerate(reversed(parts)):
        # The last part is that of the path; any other takes the best of those before.
        places = [end - 1] if number == 0 else range(len(parts) - number - 1, end)
        likeness, end = max(((_alike(part, path[place]), place) for place in places), default=(0.0, 0))
        if likeness < ALIKE:
            return 0.0
        total += likeness
    return total / len(parts) - 0.01 * (len(path) - len(parts))


@cache
def _alike(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other).ratio()


def hint(near: Sequence[str], known: Iterable[str] = ()) -> str:
    """``did you mean ...?`` of near names; without any, what there is."""
    if near:
        return f"did you mean {' or '.join(repr(name) for name in near)}?"
    return f"expected one of {', '.join(known)}"


def paths_of(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """The dotted names of all values of nested groups."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from paths_of(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"
