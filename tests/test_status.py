"""What is kept of a run for kedro-viz: each node's end, in this process or in another one."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline, node
from kedro_datasets.json import JSONDataset
from kedro_viz.api.rest.responses.run_events import transform_events_to_structured_format
from kedro_viz.integrations.kedro.hooks_utils import hash_node

from etudes.status import LAST_RUN, RunStatusHook, events_of


def double(value: int) -> int:
    return 2 * value


PIPELINE = Pipeline(
    [
        node(double, "one.in", "one.middle", name="first", namespace="one"),
        node(double, "one.middle", "one.out", name="second", namespace="one"),
        node(double, "params:two.value", "two.out", name="only", namespace="two"),
    ]
)
FIRST, SECOND, ONLY = (
    next(each for each in PIPELINE.nodes if each.short_name.lower() == name)
    for name in ("first", "second", "only")
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text("[tool.kedro]\n")
    return tmp_path


def begun(folder: Path) -> RunStatusHook:
    names = ("one.in", "one.middle", "one.out", "two.out")
    catalog = DataCatalog({name: JSONDataset(filepath=str(folder / f"{name}.json")) for name in names})
    for number, name in enumerate(names):
        (folder / f"{name}.json").write_text("1" * (number + 1))
    hook = RunStatusHook()
    hook.before_pipeline_run({"project_path": str(folder)}, PIPELINE, catalog)
    return hook


def shown(folder: Path, study: str) -> Any:
    return transform_events_to_structured_format(events_of(folder, study))


def test_nodes_of_this_process_end_when_the_next_begins_or_the_run_ends(folder: Path) -> None:
    hook = begun(folder)
    for each in (FIRST, SECOND):
        hook.before_dataset_loaded(each)
        hook.before_node_run(each)
    hook.before_node_run(ONLY)  # loads nothing
    assert not (folder / ".viz").exists(), "nothing is known before the end"
    hook.after_pipeline_run()
    status = shown(folder, "one")
    assert {key: info.status.value for key, info in status.nodes.items()} == {
        hash_node(each): "success" for each in (FIRST, SECOND)
    }
    sizes = {info.name: info.size for info in status.datasets.values()}
    assert sizes == {"one.in": 1, "one.middle": 2, "one.out": 3}
    assert status.pipeline.status.value == "success" and status.pipeline.duration > 0
    assert set(shown(folder, "two").nodes) == {hash_node(ONLY)}
    last = transform_events_to_structured_format(json.loads((folder / LAST_RUN).read_text()))
    assert len(last.nodes) == 3


def test_an_error_between_two_nodes_is_of_the_one_whose_output_was_saved(folder: Path) -> None:
    hook = begun(folder)
    hook.before_dataset_loaded(FIRST)
    hook.before_node_run(FIRST)
    hook.on_pipeline_error(OSError("disk full"))
    status = shown(folder, "one")
    (failed,) = status.nodes.values()
    assert failed.status.value == "failed" and failed.error.message == "disk full"
    assert "OSError: disk full" in failed.error.traceback
    assert status.pipeline.status.value == "failed"
    assert shown(folder, "two").pipeline.error.message == "disk full", "it had not run yet"


def test_a_study_that_ended_elsewhere_beside_one_that_failed_has_succeeded(folder: Path) -> None:
    hook = begun(folder)
    hook.node_ended(ONLY.name, 3.5)
    hook.node_failed(FIRST.name, "ValueError: no rows", "far away")
    hook.on_pipeline_error(RuntimeError("1 of 2 studies failed"))
    two, one = shown(folder, "two"), shown(folder, "one")
    assert two.pipeline.status.value == "success" and two.nodes[hash_node(ONLY)].duration == 3.5
    assert one.pipeline.error.message == "ValueError: no rows"
    assert one.nodes[hash_node(FIRST)].error.traceback == "far away" and hash_node(SECOND) not in one.nodes


def test_an_installed_package_and_a_folder_that_cannot_be_written_keep_nothing(
    tmp_path: Path, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / ".viz").write_text("in the way")
    hook = begun(folder)
    with caplog.at_level(logging.WARNING):
        hook.after_pipeline_run()
    assert "status of this run is not kept for kedro-viz" in caplog.text
    (folder / ".viz").unlink()
    (folder / "pyproject.toml").unlink()
    begun(folder).after_pipeline_run()
    assert not (folder / ".viz").exists() and events_of(folder, "one") == []
