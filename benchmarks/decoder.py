"""The decoder's cached generation against the same network without a cache, and against transformers' ``generate``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from benchmarks.table import Row, at_least
from benchmarks.timing import interleaved
from etudes.pipelines.decoder_transformer.cache import CachedSteps
from etudes.pipelines.decoder_transformer.decoder import DecoderTransformer
from etudes.pipelines.decoder_transformer.parameters import NetworkParameters
from etudes.text.sampling import draw_uniforms, generate

# The network of the original notebook.
VOCABULARY, LAYERS, HIDDEN, HEADS, FEED_FORWARD = 7, 4, 64, 4, 128
CONTEXTS, POSITIONS = (64, 128, 256, 512), 1024
BATCHES = (1, 8)
# Batch 1 behind 512 tokens gave 14x to 22x from run to run: a limit inside that range would be decided by chance.
CACHED_LIMIT, PEER_LIMIT = 10.0, 2.5
PROMPT, NEW = 16, 112
STEPS = 20  # cached steps of one timing: a single one is as short as the clock's own cost
REPEATS = 9


def network() -> DecoderTransformer:
    """Random weights: they do not matter for speed."""
    torch.manual_seed(0)
    settings = NetworkParameters(
        layers=LAYERS, hidden=HIDDEN, heads=HEADS, feed_forward=FEED_FORWARD, theta=10_000.0, dropout=0.0
    )
    return DecoderTransformer(VOCABULARY, POSITIONS, settings).eval()


def peer() -> Any:
    """transformers' Llama of the same width, depth and heads; its gated feed-forward part gets as many weights."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=HIDDEN,
        intermediate_size=2 * FEED_FORWARD // 3,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        max_position_embeddings=POSITIONS,
        attn_implementation="sdpa",
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=0,
    )
    return LlamaForCausalLM(config).eval()


def steps_behind_a_context(
    model: DecoderTransformer, batch: int, context: int
) -> dict[str, Callable[[], None]]:
    """One more token behind ``context`` - 1 others: from the cache (``STEPS`` times), and everything anew (once)."""
    tokens = torch.randint(0, VOCABULARY, (batch, context), generator=torch.Generator().manual_seed(1))
    steps = CachedSteps(model, batch, POSITIONS)
    steps(tokens[:, :-1])

    def cached() -> None:
        for _ in range(STEPS):
            steps(tokens[:, -1:])
            steps.filled -= 1

    @torch.inference_mode()
    def anew() -> None:
        model(tokens, last_only=True)

    return {"cached": cached, "anew": anew}


def ours(model: DecoderTransformer, batch: int) -> None:
    """Continue a prompt greedily by ``NEW`` tokens."""
    zeros = torch.zeros(batch)
    prompts = torch.ones(batch, PROMPT, dtype=torch.long)
    generate(
        CachedSteps(model, batch, PROMPT + NEW),
        prompts,
        torch.full((batch,), PROMPT),
        draw_uniforms(batch, NEW, seed=0),
        zeros,
        torch.ones(batch),
    )


def theirs(model: Any, batch: int, cache: str) -> None:
    """The same with transformers' ``generate``; ``cache`` is its implementation: ``dynamic`` or ``static``."""
    prompts = torch.ones(batch, PROMPT, dtype=torch.long)
    kind = {"cache_implementation": "static"} if cache == "static" else {}
    with torch.inference_mode():
        made = model.generate(
            prompts,
            attention_mask=torch.ones_like(prompts),
            max_new_tokens=NEW,
            min_new_tokens=NEW,
            do_sample=False,
            use_cache=True,
            disable_compile=True,
            **kind,
        )
    if made.shape != (batch, PROMPT + NEW):
        raise RuntimeError(f"transformers wrote {tuple(made.shape)}; expected {(batch, PROMPT + NEW)}")


def cached_generation() -> list[Row]:
    """Tokens a second against the length of the context, and against the peer; all on the same threads."""
    model, rows = network(), []
    for batch in BATCHES:
        for context in CONTEXTS:
            best = interleaved(steps_behind_a_context(model, batch, context), REPEATS)
            cached, anew = STEPS * batch / best["cached"].wall, batch / best["anew"].wall
            what = f"decoder, one more token behind {context}, batch {batch}: cached against recomputed"
            if context == CONTEXTS[-1]:
                rows.append(at_least(what, cached, anew, CACHED_LIMIT, "tokens/s"))
            else:
                rows.append(
                    Row(what, f"{cached:,.0f} tokens/s", f"{anew:,.0f} tokens/s", f"{cached / anew:.1f}x")
                )
    other = peer()
    for batch in BATCHES:
        contestants: dict[str, Callable[[], object]] = {
            "ours": lambda batch=batch: ours(model, batch),
            **{
                cache: lambda batch=batch, cache=cache: theirs(other, batch, cache)
                for cache in ("dynamic", "static")
            },
        }
        for contestant in contestants.values():
            contestant()
        best = interleaved(contestants, REPEATS)
        tokens = batch * NEW
        fastest = min(("dynamic", "static"), key=lambda name: best[name].wall)
        what = f"decoder, greedy continuation by {NEW}, batch {batch}: against transformers ({fastest} cache)"
        rows.append(
            at_least(what, tokens / best["ours"].wall, tokens / best[fastest].wall, PEER_LIMIT, "tokens/s")
        )
    return rows
