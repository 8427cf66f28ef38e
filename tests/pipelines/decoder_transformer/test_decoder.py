"""Rotary positions, causal attention and the cache, against references."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from etudes.pipelines.decoder_transformer.cache import CachedSteps
from etudes.pipelines.decoder_transformer.decoder import (
    CausalSelfAttention,
    DecoderTransformer,
    rotate,
    rotations,
)
from etudes.text.sampling import RecomputedSteps, draw_uniforms, generate

MakeNetwork = Callable[..., DecoderTransformer]


def test_rotation_is_equation_34_of_the_paper() -> None:
    size, theta = 8, 10_000.0
    x = torch.randn(5, size)
    table = rotations(5, size, theta)
    for m in range(5):
        angles = m * theta ** (-2 * torch.arange(size // 2, dtype=torch.float64) / size)
        cos, sin = angles.cos().repeat_interleave(2), angles.sin().repeat_interleave(2)
        swapped = torch.stack([-x[m, 1::2], x[m, ::2]], dim=-1).flatten()
        expected = (x[m] * cos + swapped * sin).float()
        torch.testing.assert_close(rotate(x, table)[m], expected)


def test_scores_depend_on_the_distance_alone() -> None:
    q, k = torch.randn(16, dtype=torch.float32), torch.randn(16, dtype=torch.float32)
    table = rotations(200, 16, 10_000.0)

    def score(m: int, n: int) -> float:
        return float(rotate(q[None], table[m : m + 1])[0] @ rotate(k[None], table[n : n + 1])[0])

    for distance in (0, 1, 7, 50):
        scores = [score(n + distance, n) for n in (0, 3, 40, 149)]
        assert max(scores) - min(scores) < 1e-4, distance
    assert abs(score(10, 0) - score(0, 10)) > 1e-3, "a distance forward is not one backward"


def test_attention_is_softmax_written_out() -> None:
    torch.manual_seed(1)
    attention = CausalSelfAttention(16, 2).eval()
    x, table = torch.randn(3, 9, 16), rotations(9, 8, 10_000.0)
    q, k, v = attention.qkv(x).split(16, dim=-1)
    expected = torch.empty(3, 9, 16)
    for b in range(3):
        for head in range(2):
            part = slice(8 * head, 8 * head + 8)
            queries, keys = rotate(q[b, :, part], table), rotate(k[b, :, part], table)
            for t in range(9):
                scores = keys[: t + 1] @ queries[t] / 8**0.5
                weights = scores.exp() / scores.exp().sum()
                expected[b, t, part] = weights @ v[b, : t + 1, part]
                torch.testing.assert_close(attention.weights(x, table)[b, head, t, : t + 1], weights)
    torch.testing.assert_close(attention(x, table), attention.output(expected), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("batch", [1, 2, 5])
@torch.inference_mode()
def test_cached_logits_equal_full_logits_for_every_prefix_length(
    make_network: MakeNetwork, batch: int
) -> None:
    network, length = make_network(positions=24), 24
    tokens = torch.randint(0, 7, (batch, length), generator=torch.Generator().manual_seed(batch))
    full = network(tokens)
    for prefix in range(1, length + 1):
        steps = CachedSteps(network, batch, length)
        torch.testing.assert_close(steps(tokens[:, :prefix]), full[:, prefix - 1], atol=1e-5, rtol=0)
        for t in range(prefix, length):
            torch.testing.assert_close(steps(tokens[:, t : t + 1]), full[:, t], atol=1e-5, rtol=0)
    assert float((full[:, -1] - full[:, 0]).abs().max()) > 0.1, "the network tells positions apart"


@pytest.mark.parametrize("chunk", [2, 3, 7])
@torch.inference_mode()
def test_prompt_read_in_chunks_gives_the_same_logits(make_network: MakeNetwork, chunk: int) -> None:
    network = make_network()
    tokens = torch.randint(0, 7, (3, 23), generator=torch.Generator().manual_seed(0))
    full, steps = network(tokens), CachedSteps(network, 3, 23)
    for start in range(0, 23, chunk):
        part = tokens[:, start : start + chunk]
        torch.testing.assert_close(steps(part), full[:, start + part.shape[1] - 1], atol=1e-5, rtol=0)


def test_cache_is_allocated_once_and_refuses_what_does_not_fit(make_network: MakeNetwork) -> None:
    network = make_network(positions=16)
    steps = CachedSteps(network, 2, 8)
    assert steps.store.shape == (3, 2, 2, 4, 8, 8)
    address = steps.store.data_ptr()
    steps(torch.zeros(2, 5, dtype=torch.long))
    assert float(steps.store[:, :, :, :, 5:].abs().max()) == 0.0 < float(steps.store[..., 4, :].abs().max())
    steps(torch.zeros(2, 3, dtype=torch.long))
    assert steps.filled == 8 and steps.store.data_ptr() == address
    before = steps.store.clone()
    with pytest.raises(ValueError, match="holds 8 positions, of which 8 are filled; found 1 more"):
        steps(torch.zeros(2, 1, dtype=torch.long))
    assert torch.equal(steps.store, before) and CachedSteps(network, 1, 99).positions == 16
    with pytest.raises(ValueError, match="17 tokens; this network has 16 positions"):
        network(torch.zeros(1, 17, dtype=torch.long))


@pytest.mark.parametrize(("temperature", "top_p"), [(0.0, 1.0), (1.0, 0.9), (1.3, 1.0), (1.0, 0.0)])
def test_cached_generation_writes_what_recomputed_generation_writes(
    make_network: MakeNetwork, temperature: float, top_p: float
) -> None:
    network = make_network(positions=40)
    prompts = torch.randint(0, 7, (4, 6), generator=torch.Generator().manual_seed(0))
    lengths = torch.tensor([6, 2, 5, 1])
    settings = (draw_uniforms(4, 12, seed=2), torch.full((4,), temperature), torch.full((4,), top_p))
    cached = generate(CachedSteps(network, 4, 18), prompts, lengths, *settings)
    anew = generate(RecomputedSteps(network), prompts, lengths, *settings)
    assert cached.tokens.shape == (4, 12)
    np.testing.assert_array_equal(cached.tokens, anew.tokens)
    np.testing.assert_allclose(cached.entropy, anew.entropy, atol=1e-4)
