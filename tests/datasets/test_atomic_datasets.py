"""Every dataset that studies write appears whole or not at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import pytest
from kedro.io import DatasetError

from etudes.datasets import CSVDataset, HTMLDataset, JSONDataset, ModelDataset, ParquetDataset, PlotlyDataset
from etudes.study import Skipped
from projects import STUDY, kedro, quiet_environment


@dataclass
class Case:
    """A dataset class, data for it, and how its library writes the file."""

    dataset: Callable[..., Any]
    data: Any
    target: str
    seen: Callable[[Any], Any] = lambda value: value


FRAME = pd.DataFrame({"id": [1, 2], "genre": ["drama", "comédie"]})
CASES = {
    "json": Case(JSONDataset, {"accuracy": 0.5}, "json.dump"),
    "csv": Case(CSVDataset, FRAME, "pandas.DataFrame.to_csv", lambda f: f[["id", "genre"]].to_dict()),
    "parquet": Case(ParquetDataset, FRAME, "pandas.DataFrame.to_parquet", lambda frame: frame.to_dict()),
    "plotly": Case(PlotlyDataset, go.Figure(go.Bar(y=[1, 2])), "plotly.graph_objects.Figure.write_json", str),
    "html": Case(HTMLDataset, "<p>é</p>", ""),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def test_what_is_saved_comes_back(case: Case, tmp_path: Path) -> None:
    dataset = case.dataset(filepath=str(tmp_path / "new" / "file"))
    assert not dataset.exists()
    dataset.save(case.data)
    assert dataset.exists()
    assert case.seen(dataset.load()) == case.seen(case.data)
    assert [entry.name for entry in (tmp_path / "new").iterdir()] == ["file"]


IN_A_BARE_LOCALE = """
import json, locale, sys
import pandas, plotly.graph_objects as go
from etudes.datasets import CSVDataset, HTMLDataset, JSONDataset, PlotlyDataset
assert locale.getpreferredencoding(False) in ("ANSI_X3.4-1968", "US-ASCII"), locale.getpreferredencoding(False)
text = "com\\u00e9die \\u96ea"
HTMLDataset(filepath="page").save(text)
assert HTMLDataset(filepath="page").load() == text
JSONDataset(filepath="numbers", save_args={"ensure_ascii": False}).save({"a": text})
assert JSONDataset(filepath="numbers").load() == {"a": text}
CSVDataset(filepath="table").save(pandas.DataFrame({"a": [text]}))
assert CSVDataset(filepath="table").load()["a"].tolist() == [text]
PlotlyDataset(filepath="figure").save(go.Figure(layout={"title": {"text": text}}))
assert PlotlyDataset(filepath="figure").load().layout.title.text == text
"""
BARE_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def test_texts_are_utf8_in_every_locale(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", IN_A_BARE_LOCALE],
        cwd=tmp_path,
        env=quiet_environment(**BARE_LOCALE, PYTHONPATH=os.pathsep.join(sys.path)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for name in ("page", "numbers", "table"):
        assert "comédie 雪".encode() in (tmp_path / name).read_bytes()


@pytest.mark.slow
def test_a_study_runs_to_its_last_node_in_a_bare_locale(project: Path) -> None:
    chosen = project / "conf" / "test" / "parameters" / f"{STUDY}.yml"
    chosen.write_text(chosen.read_text() + "  variants: [majority, tfidf]\n")
    done = kedro(project, "run", "--env=test", f"--pipelines={STUDY}", **BARE_LOCALE)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    page = project / "data" / "08_reporting" / "test" / STUDY / "report.html"
    assert any(ord(character) > 127 for character in page.read_text(encoding="utf-8"))


def write_half(*args: Any, **kwargs: Any) -> None:
    """What a library does on a full disk: some bytes, then an error."""
    for value in [*args, *kwargs.values()]:
        if hasattr(value, "write"):
            with_text = "b" not in getattr(value, "mode", "w")
            value.write("half" if with_text else b"half")
        elif isinstance(value, str) and Path(value).parent.is_dir() and Path(value).is_absolute():
            Path(value).write_text("half")
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    "case", [case for case in CASES.values() if case.target], ids=lambda case: case.target
)
@pytest.mark.parametrize("existed", [True, False])
def test_a_save_that_fails_half_way_changes_nothing(
    case: Case, existed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    dataset = case.dataset(filepath=str(path))
    if existed:
        dataset.save(case.data)
    before = path.read_bytes() if existed else None
    with monkeypatch.context() as patch:
        patch.setattr(case.target, write_half)
        with pytest.raises(DatasetError, match="No space left on device") as caught:
            dataset.save(case.data)
    assert f"'{path}'" in str(caught.value)  # the file that was meant, not the temporary one
    assert ".tmp" not in str(caught.value)
    assert [entry.name for entry in tmp_path.iterdir()] == (["file"] if existed else [])
    assert not existed or path.read_bytes() == before
    dataset.save(case.data)  # and the dataset still knows its place
    assert case.seen(dataset.load()) == case.seen(case.data)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit of the file size")
def test_a_full_disk_keeps_the_old_page(tmp_path: Path) -> None:
    """The system itself refuses the bytes, by the limit of a file's size."""
    import resource

    dataset = HTMLDataset(filepath=str(tmp_path / "report.html"))
    dataset.save("<p>old</p>")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(DatasetError, match=r"report\.html'.*\n.*File too large"):
            dataset.save("<p>new</p>" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert dataset.load() == "<p>old</p>"
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


def test_data_that_json_cannot_hold_leaves_the_old_file(tmp_path: Path) -> None:
    dataset = JSONDataset(filepath=str(tmp_path / "metrics.json"))
    dataset.save({"accuracy": 0.5})
    with pytest.raises(DatasetError, match=r"metrics\.json.*\n.*not JSON serializable"):
        dataset.save({"accuracy": 0.6, "wrong": object()})
    assert json.loads((tmp_path / "metrics.json").read_text()) == {"accuracy": 0.5}


def test_figures_are_previewed(tmp_path: Path) -> None:
    dataset = PlotlyDataset(filepath=str(tmp_path / "figure.json"))
    dataset.save(go.Figure(go.Bar(y=[1, 2]), layout={"title": {"text": "Accuracy"}}))
    preview = dataset.preview()
    assert (preview["data"][0]["type"], preview["data"][0]["y"]) == ("bar", [1, 2])
    assert preview["layout"]["title"]["text"] == "Accuracy"


def test_tables_and_numbers_are_previewed(tmp_path: Path) -> None:
    table = CSVDataset(filepath=str(tmp_path / "table.csv"), save_args={"index": False})
    table.save(FRAME)
    assert table.preview(nrows=1)["data"] == [[1, "drama"]]
    numbers = JSONDataset(filepath=str(tmp_path / "metrics.json"))
    numbers.save({"accuracy": 0.5})
    assert json.loads(numbers.preview()) == {"accuracy": 0.5}


def test_a_model_that_is_not_yet_trained_says_what_to_do(tmp_path: Path) -> None:
    dataset = ModelDataset(filepath=str(tmp_path / "bilstm"))
    assert not dataset.exists()
    with pytest.raises(DatasetError, match=r"bilstm holds no model .* run the study's training first"):
        dataset.load()


def test_a_model_comes_back_through_its_dataset(tmp_path: Path) -> None:
    dataset = ModelDataset(filepath=str(tmp_path / "bilstm"))
    dataset.save(Skipped("bilstm"))
    assert dataset.exists()
    assert dataset.load() == Skipped("bilstm")
    (tmp_path / "bilstm" / "model.json").write_text("{")
    with pytest.raises(DatasetError, match="bilstm: the model cannot be read"):
        dataset.load()
