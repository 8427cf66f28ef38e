"""Intervals around answers that hold whatever the method is: split conformal prediction. numpy alone."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def conformal_margin(residuals: NDArray[np.float64], coverage: float) -> float:
    """The ceil((n + 1) coverage)-th smallest of n absolute residuals of rows that were held out.

    If a new row is exchangeable with these, f +- margin holds it with at least that probability (Vovk, Gammerman and Shafer 2005;
    Lei et al. 2018, section 2). Where n is too small for the coverage, the largest residual.

    Args:
        residuals: (n,) truth less answer, or the other way round.
        coverage: the share to hold, between 0 and 1.

    Raises:
        ValueError: no residuals, or another shape than (n,).
    """
    if np.ndim(residuals) != 1 or not len(residuals):
        raise ValueError(f"residuals must be (n,) with n >= 1, found the shape {np.shape(residuals)}")
    rank = min(math.ceil((len(residuals) + 1) * coverage), len(residuals))
    return float(np.sort(np.abs(residuals))[rank - 1])
