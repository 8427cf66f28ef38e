"""The commands of Kedro's plugins without the price of their libraries: Kedro loads every plugin for every command."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

from kedro.framework.cli.utils import LazyGroup

# The module that kedro-mlflow's entry point names. It imports mlflow, a second of processor time.
MLFLOW_COMMANDS = "kedro_mlflow.framework.cli.cli"


class _Deferred(ModuleType):
    """Stands in ``sys.modules`` for a module until something of it is asked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # asked of every module by inspect and the like
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


def defer_plugin_commands() -> None:
    """Let ``kedro mlflow`` load its plugin when it is called; call it before Kedro loads the entry points."""
    if MLFLOW_COMMANDS not in sys.modules:
        module: Any = _Deferred(MLFLOW_COMMANDS)
        module.commands = LazyGroup(
            "Mlflow", lazy_subcommands={"mlflow": f"{MLFLOW_COMMANDS}.mlflow_commands"}
        )
        sys.modules[MLFLOW_COMMANDS] = module
