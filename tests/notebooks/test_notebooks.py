"""The notebooks run from top to bottom in a project of their own, and show what they say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from projects import ROOT, make_project, quiet_environment, within

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PLOTLY = "application/vnd.plotly.v1+json"
CELL_SECONDS = 300


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One project for all notebooks, with a copy of them in it."""
    folder = make_project(tmp_path_factory.mktemp("notebooks") / "project")
    (folder / "notebooks").mkdir()
    before = {path: path.read_bytes() for path in NOTEBOOKS}
    yield folder
    assert before == {path: path.read_bytes() for path in NOTEBOOKS}, "a notebook changed its own source"


def execute(project: Path, name: str, expression: str) -> tuple[Any, list[Any]]:
    """Run a notebook in a kernel of its own; the value of ``expression`` at its end, and the data of its figures."""
    client = pytest.importorskip("nbclient")
    notebook = nbformat.read(ROOT / "notebooks" / name, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(f"import json\nprint(json.dumps({expression}))"))
    client.NotebookClient(
        notebook,
        timeout=int(within(CELL_SECONDS)),
        kernel_name="python3",
        resources={"metadata": {"path": str(project / "notebooks")}},
    ).execute(env=quiet_environment(IPYTHONDIR=str(project / ".ipython"), TMPDIR=str(project)))
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    figures = [output["data"][PLOTLY]["data"] for output in outputs if PLOTLY in output.get("data", {})]
    return json.loads(notebook.cells[-1].outputs[-1]["text"]), figures


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_short_committed_without_outputs_and_begins_with_its_title(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    assert len(notebook.cells) <= 15
    assert notebook.cells[0].cell_type == "markdown" and notebook.cells[0].source.startswith("# ")


@pytest.mark.slow
@pytest.mark.heavy
def test_the_tour_finds_every_output_on_disk_and_splits_that_share_nobody(project: Path) -> None:
    found, _ = execute(
        project,
        "01_tour_of_the_catalog.ipynb",
        "{'outputs': list(outputs['dataset']), 'layers': sorted(set(outputs['layer'])), 'sizes': sizes, 'shared': len(shared), "
        "'paths': list(outputs['path'])}",
    )
    assert {"metrics", "report", "train_split", "logistic_model"} <= set(found["outputs"])
    assert found["layers"] == ["intermediate", "model_input", "model_output", "models", "reporting"]
    assert all("/test/" in path for path in found["paths"]), "outputs lie under their environment"
    # 800 training people of the sample, less the duplicates that preprocess drops
    assert 700 < found["sizes"]["train"] + found["sizes"]["dev"] <= 800
    assert found["sizes"]["test"] <= 400 and found["shared"] == 0
    assert (project / "data" / "05_model_input" / "test" / "income_classification" / "train").is_dir()


@pytest.mark.slow
@pytest.mark.heavy
def test_two_runs_differ_by_their_seed_alone_and_only_where_something_is_drawn(project: Path) -> None:
    found, figures = execute(
        project,
        "02_compare_two_runs.ipynb",
        "{'changed': changed.T.to_dict('list'), 'difference': accuracy['difference'].to_dict(), "
        "'curves': curves.groupby('seed')['dev loss (nats)'].apply(list).to_dict(), "
        "'inside': bool(((accuracy['low'] <= accuracy['first run']) & (accuracy['first run'] <= accuracy['high'])).all())}",
    )
    assert found["changed"] == {"params.run.seed": ["0", "1"]}
    assert [found["difference"][name] for name in ("majority", "naive_bayes", "gaussian")] == [0, 0, 0]
    assert found["inside"]
    first, second = found["curves"]["0"], found["curves"]["1"]
    assert len(first) == len(second) > 1 and first != second
    assert [line["name"] for line in figures[0]] == ["0", "1"]


@pytest.mark.slow
@pytest.mark.heavy
def test_attention_maps_are_the_weights_that_the_network_computes_with(project: Path) -> None:
    found, figures = execute(
        project,
        "03_inside_a_transformer.ipynb",
        "{'shape': maps.shape, 'sums': [float(row_sums.min()), float(row_sums.max())], 'difference': max(differences), "
        "'future': float(np.triu(maps, 1).max()), 'drawn': [a.text for a in figure.layout.annotations], "
        "'first': by_distance[0].tolist()}",
    )
    layers, heads, time, _ = found["shape"]
    assert (layers, heads, time) == (2, 2, 16)
    assert found["sums"] == pytest.approx([1, 1], abs=1e-5)
    assert found["difference"] < 1e-5, "values mixed by hand give the output of the fused kernel"
    assert found["future"] == 0
    assert sorted(found["drawn"]) == [f"layer {layer}, head {head}" for layer in (1, 2) for head in (1, 2)]
    assert len(figures[0]) == layers * heads and len(figures[1]) == 1
    assert 0 < sum(found["first"]) <= 1.001


@pytest.mark.slow
@pytest.mark.heavy
def test_own_notes_are_sorted_far_better_than_by_the_majority(project: Path) -> None:
    found, _ = execute(
        project,
        "04_your_own_data.ipynb",
        "{'answers': list(answers['genre']), 'labels': sorted(set(notes['label'])), "
        "'accuracy': scores['accuracy'].to_dict(), 'left': work.exists()}",
    )
    assert found["labels"] == ["bicycle", "garden", "kitchen"]
    assert found["answers"] == ["bicycle", "garden", "kitchen"]
    assert found["accuracy"]["tfidf"] > 0.9
    assert found["accuracy"]["majority"] < 0.6
    assert not found["left"]
    assert not (project / "conf" / "mine").exists()
    assert not (project / "data" / "06_models" / "mine").exists()
