"""The places of the study, and the three feature schemes that linear models see of a window. numpy and pandas alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from etudes.benches.hours import FloatArray, Windows
from etudes.forms.hours import TARGET
from etudes.models import register_model
from etudes.stored import Stored

STATION, UNTREATED, CITY = "station", "untreated", "city"
PLACES = (STATION, UNTREATED, CITY)
SCHEMES = ("history", "all", "quadratic")


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
