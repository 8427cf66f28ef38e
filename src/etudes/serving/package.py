"""What a registered model takes along, so that it answers where this project is not: its code, its requirements."""

from __future__ import annotations

import re
import shutil
from importlib.metadata import requires, version
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
# Of the project's requirements, those that no answer needs: they read, run, track and show.
NOT_SERVED = frozenset(
    {
        "accelerate",
        "filelock",
        "huggingface-hub",
        "jinja2",
        "kedro-datasets",
        "kedro-mlflow",
        "kedro-viz",
        "markdown-it-py",
        "plotly",
        "psutil",
        "requests",
        "rich",
    }
)


def requirements() -> list[str]:
    """The libraries that answer users, each as it is installed here; naming them spares MLflow's slow inference."""
    named = [
        re.split(r"[\s<>=!~;\[]", line)[0] for line in requires("etudes") or [] if "extra ==" not in line
    ]
    return [f"{name}=={version(name)}" for name in sorted(set(named) - NOT_SERVED)]


def copy_code(study: str, folder: Path) -> Path:
    """Copy the package to ``folder/etudes``: the library, and of the studies this one; returns that path."""
    pipelines = str(PACKAGE / "pipelines")

    def left_out(parent: str, names: list[str]) -> set[str]:
        studies = [name for name in names if parent == pipelines and name not in ("__init__.py", study)]
        return {"__pycache__", *studies}

    return Path(shutil.copytree(PACKAGE, folder / "etudes", ignore=left_out))
