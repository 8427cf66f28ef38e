"""Rotary positions, causal attention and the cache, against references."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from etudes.pipelines.decoder_transformer.attention import (
    CausalSelfAttention,
    KeyValueCache,
    offset_mask,
    rotate,
    rotations,
)
from etudes.pipelines.decoder_transformer.decoder import DecoderTransformer
from etudes.pipelines.decoder_transformer.parameters import NetworkParameters
from etudes.pipelines.decoder_transformer.sampling import CachedSteps

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


def test_rotation_keeps_lengths_and_position_zero() -> None:
    x = torch.randn(2, 3, 6, 8)
    turned = rotate(x, rotations(6, 8, 100.0))
    torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1))
    torch.testing.assert_close(turned[:, :, 0], x[:, :, 0])


def test_attention_is_softmax_written_out() -> None:
    torch.manual_seed(1)
    attention = CausalSelfAttention(16, 2, 0.0).eval()
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


def test_mask_follows_the_cache() -> None:
    device = torch.device("cpu")
    mask = offset_mask(2, 3, device)
    assert mask is not None
    assert mask.tolist() == [[True] * 4 + [False], [True] * 5]
    assert offset_mask(1, 3, device) is None and offset_mask(4, 0, device) is None


@pytest.mark.parametrize("batch", [1, 2, 5])
@torch.inference_mode()
def test_cached_logits_equal_full_logits_for_every_prefix_length(
    make_network: MakeNetwork, batch: int
) -> None:
    network, length = make_network(positions=24), 24
    tokens = torch.randint(0, 7, (batch, length), generator=torch.Generator().manual_seed(batch))
    full = network(tokens)
    for prefix in range(1, length + 1):
        cache = network.new_cache(batch)
        found = [network(tokens[:, :prefix], cache)]
        found += [network(tokens[:, t : t + 1], cache) for t in range(prefix, length)]
        torch.testing.assert_close(torch.cat(found, dim=1), full, atol=1e-5, rtol=0)
    assert float((full[:, -1] - full[:, 0]).abs().max()) > 0.1, "the network tells positions apart"


@pytest.mark.parametrize("batch", [1, 3])
@torch.inference_mode()
def test_flat_step_gives_the_logits_of_the_network(make_network: MakeNetwork, batch: int) -> None:
    network, length = make_network(positions=20), 20
    tokens = torch.randint(0, 7, (batch, length), generator=torch.Generator().manual_seed(batch))
    full = network(tokens)
    for prefix in range(length):
        steps = CachedSteps(network, batch, length)
        if prefix:
            torch.testing.assert_close(steps(tokens[:, :prefix]), full[:, prefix - 1], atol=1e-5, rtol=0)
        for t in range(prefix, length):
            torch.testing.assert_close(steps(tokens[:, t : t + 1]), full[:, t], atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match="holds 20 positions, of which 20 are filled"):
        steps(tokens[:, :1])


@pytest.mark.parametrize("chunk", [2, 3, 7])
@torch.inference_mode()
def test_prompt_read_in_chunks_gives_the_same_logits(make_network: MakeNetwork, chunk: int) -> None:
    network = make_network()
    tokens = torch.randint(0, 7, (3, 23), generator=torch.Generator().manual_seed(0))
    cache = network.new_cache(3, positions=23)
    found = [network(tokens[:, i : i + chunk], cache) for i in range(0, 23, chunk)]
    torch.testing.assert_close(torch.cat(found, dim=1), network(tokens), atol=1e-5, rtol=0)


@torch.inference_mode()
def test_cache_is_allocated_once_and_refuses_what_does_not_fit(make_network: MakeNetwork) -> None:
    network = make_network(positions=16)
    cache = network.new_cache(2, positions=8)
    assert cache.store.shape == (3, 2, 2, 4, 8, 8)
    address = cache.store.data_ptr()
    network(torch.zeros(2, 5, dtype=torch.long), cache)
    network(torch.zeros(2, 3, dtype=torch.long), cache)
    assert cache.filled == 8 and cache.store.data_ptr() == address
    before = cache.store.clone()
    with pytest.raises(ValueError, match="holds 8 positions, of which 8 are filled; found 1 more"):
        network(torch.zeros(2, 1, dtype=torch.long), cache)
    assert torch.equal(cache.store, before)
    with pytest.raises(ValueError, match="17 tokens; this network has 16 positions"):
        network(torch.zeros(1, 17, dtype=torch.long))


def test_extending_shows_what_is_filled_and_no_more() -> None:
    cache = KeyValueCache(layers=1, batch=1, heads=1, positions=4, size=2)
    cache.store.fill_(9.0)
    keys, values = cache.extend(0, torch.ones(1, 1, 3, 2), torch.zeros(1, 1, 3, 2))
    assert keys.shape == values.shape == (1, 1, 3, 2)
    assert float(keys.min()) == 1.0 and float(values.max()) == 0.0


def test_future_tokens_change_nothing_before(make_network: MakeNetwork) -> None:
    network = make_network()
    tokens = torch.randint(0, 7, (2, 20), generator=torch.Generator().manual_seed(4))
    for place in (1, 10, 19):
        changed = tokens.clone()
        changed[:, place:] = (changed[:, place:] + 1) % 7
        with torch.inference_mode():
            before, after = network(tokens), network(changed)
        torch.testing.assert_close(before[:, :place], after[:, :place], atol=1e-6, rtol=0)
        assert float((before[:, place] - after[:, place]).abs().max()) > 1e-3


def test_network_of_the_original_has_its_size() -> None:
    settings = NetworkParameters(layers=4, hidden=64, heads=4, feed_forward=128, theta=10_000.0, dropout=0.0)
    network = DecoderTransformer(7, 64, settings)
    final_norm = 2 * 64  # the original has none
    assert sum(weights.numel() for weights in network.parameters()) == 134_791 + final_norm


def test_attention_maps_are_causal_rows_of_one(make_network: MakeNetwork) -> None:
    network = make_network()
    maps = torch.from_numpy(network.attention_maps(torch.arange(7).numpy()))
    assert maps.shape == (3, 4, 7, 7)
    torch.testing.assert_close(maps.sum(-1), torch.ones(3, 4, 7))
    assert float(maps.triu(1).abs().max()) == 0.0


def test_heads_that_leave_no_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="must be a multiple of 2 x heads"):
        NetworkParameters(layers=1, hidden=12, heads=4, feed_forward=8, theta=100.0, dropout=0.0)
