"""The plain encoder against transformers' ``BertModel`` with the same weights: equal to the bit, gradients included."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from etudes.text.bert import BertEncoder
from etudes.text.encoders import (
    EMBEDDED,
    encoder_location,
    load_encoder,
    load_tokenizer,
    tokenize_batch,
    weights_fingerprint,
)

pytestmark = pytest.mark.slow
TEXTS = [
    "A detective hunts a killer.",
    "Été à Paris: l'amour, toujours? " * 30,
    "",
    "naïve 東京 don't",
    "x" * 300,
]


@pytest.fixture(scope="module")
def reference() -> Any:
    from transformers import AutoModel

    return AutoModel.from_pretrained(encoder_location(EMBEDDED), dtype=torch.float32).eval()


def batch(lengths: tuple[int, ...]) -> dict[str, torch.Tensor]:
    ids = torch.randint(1000, 30000, (len(lengths), max(lengths)), generator=torch.Generator().manual_seed(0))
    mask = torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]
    return {"input_ids": ids * mask, "attention_mask": mask}


def test_weights_have_the_names_and_values_of_the_reference(reference: Any) -> None:
    assert weights_fingerprint(load_encoder(EMBEDDED)) == weights_fingerprint(reference)


@pytest.mark.parametrize("lengths", [(12,), (9, 9), (5, 40, 17), (512,)])
def test_hidden_states_are_those_of_the_reference(reference: Any, lengths: tuple[int, ...]) -> None:
    inputs = batch(lengths)
    with torch.inference_mode():
        ours, theirs = load_encoder(EMBEDDED)(**inputs), reference(**inputs, output_hidden_states=True)
    assert len(ours.hidden_states) == len(theirs.hidden_states) == 7
    for mine, other in zip(ours.hidden_states, theirs.hidden_states, strict=True):
        assert torch.equal(mine, other)


def test_training_has_the_dropout_and_the_gradients_of_the_reference(reference: Any) -> None:
    models, losses = [load_encoder(EMBEDDED), reference], []
    for model in models:
        torch.manual_seed(3)
        model.train().zero_grad()
        loss = model(**batch((5, 40, 17))).last_hidden_state.square().sum()
        loss.backward()
        losses.append(loss.item())
    assert losses[0] == losses[1]
    theirs = dict(reference.named_parameters())
    trained = {name: p.grad for name, p in models[0].named_parameters() if p.grad is not None}
    assert len(trained) == len(theirs) - 2, "all but the pooler"
    for name, gradient in trained.items():
        assert torch.equal(gradient, theirs[name].grad), name
    reference.eval()


@pytest.mark.parametrize("length", [8, 256])
def test_tokens_are_those_of_the_reference(length: int) -> None:
    from transformers import AutoTokenizer

    reference = AutoTokenizer.from_pretrained(encoder_location(EMBEDDED))
    ours, theirs = (tokenize_batch(each, TEXTS, length) for each in (load_tokenizer(EMBEDDED), reference))
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(mine, other)


def test_another_network_and_too_many_tokens_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="513 tokens; the encoder takes 512"):
        load_encoder(EMBEDDED)(**batch((513,)))
    (tmp_path / "config.json").write_text(
        '{"model_type": "roberta", "hidden_act": "gelu", "position_embedding_type": "absolute"}'
    )
    with pytest.raises(ValueError, match="expected bert"):
        BertEncoder.from_folder(tmp_path)
