"""Where things lie: resolvers for the configuration files.

All paths are absolute, so that a command run from a sub-folder finds the same files, and outputs carry the name of
the environment, so that the embedded sample never overwrites a result on real data.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from copy import deepcopy
from pathlib import Path
from typing import Any

from kedro.config import OmegaConfigLoader
from kedro.utils import find_kedro_project, is_kedro_project
from omegaconf import OmegaConf


def project_folder(conf_source: str | Path) -> Path:
    """The project's folder: the parent of its ``conf``; of a configuration from elsewhere, the project one is in."""
    parent = Path(conf_source).resolve().parent
    return parent if is_kedro_project(parent) else Path(find_kedro_project(Path.cwd()) or parent)


def tracking_uri(project: Path) -> str:
    """``MLFLOW_TRACKING_URI``, or a SQLite file at an absolute path in the project."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(project / 'mlflow.db').as_posix()}"


def outputs_root(project: Path) -> Path:
    """The folder of all outputs: ``ETUDES_OUTPUTS``, or ``data`` in the project."""
    return Path(os.environ.get("ETUDES_OUTPUTS") or project / "data").resolve()


def split_parameters(text: str) -> list[str]:
    """``a.b=1,c=[2,3]`` as its items, ``a.b=1`` and ``c=[2,3]``: at the commas that stand outside brackets."""
    items, depth = [""], 0
    for character in text:
        depth += (character in "[{") - (character in "]}")
        if character == "," and depth == 0:
            items.append("")
        else:
            items[-1] += character
    return [item.strip() for item in items if item.strip()]


class EtudesConfigLoader(OmegaConfigLoader):
    """`OmegaConfigLoader` with the project's resolvers: ``etudes.outputs``, ``etudes.raw``, ``etudes.tracking_uri``
    and ``etudes.artifact_location``. It reads each kind of configuration once, and of the studies' files only those of
    the studies that run, so that the start of a run does not grow with the number of studies.

    ``project`` is the folder they start from; a run says with `start_from` that it is its session's, wherever the
    configuration is from.
    """

    def __init__(self, conf_source: str, env: str | None = None, **kwargs: Any) -> None:
        self.project = project_folder(conf_source)
        name = "base" if env in (None, "local") else env

        def outputs_folder(layer: str) -> str:
            return (outputs_root(self.project) / layer / str(name)).as_posix()

        def raw_folder() -> str:
            from etudes.sources.table import raw_folder as find

            return find(self.project).as_posix()

        def artifact_location() -> str | None:
            # A tracking server decides for itself where artifacts go.
            return None if os.environ.get("MLFLOW_TRACKING_URI") else (self.project / "mlartifacts").as_uri()

        self._project_resolvers: dict[str, Callable[..., Any]] = {
            "etudes.outputs": outputs_folder,
            "etudes.raw": raw_folder,
            "etudes.tracking_uri": lambda: tracking_uri(self.project),
            "etudes.artifact_location": artifact_location,
        }
        self._read: dict[str, Any] = {}
        self._left_out: frozenset[str] = frozenset()
        super().__init__(conf_source, env=env, **kwargs)

    def start_from(self, project: Path) -> None:
        """From now on outputs, store and raw data start from this folder."""
        self.project = project
        self._read.clear()

    def leave_out(self, studies: Iterable[str]) -> None:
        """From now on pass over the files ``catalog/<study>.*`` and ``parameters/<study>.*`` of these studies."""
        self._left_out = frozenset(studies)
        self._read.clear()

    def __getitem__(self, key: str) -> Any:
        # OmegaConf's resolvers are global: a process with two loaders (two environments) must not mix them up.
        for name, resolver in self._project_resolvers.items():
            OmegaConf.register_new_resolver(name, resolver, replace=True)
        if key in self:  # a value that somebody set goes before the files
            return super().__getitem__(key)
        if key not in self._read:
            self._read[key] = super().__getitem__(key)
        return deepcopy(self._read[key])  # Kedro changes what it gets

    def _is_valid_config_path(self, path: Path) -> bool:
        # Kedro asks this of every file that its patterns find. Without the question all files are read, and no harm done.
        other = path.stem in self._left_out and path.parent.name in ("catalog", "parameters")
        return not other and super()._is_valid_config_path(path)
