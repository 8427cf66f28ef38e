"""How the transformer writes: the grid of sampling settings, and speed."""

from __future__ import annotations

import timeit
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import torch

from etudes.assembly import left_out
from etudes.benches.sequences import variety
from etudes.examples import Examples
from etudes.pipelines.decoder_transformer.cache import CachedSteps
from etudes.pipelines.decoder_transformer.data import Card, of_group
from etudes.pipelines.decoder_transformer.decoder import DecoderTransformer
from etudes.pipelines.decoder_transformer.parameters import GenerationParameters, NetworksParameters
from etudes.samples.recurrences_ceiling import transition_law, true_likelihood
from etudes.text.characters import Alphabet
from etudes.text.sampling import generate_each

TEXT = "text"
VARIETY = ["distinct_1", "distinct_2", "distinct_3", "repetition"]
SAMPLING = ["task", "source", "temperature", "top_p", "entropy", *VARIETY, "log_likelihood", "impossible"]
TEXTS = ["temperature", "top_p", "prompt", "continuation"]
CONTEXTS, BATCH, REPEATS = (64, 128, 256, 512), 8, 6  # tokens, sequences side by side, the fastest of so many


def sample_grid(
    transformer_model: Any,
    test_split: Examples,
    text_test_split: Examples,
    data_card: Card,
    split_card: Card,
    generation: GenerationParameters,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Continue prompts of the test split under every temperature and top-p.

    Returns:
        One row a task and setting, and a first one for what the data themselves go on with: entropy (bits) of the law
        drawn from, distinct-1 to -3, share that ends in a loop; of recurrences also the mean log-likelihood under the
        true process (nats a token) and the share of impossible tokens. Then the texts of every setting.
    """
    if left_out(transformer_model):
        return pd.DataFrame(columns=SAMPLING), pd.DataFrame(columns=TEXTS)
    modulus, settings = data_card["moduli"][0], list(product(generation.temperatures, generation.top_p))
    seen, alphabet = of_group(test_split, modulus, "seen"), Alphabet(split_card["alphabet"])
    laws = transition_law(modulus, data_card["next_probability"])[seen.rows["a"] * modulus + seen.rows["b"]]
    rows: list[dict[str, Any]] = []
    texts: list[dict[str, Any]] = []
    for task, examples, wanted in (
        (f"modulus_{modulus}", seen, generation.prompt),
        (TEXT, text_test_split, generation.text_prompt),
    ):
        tokens = examples["tokens"][: generation.sequences]
        prompt, end = min(wanted, tokens.shape[1] - 3), tokens.shape[1]
        if task == TEXT:
            end = min(prompt + generation.text_length, end)
        prompts, steps = tokens[:, :prompt], partial(CachedSteps, transformer_model.networks[task])

        def described(
            written: np.ndarray, task: str = task, prompts: np.ndarray = prompts
        ) -> dict[str, float]:
            return variety(written) | ({} if task == TEXT else true_likelihood(prompts, written, laws))

        # The process itself is drawn from as it is.
        plain = {"temperature": 1.0, "top_p": 1.0}
        rows.append({"task": task, "source": "data", **plain, **described(tokens[:, prompt:end])})
        forbidden = 0 if task == TEXT else None  # the unknown character
        made = generate_each(steps, prompts, end - prompt, settings, forbidden)
        for (temperature, top_p), found in zip(settings, made, strict=True):
            setting = {"temperature": temperature, "top_p": top_p}
            facts = {"entropy": found.entropy.mean(), **described(found.tokens)}
            rows.append({"task": task, "source": "model", **setting, **facts})
            if task == TEXT:
                words = [alphabet.decode(ids[0]) for ids in (prompts, found.tokens)]
                texts.append({**setting, "prompt": words[0], "continuation": words[1]})
    return pd.DataFrame(rows)[SAMPLING], pd.DataFrame(texts)


@torch.inference_mode()
def measure_speed(transformer: NetworksParameters) -> dict[str, dict[str, float]]:
    """Tokens a second of one more token behind a context, with the cache and without; weights do not matter for it."""
    network = DecoderTransformer(7, max(CONTEXTS), transformer.recurrences.network).eval()
    speeds: dict[str, dict[str, float]] = {"cached": {}, "recomputed": {}}
    for context in CONTEXTS:
        tokens = torch.zeros(BATCH, context, dtype=torch.long)
        steps = CachedSteps(network, BATCH, context)
        steps(tokens[:, :-1])

        def cached(steps: CachedSteps = steps, token: torch.Tensor = tokens[:, -1:]) -> None:
            steps(token)
            steps.filled -= 1  # the next measurement writes the same position again

        for name, once in (("cached", cached), ("recomputed", partial(network, tokens, last_only=True))):
            seconds = min(timeit.repeat(once, number=1, repeat=REPEATS))
            speeds[name][str(context)] = round(BATCH / seconds, 1)
    return speeds
