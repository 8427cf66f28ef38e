"""Weights of classes and temperatures, by hand and against a grid."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_softmax

from etudes.training.classification import class_weights, fit_temperature, rows_of_classes


@pytest.mark.parametrize(
    ("labels", "balance", "expected"),
    [
        ([0, 0, 0, 0, 1], 0.0, [1, 1]),
        ([0, 0, 0, 0, 1], 1.0, [0.625, 2.5]),
        ([0, 0, 0, 0, 1], 0.5, [5 / 6, 5 / 3]),
        ([0, 0, 2], 1.0, [0.75, 0, 1.5]),
    ],
)
def test_class_weights_by_hand_have_mean_one_over_examples(
    labels: list[int], balance: float, expected: list[float]
) -> None:
    weights = class_weights(np.array(labels), len(expected), balance)
    np.testing.assert_allclose(weights, expected)
    assert weights[labels].mean() == pytest.approx(1.0)


@pytest.mark.parametrize("scale", [0.05, 1.0, 20.0])
def test_temperature_equals_a_grid_search(scale: float) -> None:
    generator = np.random.default_rng(1)
    scores = generator.normal(size=(400, 4))
    chances = np.exp(log_softmax(scores, axis=1))
    labels = np.array([generator.choice(4, p=row) for row in chances])
    grid = np.exp(np.linspace(-5, 5, 2001))
    losses = [-log_softmax(scale * scores / t, axis=1)[np.arange(400), labels].mean() for t in grid]
    found = fit_temperature(scale * scores, labels)
    assert found == pytest.approx(grid[int(np.argmin(losses))], rel=0.01)
    assert found == pytest.approx(scale, rel=0.2)


def test_two_classes_get_a_row_each() -> None:
    weights, bias = rows_of_classes(np.array([[1.0, -2.0]]), np.array([0.5]))
    np.testing.assert_array_equal(weights, [[-1, 2], [1, -2]])
    np.testing.assert_array_equal(bias, [-0.5, 0.5])
