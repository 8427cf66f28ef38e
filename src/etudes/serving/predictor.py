"""What a study hands to the registry: its chosen model behind a user's raw input."""

from __future__ import annotations

import typing
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self, final

import pandas as pd
from pydantic import BaseModel

from etudes.models import FACTS, ModelState, as_declared, load_model, registered_class
from etudes.serving.columns import Column, check_names, checked, listed
from etudes.serving.rows import rows_of, with_pictures

__all__ = ["Column", "Predictor", "load_predictor"]

LONGEST_CELL = 200  # characters of a cell that is shown in a terminal; a picture in base64 has more


class Predictor(ABC):
    """A trained model behind the user's raw input; a study subclasses it and registers ``<study>.predictor``.

    A study declares its `columns` and writes `answer`; checks, the signature of the served model, what the command line
    understands, saving and loading follow from that.

    Args:
        model: the chosen variant's model.
        card: where it comes from: variant, dev_metric, dev_score, maximise, dev_fingerprint, embedded_sample.
        parts: what else the answer needs, kept as attributes: other registered models, JSON values. A part that the
            class annotates with a pydantic model is built as one.

    Raises:
        TypeError: a part has the name of something that predictors have.
    """

    registered_name: str
    suffix: ClassVar[str] = ""  # of the file that `draw` gives: .png or .gif; none where it gives none
    ignored: ClassVar[tuple[str, ...]] = ()  # columns that a user's rows may hold and that are not read

    def __init__(self, model: Any, card: dict[str, Any], **parts: Any) -> None:
        if taken := [name for name in parts if hasattr(type(self), name)]:
            raise TypeError(
                f"{type(self).__name__}: parts cannot be named {', '.join(taken)}; predictors have that"
            )
        self.model, self.card = model, card
        hints = typing.get_type_hints(type(self))
        self.parts = {name: as_declared(value, hints.get(name)) for name, value in parts.items()}
        vars(self).update(self.parts)

    @property
    @abstractmethod
    def columns(self) -> tuple[Column, ...]:
        """What a user may send. Most studies assign a tuple; it is a property where the model decides."""

    @abstractmethod
    def answer(self, frame: pd.DataFrame) -> pd.DataFrame:
        """One row of answers for each row of a frame that holds all declared columns, checked and typed (`Column`).

        Raises:
            ValueError: a value that the declaration could not exclude; the message names column and row.
        """

    @final
    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """One row of answers for each row of the user's columns.

        Raises:
            ValueError: the frame is not as declared, or its values cannot be answered.
        """
        return self.answer(checked(self._read(frame), self.columns))

    def example(self) -> pd.DataFrame:
        """Rows that show the form of the input: the examples of the columns that have any."""
        return pd.DataFrame(
            {column.name: list(column.examples) for column in self.columns if column.examples}
        )

    def parse(self, text: str) -> pd.DataFrame:
        """A user's command-line input as rows.

        JSON with the columns' names, one object or a list of them; the path of a file of rows (`rows.TABLE_FILES`);
        where one column is enough, its value: a text or the path of a ``.txt`` file, the path of a picture, a number.
        A picture in JSON or in a file is a path.

        Raises:
            ValueError: there is no such file, it cannot be read, or its columns are not those declared.
        """
        frame = self._read(rows_of(text, self.columns, self.usage))
        check_names([str(name) for name in frame.columns], self.columns)
        return with_pictures(frame, self.columns)

    @property
    def usage(self) -> str:
        """What `parse` understands, for a message."""
        names = ", ".join(f'"{column.name}": ...' for column in self.columns)
        return f"{{{names}}} ({listed(self.columns)})"

    def describe(self, answer: pd.DataFrame) -> str:
        """The answer to a parsed input, for a terminal: one line a row."""
        return "\n".join(
            "  ".join(f"{name}: {text}" for name, text in _short_cells(row))
            for row in answer.to_dict("records")
        )

    def draw(self, answer: pd.DataFrame) -> bytes | None:
        """The file of the answer to a parsed input, with the ending `suffix`; None where that answer has none."""
        return None

    def state(self) -> ModelState:
        models = {name: value for name, value in self._named() if hasattr(value, "registered_name")}
        values = {
            name: value.model_dump(mode="json") if isinstance(value, BaseModel) else value
            for name, value in self._named()
            if name not in models
        }
        classes = {name: model.registered_name for name, model in models.items()}
        state = ModelState({FACTS: {"card": self.card, "classes": classes, "values": values}})
        for name, model in models.items():
            state.nest(name, model.state())
        return state

    def _read(self, frame: pd.DataFrame) -> pd.DataFrame:
        return frame.loc[:, [name not in self.ignored for name in frame.columns]]

    def _named(self) -> Sequence[tuple[str, Any]]:
        return [("model", self.model), *self.parts.items()]

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        facts = state.config[FACTS]
        models = {
            name: registered_class(registered).from_state(state.nested(name))
            for name, registered in facts["classes"].items()
        }
        return cls(card=facts["card"], **models, **facts["values"])


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


def _short_cells(row: dict[typing.Hashable, Any]) -> list[tuple[str, str]]:
    texts = {str(name): f"{cell:.4g}" if isinstance(cell, float) else str(cell) for name, cell in row.items()}
    return [(name, text) for name, text in texts.items() if len(text) <= LONGEST_CELL]
