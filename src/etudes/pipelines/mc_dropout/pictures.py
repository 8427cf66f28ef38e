"""Pictures of the study: what is drawn for it, and what its page shows of pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from etudes.digits.panels import absent_png
from etudes.examples import Examples
from etudes.pipelines.mc_dropout.evaluation import ONE, turned
from etudes.pipelines.mc_dropout.parameters import RotationParameters, StrangersParameters
from etudes.reporting import image_grid
from etudes.samples.letters import drawn

IN_A_ROW = 10


def draw_strangers(split_card: dict[str, Any], parameters: StrangersParameters) -> Examples:
    """Letters and digits by one pen, as large as the pictures of the study; no stage before evaluate sees them."""
    side = int(split_card["side"])
    return drawn(parameters.letters, parameters.digits, side, min(parameters.detail, side), parameters.seed)


def surest_letters(surest_table: pd.DataFrame, strangers_split: Examples) -> bytes:
    """The letters that a variant is surest of, with what it reads."""
    places = pd.Index(strangers_split.rows["id"]).get_indexer(surest_table["id"])
    captions = [
        f"{row['character']}, read {row['read']}\n{row['confidence']:.0%} sure"
        for row in surest_table.to_dict("records")
    ]
    return image_grid([strangers_split["pixels"][i] for i in places], captions, IN_A_ROW, tile=84)


def turned_one(test_split: Examples, rotation: RotationParameters) -> bytes:
    """The picture whose passes are shown, at every angle."""
    ones = np.flatnonzero(test_split.rows["label"].to_numpy() == ONE)
    if not len(ones):
        return absent_png("the test split has no picture of this class")
    pixels = np.asarray(test_split["pixels"][ones[:1]])
    angles = rotation.angles
    pictures = [turned(pixels, angle)[0] for angle in angles]
    return image_grid(pictures, [f"{angle:g}°" for angle in angles], len(angles), tile=72)
