"""Projects to run in: temporary copies of the configuration, so that no test touches the real outputs or registry."""

from __future__ import annotations

import compileall
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
STUDY = "genre_classification"
HALF_WRITTEN = "*.pyc.*"  # byte code that another process is writing
# The last, often set in containers, would make each process compile its imports anew.
NOT_INHERITED = ("MLFLOW_", "ETUDES_", "KEDRO_", "PYTHONDONTWRITEBYTECODE")


def within(seconds: float) -> float:
    """A time-out: the seconds that are ample on an idle machine, times ``ETUDES_TEST_PATIENCE`` (default 1)."""
    return seconds * float(os.environ.get("ETUDES_TEST_PATIENCE", "1"))


def quiet_environment(**extra: str) -> dict[str, str]:
    """The environment of a child process: no network, no tracker of the developer's, two threads at most."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(NOT_INHERITED)}
    return {
        **environment,
        "HF_HUB_OFFLINE": "1",
        "KEDRO_DISABLE_TELEMETRY": "1",
        "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING": "false",
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "2"),
        "COLUMNS": "200",
        **extra,
    }


@cache
def compile_source() -> None:
    """Compile what is not yet compiled, once for all the projects that are made."""
    compileall.compile_dir(ROOT / "src", quiet=2)


def make_project(folder: Path) -> Path:
    """A project folder with this repository's configuration, template and source, and no outputs."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(ROOT / "conf", folder / "conf", ignore=shutil.ignore_patterns("local", "mine"))
    (folder / "conf" / "local").mkdir()
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "templates", folder / "templates")
    # Kedro insists on a source folder inside the project. Its byte code comes along: times are copied, so it is valid.
    compile_source()
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns(HALF_WRITTEN))
    return folder


def kedro(
    project: Path, *arguments: str, timeout: float = 300, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run ``kedro ...`` in a project in a fresh process; the time-out grows with the tests' patience."""
    return subprocess.run(
        [sys.executable, "-m", "kedro", *arguments],
        cwd=project,
        env=quiet_environment(**environment),
        capture_output=True,
        text=True,
        timeout=within(timeout),
        check=False,
        stdin=subprocess.DEVNULL,
    )
