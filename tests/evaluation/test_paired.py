"""Means over the same examples, against their closed forms."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from etudes.evaluation.paired import flat_means, mean_intervals, means_table, saved_table


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
    wide, narrow = (means_table(scores, ["variant", "shots", "step"], 100, level) for level in (0.99, 0.2))
    assert ((wide["high"] - wide["low"]) >= (narrow["high"] - narrow["low"])).all()
    assert wide.loc[1, "high"] > narrow.loc[1, "high"]
    empty = means_table({}, ["variant", "step"], 100)
    assert empty.empty and list(empty.columns) == ["variant", "step", "value", "low", "high"]


def test_flat_means_are_the_table_by_name() -> None:
    columns = pd.DataFrame({"a.x": np.random.default_rng(0).normal(size=30), "a.y": np.arange(30.0)})
    groups = np.arange(30) // 3
    ends = mean_intervals(columns, 200, 0.9, groups=groups)
    found = flat_means(columns, 200, 0.9, groups)
    assert list(found) == [f"a.{name}{end}" for name in "xy" for end in ("", ".low", ".high")]
    for name, row in ends.iterrows():
        assert [found[f"{name}{end}"] for end in ("", ".low", ".high")] == row.tolist()


def test_groups_of_one_are_rows_and_copies_widen_nothing_away() -> None:
    columns = pd.DataFrame({"a": np.random.default_rng(0).normal(size=50)})
    alone = mean_intervals(columns, 400, groups=np.arange(50))
    pd.testing.assert_frame_equal(alone, mean_intervals(columns, 400))
    copied = pd.concat([columns] * 4, ignore_index=True)
    ends = mean_intervals(copied, 400, groups=np.tile(np.arange(50), 4)).loc["a"]
    assert ends["high"] - ends["low"] == pytest.approx(alone.loc["a", "high"] - alone.loc["a", "low"])
    for groups, message in ((np.zeros(50), "one group"), (np.zeros(3), r"groups must be \(50,\)")):
        with pytest.raises(ValueError, match=message):
            mean_intervals(columns, 100, groups=groups)


def test_what_is_saved_is_paired_and_positive_where_the_first_is_better() -> None:
    rng, shared = np.random.default_rng(1), np.random.default_rng(2).normal(size=80)
    losses = pd.DataFrame({"a": shared, "b": shared + 1 + 0.1 * rng.normal(size=80)})
    groups = np.arange(80) // 4
    table = saved_table(losses, [("a", "b"), ("a", "left out"), ("b", "a")], 200, groups)
    assert table[["variant", "against"]].to_numpy().tolist() == [["a", "b"], ["b", "a"]]
    first, second = table[["saved", "saved.low", "saved.high"]].to_numpy()
    assert (
        first[0] == pytest.approx((losses["b"] - losses["a"]).mean())
        and 0.9 < first[1] < first[0] < first[2] < 1.1
    )
    np.testing.assert_allclose(second, -first[[0, 2, 1]])
    ends = mean_intervals((losses["b"] - losses["a"]).to_frame("d"), 200, groups=groups).loc["d"]
    np.testing.assert_allclose(first, ends[["value", "low", "high"]])
    assert saved_table(losses, [], 200).empty
