"""A decoder-only transformer with pre-normalised blocks."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from etudes.pipelines.decoder_transformer.attention import CausalSelfAttention, KeyValueCache, rotations
from etudes.pipelines.decoder_transformer.parameters import NetworkParameters

BATCH_TOKENS = 16_384  # tokens of one forward pass in `log_probs`


class Block(nn.Module):
    """x + attention(norm(x)), then x + W₂ gelu(W₁ norm(x)): normalised before each part (Xiong et al. 2002.04745)."""

    def __init__(self, settings: NetworkParameters) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(settings.hidden)
        self.attention = CausalSelfAttention(settings.hidden, settings.heads, settings.dropout)
        self.feed_norm = nn.LayerNorm(settings.hidden)
        self.expand = nn.Linear(settings.hidden, settings.feed_forward)
        self.contract = nn.Linear(settings.feed_forward, settings.hidden)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(
        self, x: Tensor, rotation: Tensor, cache: KeyValueCache | None = None, layer: int = 0
    ) -> Tensor:
        attended = self.attention(self.attention_norm(x), rotation, cache, layer)
        x = x + (self.dropout(attended) if self.training else attended)
        fed = self.contract(nn.functional.gelu(self.expand(self.feed_norm(x))))
        return x + (self.dropout(fed) if self.training else fed)


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

    def forward(self, tokens: Tensor, cache: KeyValueCache | None = None, last_only: bool = False) -> Tensor:
        """Logits of every position, or of the last alone (batch, 1, vocabulary).

        With a cache, ``tokens`` follow those that it holds, and it holds these too afterwards.

        Raises:
            ValueError: more tokens than ``positions``, or than the cache has room for.
        """
        time = tokens.shape[1]
        start = 0 if cache is None else cache.filled
        if start + time > self.positions:
            raise ValueError(
                f"{start + time} tokens; this network has {self.positions} positions. Give a shorter prompt, or ask for "
                "fewer tokens."
            )
        if cache is not None:
            cache.room_for(time)
        rotation = self.rotation[start : start + time]
        x = self.embedding(tokens)
        for layer, block in enumerate(self.blocks):
            x = block(x, rotation, cache, layer)
        if cache is not None:
            cache.filled += time
        return self.output(self.norm(x[:, -1:] if last_only else x))

    def new_cache(self, batch: int, positions: int | None = None) -> KeyValueCache:
        """An empty cache for ``batch`` sequences of up to ``positions`` tokens (by default all that there are)."""
        settings = self.settings
        return KeyValueCache(
            settings.layers,
            batch,
            settings.heads,
            positions or self.positions,
            settings.hidden // settings.heads,
            like=self.output.weight,
        )

    @torch.inference_mode()
    def log_probs(self, tokens: np.ndarray) -> np.ndarray:
        """log p(next | tokens up to here) (N, T, V), float32, in batches."""
        self.eval()
        device = self.output.weight.device
        size = max(1, BATCH_TOKENS // tokens.shape[1])
        result = np.empty((*tokens.shape, self.vocabulary), dtype=np.float32)
        for start in range(0, len(tokens), size):
            batch = torch.from_numpy(np.ascontiguousarray(tokens[start : start + size])).to(device)
            result[start : start + size] = self(batch).float().log_softmax(-1).cpu().numpy()
        return result

    @torch.inference_mode()
    def attention_maps(self, tokens: np.ndarray) -> np.ndarray:
        """Attention of every layer and head on one sequence (time,): (layers, heads, time, time)."""
        self.eval()
        x = self.embedding(torch.from_numpy(np.ascontiguousarray(tokens))[None])
        rotation = self.rotation[: len(tokens)]
        maps = []
        for block in self.blocks:
            assert isinstance(block, Block)
            maps.append(block.attention.weights(block.attention_norm(x), rotation)[0])
            x = block(x, rotation)
        return torch.stack(maps).numpy()
