"""The variants learn and resume where they were killed; the predictor continues a text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from etudes.examples import Examples
from etudes.pipelines.decoder_transformer import model
from etudes.pipelines.decoder_transformer.parameters import Parameters
from etudes.text.continuation import TextPredictor
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


@pytest.mark.parametrize("name", ["counted", "lookup", "networks"])
def test_every_variant_continues_a_text(splits: dict[str, Any], parameters: Parameters, name: str) -> None:
    card = splits["split_card"]
    further = {"counted": (4,), "lookup": (), "networks": (parameters.transformer, run_parameters())}[name]
    found, history = getattr(model, f"train_{name}")(splits, card, *further)
    assert set(history["dev"]) == {"accuracy", "heldout_accuracy", "text_accuracy", "bits_per_character"}
    parts = {"characters": card["alphabet"], "context": card["context"], "defaults": parameters.predictor}
    writer = TextPredictor(found, {"variant": name}, **parts)
    answer = writer.predict(writer.parse('{"prompt": "The ", "characters": 40, "temperature": 1}'))
    assert len(answer["continuation"][0]) == 40, "also past the context of 16"
