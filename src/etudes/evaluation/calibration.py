"""Expected calibration error without its bias, and an interval that holds the truth.

Of M confidence bins, ``ECE = sum_m |E[(correct - confidence) in bin m]|`` (Guo, Pleiss, Sun, Weinberger: On Calibration of
Modern Neural Networks, ICML 2017, equations 2 and 3). With a finite sample each gap is a noisy sum, and the noise has no
sign to cancel by: the plain estimate of a perfectly calibrated classifier is positive, and its bootstrap adds the noise a
second time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
PRIOR = 2.0  # right and wrong examples added to a bin before its variance: a bin of three right ones is not certain


def calibration_error(
    gaps: FloatArray, bin_: NDArray[np.int64], level: float = 0.95
) -> tuple[float, float, float]:
    """The cross-fitted estimate and an interval.

    A bin's sum T is cut into random halves; the sign of one half times the other half has the expectation
    ``|E T| (1 - 2 P(wrong sign))``, which is at most ``|E T|`` and 0 for a calibrated bin. Averaged over all halvings, with the
    halves' difference taken as normal, this is ``|T| (2 Phi(z) - 1) - 2 s phi(z)`` with ``z = |T| / s`` and s the standard deviation
    of T; summed over bins it is the estimate (0 where it is below). The plain estimate ``sum |T|`` has an expectation of at
    least the truth. So the interval reaches from the first, less its error, to the second, plus its error: it covers at
    least as often as ``level`` says, about as often where the bins are clearly off, and is at 0 for a calibrated classifier.

    Args:
        gaps: (N,) correct (1 or 0) less confidence of each example.
        bin_: (N,) its confidence bin, from 0.
        level: coverage aimed at, between 0 and 1.

    Returns:
        The estimate, low and high; all between 0 and 1.
    """
    from scipy.special import ndtr, ndtri

    n = len(gaps)
    count = np.bincount(bin_)
    filled = count > 0
    total = np.bincount(bin_, weights=gaps)
    share = (np.bincount(bin_, weights=gaps >= 0) + PRIOR) / (count + 2 * PRIOR)
    variance = count * share * (1 - share)
    size, spread = np.abs(total[filled]), np.sqrt(variance[filled])
    z = size / spread
    density = np.exp(-z * z / 2) / np.sqrt(2 * np.pi)
    fitted = float((size * (2 * ndtr(z) - 1) - 2 * spread * density).sum()) / n
    plain = float(size.sum()) / n
    # Of the plain estimate as a mean of signed gaps, whose bins are drawn too; not below what the bins' own noise makes.
    signed = np.sign(total)[bin_] * gaps
    error = np.sqrt(max(signed.var() / n, variance[filled].sum() / n**2))
    reach = float(ndtri((1 + level) / 2) * error)
    return max(0.0, fitted), max(0.0, fitted - reach), min(1.0, plain + reach)
