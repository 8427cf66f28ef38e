"""What a person waits for: processor seconds of slips of the pen, and of a question to a registered model.

With ``ETUDES_BEFORE=FOLDER``, the root of an older checkout, its seconds stand beside ours.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.table import Row
from benchmarks.timing import ROOT, child_environment, interleaved, python

REPEATS = 3
STUDY = "genre_classification"
RUN = ("run", f"--pipelines={STUDY}")
PLOT = "A detective hunts a killer who leaves a chess piece at every scene."
# Seconds asked, and what is typed.
COMMANDS: tuple[tuple[float | None, tuple[str, ...]], ...] = (
    (None, ("--version",)),
    (3, ("predict", "genre_clasification", PLOT)),
    (3, ("run", "--pipelines=genre_clasification")),
    (3, ("run", "--tags=reprot")),
    (3, (*RUN, "--env=ful")),
    (3, (*RUN, "--params=seed=3")),
    (3, (*RUN, "--params=bilstm.epochs=3")),
    (3, (*RUN, f"--params={STUDY}.bilstm.epochs=3")),
    (3, ("data", "fetch", "imdb")),
    (3, ("predict", STUDY, "missing.txt")),
    (5, ("predict", STUDY, PLOT)),
)


def typed() -> list[Row]:
    """Processor seconds of the commands, in a project whose first study ran on its embedded sample."""
    before = os.environ.get("ETUDES_BEFORE")
    with tempfile.TemporaryDirectory() as temporary:
        projects = {"ours": _project(ROOT, Path(temporary) / "ours")}
        if before:
            projects["before"] = _project(Path(before), Path(temporary) / "before")
        for project in projects.values():
            python("-m", "kedro", *RUN, folder=project, timeout=3600)
        return [_row(projects, asked, command) for asked, command in COMMANDS]


def _row(projects: dict[str, Path], asked: float | None, command: tuple[str, ...]) -> Row:
    best = interleaved({name: partial(_type, path, *command) for name, path in projects.items()}, REPEATS)
    ours = best["ours"].cpu
    old = best["before"].cpu if "before" in best else None
    return Row(
        "kedro " + " ".join("a text" if word == PLOT else word for word in command) + ", processor time",
        f"{ours:.2f} s",
        f"{old:.2f} s" if old else "",
        f"{ours / old:.2f}x" if old else "",
        f"<= {asked:g} s" if asked else "",
        ours <= asked if asked else None,
    )


def _type(project: Path, *command: str) -> None:
    """Run a command that may be refused; a crash is told."""
    done = subprocess.run(
        [sys.executable, "-m", "kedro", *command],
        cwd=project,
        env=child_environment(),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode not in (0, 1, 2) or "Traceback" in done.stderr:
        raise RuntimeError(f"kedro {' '.join(command)} failed:\n{done.stderr[-2000:]}")


def _project(root: Path, folder: Path) -> Path:
    """The configuration and source of a checkout in a folder of their own, with a registry of its own."""
    for name in ("conf", "src"):
        shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "local"))
    (folder / "conf" / "local").mkdir(exist_ok=True)
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(root / name, folder / name)
    return folder
