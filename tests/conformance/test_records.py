"""What `kedro record` reads of a run of every study."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from runs import Run
from subjects import STUDIES

from etudes.results import runs

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("name", STUDIES)]


def test_a_run_can_be_recorded(
    name: str, finished: Callable[[str], Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = finished(name)
    study = run.subject.study
    ended = tmp_path / "ended.json"  # what the command writes when its run has ended
    ended.write_text("{}")
    monkeypatch.setattr(runs, "_marker", lambda *_: ended)
    found = runs.read_run(run.project / "data", name, "test")
    assert found["chosen"] in study.variants and found["metrics"] and found["resources"]
    assert {table.name for table in study.tables} == set(found["tables"])
    assert set(found["test_rows"]) == {headline.metric for headline in study.headlines or (study.headline,)}
    assert any(found["test_rows"].values()), "the sample has rows of one headline at least"
