"""The commands a person types."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from projects import ROOT, STUDY, kedro

pytestmark = pytest.mark.slow


def test_studies_lists_every_study(project: Path) -> None:
    done = kedro(project, "studies")
    assert done.returncode == 0, done.stderr
    assert STUDY in done.stdout and "language" in done.stdout and "accuracy" in done.stdout


def test_data_list_shows_the_sources(project: Path) -> None:
    done = kedro(project, "data", "list")
    assert done.returncode == 0, done.stderr
    assert "imdb_genres" in done.stdout and "missing" in done.stdout


def test_one_study_runs_although_another_cannot_be_imported(project: Path) -> None:
    broken = project / "src" / "etudes" / "pipelines" / "broken"
    broken.mkdir()
    (broken / "__init__.py").write_text("raise RuntimeError('this study was imported')\n")
    for option in (f"--pipelines={STUDY}", f"--pipeline={STUDY}"):
        done = kedro(project, "run", "--env=test", option, f"--to-nodes={STUDY}.split")
        assert done.returncode == 0, done.stdout + done.stderr
    failed = kedro(project, "registry", "list")
    assert failed.returncode != 0 and "this study was imported" in failed.stdout + failed.stderr


def test_a_list_is_given_on_the_command_line_and_an_item_without_a_value_is_refused(project: Path) -> None:
    given = f"--params={STUDY}.variants=[majority,tfidf],run.track=false"
    done = kedro(project, "run", "--env=test", f"--pipelines={STUDY}", given, f"--to-nodes={STUDY}.split")
    assert done.returncode == 0, done.stdout + done.stderr
    refused = kedro(project, "run", f"--pipelines={STUDY}", "--params=run.seed")
    assert refused.returncode == 2 and "'run.seed' is not NAME=VALUE" in refused.stderr


def test_running_one_study_loads_no_library_of_its_methods_before_they_are_needed(project: Path) -> None:
    script = (
        "import sys; from kedro.framework.project import configure_project, pipelines;"
        f"configure_project('etudes'); pipelines.set_requested(['{STUDY}']); pipelines['{STUDY}'];"
        "print(sorted({'torch', 'spacy', 'gensim', 'transformers', 'sklearn', 'mlflow'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=project, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_outputs_and_console_of_a_finished_run(finished_project: Path) -> None:
    reporting = finished_project / "data" / "08_reporting" / "test" / STUDY
    page = (reporting / "report.html").read_text(encoding="utf-8")
    assert "embedded sample" in page and "majority" in page
    assert not list(finished_project.rglob("*.tmp"))


def test_variant_that_is_left_out_changes_nothing_else(finished_project: Path, project: Path) -> None:
    chosen = project / "conf" / "test" / "parameters" / f"{STUDY}.yml"
    text = chosen.read_text() + "  variants: [majority, tfidf, encoder_probe]\n"
    chosen.write_text(text)
    done = kedro(project, "run", "--env=test", f"--pipelines={STUDY}")
    assert done.returncode == 0, done.stdout + done.stderr
    told = re.findall(r"\[(\d+)/(\d+)\]", done.stdout)
    assert told == [(str(number), str(len(told))) for number in range(1, len(told) + 1)]
    assert "train_tfidf" in done.stdout and "train_bilstm" not in done.stdout
    inside = Path("data", "07_model_output", "test", STUDY, "metrics.json")
    all_of_them = json.loads((finished_project / inside).read_text())
    few = json.loads((project / inside).read_text())
    assert {name.split(".")[0] for name in few} == {"majority", "tfidf", "encoder_probe"}
    assert few == {name: all_of_them[name] for name in few}


def test_viz_builds_without_a_browser_and_shows_stages(finished_project: Path, tmp_path: Path) -> None:
    copy = tmp_path / "project"
    shutil.copytree(finished_project, copy, symlinks=True)
    done = kedro(copy, "viz", "build", "--include-previews", KEDRO_ENV="test")
    assert done.returncode == 0, done.stdout + done.stderr
    main = json.loads((copy / "build" / "api" / "main").read_text())
    assert set(main["layers"]) >= {"raw", "model_input", "models", "model_output", "reporting"}
    (figure,) = [node for node in main["nodes"] if node["name"] == f"{STUDY}.scores_figure"]
    preview = json.loads((copy / "build" / "api" / "nodes" / figure["id"]).read_text())
    assert preview["preview_type"] == "PlotlyPreview" and preview["preview"]["data"]


@pytest.mark.heavy
def test_record_writes_spread_over_seeds_and_tables_follow(project: Path) -> None:
    chosen = project / "conf" / "test" / "parameters" / f"{STUDY}.yml"
    chosen.write_text(chosen.read_text() + "  variants: [majority, tfidf]\n")
    (project / "docs" / "results").mkdir(parents=True)
    (project / "README.md").write_text(f"<!-- results:{STUDY} -->\nold\n<!-- /results -->\n")
    done = kedro(project, "record", STUDY, "--env=test", "--seeds=1")
    assert done.returncode == 0, done.stdout + done.stderr
    ended = project / "data" / "records" / "seed_0" / "runs" / "test" / f"{STUDY}.json"
    made = ended.stat().st_mtime_ns
    done = kedro(project, "record", STUDY, "--env=test", "--seeds=2", "--resume")
    assert done.returncode == 0 and ended.stat().st_mtime_ns == made, done.stdout + done.stderr
    record = json.loads((project / "docs" / "results" / f"{STUDY}.json").read_text())
    assert record["seeds"] == [0, 1] and len(record["wall_seconds"]) == 2
    assert record["metrics"]["tfidf.accuracy"]["n"] == 2
    assert record["metrics"]["majority.accuracy"]["std"] == 0.0
    assert len(record["metrics"]["tfidf.accuracy"]["tests"]) == 2 and record["chosen"] == ["tfidf", "tfidf"]
    done = kedro(project, "record", STUDY, "--env=test", f"--merge={ended.parents[2]}")
    assert done.returncode == 1 and "the record holds seed 0 already" in done.stderr
    assert record["resources"]["tfidf"]["seconds"] > 0
    assert kedro(project, "tables", "--check").returncode == 1
    assert kedro(project, "tables").returncode == 0
    assert "| `tfidf`, chosen on dev |" in (project / "README.md").read_text()
    assert kedro(project, "tables", "--check").returncode == 0
    assert not (project / "mlflow.db").exists() or "champion" not in kedro(project, "studies").stdout


def test_tables_of_the_repository_are_up_to_date() -> None:
    from etudes.results.tables import refresh

    assert refresh(ROOT, write=False) == []


def readme_commands() -> list[str]:
    """The kedro commands in the README's shell blocks, without comments."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL)
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith("kedro ")]


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(c, marks=[pytest.mark.heavy] if c.startswith("kedro run") else [])
        for c in readme_commands()
        if not any(word in c for word in ("--env=full", "fetch", "predict", "tables"))
    ],
)
def test_readme_command_works(finished_project: Path, tmp_path: Path, command: str) -> None:
    """In ``test`` sizes; those that need public data, a model or a record have tests of their own above."""
    copy = tmp_path / "project"
    shutil.copytree(finished_project, copy, symlinks=True)
    only = copy / "conf" / "test" / "parameters" / f"{STUDY}.yml"
    only.write_text(only.read_text() + "  variants: [majority, tfidf]\n")
    done = kedro(copy, *command.split()[1:], KEDRO_ENV="test")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.real_data
def test_real_files_run_through_ingest_and_split(project: Path, raw_data: Path) -> None:
    done = kedro(
        project,
        "run",
        "--env=full",
        f"--pipelines={STUDY}",
        f"--to-nodes={STUDY}.split",
        ETUDES_RAW=str(raw_data),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    card = json.loads((project / "data" / "05_model_input" / "full" / STUDY / "split_card.json").read_text())
    assert len(card["classes"]) == 27
    assert card["test_rows"] == 3000 and card["train_rows"] + card["dev_rows"] > 2000


@pytest.mark.real_data
def test_linear_model_beats_the_published_lstm_on_real_files(project: Path, raw_data: Path) -> None:
    (project / "conf" / "full" / "parameters" / f"{STUDY}.yml").open("a").write(
        "  variants: [majority, tfidf]\n"
    )
    done = kedro(project, "run", "--env=full", f"--pipelines={STUDY}", ETUDES_RAW=str(raw_data))
    assert done.returncode == 0, done.stdout + done.stderr
    metrics = json.loads((project / "data" / "07_model_output" / "full" / STUDY / "metrics.json").read_text())
    assert metrics["tfidf.accuracy"] >= 0.51 and metrics["tfidf.macro_f1"] >= 0.25
    assert metrics["majority.accuracy"] < 0.27
