"""A training that takes long enough to be killed in its middle."""

from __future__ import annotations

from pathlib import Path

import yaml

from projects import STUDY, make_project


def train_bilstm(*more: str) -> list[str]:
    return ["run", "--env=test", f"--pipelines={STUDY}", f"--to-nodes={STUDY}.train_bilstm", *more]


def many_small_steps(folder: Path) -> Path:
    """A project whose BiLSTM takes hundreds of steps and saves after each."""
    project = make_project(folder)
    path = project / "conf" / "test" / "parameters" / f"{STUDY}.yml"
    parameters = yaml.safe_load(path.read_text())
    parameters[STUDY]["bilstm"]["fit"] = {
        "epochs": 5,
        "batch_size": 16,
        "checkpoint_steps": 1,
        "patience": 5,
    }
    path.write_text(yaml.safe_dump(parameters))
    return project
