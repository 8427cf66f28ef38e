"""Causal self-attention with rotary positions and a cache of keys and values."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention


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


class KeyValueCache:
    """Keys and values of all positions so far, written into memory that is allocated once.

    ``store`` is (layers, 2, batch, heads, positions, head size). A step writes its own positions in place and reads
    views of what is filled, so a step neither allocates nor copies what is already there.
    """

    def __init__(
        self, layers: int, batch: int, heads: int, positions: int, size: int, like: Tensor | None = None
    ) -> None:
        shape = (layers, 2, batch, heads, positions, size)
        self.store = torch.zeros(shape) if like is None else like.new_zeros(shape)
        self.layers = [(layer[0], layer[1]) for layer in self.store]
        self.positions = positions
        self.filled = 0

    def room_for(self, tokens: int) -> None:
        """Raises a ValueError if ``tokens`` more do not fit."""
        if self.filled + tokens > self.positions:
            raise ValueError(
                f"the cache holds {self.positions} positions, of which {self.filled} are filled; found {tokens} more. "
                "Make a larger cache, or give a shorter prompt."
            )

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Write (batch, heads, new, size) behind what is there; all keys and values so far (..., filled + new, size)."""
        stored_keys, stored_values = self.layers[layer]
        new = keys.shape[2]
        stored_keys.narrow(2, self.filled, new).copy_(keys)
        stored_values.narrow(2, self.filled, new).copy_(values)
        end = self.filled + new
        return stored_keys.narrow(2, 0, end), stored_values.narrow(2, 0, end)


class CausalSelfAttention(nn.Module):
    """softmax(q kᵀ / √size + mask) v over the positions up to one's own, in ``heads`` heads (Vaswani et al. 2017).

    Queries and keys are turned by their position (`rotate`), values are not. One matrix makes all three.
    """

    def __init__(self, hidden: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.size, self.dropout = heads, hidden // heads, dropout
        self.qkv = nn.Linear(hidden, 3 * hidden)
        self.output = nn.Linear(hidden, hidden)

    def forward(
        self, x: Tensor, rotation: Tensor, cache: KeyValueCache | None = None, layer: int = 0
    ) -> Tensor:
        """(batch, time, hidden) -> the same; with a cache the positions follow those that it holds."""
        batch, time, hidden = x.shape
        q, k, v = self._turned(x, rotation)
        mask = None
        if cache is not None:
            k, v = cache.extend(layer, k, v)
            mask = offset_mask(time, cache.filled, x.device)
        attended = scaled_dot_product_attention(
            q,
            k,
            v,
            attn_mask=mask,
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=mask is None and time > 1,
        )
        return self.output(attended.transpose(1, 2).reshape(batch, time, hidden))

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


def offset_mask(new: int, before: int, device: torch.device) -> Tensor | None:
    """Which keys a query may see when ``before`` positions are cached: (new, before + new) bool, or None.

    Query i stands at position before + i and sees the keys 0 .. before + i. A lower triangle that starts at the first
    cached key instead lets a single query see that key alone. None stands for "all" (one query) and for the plain
    triangle (nothing cached), which the fused kernel knows by itself.
    """
    if new == 1 or before == 0:
        return None
    return torch.ones(new, before + new, dtype=torch.bool, device=device).tril(before)
