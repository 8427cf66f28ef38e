"""A temporary project with one more study, `bench_trivial`: what remains of a run when its nodes do nothing."""

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


def make_trivial_project(folder: Path, nodes: int = 8, hooks: bool = True) -> Path:
    """This repository's ``conf`` and ``src`` with the study added, in ``folder``.

    Args:
        folder: where the project goes.
        nodes: number of nodes of the study.
        hooks: False switches off the project's hooks and those of every plugin.
    """
    folder.mkdir(parents=True)
    shutil.copytree(ROOT / "conf", folder / "conf", ignore=shutil.ignore_patterns("local", "mine"))
    (folder / "conf" / "local").mkdir()
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(ROOT / name, folder / name)
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
