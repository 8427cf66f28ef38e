"""Text as characters: the alphabet, and windows of ids."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from etudes.forms.files import read_text
from etudes.forms.raw import RawFile

UNKNOWN = "\ufffd"  # stands for every character that training did not see; it is never written


class Alphabet:
    """Characters and their ids: 0 is `UNKNOWN`, then the characters in the order of their code points."""

    def __init__(self, characters: Sequence[str]) -> None:
        if not characters or characters[0] != UNKNOWN:
            raise ValueError(f"an alphabet starts with U+FFFD; found {list(characters[:1])}")
        self.characters = list(characters)
        self.ids = {character: index for index, character in enumerate(self.characters)}

    @classmethod
    def of(cls, text: str) -> Alphabet:
        return cls([UNKNOWN, *sorted(set(text) - {UNKNOWN})])

    def __len__(self) -> int:
        return len(self.characters)

    def encode(self, text: str) -> np.ndarray:
        """Ids (len(text),), int64."""
        return np.array([self.ids.get(character, 0) for character in text], dtype=np.int64)

    def decode(self, ids: Sequence[int] | np.ndarray) -> str:
        return "".join(self.characters[int(index)] for index in ids)


def parse_text(raw: RawFile) -> str:
    """The file as text, lines ended by ``\\n``.

    Raises:
        ValueError: it is not UTF-8, or empty.
    """
    text = read_text(raw)
    if not text.strip():
        raise ValueError(f"{raw.name}: holds no text; expected a UTF-8 text file")
    return text


def windows(ids: np.ndarray, context: int) -> np.ndarray:
    """Consecutive windows (N, context + 1) that share one id: the last of one is the first of the next.

    So every id but the first is predicted once, with up to ``context`` ids before it; what fills no window is left out.
    """
    count = (len(ids) - 1) // context
    starts = np.arange(count)[:, None] * context
    return ids[starts + np.arange(context + 1)]


def stream(rows: np.ndarray) -> np.ndarray:
    """The ids that `windows` cut, in one row again."""
    return np.concatenate([rows[:, :-1].ravel(), rows[-1:, -1]])
