"""Indices of partitions against those of scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from etudes.evaluation.partitions import adjusted_rand_index, normalised_mutual_information

PAIRS = [(adjusted_rand_index, metrics.adjusted_rand_score)]
PAIRS += [(normalised_mutual_information, metrics.normalized_mutual_info_score)]


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
@pytest.mark.parametrize(("parts", "others"), [(3, 3), (2, 9), (1, 4), (30, 30)])
def test_indices_are_those_of_scikit_learn(ours, theirs, parts: int, others: int) -> None:
    generator = np.random.default_rng(0)
    for rows in (2, 31, 300):
        first, second = generator.integers(0, parts, rows), generator.integers(0, others, rows)
        second = np.where(generator.random(rows) < 0.5, first, second)
        assert ours(first, second) == pytest.approx(theirs(first, second), abs=1e-12)


@pytest.mark.parametrize("index", [adjusted_rand_index, normalised_mutual_information])
def test_names_of_parts_do_not_count(index) -> None:
    assert index([0, 0, 1, 2], ["b", "b", "a", "c"]) == 1.0
    assert index([5, 5, 5], [1, 1, 1]) == 1.0


@pytest.mark.parametrize("index", [adjusted_rand_index, normalised_mutual_information])
@pytest.mark.parametrize(("first", "second"), [([0, 1], [[0], [1]]), ([0, 1], [0, 1, 1]), ([], [])])
def test_partitions_of_other_rows_are_refused(index, first: list, second: list) -> None:
    with pytest.raises(ValueError, match="partitions must both have the shape"):
        index(first, second)
