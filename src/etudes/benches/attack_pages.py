"""Pictures of attacks: photos that were turned, before and after, and those that withstood."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.reporting import image_grid

COLUMNS, TILE = 6, 160  # pictures in a row (three pairs, or six failures), pixels of their side
BLANK = np.zeros((16, 16), dtype=np.uint8)
Pixels = NDArray[np.uint8]


def turned(photos: Pixels, attacked: Pixels, rows: pd.DataFrame, most: int) -> bytes:
    """Photos that an attack turned, before and after; evenly spaced, a choice that looks at no score.

    Args:
        photos, attacked: (N, H, W, 3).
        rows: of their predictions (`attacks.Bench.predictions`), numbered from 0.
        most: pairs that are shown.
    """
    places = np.flatnonzero(rows["success"])
    places = places[np.linspace(0, len(places) - 1, min(len(places), most)).round().astype(int)]
    pictures = [picture for place in places for picture in (photos[place], attacked[place])]
    captions = [
        f"{row[name]}\n{row[chance]:.1%}"
        for row in rows.loc[places].to_dict("records")
        for name, chance in (("before", "before_confidence"), ("predicted", "confidence"))
    ]
    return image_grid(pictures or [BLANK], captions or ["no photo was turned"], COLUMNS, tile=TILE)


def withstood(photos: Pixels, attacked: Pixels, rows: pd.DataFrame, most: int) -> bytes:
    """Photos that an attack did not turn, the most confident answers first; arguments as for `turned`."""
    failed = rows[~rows["success"]].nlargest(most, "confidence")
    captions = [
        f"{row['truth']}: {row['predicted']} {row['confidence']:.0%}\ntarget {row['target_probability']:.1%}"
        for row in failed.to_dict("records")
    ]
    pictures = list(attacked[failed.index]) or [BLANK]
    return image_grid(pictures, captions or ["no photo withstood"], COLUMNS, tile=TILE)
