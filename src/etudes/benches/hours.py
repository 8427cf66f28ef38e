"""Windows of consecutive hours of a table of readings: none reaches over a gap, and whole months are held out together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.forms.hours import TARGET

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Windows:
    """N windows of k consecutive hours of D measurements.

    Args:
        values: (N, k, D) readings, the last hour last.
        names: (D,) what is measured; one is `TARGET`.
        hour: (N,) hour of the day, 0..23, of the last reading.
        target: (N,) PM2.5 at the horizon, ug/m3; NaN where it is not known yet.
        time: (N,) datetime64[s] of the target.
    """

    values: FloatArray
    names: tuple[str, ...]
    hour: NDArray[np.int64]
    target: FloatArray
    time: NDArray[np.datetime64]

    def __len__(self) -> int:
        return len(self.values)

    @property
    def last(self) -> FloatArray:
        """The last reading of PM2.5 (N,), what persistence answers."""
        return self.values[:, -1, self.names.index(TARGET)]

    def take(self, rows: NDArray) -> Self:
        """Some of the windows, by places or by truth values."""
        kept = {name: getattr(self, name)[rows] for name in ("values", "hour", "target", "time")}
        return replace(self, **kept)


def cut(hours: pd.DataFrame, k: int, horizon: int) -> Windows:
    """All windows of k hours whose readings are there, with the reading of PM2.5 ``horizon`` hours after the last.

    A window and its target lie in one unbroken run of hours: a change of month in a file of twenty days a month, a year that
    belongs to another split, or a missing line ends it. Between the last hour and the target a reading may be missing, since
    none is used there.

    Args:
        hours: ``time``, rising, and a column for each measurement, NaN where there is no reading.
        k: hours of a window.
        horizon: hours ahead.
    """
    times = hours["time"].to_numpy().astype("datetime64[s]")
    names = tuple(name for name in hours.columns if name != "time")
    values = hours[list(names)].to_numpy(dtype=np.float64)
    first = np.arange(max(0, len(hours) - k - horizon + 1))
    goal = first + k - 1 + horizon
    apart = (times[goal] - times[first]).astype(np.int64)
    unbroken = apart == 3600 * (k - 1 + horizon)
    known = np.isfinite(values).all(axis=1)
    whole = known[first[:, None] + np.arange(k)].all(axis=1)
    target = values[goal, names.index(TARGET)]
    first = first[unbroken & whole & np.isfinite(target)]
    return _windows(values, names, times, first, k, horizon)


def latest(hours: pd.DataFrame, hour: NDArray[np.int64], k: int) -> Windows:
    """The windows that end at each hour from the k-th on, whose targets are not known; ``hour`` (N,) is that of the day."""
    values = hours.to_numpy(dtype=np.float64)
    found = np.lib.stride_tricks.sliding_window_view(values, k, axis=0).transpose(0, 2, 1)
    n = len(found)
    unknown = np.full(n, np.datetime64("NaT"), dtype="datetime64[s]")
    return Windows(found, tuple(hours.columns), hour[k - 1 :], np.full(n, np.nan), unknown)


def _windows(
    values: FloatArray, names: tuple[str, ...], times: NDArray, first: NDArray, k: int, horizon: int
) -> Windows:
    goal, last = first + k - 1 + horizon, first + k - 1
    hour = (times[last].astype("datetime64[h]").astype(np.int64) % 24).astype(np.int64)
    return Windows(
        values[first[:, None] + np.arange(k)], names, hour, values[goal, names.index(TARGET)], times[goal]
    )


def month_folds(whole: pd.DataFrame, dev: pd.DataFrame) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
    """Whole months of train and dev dealt out in turn, as many to a fold as dev has, each fold held out once: its rest, and it."""
    month = whole["time"].dt.month
    learned = sorted(month.unique())
    count = max(2, len(learned) // dev["time"].dt.month.nunique())
    fold = month.map({of: place % count for place, of in enumerate(learned)})
    return [(whole[fold != k], whole[fold == k]) for k in range(count)]
