"""What a study hands to the registry."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import pandas as pd

from etudes.models import load_model


@runtime_checkable
class Predictor(Protocol):
    """A trained model behind the user's raw input.

    ``predict`` takes one row per example with the columns of ``example()`` and gives one row per example.
    ``card`` says where it comes from: variant, dev_metric, dev_score, maximise, dev_fingerprint, embedded_sample.
    """

    card: dict[str, Any]

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame: ...
    def example(self) -> pd.DataFrame: ...
    def parse(self, text: str) -> pd.DataFrame:
        """A user's command-line input as rows."""
        ...

    def describe(self, answer: pd.DataFrame) -> str:
        """The answer to a parsed input, for a terminal."""
        ...


@runtime_checkable
class DrawingPredictor(Predictor, Protocol):
    """A predictor whose answer is also a picture or an animation, which `kedro predict` writes to a file.

    ``suffix`` is the ending of that file: ``.png`` or ``.gif``.
    """

    suffix: str

    def draw(self, answer: pd.DataFrame) -> bytes | None:
        """The file of the answer to a parsed input; None where that answer has none."""
        ...


def load_predictor(folder: Path) -> Predictor:
    """Read a predictor's model folder.

    Raises:
        ModelFileError: the folder cannot be read.
        TypeError: it holds a model that does not answer users.
    """
    model = load_model(folder)
    if not isinstance(model, Predictor):
        raise TypeError(
            f"{folder} holds a {type(model).__name__}, expected a predictor (etudes.serving.predictor)"
        )
    return model
