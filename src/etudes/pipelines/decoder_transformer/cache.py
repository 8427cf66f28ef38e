"""The decoder with a cache of keys and values: one token more, without reading the earlier ones again."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from etudes.pipelines.decoder_transformer.decoder import Block, DecoderTransformer


class CachedSteps:
    """Takes the tokens (batch, new) that follow the earlier ones, gives logits of the next one (batch, vocabulary).

    Keys and values of all positions so far lie in ``store`` (layers, 2, batch, heads, positions, head size), which is
    allocated once: a step writes its own positions in place and reads views of what is filled. The logits are those of
    `DecoderTransformer` on the whole sequence (tests).

    For one token the arithmetic of a small network takes less time than reaching it: every module call, attribute and
    view costs about a microsecond, some hundred of them a token. So the network is written flat here, its weights laid
    out once in tuples, and queries, keys and values are turned in one multiplication, values by the angle 0, which puts
    keys and values beside each other: one copy writes both. For inference alone.
    """

    def __init__(self, network: DecoderTransformer, batch: int, positions: int) -> None:
        settings = network.eval().settings
        self.heads, self.size = settings.heads, settings.hidden // settings.heads
        self.positions, self.filled = min(positions, network.positions), 0
        shape = (settings.layers, 2, batch, self.heads, self.positions, self.size)
        self.store = network.output.weight.new_zeros(shape)
        turns = torch.view_as_complex(network.rotation)
        # (positions, 3, 1, size / 2): queries, keys, values; the same for every head.
        self.turns = torch.stack([turns, turns, torch.ones_like(turns)], dim=1)[:, :, None]
        self.embedding = network.embedding.weight.detach()
        self.last = _weights(network.norm, network.output)
        self.blocks = [
            (_block_weights(block), store, *store)  # type: ignore[arg-type]
            for block, store in zip(network.blocks, self.store, strict=True)
        ]

    @torch.inference_mode()
    def __call__(self, tokens: Tensor) -> Tensor:
        (batch, new), start, hidden = tokens.shape, self.filled, (self.heads * self.size,)
        end = start + new
        if end > self.positions:
            raise ValueError(
                f"the cache holds {self.positions} positions, of which {start} are filled; found {new} more. Make a "
                "larger cache, or give a shorter prompt."
            )
        turn, mask = self.turns[start:end], offset_mask(new, start, tokens.device)
        x = torch.embedding(self.embedding, tokens.reshape(-1))  # (batch * new, hidden)
        for weights, store, keys, values in self.blocks:
            g1, b1, qkv, qkv_bias, out, out_bias, g2, b2, up, up_bias, down, down_bias = weights
            mixed = torch.addmm(qkv_bias, torch.layer_norm(x, hidden, g1, b1), qkv)
            pairs = torch.view_as_complex(mixed.view(batch, new, 3, self.heads, self.size // 2, 2)) * turn
            turned = (
                torch.view_as_real(pairs).view(batch, new, 3, self.heads, self.size).permute(2, 0, 3, 1, 4)
            )
            store.narrow(3, start, new).copy_(turned[1:])
            attended = scaled_dot_product_attention(
                turned[0],
                keys.narrow(2, 0, end),
                values.narrow(2, 0, end),
                mask,
                0.0,
                mask is None and new > 1,
            )
            x = torch.addmm(x.add_(out_bias), attended.transpose(1, 2).reshape(x.shape), out)
            fed = gelu(torch.addmm(up_bias, torch.layer_norm(x, hidden, g2, b2), up))
            x = torch.addmm(x.add_(down_bias), fed, down)
        self.filled = end
        weight, bias, output, output_bias = self.last
        last = x.view(batch, new, -1)[:, -1]
        return torch.addmm(output_bias, torch.layer_norm(last, hidden, weight, bias), output)


def offset_mask(new: int, before: int, device: torch.device) -> Tensor | None:
    """Which keys a query may see when ``before`` positions are cached: (new, before + new) bool, or None.

    Query i stands at position before + i and sees the keys 0 .. before + i. A lower triangle that starts at the first
    cached key instead lets a single query see that key alone. None stands for "all" (one query) and for the plain
    triangle (nothing cached), which the fused kernel knows by itself.
    """
    if new == 1 or before == 0:
        return None
    return torch.ones(new, before + new, dtype=torch.bool, device=device).tril(before)


def _block_weights(block: Block) -> tuple[Tensor, ...]:
    attention = block.attention
    return _weights(
        block.attention_norm, attention.qkv, attention.output, block.feed_norm, block.expand, block.contract
    )


def _weights(*parts: nn.LayerNorm | nn.Linear) -> tuple[Tensor, ...]:
    """Weight and bias of each part in the order of use, matrices transposed; all norms have the usual eps."""
    return tuple(
        value.detach().t() if value.ndim == 2 else value.detach()
        for part in parts
        for value in (part.weight, part.bias)
    )
