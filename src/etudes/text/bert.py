"""BERT's encoder in plain PyTorch (Devlin et al. 2019, arXiv:1810.04805): what the embedded sentence encoder is.

Loading the same network through transformers costs two to three seconds of imports, more than all its answers to a user.
Parameters have the names of the published weight files, and every number is that of transformers' ``BertModel``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class BertConfig:
    """Sizes of the network, by their names in ``config.json``."""

    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    vocab_size: int
    type_vocab_size: int
    max_position_embeddings: int
    pad_token_id: int
    layer_norm_eps: float
    hidden_dropout_prob: float
    attention_probs_dropout_prob: float


@dataclass(frozen=True)
class BertOutput:
    """``hidden_states`` are the output of the embeddings and of each layer, (batch, time, features) each."""

    hidden_states: tuple[Tensor, ...]

    @property
    def last_hidden_state(self) -> Tensor:
        return self.hidden_states[-1]


class BertLayer(nn.Module):
    """Self-attention and a feed-forward block, each added to its input and normalised (post-norm)."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        size, inner = config.hidden_size, config.intermediate_size
        self.heads, self.attention_dropout = config.num_attention_heads, config.attention_probs_dropout_prob
        projections = nn.ModuleDict({name: nn.Linear(size, size) for name in ("query", "key", "value")})
        self.attention = nn.ModuleDict({"self": projections, "output": _output(size, size, config)})
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(size, inner)})
        self.output = _output(inner, size, config)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """hidden (batch, time, features), mask (batch, 1, time, time), true where a token is looked at."""
        projections: Any = self.attention["self"]
        query, key, value = (
            projections[name](hidden).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for name in ("query", "key", "value")
        )
        dropout = self.attention_dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout)
        hidden = self._add(self.attention["output"], mixed.transpose(1, 2).flatten(2), hidden)
        return self._add(self.output, F.gelu(self.intermediate["dense"](hidden)), hidden)

    def _add(self, output: Any, change: Tensor, hidden: Tensor) -> Tensor:
        return output["LayerNorm"](self.dropout(output["dense"](change)) + hidden)


def _output(inputs: int, outputs: int, config: BertConfig) -> nn.ModuleDict:
    norm = nn.LayerNorm(outputs, eps=config.layer_norm_eps)
    return nn.ModuleDict({"dense": nn.Linear(inputs, outputs), "LayerNorm": norm})


def _table(rows: int, size: int, padding: int | None = None) -> nn.Embedding:
    # Given weights are not drawn: normal numbers for the meta device would load torch._dynamo.
    return nn.Embedding(rows, size, padding_idx=padding, _weight=torch.empty(rows, size))


class BertEncoder(nn.Module):
    """Embeddings and a stack of `BertLayer`. The pooler is kept for its weights; the mean over tokens takes its place."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.config, size = config, config.hidden_size
        self.embeddings = nn.ModuleDict(
            {
                "word_embeddings": _table(config.vocab_size, size, config.pad_token_id),
                "position_embeddings": _table(config.max_position_embeddings, size),
                "token_type_embeddings": _table(config.type_vocab_size, size),
                "LayerNorm": nn.LayerNorm(size, eps=config.layer_norm_eps),
            }
        )
        layers = nn.ModuleList(BertLayer(config) for _ in range(config.num_hidden_layers))
        self.encoder = nn.ModuleDict({"layer": layers})
        self.pooler = nn.ModuleDict({"dense": nn.Linear(size, size)})
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    @classmethod
    def from_folder(cls, folder: Path) -> Self:
        """The network of a folder with ``config.json`` and ``model.safetensors``, float32, on the CPU.

        Raises:
            KeyError, TypeError, ValueError, RuntimeError, OSError: a file is missing, or of another network.
        """
        from safetensors.torch import load_file

        told = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        kind = (told["model_type"], told["hidden_act"], told["position_embedding_type"])
        if kind != ("bert", "gelu", "absolute"):
            raise ValueError(
                f"{folder}: a network of the kind {kind}; expected bert, gelu, absolute positions"
            )
        with torch.device("meta"):  # its weights are those of the file
            model = cls(BertConfig(**{name: told[name] for name in BertConfig.__annotations__}))
        weights = load_file(folder / "model.safetensors")
        weights.pop("embeddings.position_ids", None)
        model.load_state_dict({name: value.float() for name, value in weights.items()}, assign=True)
        return model

    def get_input_embeddings(self) -> nn.Module:
        return self.embeddings["word_embeddings"]

    def forward(self, input_ids: Tensor, attention_mask: Tensor, **_: Any) -> BertOutput:
        """ids (batch, time) and the mask of real tokens (batch, time), bool -> `BertOutput`."""
        time = input_ids.shape[1]
        if time > self.config.max_position_embeddings:
            raise ValueError(f"{time} tokens; the encoder takes {self.config.max_position_embeddings}")
        positions = torch.arange(time, device=input_ids.device)[None]
        words, types = self.embeddings["word_embeddings"], self.embeddings["token_type_embeddings"]
        hidden = words(input_ids) + types(torch.zeros_like(input_ids))
        hidden = self.embeddings["LayerNorm"](hidden + self.embeddings["position_embeddings"](positions))
        states = [self.dropout(hidden)]
        # Without padding there is nothing to mask, and a faster kernel serves.
        padded = not bool(attention_mask.all())
        mask = attention_mask[:, None, None, :].expand(-1, 1, time, -1) if padded else None
        layers: Any = self.encoder["layer"]
        for layer in layers:
            states.append(layer(states[-1], mask))
        return BertOutput(tuple(states))
