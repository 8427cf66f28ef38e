"""Pictures on the pages of the studies of generated digits: each a function of what was drawn, as PNG bytes."""

from __future__ import annotations

import numpy as np

from etudes.digits.panels import (
    absent_png,
    drawn_png,
    failures_png,
    nearest_png,
    per_class_png,
    stored_panel_png,
)
from etudes.examples import Examples


def samples(drawn_samples: Examples, test_split: Examples) -> bytes:
    """Test pictures, then pictures of each variant."""
    return drawn_png(drawn_samples, _variants(drawn_samples), np.asarray(test_split["pixels"]))


def nearest(drawn_samples: Examples) -> bytes:
    """Drawn pictures above their nearest training pictures."""
    return nearest_png(drawn_samples, _variants(drawn_samples))


def by_class(drawn_samples: Examples, of: str = "") -> bytes:
    """Pictures of the variant ``of``, one row for each digit."""
    ran = of in _variants(drawn_samples)
    return per_class_png(drawn_samples, of) if ran else absent_png(f"{of} was left out of this run")


def failures(drawn_samples: Examples, of: str = "") -> bytes:
    """Pictures of the variant ``of`` that are read as another digit."""
    ran = of in _variants(drawn_samples)
    return failures_png(drawn_samples, of) if ran else absent_png(f"{of} was left out of this run")


def panel(panel_samples: Examples, name: str = "") -> bytes:
    """The stored panel ``name``."""
    return stored_panel_png(panel_samples, name)


def interpolation(panel_samples: Examples) -> bytes:
    """Paths between two codes."""
    return stored_panel_png(panel_samples, "interpolation")


def misread_of(drawn: Examples, variant: str) -> str:
    """How many of the kept pictures of a variant are read as another digit, for a caption."""
    rows = drawn.rows[drawn.rows["variant"] == variant]
    if rows.empty:
        return f"{variant} was left out of this run."
    wrong = int((rows["label"] != rows["judged"]).sum())
    return (
        f"{variant}: {wrong} of {len(rows):,} kept pictures are read as another class than was asked for; the most "
        "confident readings."
    )


def _variants(drawn: Examples) -> list[str]:
    return list(drawn.rows["variant"].unique())
