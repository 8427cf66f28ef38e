"""Which of two values is better, where more is better, where less is, and where one value is."""

from __future__ import annotations

import pytest

from etudes.reporting import Metric, lead_table


@pytest.mark.parametrize(
    ("metric", "better", "worse", "said"),
    [
        (Metric("accuracy"), 0.9, 0.1, "higher is better"),
        (Metric("loss", maximise=False), 0.1, 0.9, "lower is better"),
        (Metric("diversity", target=1.0), 1.1, 1.5, "nearer to 1 is better"),
        (Metric("diversity", target=1.0), 0.9, 1.5, "nearer to 1 is better"),
    ],
)
def test_merit_is_larger_for_the_better_value(metric: Metric, better: float, worse: float, said: str) -> None:
    assert metric.merit(better) > metric.merit(worse)
    assert metric.direction == said and metric.arrow


def test_the_best_of_a_column_with_a_target_is_the_nearest_to_it() -> None:
    values = {"a.diversity": 1.6, "b.diversity": 0.9, "c.diversity": 0.4}
    table = lead_table(values, ["a", "b", "c"], [Metric("diversity", target=1.0)])
    assert [row.head for row in table.rows] == ["b", "c", "a"]
    assert [row.cells[0].best for row in table.rows] == [True, False, False]
