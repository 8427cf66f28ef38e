"""Letters and digits drawn by a seeded pen: pictures of the form of MNIST's that are no digits, and digits by the same pen.

A network that knows digits alone should not be sure of a letter. But drawn letters differ from written digits in two ways,
in what they are and in how they are drawn, and a network may notice the second alone. The digits by the same pen tell how
much of it. Left out are letters that are digits to the eye (B, D, G, I, L, O, Q, S, Z); some of the others come near
(P and 9, T and 7, Y and 4), as in life.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.examples import Examples
from etudes.samples.strokes import SAMPLES, along, render

FINEST = 8  # of the grid that strokes are written on
HALO = 64  # grey levels around a stroke that its edge takes away: MNIST's strokes are nearly black and white
MIDDLE = 0.5  # of a pixel: where the middle of a picture of an even side lies
# Strokes from point to point ("08" is x = 0, y = 8, downwards); four points are a Bezier curve, two a straight line.
LETTERS = {
    "A": "08-40 40-88 25-65",
    "E": "10-18 10-70 14-54 18-78",
    "F": "10-18 10-70 14-54",
    "H": "10-18 70-78 14-74",
    "K": "10-18 70-14 14-78",
    "M": "08-10 10-45 45-70 70-88",
    "N": "18-10 10-78 78-70",
    "P": "18-10 10-90-95-14",
    "R": "18-10 10-90-94-14 34-78",
    "T": "00-80 40-48",
    "U": "10-19-79-70",
    "V": "00-48 48-80",
    "W": "00-28 28-43 43-68 68-80",
    "X": "00-88 80-08",
    "Y": "00-44 80-44 44-48",
}
DIGITS = {
    "0": "40-00-08-48 40-80-88-48",
    "1": "40-48",
    "2": "12-10-90-54 54-18 18-78",
    "3": "10-80-84-34 34-94-98-18",
    "4": "50-05 05-75 50-58",
    "5": "70-20 20-13 13-83-99-18",
    "6": "60-10-08-48 48-88-73-25",
    "7": "10-70 70-38",
    "8": "44-03-00-40 40-80-83-44 44-04-08-48 48-88-84-44",
    "9": "62-40-05-34 34-64-63-62 62-58",
}


def drawn(letters: int, digits: int, side: int, detail: int, seed: int) -> Examples:
    """Letters and digits, each character as often as the others but for one.

    Args:
        letters, digits: how many pictures, at least one of each character.
        side: S of a picture.
        detail: pixels of a side that are drawn; a smaller number than S is enlarged (cubic), as the embedded digits are.
        seed: of all draws.

    Returns:
        rows ``id``, ``kind`` (``letter`` or ``digit``), ``character``; array ``pixels`` (N, S, S), uint8, 0 is the background.

    Raises:
        ValueError: fewer pictures than characters.
    """
    rows, pictures = [], []
    for kind, characters, count in (("letter", LETTERS, letters), ("digit", DIGITS, digits)):
        if count < len(characters):
            raise ValueError(
                f"{count} pictures of a {kind}; expected at least one of each of the {len(characters)} characters"
            )
        counts = [len(part) for part in np.array_split(np.arange(count), len(characters))]
        for (character, strokes), hands in zip(characters.items(), counts, strict=True):
            generator = np.random.default_rng([seed, ord(character)])
            grey = 255 - render(curves_of(strokes), hands, detail, generator)
            ink = np.clip(2 * (grey.astype(np.int16) - HALO), 0, 255).astype(np.uint8)
            pictures.append(_enlarged(_centred(ink), side))
            rows += [(f"{kind}-{character}-{n:04d}", kind, character) for n in range(hands)]
    return Examples(
        pd.DataFrame(rows, columns=["id", "kind", "character"]), {"pixels": np.concatenate(pictures)}
    )


def curves_of(strokes: str) -> NDArray[np.float64]:
    """Control points (S, 4, 2) of a character, its longer side from 0 to 1."""
    curves = []
    for stroke in strokes.split():
        points = np.array([[int(axis) for axis in place] for place in stroke.split("-")]) / FINEST
        # A straight line is the curve whose control points lie on it, at thirds.
        curves.append(points if len(points) == 4 else np.linspace(points[0], points[1], 4))
    found = np.stack(curves)
    path = along(found, SAMPLES).reshape(-1, 2)
    low, high = path.min(0), path.max(0)
    return (found - (low + high) / 2) / max(high - low) + 0.5


def _centred(ink: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pictures (N, S, S) moved by whole pixels so that their mass is in the middle, as MNIST's is.

    Ink that leaves the frame is lost: of the characters drawn here about three in ten lose some, the worst a tenth of it.
    """
    side, mass = ink.shape[1], ink.sum(axis=(1, 2), dtype=np.float64)
    places = np.arange(side) + MIDDLE - side / 2
    off = [np.rint(ink.sum(axis=axis) @ places / mass).astype(int) for axis in (2, 1)]
    margin = side // 2
    rows, columns = ((np.arange(side) + margin + move[:, None]) for move in off)
    padded = np.pad(ink, ((0, 0), (margin, margin), (margin, margin)))
    return padded[np.arange(len(ink))[:, None, None], rows[:, :, None], columns[:, None, :]]


def _enlarged(ink: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    from PIL import Image

    if ink.shape[1] == side:
        return ink
    sized = [Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC) for picture in ink]
    return np.stack([np.asarray(picture) for picture in sized])
