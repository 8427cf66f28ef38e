"""Windows of consecutive hours, and the three feature schemes that linear models see of them. numpy and pandas alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.models import register_model
from etudes.stored import Stored

FloatArray = NDArray[np.float64]
TARGET = "PM2.5"
STATION, UNTREATED, CITY = "station", "untreated", "city"
PLACES = (STATION, UNTREATED, CITY)
SCHEMES = ("history", "all", "quadratic")


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


def of_place(split: pd.DataFrame, place: str) -> pd.DataFrame:
    """The hours of one place in a split, with the columns that it has."""
    rows = split[split["place"] == place].drop(columns="place")
    return rows.dropna(axis="columns", how="all").reset_index(drop=True)


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
    unbroken = times[goal] - times[first] == np.timedelta64(3600 * (k - 1 + horizon), "s")
    known = np.isfinite(values).all(axis=1)
    whole = np.lib.stride_tricks.sliding_window_view(known, k).all(axis=1) if len(known) >= k else known[:0]
    target = values[goal, names.index(TARGET)]
    first = first[unbroken & whole[: len(first)] & np.isfinite(target)]
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


@register_model("air_quality.layout")
@dataclass
class Layout(Stored):
    """A feature scheme and the statistics of train that it needs; columns of a matrix have mean 0 and deviation 1 on train.

    - ``history``: PM2.5 of the k hours.
    - ``all``: every measurement of the k hours, k D columns.
    - ``quadratic``: those; sine and cosine of the hour of the day; and of the last hour, standardised, the products of PM2.5
      with every measurement (its square among them) and of the sine and the cosine with every measurement.

    Args:
        scheme: one of `SCHEMES`.
        centre, spread: (D,) mean and deviation of the last hour.
        mean, scale: (P,) of the columns.
    """

    scheme: str
    centre: FloatArray
    spread: FloatArray
    mean: FloatArray
    scale: FloatArray

    @classmethod
    def fit(cls, scheme: str, windows: Windows) -> Self:
        """From the training windows. A column that does not vary becomes all zero.

        Raises:
            ValueError: an unknown scheme.
        """
        if scheme not in SCHEMES:
            raise ValueError(f"scheme = '{scheme}', expected one of {', '.join(SCHEMES)}")
        layout = cls(scheme, *_moments(windows.values[:, -1]), np.zeros(1), np.ones(1))
        layout.mean, layout.scale = _moments(layout.raw(windows))
        return layout

    def raw(self, windows: Windows) -> FloatArray:
        """The columns (N, P) before they are standardised."""
        target = windows.names.index(TARGET)
        if self.scheme == "history":
            return windows.values[:, :, target]
        columns = windows.values.reshape(len(windows), -1)
        if self.scheme == "all":
            return columns
        angle = 2 * np.pi * windows.hour / 24
        z = (windows.values[:, -1] - self.centre) / self.spread
        of_day = np.stack([np.sin(angle), np.cos(angle)], axis=1)
        factors = [z[:, [target]], of_day[:, [0]], of_day[:, [1]]]
        return np.concatenate([columns, of_day, *(z * factor for factor in factors)], axis=1)

    def matrix(self, windows: Windows) -> FloatArray:
        """The columns (N, P)."""
        return (self.raw(windows) - self.mean) / self.scale


def _moments(matrix: FloatArray) -> tuple[FloatArray, FloatArray]:
    deviation = matrix.std(axis=0)
    return matrix.mean(axis=0), np.where(deviation > 1e-9, deviation, 1.0)
