"""A decoder-only transformer: causal self-attention with rotary positions in pre-normalised blocks."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from etudes.pipelines.decoder_transformer.parameters import NetworkParameters

BATCH_TOKENS = 16_384  # tokens of one forward pass in `log_probs`


def rotations(positions: int, size: int, theta: float) -> Tensor:
    """e^{i m ω_j} for positions m = 0 .. positions - 1 and ω_j = theta^(-2 j / size), j = 0 .. size / 2 - 1.

    Returns:
        Cosine and sine of the angles m ω_j (radians), (positions, size / 2, 2).
    """
    frequencies = theta ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)
    angles = torch.outer(torch.arange(positions, dtype=torch.float64), frequencies)
    return torch.stack([angles.cos(), angles.sin()], dim=-1).float()


def rotate(vectors: Tensor, rotation: Tensor) -> Tensor:
    """Turn the pair (x_2j, x_2j+1) of every vector at position m by the angle m ω_j (Su et al. 2104.09864, eq. (34)).

    Eq. (34) writes the turn as x ⊙ cos + (-x_2, x_1, -x_4, x_3, ...) ⊙ sin. That is the product of the complex numbers
    x_2j + i x_2j+1 and e^{i m ω_j}, here one multiplication. A product q·k of turned vectors then depends on the two
    positions through their difference alone.

    Args:
        vectors: (..., time, size), size even.
        rotation: of the positions of these vectors, (time, size / 2, 2) from `rotations`.
    """
    pairs = torch.view_as_complex(vectors.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * torch.view_as_complex(rotation)).flatten(-2).to(vectors.dtype)


class CausalSelfAttention(nn.Module):
    """softmax(q kᵀ / √size + mask) v over the positions up to one's own, in ``heads`` heads (Vaswani et al. 2017).

    Queries and keys are turned by their position (`rotate`), values are not. One matrix makes all three. The weights are
    not dropped out: no fused kernel for CPUs knows how, and without one a training takes 1.4 times as long.
    """

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads, self.size = heads, hidden // heads
        self.qkv = nn.Linear(hidden, 3 * hidden)
        self.output = nn.Linear(hidden, hidden)

    def forward(self, x: Tensor, rotation: Tensor) -> Tensor:
        """(batch, time, hidden) -> the same."""
        attended = scaled_dot_product_attention(*self._turned(x, rotation), is_causal=x.shape[1] > 1)
        return self.output(attended.transpose(1, 2).reshape(x.shape))

    def _turned(self, x: Tensor, rotation: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, each (batch, heads, time, size)."""
        batch, time, _ = x.shape
        qkv = self.qkv(x).view(batch, time, 3, self.heads, self.size).permute(2, 0, 3, 1, 4)
        q, k = rotate(qkv[:2], rotation).unbind(0)
        return q, k, qkv[2]

    def weights(self, x: Tensor, rotation: Tensor) -> Tensor:
        """The attention itself, (batch, heads, time, time); rows sum to one. For pictures: it is not fused."""
        q, k, _ = self._turned(x, rotation)
        scores = q @ k.transpose(-1, -2) / self.size**0.5
        future = torch.ones(scores.shape[-2:], dtype=torch.bool, device=x.device).triu(1)
        return scores.masked_fill(future, float("-inf")).softmax(-1)


class Block(nn.Module):
    """x + attention(norm(x)), then x + W₂ gelu(W₁ norm(x)): normalised before each part (Xiong et al. 2002.04745)."""

    def __init__(self, settings: NetworkParameters) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(settings.hidden)
        self.attention = CausalSelfAttention(settings.hidden, settings.heads)
        self.feed_norm = nn.LayerNorm(settings.hidden)
        self.expand = nn.Linear(settings.hidden, settings.feed_forward)
        self.contract = nn.Linear(settings.feed_forward, settings.hidden)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, x: Tensor, rotation: Tensor) -> Tensor:
        x = x + self.dropout(self.attention(self.attention_norm(x), rotation))
        return x + self.dropout(self.contract(gelu(self.expand(self.feed_norm(x)))))


class DecoderTransformer(nn.Module):
    """Tokens (batch, time) -> logits of the next token (batch, time, vocabulary).

    Embedding, blocks, a final LayerNorm, an output matrix of its own (not tied to the embedding: at 7 tokens there is
    nothing to save). Positions enter through rotated queries and keys only. ``positions`` is the longest sequence.
    First weights are PyTorch's (Linear: uniform up to 1 / √inputs, Embedding: standard normal): with the smaller ones of
    GPT-2 this small network learns more slowly.
    """

    rotation: Tensor

    def __init__(self, vocabulary: int, positions: int, settings: NetworkParameters) -> None:
        super().__init__()
        self.vocabulary, self.positions, self.settings = vocabulary, positions, settings
        self.embedding = nn.Embedding(vocabulary, settings.hidden)
        self.blocks = nn.ModuleList(Block(settings) for _ in range(settings.layers))
        self.norm = nn.LayerNorm(settings.hidden)
        self.output = nn.Linear(settings.hidden, vocabulary)
        table = rotations(positions, settings.hidden // settings.heads, settings.theta)
        self.register_buffer("rotation", table, persistent=False)

    def forward(self, tokens: Tensor, last_only: bool = False) -> Tensor:
        """Logits of every position, or of the last alone (batch, 1, vocabulary).

        Raises:
            ValueError: more tokens than ``positions``.
        """
        time = tokens.shape[1]
        if time > self.positions:
            raise ValueError(
                f"{time} tokens; this network has {self.positions} positions. Give a shorter prompt."
            )
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x, self.rotation[:time])
        return self.output(self.norm(x[:, -1:] if last_only else x))

    @torch.inference_mode()
    def log_probs(self, tokens: np.ndarray) -> np.ndarray:
        """log p(next | tokens up to here) (N, T, V), float32, in batches."""
        self.eval()
        size = max(1, BATCH_TOKENS // tokens.shape[1])
        result = np.empty((*tokens.shape, self.vocabulary), dtype=np.float32)
        for start in range(0, len(tokens), size):
            batch = torch.from_numpy(np.ascontiguousarray(tokens[start : start + size]))
            logits = self(batch.to(self.output.weight.device))
            result[start : start + size] = logits.float().log_softmax(-1).cpu().numpy()
        return result

    @torch.inference_mode()
    def attention_maps(self, tokens: np.ndarray) -> np.ndarray:
        """Attention of every layer and head on one sequence (time,): (layers, heads, time, time)."""
        self.eval()
        x = self.embedding(torch.from_numpy(np.ascontiguousarray(tokens))[None])
        rotation, maps = self.rotation[: len(tokens)], []
        for block in self.blocks:
            assert isinstance(block, Block)
            maps.append(block.attention.weights(block.attention_norm(x), rotation)[0])
            x = block(x, rotation)
        return torch.stack(maps).numpy()
