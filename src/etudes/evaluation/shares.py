"""Intervals of shares: how often something happened, of how many times it could."""

from __future__ import annotations

import math

from scipy.special import ndtri


def wilson(share: float, count: int, level: float) -> tuple[float, float]:
    """Interval of a share of ``count`` rows (Wilson, 1927): the shares p with |share - p| <= z sqrt(p (1 - p) / count).

    Unlike the bootstrap's it has a width where all rows succeed or none does. Where the share is a mean over several
    draws for each row, it is too wide rather than too narrow: the mean varies less than a single draw.
    """
    z = float(ndtri((1 + level) / 2))
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return max(0.0, min(centre - half, share)), min(1.0, max(centre + half, share))
