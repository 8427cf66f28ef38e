"""Training a sentence encoder: batches of like lengths against padded ones, adapters against all weights, ours against peers'."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.table import Row, at_least
from benchmarks.timing import interleaved
from etudes.pipelines.bert_classification.lora import adapt
from etudes.samples.reviews import film_reviews
from etudes.text.classifiers import EncoderNetwork
from etudes.text.encoders import EMBEDDED, encoder_location, load_encoder, load_tokenizer, tokenize_batch
from etudes.text.tokens import bucketed_batches, pad

SENTENCES, BATCH, LONGEST = 256, 32, 64
RANK, ALPHA = 8, 16.0
REPEATS = 3
PADDED_LIMIT, ADAPTED_LIMIT, PEER_LIMIT = 1.5, 1.1, 0.95


def training_against_peers() -> list[Row]:
    """Sentences a second in an epoch of training, single precision, one step of AdamW a batch."""
    sequences = tokenize_batch(
        load_tokenizer(EMBEDDED), film_reviews(SENTENCES, 0, "train")["text"].tolist(), LONGEST
    )
    contestants: dict[str, Callable[[], None]] = {
        "ours": epoch(ours(), sequences, "longest of the batch"),
        "padded": epoch(ours(), sequences, "longest of all"),
        "adapted": epoch(ours(RANK), sequences, "longest of the batch"),
        "transformers": epoch(theirs(), sequences, "longest of the batch"),
    }
    missing = ""
    try:
        contestants["peft"] = epoch(theirs(RANK), sequences, "longest of the batch")
    except ImportError:
        missing = "peft is not installed"
    best = interleaved(contestants, REPEATS)
    speed = {name: SENTENCES / one.cpu for name, one in best.items()}

    def row(what: str, name: str, peer: str, limit: float) -> Row:
        return at_least(what, speed[name], speed[peer], limit, "sentences/s")

    padded = f"fine-tuning, batches of like lengths against all padded to {LONGEST}"
    rows = [
        row(padded, "ours", "padded", PADDED_LIMIT),
        row(f"adapters of rank {RANK} against all weights", "adapted", "ours", ADAPTED_LIMIT),
        row("fine-tuning, ours against transformers' BertModel", "ours", "transformers", PEER_LIMIT),
    ]
    what = f"adapters of rank {RANK}, ours against peft's"
    return [*rows, Row(what, missing) if missing else row(what, "adapted", "peft", PEER_LIMIT)]


def ours(rank: int = 0) -> nn.Module:
    """The study's network, fine-tuned, or with adapters where there is a rank."""
    torch.manual_seed(0)
    encoder = load_encoder(EMBEDDED)
    if rank:
        adapt(encoder, rank, ALPHA)
    return EncoderNetwork(encoder, 2, 0.1)


class _Theirs(nn.Module):
    """The same around another encoder."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.output = encoder, nn.Linear(384, 2)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        mask = (torch.arange(ids.shape[1])[None] < lengths[:, None]).long()
        hidden = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        return self.output((hidden * mask[..., None]).sum(1) / lengths[:, None])


def theirs(rank: int = 0) -> nn.Module:
    """transformers' network with the same weights; peft's adapters where there is a rank.

    Raises:
        ImportError: there is no peft.
    """
    from transformers import AutoModel

    torch.manual_seed(0)
    encoder: Any = AutoModel.from_pretrained(encoder_location(EMBEDDED), add_pooling_layer=False)
    if rank:
        from peft import LoraConfig, get_peft_model

        encoder = get_peft_model(
            encoder, LoraConfig(r=rank, lora_alpha=ALPHA, target_modules=["query", "key", "value", "dense"])
        )
    return _Theirs(encoder)


def epoch(network: nn.Module, sequences: list[np.ndarray], padding: str) -> Callable[[], None]:
    """One pass over all sentences."""
    lengths = np.array([len(sequence) for sequence in sequences])
    batches = bucketed_batches(lengths, BATCH, np.random.default_rng(0))
    optimiser = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=1e-5)
    network.train()

    def run() -> None:
        for batch in batches:
            ids, sizes = pad([sequences[i] for i in batch])
            if padding == "longest of all":
                ids = np.pad(ids, ((0, 0), (0, LONGEST - ids.shape[1])))
            loss = network(torch.from_numpy(ids), torch.from_numpy(sizes)).square().mean()
            loss.backward()
            optimiser.step()
            optimiser.zero_grad()

    return run
