"""What is scored is what was asked: the ceiling has no gap, one who learned by heart is misled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from etudes.pipelines.decoder_transformer.data import of_group
from etudes.pipelines.decoder_transformer.evaluation import GROUPS, evaluate, readers_of
from etudes.pipelines.decoder_transformer.generation import sample_grid
from etudes.pipelines.decoder_transformer.model import TransformerModels
from etudes.pipelines.decoder_transformer.parameters import Parameters
from etudes.pipelines.decoder_transformer.report import by_modulus


class Perfect:
    """Answers with the ceiling's own law."""

    def __init__(self, splits: dict[str, Any]) -> None:
        self.splits, self.tasks = splits, ["modulus_3", "modulus_5"]

    def log_probs(self, task: str, tokens: np.ndarray) -> np.ndarray:
        modulus = int(task.partition("_")[2])
        for group in GROUPS:
            found = of_group(self.splits["test"], modulus, group)["tokens"]
            if np.array_equal(found[:, :-1], tokens):
                cards = self.splits["data_card"], self.splits["split_card"]
                return np.log(np.maximum(readers_of(found, modulus, group, *cards)["bayes"], 1e-12))
        raise AssertionError("asked for something that is no test group")


def test_the_ceiling_itself_has_no_gap(splits: dict[str, Any], parameters: Parameters) -> None:
    inputs = [splits[name] for name in ("test", "text_test", "data_card", "split_card")]
    metrics, predictions, positions, moduli, ceilings = evaluate(
        {"transformer": Perfect(splits)}, *inputs, parameters.evaluation
    )
    assert metrics["transformer.ceiling_gap"] == pytest.approx(0, abs=1e-12)
    assert metrics["transformer.accuracy"] == pytest.approx(ceilings["modulus_3.seen"]["bayes"])
    of_heldout = metrics["transformer.heldout_accuracy_mod5"]
    assert of_heldout == pytest.approx(ceilings["modulus_5.heldout"]["bayes"])
    assert metrics["transformer.starts_accuracy.low"] <= metrics["transformer.starts_accuracy"]
    assert "transformer.bits_per_character" not in metrics, "it writes no text"
    assert set(positions["variant"]) == {"transformer", "bayes", "bayes_seen"}
    assert len(predictions) == len(splits["test"])
    accuracy = moduli.set_index(["modulus", "group", "variant"])["accuracy"]
    assert accuracy[5, "heldout", "transformer"] == pytest.approx(of_heldout)
    assert accuracy[3, "seen", "bayes"] == pytest.approx(ceilings["modulus_3.seen"]["bayes"])
    page = by_modulus(moduli).set_index("reader")
    assert page.loc["transformer, modulus 5", "new coefficients"] == pytest.approx(of_heldout)
    assert page.index.tolist()[0] == "ceiling (Bayes), modulus 3" and len(page) == 2 * 3


@pytest.mark.parametrize("group", ["starts", "heldout"])
def test_one_who_learned_training_by_heart_is_misled(splits: dict[str, Any], group: str) -> None:
    tokens = of_group(splits["test"], 5, group)["tokens"]
    readers = readers_of(tokens, 5, group, splits["data_card"], splits["split_card"])
    right = {name: p.argmax(-1) == tokens[:, 1:] for name, p in readers.items()}
    assert right["bayes_seen"].mean() < right["bayes"].mean()
    if group == "starts":
        late = {name: hits[:, 12:].mean() for name, hits in right.items()}
        assert late["bayes_seen"] == pytest.approx(late["bayes"], abs=0.03), "context overrules the belief"


def test_grid_holds_every_setting_beside_the_data(
    splits: dict[str, Any], parameters: Parameters, make_network: Any
) -> None:
    card = splits["split_card"]
    networks = {
        "modulus_3": make_network(3, 16),
        "text": make_network(len(card["alphabet"]), card["context"]),
    }
    inputs = [splits[name] for name in ("test", "text_test", "data_card", "split_card")]
    sampling, texts = sample_grid(TransformerModels(networks), *inputs, parameters.generation)
    assert sampling.groupby("task").size().to_dict() == {"modulus_3": 5, "text": 5}
    data = sampling[sampling["source"] == "data"].set_index("task")
    assert data.loc["modulus_3", "impossible"] == 0 and data["entropy"].isna().all()
    assert texts["prompt"].nunique() == 1 and (texts["continuation"].str.len() == 12).all()
    made = sampling[sampling["source"] == "model"]
    assert (made.loc[made["top_p"] == 1, "entropy"] > 0).all()
