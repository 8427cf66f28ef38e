"""Bags of terms and their principal directions, against scikit-learn and numpy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from etudes.text.bags import Bag, singular_vectors
from etudes.text.terms import character_terms

TITLES = ("Staff nurse, nights", "Head chef", "Nurse", "Chef de partie", "Night manager", "")


def documents(texts: tuple[str, ...] = TITLES) -> list[list[str]]:
    return [character_terms(text, 3, 5) for text in texts]


def test_a_bag_is_scikit_learns_times_its_scale_and_survives_storage() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    theirs = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True, min_df=2)
    expected = theirs.fit_transform(TITLES)
    bag = Bag.fit(documents(), fewest=2, scale=2.0)
    assert bag.terms == theirs.get_feature_names_out().tolist()
    np.testing.assert_allclose(bag.matrix(documents()).toarray(), 2 * expected.toarray(), atol=1e-12)
    again, other = Bag.from_state(bag.state()), ("Nurse at night", "unheard of")
    np.testing.assert_array_equal(
        again.matrix(documents(other)).toarray(), bag.matrix(documents(other)).toarray()
    )
    np.testing.assert_allclose(
        again.matrix(documents(other)).toarray(), 2 * theirs.transform(other).toarray()
    )


def test_without_weights_terms_are_counted() -> None:
    bag = Bag.fit([["a", "b"], ["b", "b", "c"]], weighed=False, scale=0.5)
    assert bag.terms == ["a", "b", "c"] and Bag.from_state(bag.state()).inverse is None
    assert bag.matrix([["b", "c", "b", "new"], []]).toarray().tolist() == [[0, 1, 0.5], [0, 0, 0]]


def test_singular_vectors_are_numpys_with_their_largest_entry_above_zero() -> None:
    matrix = Bag.fit(documents()).matrix(documents())
    found = singular_vectors(matrix, 3)
    _, _, theirs = np.linalg.svd(matrix.toarray(), full_matrices=False)
    np.testing.assert_allclose(np.abs(found.T @ theirs[:3].T), np.eye(3), atol=1e-6)
    np.testing.assert_array_equal(found, singular_vectors(matrix, 3))
    assert (found[np.abs(found).argmax(axis=0), np.arange(3)] > 0).all()
    assert singular_vectors(matrix, 99).shape[1] == pytest.approx(len(TITLES) - 1)


@pytest.mark.parametrize(
    ("documents", "shape"), [([[], []], (0, 0)), ([["a"], ["a"], []], (1, 1)), ([["a", "b"]], (2, 1))]
)
def test_documents_with_next_to_nothing_in_them_have_few_directions_or_none(
    documents: list[list[str]], shape: tuple[int, int]
) -> None:
    matrix = Bag.fit(documents).matrix(documents)
    found = singular_vectors(matrix, 5)
    assert found.shape == shape and (found >= 0).all()
    np.testing.assert_allclose(matrix @ found @ found.T, matrix.toarray(), atol=1e-12)


def test_directions_that_no_row_has_are_left_out() -> None:
    rng = np.random.default_rng(0)
    matrix = csr_matrix(rng.normal(size=(30, 3)) @ rng.normal(size=(3, 8)))
    found = singular_vectors(matrix, 6)
    assert found.shape == (8, 3)
    np.testing.assert_allclose(matrix @ found @ found.T, matrix.toarray(), atol=1e-9)
    np.testing.assert_allclose(found, singular_vectors(matrix, 6), atol=1e-12)
