"""Pretrained word vectors from a GloVe text file (Pennington et al. 2014)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class WordVectors:
    """A file of word vectors that is read only when words are looked up."""

    path: Path

    def lookup(self, words: Collection[str]) -> dict[str, np.ndarray]:
        """Vectors of those words that the file has; see `read_glove`."""
        return read_glove(self.path, words)


def read_glove(path: Path, words: Collection[str]) -> dict[str, np.ndarray]:
    """Vectors of the wanted words from ``word v1 ... vd`` lines, float32 (d,).

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: a line with another number of values, a value that is no finite number, or a wrong encoding.
    """
    if not path.exists():
        raise FileNotFoundError(
            f"{path}: no such file of word vectors. `kedro data fetch glove` gets GloVe 6B; switch pretrained "
            "vectors off to train without."
        )
    wanted, found, dimension = set(words), {}, 0
    with path.open("rb") as lines:
        for number, raw in enumerate(lines, start=1):
            word, values = _parse(path, number, raw)
            dimension = dimension or len(values)
            if len(values) != dimension or dimension == 0:
                raise ValueError(
                    f"{path}, line {number}: {len(values)} values, expected {dimension or 'at least one'}"
                )
            if word in wanted:
                vector = _numbers(path, number, values)
                found[word] = vector
    return found


def _parse(path: Path, number: int, raw: bytes) -> tuple[str, list[bytes]]:
    word, *values = raw.rstrip(b"\r\n").split(b" ")
    try:
        return word.decode("utf-8"), values
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}, line {number}: not UTF-8 ({error.reason}); expected a GloVe text file"
        ) from error


def _numbers(path: Path, number: int, values: list[bytes]) -> np.ndarray:
    try:
        vector = np.array([float(value) for value in values], dtype=np.float32)
    except ValueError as error:
        raise ValueError(f"{path}, line {number}: {error}; expected `word v1 v2 ...`") from error
    if not np.isfinite(vector).all():
        raise ValueError(f"{path}, line {number}: a value is not finite; expected numbers")
    return vector
