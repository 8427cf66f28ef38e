"""What predictors of texts share: a text that is none is refused, and what of a long one was not read is said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd


def refuse_blank(texts: pd.Series) -> None:
    """Refuse a user's text without a word; the name of the series is that of the column.

    Raises:
        ValueError: a text is nothing but spaces; the message names the first such row.
    """
    blank = np.flatnonzero(texts.str.strip() == "")
    if len(blank):
        raise ValueError(f"{texts.name} in row {blank[0]} is nothing but spaces; expected a text")


def cut_note(row: Mapping[Any, Any]) -> list[str]:
    """A line for a terminal if an answer's ``characters_read`` are fewer than the ``characters`` of its text, else none."""
    read, there = row["characters_read"], row["characters"]
    return [f"cut: the first {read:,} of {there:,} characters were read"] if read < there else []
