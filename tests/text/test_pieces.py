"""Vectors of word pieces against vectors of words, reduced by scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest

from etudes.text.encoders import EMBEDDED
from etudes.text.pieces import piece_table, piece_vectors

WORDS = ["ferry", "harbour", "unharboured", "ran", "running", "42", "the", "of", "oddly", "quick"]


def test_means_of_projected_pieces_are_projections_of_words() -> None:
    from sklearn.decomposition import PCA

    from etudes.text.encoders import load_encoder

    whole = load_encoder(EMBEDDED).get_input_embeddings().weight.detach().numpy()  # type: ignore[operator]
    vectors = piece_vectors(whole, EMBEDDED, WORDS)
    table = piece_table(EMBEDDED, WORDS, 4)
    expected = PCA(4, svd_solver="full").fit_transform(vectors)
    found = piece_vectors(table, EMBEDDED, WORDS)
    signs = np.sign((found * expected).sum(axis=0))
    np.testing.assert_allclose(found, signs * expected / expected.std(), atol=1e-4)
    assert found.std() == pytest.approx(1, abs=1e-3)


def test_a_word_without_pieces_has_zeros_and_small_letters_are_the_same() -> None:
    table = piece_table(EMBEDDED, WORDS, 3)
    nothing, large, small = piece_vectors(table, EMBEDDED, ["\u200b", "Ferry", "ferry"])
    assert not nothing.any() and np.array_equal(large, small)


def test_more_directions_than_words_are_refused() -> None:
    with pytest.raises(ValueError, match="vectors = 11, but 10 words"):
        piece_table(EMBEDDED, WORDS, 11)
