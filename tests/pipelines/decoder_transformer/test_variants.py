"""The variants learn and resume where they were killed; the predictor continues a text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from etudes.examples import Examples
from etudes.pipelines.decoder_transformer import model
from etudes.pipelines.decoder_transformer.parameters import Parameters
from etudes.pipelines.decoder_transformer.predictor import TextPredictor
from study_settings import run_parameters


def counting(n: int, length: int, seed: int) -> Examples:
    """x, x+1, x+2, ... modulo 5: learned in a moment."""
    starts = np.random.default_rng(seed).integers(0, 5, size=n)
    tokens = (starts[:, None] + np.arange(length)) % 5
    groups = ["seen", "heldout"] * (n // 2) if n > 1 else ["seen"]
    rows = pd.DataFrame({"id": [f"{seed}-{i}" for i in range(n)], "modulus": 5, "group": groups})
    return Examples(rows, {"tokens": tokens})


DEV, CARD = counting(20, 10, 1), {"alphabet": list("?abcd")}
TOY = {"train": counting(120, 10, 0), "dev": DEV, "text_train": counting(1, 600, 0), "text_dev": DEV}


def test_counting_is_learned_from_rows_and_from_a_stream(parameters: Parameters) -> None:
    task = parameters.transformer.recurrences
    fit = task.fit.model_copy(update={"epochs": 12, "learning_rate": 0.02, "patience": 12})
    task = task.model_copy(update={"fit": fit})
    settings = parameters.transformer.model_copy(update={"recurrences": task, "text": task})
    models, history = model.train_networks(TOY, CARD, settings, run_parameters())
    for task, rows in history["epochs"].items():
        assert rows[-1]["dev_accuracy"] > 0.99, (task, rows[-1])
        assert rows[-1]["train_loss"] < rows[0]["train_loss"] / 2
    assert models.tasks == ["modulus_5", "text"]
    assert {"accuracy", "heldout_accuracy", "text_accuracy", "bits_per_character"} == set(history["dev"])


def test_relabelling_renames_symbols_one_to_one() -> None:
    torch.manual_seed(0)
    tokens = torch.randint(0, 5, (400, 30))
    renamed = model.relabelled(tokens, 5, 0.5)
    same_before, same_after = (t[:, :, None] == t[:, None, :] for t in (tokens, renamed))
    assert torch.equal(same_before, same_after), "equal symbols stay equal, different ones different"
    assert 0.4 < float((tokens != renamed).any(1).float().mean()) < 0.6
    assert model.relabelled(tokens, 5, 0.0) is tokens
    task = model.tasks_of(TOY, CARD)["modulus_5"]
    whole, half = (model.Relabelled(torch.nn.Identity(), task, 8, share=share) for share in (0.0, 0.5))
    assert whole.fingerprint != half.fingerprint
    assert not torch.equal(*(problem.rows(np.arange(8), torch.device("cpu")) for problem in (whole, half)))


@pytest.fixture
def writer(splits: dict[str, Any], parameters: Parameters, make_network: Any) -> TextPredictor:
    card = splits["split_card"]
    models = model.TransformerModels({"text": make_network(len(card["alphabet"]), card["context"])})
    parts = {"characters": card["alphabet"], "context": card["context"], "defaults": parameters.predictor}
    return TextPredictor(models, {"variant": "transformer"}, **parts)


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


@pytest.mark.parametrize("order", [0, 1, 3])
def test_baselines_can_write_too(splits: dict[str, Any], writer: TextPredictor, order: int) -> None:
    counted = model.train_counted(splits, splits["split_card"], order) if order else None
    writer.model, history = counted or model.train_lookup(splits, splits["split_card"])
    assert set(history["dev"]) == {"accuracy", "heldout_accuracy", "text_accuracy", "bits_per_character"}
    assert len(writer.predict(writer.parse('{"prompt": "The ", "characters": 30}'))["continuation"][0]) == 30
