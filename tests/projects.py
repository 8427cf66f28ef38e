"""Projects to run in: temporary copies of the configuration, so that no test touches the real outputs or registry."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
STUDY = "genre_classification"


def quiet_environment(**extra: str) -> dict[str, str]:
    """The environment of a child process: no network, no tracker of the developer's, two threads at most."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "ETUDES_", "KEDRO_"))}
    return {
        **environment,
        "HF_HUB_OFFLINE": "1",
        "KEDRO_DISABLE_TELEMETRY": "1",
        "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING": "false",
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "2"),
        "COLUMNS": "200",
        **extra,
    }


def make_project(folder: Path) -> Path:
    """A project folder with this repository's configuration, template and source, and no outputs."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(ROOT / "conf", folder / "conf", ignore=shutil.ignore_patterns("local", "mine"))
    (folder / "conf" / "local").mkdir()
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "templates", folder / "templates")
    # Kedro insists on a source folder inside the project.
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def kedro(
    project: Path, *arguments: str, timeout: float = 300, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run ``kedro ...`` in a project in a fresh process."""
    return subprocess.run(
        [sys.executable, "-m", "kedro", *arguments],
        cwd=project,
        env=quiet_environment(**environment),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        stdin=subprocess.DEVNULL,
    )
