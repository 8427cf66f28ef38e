"""Starts ``kedro`` commands in fresh processes that need not import the libraries again.

``python warm.py`` imports them once and forks for each request: a line of JSON on its standard input with ``arguments``,
``folder``, ``environment``, ``stdout`` and ``stderr`` (paths). It answers with a line that has the process's number and,
when that has ended, one with its exit status. The project's own code is imported by each process anew, as it is typed.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import sys
from typing import Any

LIBRARIES = (
    "kedro.framework.cli.cli",
    "kedro.framework.session",
    "kedro_mlflow.config",
    "mlflow.pyfunc",
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.store.model_registry.sqlalchemy_store",
    "pandas",
    "plotly.graph_objects",
    "pydantic",
    "safetensors.torch",
    "scipy.stats",
    "skops.io",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "torch",
)


def become(request: dict[str, Any]) -> None:
    """Turn this process into one that was just started with the request's arguments."""
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    sys.path[0] = request["folder"]  # what `python -m` puts there
    sys.argv = ["kedro", *request["arguments"]]
    for number, path in ((0, os.devnull), (1, request["stdout"]), (2, request["stderr"])):
        opened = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = os.fdopen(0, closefd=False)


def answer(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def main() -> None:
    for name in LIBRARIES:
        importlib.import_module(name)
    gc.freeze()  # a collection in a child would copy all that was imported
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            become(json.loads(line))
            break
        answer(child)
        answer(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    else:
        return
    runpy.run_module("kedro", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
