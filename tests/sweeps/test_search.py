"""Trials: what is drawn, what survives a kill, what is pruned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from etudes.sweeps.search import Search
from etudes.sweeps.space import parse_space

CONFIGURED = {"a": {"rate": 0.01, "size": 4, "kind": "big"}}
SPACE = parse_space(("a.rate=1e-4..1.0:log", "a.size=1..9", "a.kind=big,small"), search=True)


def search_in(folder: Path, places: int = 1, **changes: Any) -> Search:
    given: dict[str, Any] = {"configured": CONFIGURED, "kind": "tpe", "maximise": True} | changes
    return Search(folder / "search.db", SPACE, places=places, **given)


def score(setting: Any) -> float:
    return float(setting["a.size"]) - abs(float(setting["a.rate"]) - 0.1)


def run_to(search: Search, total: int) -> list[Any]:
    found = []
    for trial in search.trials(total):
        found.append(search.setting(trial))
        search.ended(trial, score(found[-1]))
    return found


def test_the_first_trial_is_the_configured_setting_and_the_best_is_kept(tmp_path: Path) -> None:
    search = search_in(tmp_path)
    settings = run_to(search, 6)
    assert settings[0] == {"a.kind": "big", "a.rate": "0.01", "a.size": "4"}
    assert search.best()[0] == max(settings, key=score) and search.counts == {"ended": 6}
    assert search.known(settings[3]) == pytest.approx(score(settings[3]), abs=1e-3)
    assert search.known({**settings[3], "a.size": "77"}) is None


def test_a_configured_value_outside_the_space_is_not_tried(tmp_path: Path) -> None:
    search = search_in(tmp_path, configured={"a": {"rate": 0.01, "size": 40, "kind": "big"}})
    (trial,) = search.trials(1)
    assert int(search.setting(trial)["a.size"]) <= 9


def test_a_search_that_was_cut_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole = run_to(search_in(tmp_path / "whole"), 8)
    cut = search_in(tmp_path / "cut")
    before = run_to(cut, 3)
    begun = cut.setting(next(cut.trials(8)))  # a kill leaves this one open
    after = run_to(search_in(tmp_path / "cut"), 8)
    assert after[0] == begun and [*before, *after] == whole


def test_a_trial_below_the_median_is_pruned_after_the_warm_up(tmp_path: Path) -> None:
    search = search_in(tmp_path)
    trials = search.trials(7)
    assert not search.observed
    for _ in range(5):
        trial = next(trials)
        search.setting(trial)
        assert not search.observe(trial, {1: 0.5, 2: 0.6, 3: 0.7})
        search.ended(trial, 0.7)
    bad = next(trials)
    search.setting(bad)
    assert not search.observe(bad, {1: 0.1, 2: 0.1})
    assert search.observe(bad, {1: 0.1, 2: 0.1, 3: 0.2}) and search.observed
    search.pruned(bad)
    last = next(trials)
    search.setting(last)
    search.failed(last)
    assert search.counts == {"ended": 5, "pruned": 1, "failed": 1} and next(trials, None) is None


def test_where_nothing_ended_there_is_no_best(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="no trial ended"):
        search_in(tmp_path).best()


def test_a_score_that_is_no_number_is_a_failure(tmp_path: Path) -> None:
    search = search_in(tmp_path)
    trial = next(search.trials(1))
    search.setting(trial)
    search.ended(trial, float("nan"))
    assert search.counts == {"failed": 1}
