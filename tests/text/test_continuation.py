"""A model of characters continues a prompt."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from etudes.text.characters import Alphabet
from etudes.text.continuation import TextPredictor
from etudes.text.parameters import ContinuationParameters

ALPHABET = Alphabet.of("The If An ad\n")
TABLE = np.random.default_rng(0).normal(size=(len(ALPHABET.characters),) * 2)


class Model:
    """Logits that depend on all tokens so far."""

    registered_name = "test"

    def log_probs(self, task: str, tokens: np.ndarray) -> np.ndarray:
        assert task == "text" and tokens.shape[1] <= 16, "no more than the context"
        return TABLE[tokens].cumsum(1)


@pytest.fixture
def writer() -> TextPredictor:
    defaults = ContinuationParameters(temperature=0.8, top_p=0.9, characters=12)
    return TextPredictor(Model(), {}, characters=ALPHABET.characters, context=16, defaults=defaults)


def test_a_continuation_depends_on_its_own_row_alone(writer: TextPredictor) -> None:
    frame = pd.DataFrame({"prompt": ["The ", "An a", "The "], "temperature": 1.0, "characters": [40, 7, 40]})
    first = writer.predict(frame)["continuation"]
    assert first.str.len().tolist() == [40, 7, 40], "also past the network's context of 16"
    assert first[0] == first[2]
    assert writer.predict(frame.iloc[1:2].reset_index(drop=True))["continuation"][0] == first[1]
    assert writer.predict(frame.assign(seed=1))["continuation"][0] != first[0]


def test_predictor_answers_what_is_left_out_by_its_defaults(writer: TextPredictor) -> None:
    assert len(writer.predict(writer.parse("The "))["continuation"][0]) == writer.defaults.characters
    asked = writer.predict(writer.parse('{"prompt": "The ", "characters": 3, "temperature": 0}'))
    greedy = writer.predict(pd.DataFrame({"prompt": ["The "], "characters": [3], "top_p": [0.0]}))
    assert asked["continuation"][0] == greedy["continuation"][0] and len(asked["continuation"][0]) == 3
    assert writer.describe(asked) == asked["continuation"][0]


def test_line_ends_and_marks_of_a_prompt_do_not_count(writer: TextPredictor) -> None:
    prompts = ["The\nan a", "The\r\nan a", "The\ran a", "\ufeffThe\nan a"]
    assert writer.predict(pd.DataFrame({"prompt": prompts, "characters": 20}))["continuation"].nunique() == 1
    with pytest.raises(ValueError, match="prompt in row 0 is empty"):
        writer.predict(pd.DataFrame({"prompt": ["\ufeff"]}))


def test_a_character_that_training_did_not_have_is_named(writer: TextPredictor) -> None:
    with pytest.raises(
        ValueError, match="prompt in row 1: 'é' is not among the characters of the training text"
    ):
        writer.predict(pd.DataFrame({"prompt": ["The ", "Thé "]}))
