"""A generator of digits behind a user's raw input: which seed, which digit."""

from __future__ import annotations

import base64
from typing import Any, Self

import numpy as np
import pandas as pd

from etudes.digits.files import DIGITS
from etudes.digits.panels import drawn_in_text, panel_png
from etudes.forms.pictures import png_bytes, read_picture
from etudes.forms.raw import RawFile
from etudes.models import ModelState, register_model, registered_class
from etudes.serving.questions import LARGEST_SEED, json_fields, seed_of

TRIES = 256  # draws of a generator that knows no labels, of which the best reading is taken
DRAWS = 10  # pictures of each digit that one seed gives on the command line
EXPECTED = 'a seed such as 7, or {"seed": 7, "label": 3}'


@register_model("digits.predictor")
class DigitPredictor:
    """Columns ``label`` (0 to 9, or nothing for any digit) and ``seed``.

    A generator that knows no labels is asked for many pictures, and the first is taken that the judge reads as the
    digit that was asked for.
    """

    registered_name: str
    suffix = ".png"

    def __init__(self, model: Any, card: dict[str, Any], judge: Any) -> None:
        self.generator, self.judge, self.card = model, judge, card

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """One row per picture: ``label`` (asked for, or else drawn), ``judged`` (what the judge reads),
        ``confidence`` (the probability of that), ``image`` (a PNG in base64).

        Raises:
            ValueError: a label that is no digit, a seed that is no whole number.
        """
        if "label" not in frame.columns and "seed" not in frame.columns:
            raise ValueError(
                f"expected the columns label (0 to 9, may be empty) and seed; found {list(frame.columns)}"
            )
        labels = list(frame["label"]) if "label" in frame.columns else [None] * len(frame)
        seeds = list(frame["seed"]) if "seed" in frame.columns else list(range(len(frame)))
        rows = [
            self._draw(_digit(label, row), seed_of(seed, f"seed in row {row}"))
            for row, (label, seed) in enumerate(zip(labels, seeds, strict=True))
        ]
        return pd.DataFrame(rows, columns=["label", "judged", "confidence", "image"])

    def _draw(self, label: int | None, seed: int) -> dict[str, Any]:
        if self.generator.conditional:
            asked = int(np.random.default_rng(seed).integers(DIGITS)) if label is None else label
            pixels = self.generator.sample(np.array([asked]), seed)
            chances = self.judge.judge(pixels).probabilities
            best = 0
        else:
            count = 1 if label is None else TRIES
            pixels = self.generator.sample(np.zeros(count, dtype=np.int64), seed)
            chances = self.judge.judge(pixels).probabilities
            read = np.flatnonzero(chances.argmax(1) == label)
            best = 0 if label is None else int(read[0]) if len(read) else int(chances[:, label].argmax())
            asked = int(chances[best].argmax()) if label is None else label
        return {
            "label": asked,
            "judged": int(chances[best].argmax()),
            "confidence": float(chances[best].max()),
            "image": base64.b64encode(png_bytes(pixels[best])).decode(),
        }

    def example(self) -> pd.DataFrame:
        # Whole numbers alone: with an empty label the served model's signature would refuse a column of integers.
        return pd.DataFrame({"label": [7, 3], "seed": [0, 1]})

    def parse(self, text: str) -> pd.DataFrame:
        """A seed; or JSON with ``seed`` (0 if left out) and ``label``.

        It asks for `DRAWS` pictures of each digit, or of the ``label`` alone; a generator that knows no labels is asked
        for as many of any digit. Where it knows them, a digit's pictures are the same in both.
        """
        fields = json_fields(text, EXPECTED, known=("seed", "label"))
        if fields is None:
            fields = {"seed": text.strip()}
        seed = seed_of(fields.get("seed", 0), "the seed")
        label = _digit(fields.get("label"), 0)
        asked = range(DIGITS) if label is None else [label]
        digits: list[int | None] = [
            digit if self.generator.conditional or label is not None else None for digit in asked
        ]
        seeds = np.random.default_rng(seed).integers(LARGEST_SEED, size=(DIGITS, DRAWS), endpoint=True)
        rows = [(digit, int(one)) for digit, place in zip(digits, asked, strict=True) for one in seeds[place]]
        return pd.DataFrame(rows, columns=["label", "seed"], dtype=object)

    def describe(self, answer: pd.DataFrame) -> str:
        """The first picture in characters, and what the judge reads in all of them."""
        pixels = read_picture(RawFile("image", base64.b64decode(answer["image"].iloc[0])))[:, :, 0]
        if self.generator.conditional:
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

    def state(self) -> ModelState:
        names = {"generator": self.generator.registered_name, "judge": self.judge.registered_name}
        state = ModelState({"card": self.card, "classes": names})
        state.nest("generator", self.generator.state())
        state.nest("judge", self.judge.state())
        return state

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        names = state.config["classes"]
        generator, judge = (
            registered_class(names[part]).from_state(state.nested(part)) for part in ("generator", "judge")
        )
        return cls(generator, state.config["card"], judge)


def _digit(value: Any, row: int) -> int | None:
    if pd.isna(value) or (isinstance(value, str) and not value.strip()):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if number not in range(DIGITS):
        raise ValueError(f"label in row {row} is {value!r}; expected a digit from 0 to 9, or nothing for any")
    return int(number)
