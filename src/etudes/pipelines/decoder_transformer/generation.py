"""The stage evaluate, second part: the grid of sampling settings, and speed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from etudes.examples import Examples
from etudes.pipelines.decoder_transformer.nodes import TEXT, Card, task_of
from etudes.pipelines.decoder_transformer.parameters import (
    GenerationParameters,
    SpeedParameters,
    TransformerParameters,
)
from etudes.pipelines.decoder_transformer.quality import distinct, repetition, true_likelihood
from etudes.study import Skipped

if TYPE_CHECKING:
    from etudes.pipelines.decoder_transformer.sampling import Continuations

SAMPLING_COLUMNS = [
    "task",
    "source",
    "temperature",
    "top_p",
    "entropy",
    "distinct_1",
    "distinct_2",
    "distinct_3",
    "repetition",
    "log_likelihood",
    "impossible",
]
TEXT_COLUMNS = ["temperature", "top_p", "prompt", "continuation"]


def sample_grid(
    test_split: Examples,
    text_test_split: Examples,
    data_card: Card,
    text_card: Card,
    transformer_model: Any,
    parameters: GenerationParameters,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Continue prompts of the test split under every temperature and top-p; all settings in one batch.

    Returns:
        One row a task and setting, and a first one for what the data themselves go on with: entropy (bits) of the law
        drawn from, distinct-1 to -3, share that ends in a loop; of recurrences also the mean log-likelihood under the
        true process (nats a token) and the share of impossible tokens. Then the texts of every setting.
    """
    if isinstance(transformer_model, Skipped):
        return pd.DataFrame(columns=SAMPLING_COLUMNS), pd.DataFrame(columns=TEXT_COLUMNS)
    modulus = data_card["moduli"][0]
    seen = ((test_split.rows["modulus"] == modulus) & (test_split.rows["group"] == "seen")).to_numpy()
    examples = test_split.take(np.flatnonzero(seen)[: parameters.sequences])
    tokens, coefficients = np.asarray(examples["tokens"]), examples.rows[["a", "b"]].to_numpy()
    prompt = min(parameters.prompt, tokens.shape[1] - 3)
    network = transformer_model.networks[task_of(modulus)]
    q, floor = data_card["next_probability"], parameters.floor

    def judged(sequences: np.ndarray) -> dict[str, float]:
        likelihood, impossible = true_likelihood(sequences, prompt, coefficients, modulus, q, floor)
        return {"log_likelihood": likelihood, "impossible": impossible}

    rows = [{**_setting(task_of(modulus), "data"), **_variety(tokens[:, prompt:]), **judged(tokens)}]
    length = tokens.shape[1] - prompt
    for setting, made in _each_setting(network, tokens[:, :prompt], length, parameters, None):
        whole = np.concatenate([tokens[:, :prompt], made.tokens], axis=1)
        entropy = {"entropy": float(made.entropy.mean())}
        rows.append(
            {
                **_setting(task_of(modulus), "model", *setting),
                **entropy,
                **_variety(made.tokens),
                **judged(whole),
            }
        )

    text = np.asarray(text_test_split["tokens"])[: parameters.sequences]
    network = transformer_model.networks[TEXT]
    prompt = min(parameters.text_prompt, text.shape[1] - 3)
    length = min(parameters.text_length, network.positions + 1 - prompt)
    rows.append({**_setting(TEXT, "data"), **_variety(text[:, prompt : prompt + length])})
    characters, texts = text_card["alphabet"], []
    for setting, made in _each_setting(network, text[:, :prompt], length, parameters, 0):
        entropy = {"entropy": float(made.entropy.mean())}
        rows.append({**_setting(TEXT, "model", *setting), **entropy, **_variety(made.tokens)})
        written = ["".join(characters[i] for i in ids) for ids in (text[0, :prompt], made.tokens[0])]
        texts.append(dict(zip(TEXT_COLUMNS, (*setting, *written), strict=True)))
    return pd.DataFrame(rows).reindex(columns=SAMPLING_COLUMNS), pd.DataFrame(texts, columns=TEXT_COLUMNS)


def _setting(
    task: str, source: str, temperature: float = float("nan"), top_p: float = float("nan")
) -> dict[str, Any]:
    return {"task": task, "source": source, "temperature": temperature, "top_p": top_p}


def _variety(tokens: np.ndarray) -> dict[str, float]:
    return {**{f"distinct_{n}": distinct(tokens, n) for n in (1, 2, 3)}, "repetition": repetition(tokens)}


def _each_setting(
    network: Any, prompts: np.ndarray, new: int, parameters: GenerationParameters, forbidden: int | None
) -> list[tuple[tuple[float, float], Continuations]]:
    """Continuations of the prompts (N, P) under each (temperature, top_p), all in one batch, from the same numbers."""
    import torch

    from etudes.pipelines.decoder_transformer.sampling import (
        CachedSteps,
        Continuations,
        draw_uniforms,
        generate,
    )

    settings = [(t, p) for t in parameters.temperatures for p in parameters.top_p]
    count, times = len(prompts), len(settings)
    made = generate(
        CachedSteps(network, times * count, prompts.shape[1] + new),
        torch.from_numpy(np.tile(prompts, (times, 1))),
        torch.full((times * count,), prompts.shape[1]),
        draw_uniforms(count, new, seed=0).repeat(times, 1),
        torch.tensor([t for t, _ in settings], dtype=torch.float64).repeat_interleave(count),
        torch.tensor([p for _, p in settings], dtype=torch.float64).repeat_interleave(count),
        forbidden,
    )
    parts = [slice(i * count, (i + 1) * count) for i in range(times)]
    return [
        (setting, Continuations(made.tokens[part], made.entropy[part]))
        for setting, part in zip(settings, parts, strict=True)
    ]


def measure_speed(
    parameters: SpeedParameters, transformer: TransformerParameters
) -> dict[str, dict[str, float]]:
    """Tokens a second of one more token behind a context, with the cache and without; weights do not matter for it."""
    import torch

    from etudes.pipelines.decoder_transformer.decoder import DecoderTransformer
    from etudes.pipelines.decoder_transformer.step import TokenStep

    network = DecoderTransformer(7, max(parameters.contexts), transformer.recurrences.network).eval()
    speeds: dict[str, dict[str, float]] = {"cached": {}, "recomputed": {}}
    for context in parameters.contexts:
        tokens = torch.zeros(parameters.batch, context, dtype=torch.long)
        with torch.inference_mode():
            cache = network.new_cache(parameters.batch)
            network(tokens[:, :-1], cache)
            step = TokenStep(network, cache)

            def cached(cache: Any = cache, step: Any = step, tokens: Any = tokens) -> None:
                step(tokens[:, -1])
                cache.filled -= 1  # the next measurement writes the same position again

            def recomputed(tokens: Any = tokens) -> None:
                network(tokens, last_only=True)

            for name, once in (("cached", cached), ("recomputed", recomputed)):
                seconds = _fastest(once, parameters.repeats)
                speeds[name][str(context)] = round(parameters.batch / seconds, 1)
    return speeds


def _fastest(step: Callable[[], None], repeats: int) -> float:
    step()
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        step()
        best = min(best, time.perf_counter() - start)
    return best
