"""Vectors of words that nobody has seen: the mean over the pieces that a pretrained encoder cuts a word into. The encoder itself does not run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from etudes.text.encoders import load_encoder, piece_ids

FloatArray = NDArray[np.float32]


def piece_table(name: str, words: Sequence[str], size: int) -> FloatArray:
    """Vectors of all pieces of an encoder, (pieces, size), of which `piece_vectors` makes those of words.

    They are its input embeddings along the ``size`` principal directions of the vectors of the given words, whose mean is 0 then and
    whose variance is 1 on average. Since a mean of projections is the projection of the mean, the table serves any word.

    Args:
        name: of the encoder.
        words: different words, those of the training texts.
        size: at most the encoder's width and the number of words.

    Raises:
        ValueError: more directions than the encoder or the words have.
    """
    table = load_encoder(name).get_input_embeddings().weight.detach().numpy()  # type: ignore[operator]
    vectors = piece_vectors(table, name, words).astype(np.float64)
    if size > min(vectors.shape):
        raise ValueError(
            f"vectors = {size}, but {len(words)} words have vectors of {table.shape[1]} dimensions; expected at most the smaller"
        )
    mean = vectors.mean(axis=0)
    _, directions = np.linalg.eigh((vectors - mean).T @ (vectors - mean))
    projection = directions[:, ::-1][:, :size]
    scale = ((vectors - mean) @ projection).std()
    return ((table - mean) @ projection / scale).astype(np.float32)


def piece_vectors(table: FloatArray, name: str, words: Sequence[str]) -> FloatArray:
    """Vectors (words, size), each the mean of the table's rows of the word's pieces; zeros for a word that has none."""
    vectors = np.zeros((len(words), table.shape[1]), dtype=np.float32)
    for row, pieces in zip(vectors, piece_ids(name, words), strict=True):
        if pieces:
            row[:] = table[pieces].mean(axis=0)
    return vectors
