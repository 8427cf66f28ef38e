"""Means over the same examples, against their closed forms."""

from __future__ import annotations

import numpy as np
import pandas as pd

from etudes.evaluation.paired import mean_intervals, means_table


def test_intervals_are_those_of_a_normal_mean() -> None:
    values = pd.DataFrame(np.random.default_rng(0).exponential(size=(400, 2)), columns=["a", "b"])
    found = mean_intervals(values, 2000)
    half = 1.96 * values.std(ddof=1) / 20
    np.testing.assert_allclose(found["value"], values.mean())
    np.testing.assert_allclose(found["low"], values.mean() - half, atol=0.03)
    np.testing.assert_allclose(found["high"], values.mean() + half, atol=0.03)


def test_columns_share_their_resamples() -> None:
    """A constant gap between noisy columns is the gap between the ends of their intervals."""
    noise = np.random.default_rng(0).normal(size=50)
    found = mean_intervals(pd.DataFrame({"a": noise, "b": noise - 0.5}), 200)
    np.testing.assert_allclose(found.loc["a"] - found.loc["b"], 0.5, atol=1e-12)


def test_tables_are_told_apart_by_their_keys() -> None:
    scores = {("maml", n): pd.DataFrame({0: [n, n], 10: [n, n + 2.0]}) for n in (1, 5)}
    found = means_table(scores, ["variant", "shots", "step"], 100)
    assert found[["variant", "shots", "step", "value"]].to_numpy().tolist() == [
        ["maml", 1, 0, 1.0],
        ["maml", 1, 10, 2.0],
        ["maml", 5, 0, 5.0],
        ["maml", 5, 10, 6.0],
    ]
    empty = means_table({}, ["variant", "step"], 100)
    assert empty.empty and list(empty.columns) == ["variant", "step", "value", "low", "high"]
