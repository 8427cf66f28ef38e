"""What a record keeps of its runs."""

from __future__ import annotations

from typing import Any

import pytest

from etudes.results.record import LONGEST, summarise
from etudes.results.tables import count


def run_of(seed: int, accuracy: float, fingerprint: str = "abc") -> dict[str, Any]:
    return {
        "seed": seed,
        "wall_seconds": 1.5,
        "metrics": {
            "maml.accuracy_1shot": accuracy,
            "maml.accuracy_1shot.low": 0.1,
            "maml.accuracy_1shot.high": 0.9,
        },
        "data": {"fingerprint": fingerprint},
        "split": {"train_rows": 7, "held_out": [[1, 2]], "everything": list(range(LONGEST))},
        "resources": {},
        "tables": {"steps": [], "alphabets": [], "differences": []},
    }


def test_seeds_become_mean_and_spread_and_long_lists_stay_with_the_runs() -> None:
    record = summarise("meta_learning", "full", "", [run_of(0, 0.5), run_of(1, 0.7)])
    assert record["seeds"] == [0, 1]
    assert record["split"] == {"train_rows": 7, "held_out": [[1, 2]]}
    summary = record["metrics"]["maml.accuracy_1shot"]
    assert (summary["mean"], summary["n"]) == (pytest.approx(0.6), 2)
    assert (summary["test_low"], summary["test_high"]) == (pytest.approx(0.1), pytest.approx(0.9))


def test_a_split_that_changes_with_the_seed_is_recorded_seed_by_seed() -> None:
    first, second = run_of(0, 0.5), run_of(1, 0.7)
    second["split"] |= {"train_rows": 1009, "held_out": [[3]]}
    record = summarise("meta_learning", "full", "", [first, second])
    assert record["split"] == {"train_rows": [7, 1009], "held_out": [[[1, 2]], [[3]]]}
    assert count(record["split"]["train_rows"]) == "7 to 1,009"
    assert count(1009) == "1,009"


def test_runs_on_different_data_are_no_record() -> None:
    with pytest.raises(RuntimeError, match="different data"):
        summarise("meta_learning", "full", "", [run_of(0, 0.5), run_of(1, 0.7, fingerprint="other")])
