"""A classifier of digits behind a user's picture of one."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.examples import Examples
from etudes.forms.pictures import png_text, read_picture
from etudes.models import register_model
from etudes.serving.predictor import Column, Predictor

BOX = 20 / 28  # of the side: the box that MNIST's digits fill before they are centred by their mass
FAINT = 32  # levels between the darkest and the brightest pixel: less is an empty sheet
EXAMPLE = (
    "..####..",
    ".##..##.",
    ".....##.",
    "....##..",
    "...##...",
    "..##....",
    ".##.....",
    ".######.",
)


def prepared(picture: NDArray[np.uint8], side: int) -> tuple[NDArray[np.uint8], bool]:
    """A picture of a digit as MNIST has them: bright on dark, in a box of 20/28 of the side, its mass in the middle.

    A picture of ``side`` x ``side`` pixels that is dark at its border is taken as it is.

    Args:
        picture: (H, W, 3), uint8.
        side: S of the result.

    Returns:
        (S, S), uint8, and whether dark and bright were exchanged.

    Raises:
        ValueError: nothing stands out from the background.
    """
    from PIL import Image

    grey = np.asarray(Image.fromarray(picture).convert("L"))
    if int(grey.max()) - int(grey.min()) < FAINT:
        raise ValueError("nothing stands out from the background; expected a picture of a digit")
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    exchanged = bool(np.median(border) > (int(grey.max()) + int(grey.min())) / 2)
    if grey.shape == (side, side) and not exchanged:
        return grey, False
    ink = (255 - grey if exchanged else grey).astype(np.float64)
    ink = np.clip((ink - np.median(border if not exchanged else 255 - border)) / 255, 0, None)
    ink /= ink.max()
    rows, columns = (np.flatnonzero((ink > 0.2).any(axis=axis)) for axis in (1, 0))
    cut = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    factor = BOX * side / max(cut.shape)
    height, width = (max(1, round(length * factor)) for length in cut.shape)
    small = np.asarray(
        Image.fromarray((cut * 255).astype(np.uint8)).resize((width, height), Image.Resampling.BOX)
    )
    mass = small.astype(np.float64).sum()
    down = round((side - 1) / 2 - float((small.sum(axis=1) @ np.arange(height)) / mass))
    right = round((side - 1) / 2 - float((small.sum(axis=0) @ np.arange(width)) / mass))
    down, right = min(max(down, 0), side - height), min(max(right, 0), side - width)
    sheet = np.zeros((side, side), dtype=np.uint8)
    sheet[down : down + height, right : right + width] = small
    return sheet, exchanged


def _example() -> str:
    """A hand-made two as a PNG in base64, dark on white."""
    dots = np.array([[0 if dot == "#" else 255 for dot in line] for line in EXAMPLE], dtype=np.uint8)
    sheet = np.pad(dots.repeat(8, 0).repeat(8, 1), 16, constant_values=255)
    return png_text(np.repeat(sheet[:, :, None], 3, axis=2))


@register_model("digits.reader")
class DigitReader(Predictor):
    """The chosen variant behind a user's picture of a digit; ``side`` is that of the pictures it was trained on.

    The model gives probabilities (N, K) in ``predict_proba`` of examples with an array ``pixels``.
    """

    side: int
    columns = (Column("image", "picture", about="one digit on an even ground", examples=(_example(),)),)

    def answer(self, frame: pd.DataFrame) -> pd.DataFrame:
        """One row per picture: ``digit``, ``probability``, ``exchanged`` (dark on bright was turned), ``probabilities``.

        Raises:
            ValueError: an entry that is no picture, or an empty one.
        """
        found = []
        for row, picture in enumerate(frame["image"]):
            try:
                found.append(prepared(read_picture(picture), self.side))
            except ValueError as error:
                raise ValueError(f"image in row {row}: {error}") from error
        rows = pd.DataFrame({"id": [str(row) for row in range(len(found))]})
        pixels = np.stack([sheet for sheet, _ in found]) if found else np.zeros((0, self.side, self.side))
        probabilities = self.model.predict_proba(Examples(rows, {"pixels": pixels.astype(np.uint8)}))
        best = probabilities.argmax(1)
        return pd.DataFrame(
            {
                "digit": best,
                "probability": probabilities[np.arange(len(best)), best],
                "exchanged": [exchanged for _, exchanged in found],
                "probabilities": [{str(d): float(p) for d, p in enumerate(row)} for row in probabilities],
            }
        )

    def describe(self, answer: pd.DataFrame) -> str:
        """The three most probable digits of the first picture."""
        ranked = sorted(answer["probabilities"].iloc[0].items(), key=lambda pair: -pair[1])[:3]
        return "\n".join(f"{digit}  {probability:6.1%}" for digit, probability in ranked)
