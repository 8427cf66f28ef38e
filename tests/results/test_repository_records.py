"""Every committed record says how it was made, so that somebody else can make it again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from etudes.metrics import metric_of
from etudes.results.record import public_rows
from etudes.study import load_study
from projects import ROOT

PATHS = sorted((ROOT / "docs" / "results").glob("*.json"))
FEWEST = 3  # seeds
ONE_RUN = {
    "approximate_q_learning",
    "cross_entropy_method",
    "lunar_lander_bbf",
    "policy_gradients",
    "tabular_q_learning",
}  # its seeds are the agents that the one run trains


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def record(request: pytest.FixtureRequest) -> dict[str, Any]:
    return json.loads(request.param.read_text(encoding="utf-8"))


def test_seeds_count_from_zero_and_are_enough(record: dict[str, Any]) -> None:
    name, seeds = record["study"], record["seeds"]
    assert seeds == list(range(len(seeds)))
    assert len(seeds) >= (1 if name in ONE_RUN else FEWEST)


def test_a_record_says_how_it_was_made(record: dict[str, Any]) -> None:
    commits = record["commit"] if isinstance(record["commit"], list) else [record["commit"]]
    assert all(re.fullmatch(r"[0-9a-f]{40}", commit) for commit in commits), "a commit, without changes"
    given = f" --params={record['parameters']}" if record["parameters"] else ""
    assert record["command"] == (
        f"kedro record {record['study']} --env={record['environment']} --seeds={len(record['seeds'])}{given}"
    )
    for how in record.get("parts", []):
        assert how["part"] in {part.name for part in load_study(record["study"]).parts}
        assert re.fullmatch(r"[0-9a-f]{40}", how["commit"])
        assert how["command"].endswith(f"--part={how['part']}")
    assert record["environment"] == "full" and len(record["wall_seconds"]) == len(record["seeds"])


def test_a_record_says_how_much_of_the_public_data_there_was(record: dict[str, Any]) -> None:
    study = load_study(record["study"])
    assert record["public_rows"] == public_rows(record["data"])
    assert record["public_rows"] or not study.data, "rows are missing in sources.toml or in the data card"
    assert all(0 < used <= public for used, public in record["public_rows"].values())
    assert set(record["test_rows"]) == {h.metric for h in study.headlines or (study.headline,)}
    assert all(rows for rows in record["test_rows"].values())


def summaries(value: Any, name: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(value, dict) and "mean" in value:
        yield name, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from summaries(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from summaries(item, name)


def test_intervals_hold_their_number_and_stay_where_it_can_be(record: dict[str, Any]) -> None:
    for name, summary in [*summaries(record["metrics"]), *summaries(record["tables"])]:
        assert not {"test_low", "test_high"} & set(summary), (
            f"{name}: ends averaged over seeds are no interval"
        )
        if "low" not in summary:
            continue
        assert summary["low"] <= summary["mean"] <= summary["high"], name
        assert summary["low"] < summary["high"] or summary.get("std", 0) == 0, name
        metric = metric_of(name.split(".", 1)[-1])
        if metric is not None and name in record["metrics"]:
            low, high = metric.bounds
            assert low <= summary["low"] and summary["high"] <= high, name
