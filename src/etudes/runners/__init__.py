"""Kedro runners of this project: nodes of one or several studies side by side, in processes that may be on other machines.

``kedro run --runner=etudes.runners.DaskRunner`` needs the extra ``cluster``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etudes.runners.dask import DaskRunner

__all__ = ["DaskRunner"]


def __getattr__(name: str) -> Any:
    if name != "DaskRunner":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from etudes.runners.dask import DaskRunner
    except ModuleNotFoundError as error:
        raise RuntimeError(
            f"etudes.runners.DaskRunner needs Dask, and {error.name} is not installed; "
            "run `pip install 'etudes[cluster]'`, or leave --runner out"
        ) from error
    return DaskRunner
