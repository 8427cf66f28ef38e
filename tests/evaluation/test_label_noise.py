"""Confident learning against loops over the paper's definition, and against labels that were made wrong."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from etudes.evaluation.label_noise import NONE, confident_classes, held_out_probabilities, planted, suspects

K = 4


def drawn(n: int = 60, seed: int = 0) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.arange(n) % K)
    p = [generator.dirichlet(0.7 + 2.0 * (np.arange(K) == label)) for label in labels]
    return labels, np.stack(p)


def test_confident_classes_are_those_of_the_definition() -> None:
    labels, p = drawn()
    thresholds = [np.mean([p[i, j] for i in range(len(p)) if labels[i] == j]) for j in range(K)]
    expected = []
    for row in p:
        able = [j for j in range(K) if row[j] >= thresholds[j]]
        expected.append(max(able, key=lambda j: row[j]) if able else NONE)
    assert NONE in expected
    np.testing.assert_array_equal(confident_classes(labels, p), expected)
    off = [e not in (NONE, label) for e, label in zip(expected, labels, strict=True)]
    np.testing.assert_array_equal(suspects(labels, p), off)


def test_a_class_that_models_are_unsure_of_needs_less_confidence() -> None:
    labels = np.array([0, 0, 1, 1])
    p = np.array([[0.95, 0.05], [0.9, 0.1], [0.65, 0.35], [0.7, 0.3]])
    # t = (0.925, 0.325): the third belongs to 1 although 0 is more probable; the fourth to none.
    assert confident_classes(labels, p).tolist() == [0, NONE, 1, NONE]


def test_labels_made_wrong_are_suspected_where_probabilities_are_right() -> None:
    truth = np.arange(200) % K
    p = np.full((200, K), 0.1)
    p[np.arange(200), truth] = 0.7
    labels, wrong = planted(truth, 0.15, K, seed=3)
    assert (
        wrong.sum() == 30
        and (labels[wrong] != truth[wrong]).all()
        and (labels[~wrong] == truth[~wrong]).all()
    )
    np.testing.assert_array_equal(suspects(labels, p), wrong)


def test_nobody_answers_what_it_learned_from() -> None:
    folds = np.array([0, 1, 2, 0, 1, 2])
    told = []

    def answers(known: NDArray[np.int64], asked: NDArray[np.int64]) -> NDArray[np.float64]:
        told.append((set(known), set(asked)))
        return np.repeat(asked[:, None], K, axis=1) / 10

    found = held_out_probabilities(answers, folds, K)
    assert all(known.isdisjoint(asked) and len(known | asked) == 6 for known, asked in told)
    np.testing.assert_allclose(found[:, 0], np.arange(6) / 10)


def test_other_shapes_and_a_class_without_examples_are_refused() -> None:
    labels, p = drawn()
    for wrong in (labels[:-1], labels[:, None]):
        with pytest.raises(ValueError, match="expected labels"):
            confident_classes(wrong, p)
    with pytest.raises(ValueError, match="each of 4 classes"):
        confident_classes(np.where(labels == 2, 0, labels), p)
    with pytest.raises(ValueError, match="each of 4 classes"):
        confident_classes(labels + 1, p)
