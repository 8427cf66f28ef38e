"""Temporary projects: with one more study, `bench_trivial`, whose nodes do nothing, or with many copies of a real one."""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEMPLATE = Path(__file__).parent / "trivial_study"
STUDY = "bench_trivial"
OTHER_NODES = 4  # ingest, split, evaluate, write_report; all others train

STUDY_TOML = """title = "Trivial nodes"
field = "tabular"
summary = "Nodes that do nothing, to measure what surrounds them."
data = ["nothing"]
takes = "nothing"
answers = "nothing"
gpu = "nothing"
metric = "score"
metrics = ["score"]
maximise = true
dev_metric = "score"
baseline = "v00"
variants = {variants}
"""
PARAMETERS_YML = "bench_trivial:\n  variants: {variants}\n  data: {{rows: 10}}\n"
NO_HOOKS = """
HOOKS = ()
DISABLE_HOOKS_FOR_PLUGINS = ("kedro_mlflow", "kedro-telemetry", "kedro-viz")
"""


def make_project(folder: Path) -> Path:
    """This repository's ``conf``, ``src`` and contract test in ``folder``; byte code comes along, it stays valid."""
    folder.mkdir(parents=True)
    shutil.copytree(ROOT / "conf", folder / "conf", ignore=shutil.ignore_patterns("local", "mine"))
    (folder / "conf" / "local").mkdir()
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("*.pyc.*"))
    shutil.copytree(ROOT / "tests" / "conformance", folder / "tests" / "conformance")
    names = ("conftest.py", "projects.py", "study_settings.py")
    for name in ("pyproject.toml", ".telemetry", *(f"tests/{name}" for name in names)):
        shutil.copy(ROOT / name, folder / name)
    return folder


def make_trivial_project(folder: Path, nodes: int = 8, hooks: bool = True) -> Path:
    """The project with the study added, in ``folder``.

    Args:
        folder: where the project goes.
        nodes: number of nodes of the study.
        hooks: False switches off the project's hooks and those of every plugin.
    """
    make_project(folder)
    variants = str([f"v{index:02d}" for index in range(nodes - OTHER_NODES)]).replace("'", '"')
    study = folder / "src" / "etudes" / "pipelines" / STUDY
    shutil.copytree(TEMPLATE, study, ignore=shutil.ignore_patterns("__pycache__"))
    (study / "study.toml").write_text(STUDY_TOML.format(variants=variants))
    parameters = folder / "conf" / "base" / "parameters" / f"{STUDY}.yml"
    parameters.write_text(PARAMETERS_YML.format(variants=variants))
    if not hooks:
        with (folder / "src" / "etudes" / "settings.py").open("a") as settings:
            settings.write(NO_HOOKS)
    return folder


def add_copies(project: Path, study: str, total: int) -> None:
    """Copy a study under other names, its folder and its files in ``conf``, until the project has ``total`` studies."""
    pipelines = project / "src" / "etudes" / "pipelines"
    files = [path for path in (pipelines / study).rglob("*") if path.is_file() and path.suffix != ".pyc"]
    files += (project / "conf").rglob(f"{study}.yml")
    for number in range(len(list(pipelines.glob("*/study.toml"))), total):
        name = f"{study}_{number}"
        for path in files:
            copy = project / str(path.relative_to(project)).replace(study, name)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(path.read_text(encoding="utf-8").replace(study, name), encoding="utf-8")
