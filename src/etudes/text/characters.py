"""Text as characters: the alphabet, and windows of ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from etudes.cards import fingerprint
from etudes.examples import Examples
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
    return ids[np.arange(count)[:, None] * context + np.arange(context + 1)]


def stream(rows: np.ndarray) -> np.ndarray:
    """The ids that `windows` cut, in one row again."""
    return np.concatenate([rows[:, :-1].ravel(), rows[-1:, -1]])


def cut_text(
    text: str, context: int, dev: float, test: float
) -> tuple[Examples, Examples, Examples, dict[str, Any]]:
    """Train, dev and test, one after the other, each in windows of ids (``tokens``), and a card of them.

    The alphabet is that of the training part; another character is the unknown one.

    Args:
        text: all of it.
        context: characters that a prediction may look back, plus one.
        dev, test: their shares of the text.

    Raises:
        ValueError: a part is shorter than one window.
    """
    first, second = round((1 - dev - test) * len(text)), round((1 - test) * len(text))
    parts = {"train": text[:first], "dev": text[first:second], "test": text[second:]}
    short = [f"{name} {len(part):,}" for name, part in parts.items() if len(part) <= context]
    if short:
        raise ValueError(
            f"the text has {len(text):,} characters, of which {', '.join(short)}; expected more than text.context = "
            f"{context} in each part. Give a longer text, or a smaller context."
        )
    alphabet = Alphabet.of(parts["train"])
    found = []
    for name, part in parts.items():
        rows = windows(alphabet.encode(part), context)
        ids = [f"{name}_{i:05d}" for i in range(len(rows))]
        found.append(Examples(pd.DataFrame({"id": ids}), {"tokens": rows}))
    card = {"alphabet": alphabet.characters, "context": context, "dev_fingerprint": fingerprint(parts["dev"])}
    card |= {"characters": {name: len(part) for name, part in parts.items()}}
    return found[0], found[1], found[2], card
