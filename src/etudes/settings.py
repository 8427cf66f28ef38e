"""Kedro's settings of this project."""

from pathlib import Path

from kedro.utils import find_kedro_project

from etudes.config import EtudesConfigLoader
from etudes.hooks import StudyHook
from etudes.plugins import defer_plugin_commands
from etudes.status import RunStatusHook
from etudes.tracking.hook import TrackingHook

# `TrackingHook` does what kedro-mlflow's own hook does, per study and lazily (docs/decisions.md says why).
HOOKS = (StudyHook(), TrackingHook(), RunStatusHook())
DISABLE_HOOKS_FOR_PLUGINS = ("kedro_mlflow", "kedro-telemetry")

# A wheel carries the configuration with it; a folder that holds a `conf` is asked first.
_packaged = Path(__file__).parent / "conf"
_own = Path(find_kedro_project(Path.cwd()) or Path.cwd()) / "conf"
CONF_SOURCE = str(_packaged) if _packaged.is_dir() and not _own.is_dir() else "conf"

CONFIG_LOADER_CLASS = EtudesConfigLoader
CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    "config_patterns": {"mlflow": ["mlflow*"]},
    # An environment changes single values of a study's parameters; Kedro's default replaces the whole group.
    "merge_strategy": {"parameters": "soft", "mlflow": "soft"},
}

# Kedro imports its settings before the commands of its plugins.
defer_plugin_commands()
