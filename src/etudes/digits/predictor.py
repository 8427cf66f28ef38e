"""A generator of digits behind a user's raw input: which seed, which digit."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pandas as pd

from etudes.digits.files import DIGITS
from etudes.digits.panels import drawn_in_text, panel_png
from etudes.forms.pictures import png_text, read_picture
from etudes.forms.raw import RawFile
from etudes.models import register_model
from etudes.serving.columns import checked
from etudes.serving.predictor import Column, Predictor
from etudes.serving.questions import LARGEST_SEED, seed_of

TRIES = 256  # draws of a generator that knows no labels, of which the best reading is taken
DRAWS = 10  # pictures of each digit that one seed gives on the command line


@register_model("digits.predictor")
class DigitPredictor(Predictor):
    """A generator of digits behind a user's wish for one. ``judge`` reads the pictures.

    A generator that knows no labels is asked for many pictures, and the first is taken that the judge reads as the
    digit that was asked for.
    """

    suffix = ".png"
    judge: Any
    columns = (
        Column(
            "label", "whole", required=False, low=0, high=DIGITS - 1, about="any if empty", examples=(7, 3)
        ),
        Column(
            "seed",
            "whole",
            required=False,
            low=0,
            high=LARGEST_SEED,
            about="the row's number if empty",
            examples=(0, 1),
        ),
    )

    def answer(self, frame: pd.DataFrame) -> pd.DataFrame:
        """One row per picture: ``label`` (asked for, or else drawn), ``judged`` (what the judge reads),
        ``confidence`` (the probability of that), ``image`` (a PNG in base64)."""
        rows = [
            self._draw(None if pd.isna(label) else int(label), row if pd.isna(seed) else int(seed))
            for row, (label, seed) in enumerate(zip(frame["label"], frame["seed"], strict=True))
        ]
        return pd.DataFrame(rows, columns=["label", "judged", "confidence", "image"])

    def _draw(self, label: int | None, seed: int) -> dict[str, Any]:
        if self.model.conditional:
            asked = int(np.random.default_rng(seed).integers(DIGITS)) if label is None else label
            pixels = self.model.sample(np.array([asked]), seed)
            chances = self.judge.judge(pixels).probabilities
            best = 0
        else:
            count = 1 if label is None else TRIES
            pixels = self.model.sample(np.zeros(count, dtype=np.int64), seed)
            chances = self.judge.judge(pixels).probabilities
            read = np.flatnonzero(chances.argmax(1) == label)
            best = 0 if label is None else int(read[0]) if len(read) else int(chances[:, label].argmax())
            asked = int(chances[best].argmax()) if label is None else label
        return {
            "label": asked,
            "judged": int(chances[best].argmax()),
            "confidence": float(chances[best].max()),
            "image": png_text(pixels[best]),
        }

    def parse(self, text: str) -> pd.DataFrame:
        """A seed; or JSON with ``seed`` (0 if left out) and ``label``.

        It asks for `DRAWS` pictures of each digit, or of the ``label`` alone; a generator that knows no labels is asked
        for as many of any digit. Where it knows them, a digit's pictures are the same in both.
        """
        if text.lstrip().startswith("{"):
            wish = checked(super().parse(text), self.columns).iloc[0]
        else:
            wish = pd.Series({"label": None, "seed": seed_of(text.strip(), "the seed")}, dtype=object)
        label, seed = (None if pd.isna(value) else int(value) for value in (wish["label"], wish["seed"]))
        asked = range(DIGITS) if label is None else [label]
        digits: list[int | None] = [
            digit if self.model.conditional or label is not None else None for digit in asked
        ]
        seeds = np.random.default_rng(seed or 0).integers(LARGEST_SEED, size=(DIGITS, DRAWS), endpoint=True)
        rows = [(digit, int(one)) for digit, place in zip(digits, asked, strict=True) for one in seeds[place]]
        return pd.DataFrame(rows, columns=["label", "seed"], dtype=object)

    def describe(self, answer: pd.DataFrame) -> str:
        """The first picture in characters, and what the judge reads in all of them."""
        pixels = read_picture(RawFile("image", base64.b64decode(answer["image"].iloc[0])))[:, :, 0]
        if self.model.conditional:
            right = int((answer["label"] == answer["judged"]).sum())
            read = f"{right} as the digit asked for"
        else:
            counts = answer["judged"].value_counts().sort_index()
            read = ", ".join(f"{count} as {digit}" for digit, count in counts.items())
        return (
            f"{drawn_in_text(pixels)}\n"
            f"{len(answer)} pictures, {DRAWS} in a row, of which this is the first; the judge reads {read}"
        )

    def draw(self, answer: pd.DataFrame) -> bytes:
        """All pictures as one, `DRAWS` in a row."""
        pictures = [base64.b64decode(image) for image in answer["image"]]
        return panel_png(
            np.stack([read_picture(RawFile("image", picture))[:, :, 0] for picture in pictures]), DRAWS
        )
