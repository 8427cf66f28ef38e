"""Means, paired differences and verdicts of repeated splits against the same by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from etudes.benches.repeated import gains, summarise, verdicts
from etudes.evaluation import mean_interval


def scores(tables: int = 1, sign: int = 1) -> pd.DataFrame:
    """Twenty splits; the method is better than the other by 0.02 on average, or worse; rows in no order."""
    own = np.random.default_rng(1).normal(0.02, 0.05, 20) * sign
    rows = [
        {"table": f"t{n}", "labels": 5, "split": s, "shared": 0.0, "variant": name, "accuracy": value}
        for n in range(tables)
        for s in range(20)
        for name, value in (("other", 0.5 + s / 50), ("own", 0.5 + s / 50 + own[s]))
    ]
    return pd.DataFrame(rows).sample(frac=1, random_state=0)


def test_a_summary_is_of_each_entry_of_the_keys_and_ends_where_its_metric_ends() -> None:
    table = scores().assign(shared=0.4)
    found = summarise(table, ["labels", "variant"], ["accuracy"]).set_index("variant").loc["other"]
    ends = mean_interval(0.5 + np.arange(20) / 50, shared=0.4)
    assert (found["accuracy"], found["accuracy.low"], found["splits"]) == (
        pytest.approx(ends["mean"]),
        pytest.approx(ends["low"]),
        20,
    )
    assert ends["high"] > 0.85
    sure = summarise(table.assign(accuracy=table["accuracy"] + 0.2), ["labels", "variant"], ["accuracy"])
    assert sure["accuracy.high"].max() == 1.0
    other = table.assign(own=table["accuracy"] + 0.2)
    assert summarise(other, ["labels", "variant"], ["own"])["own.high"].max() > 1
    assert summarise(other, ["labels", "variant"], ["own"], {"own": "accuracy"})["own.high"].max() == 1.0


def test_gains_are_of_the_same_splits() -> None:
    table = scores().assign(shared=0.1)
    by_split = table.pivot(index="split", columns="variant", values="accuracy")
    ends = mean_interval(by_split["own"] - by_split["other"], shared=0.1)
    (row,) = gains(table, "own", ["table", "labels"]).to_dict("records")
    assert [row[name] for name in ("table", "labels", "against")] == ["t0", 5, "other"]
    assert [row[n] for n in ("gain", "low", "high")] == pytest.approx(
        [ends[n] for n in ("mean", "low", "high")]
    )


def test_verdicts_count_how_many_were_asked() -> None:
    def first(tables: int, sign: int = 1) -> str:
        return gains(scores(tables, sign), "own", ["table", "labels"])["verdict"].iloc[0]

    assert (first(1), first(1, -1)) == ("better", "worse")
    assert (first(20), first(20, -1)) == ("likely better", "likely worse")
    assert gains(scores().assign(shared=1.0), "own", ["table", "labels"])["verdict"].item() == "open"


def test_a_method_that_did_not_run_gains_nothing() -> None:
    found = gains(scores(), "third", ["table", "labels"])
    assert found.empty and "verdict" in found and verdicts(found, "labels").empty


def test_verdicts_in_words() -> None:
    table = gains(scores(2), "own", ["table", "labels"])
    more = table.assign(labels=9, verdict="open")
    found = verdicts(pd.concat([table.assign(verdict="better"), more]), "labels").set_index(
        "table", drop=False
    )
    told = {
        "better at": "5",
        "worse at": "–",
        "likely better at": "–",
        "likely worse at": "–",
        "open at": "9",
    }
    assert found.loc["t0"].to_dict() == {"against": "other", "table": "t0", **told}
