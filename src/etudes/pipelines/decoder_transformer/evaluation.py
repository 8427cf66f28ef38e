"""Scores on test, beside the ceiling of the same sequences."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from etudes.benches.sequences import mean_with_interval, next_token_scores
from etudes.examples import Examples
from etudes.pipelines.decoder_transformer.data import Card, of_group
from etudes.pipelines.decoder_transformer.parameters import EvaluationParameters
from etudes.samples.recurrences_ceiling import even_prior, predict, transition_law

GROUPS = {"seen": "new sequences", "starts": "new start tokens", "heldout": "new coefficients"}
TEXT, SLIP = "text", 0.01
LEARNED, COUNTED = "transformer", "kneser_ney"
PREDICTION_COLUMNS = ["variant", "id", "modulus", "group", "accuracy", "log_loss"]


def evaluate(
    models: dict[str, Any],
    test_split: Examples,
    text_test_split: Examples,
    data_card: Card,
    split_card: Card,
    evaluation: EvaluationParameters,
) -> tuple[dict[str, float], pd.DataFrame, pd.DataFrame, pd.DataFrame, Card]:
    """Score every trained variant on test, which no other stage sees, beside the ceiling of the same sequences.

    Returns:
        metrics (flat, with bootstrap intervals over sequences; ``transformer.over_kneser_ney`` are the bits a character
        that the network needs more than the n-grams), predictions (one row per variant and sequence), accuracy
        of every variant and reader by position and by modulus, and the ceilings: accuracy of every reader by
        ``modulus_<m>.<group>``.
    """
    metrics: dict[str, float] = {}
    predictions, positions, moduli, ceilings = [], [], [], {}
    for modulus, group in product(data_card["moduli"], GROUPS):
        examples, task = of_group(test_split, modulus, group), f"modulus_{modulus}"
        tokens = np.asarray(examples["tokens"])
        readers = readers_of(tokens, modulus, group, data_card, split_card)
        right = {name: p.argmax(-1) == tokens[:, 1:] for name, p in readers.items()}
        ceilings[f"{task}.{group}"] = {name: float(hits.mean()) for name, hits in right.items()}
        best, end = right["bayes"].mean(1), "" if modulus == data_card["moduli"][0] else f"_mod{modulus}"
        for name, model in models.items():
            right[name], surprise = next_token_scores(model.log_probs(task, tokens[:, :-1]), tokens[:, 1:])
            accuracy, log_loss = right[name].mean(1), surprise.mean(1)
            found = {"variant": name, "accuracy": accuracy, "log_loss": log_loss}
            predictions.append(examples.rows[["id", "modulus", "group"]].assign(**found))
            for key, values in {"accuracy": accuracy, "gap": best - accuracy, "log_loss": log_loss}.items():
                of_seen = "ceiling_gap" if key == "gap" else key
                metric = f"{name}.{of_seen if group == 'seen' else f'{group}_{key}'}{end}"
                metrics |= mean_with_interval(metric, values, evaluation.resamples)
        for name, hits in right.items():
            where = {"modulus": modulus, "variant": name, "group": group}
            found = {"position": np.arange(hits.shape[1]), "accuracy": hits.mean(0), "sequences": len(hits)}
            positions.append(pd.DataFrame({**where, **found}))
            moduli.append(where | mean_with_interval("accuracy", hits.mean(1), evaluation.resamples))
    tokens, bits = np.asarray(text_test_split["tokens"]), {}
    for name, model in models.items():
        if TEXT in model.tasks:
            hits, surprise = next_token_scores(model.log_probs(TEXT, tokens[:, :-1]), tokens[:, 1:])
            found = {"variant": name, "modulus": 0, "group": TEXT}
            found |= {"accuracy": hits.mean(1), "log_loss": surprise.mean(1)}
            predictions.append(text_test_split.rows[["id"]].assign(**found))
            bits[name] = surprise.mean(1) / np.log(2)
            for metric, values in {"text_accuracy": hits.mean(1), "bits_per_character": bits[name]}.items():
                metrics |= mean_with_interval(f"{name}.{metric}", values, evaluation.resamples)
    if {
        LEARNED,
        COUNTED,
    } <= bits.keys():  # window by window, so that what is hard for both does not widen the interval
        more = bits[LEARNED] - bits[COUNTED]
        metrics |= mean_with_interval(f"{LEARNED}.over_{COUNTED}", more, evaluation.resamples)
    table = pd.concat(predictions, ignore_index=True)[PREDICTION_COLUMNS]
    return metrics, table, pd.concat(positions, ignore_index=True), pd.DataFrame(moduli), ceilings


def readers_of(
    tokens: np.ndarray, modulus: int, group: str, data_card: Card, split_card: Card
) -> dict[str, np.ndarray]:
    """Probabilities (N, T - 1, m) of readers that know the process, for ``tokens`` (N, T) of one modulus and group.

    - ``bayes``, the ceiling: on new sequences it knows what training had, vectors and start tokens; on new start tokens
      it knows the seen vectors and holds all start tokens alike; on held-out vectors it holds all m² vectors alike, as
      a reader who knows the process and not the split.
    - ``bayes_seen``: believes on the last two that there is only what training had, as one who learned that by heart;
      `SLIP` of the uniform law is mixed into its own, so that it has an answer where its belief has none.
    """
    seen = split_card["vectors"][str(modulus)]["seen"]
    trained = even_prior(modulus, seen, split_card["heldout_starts"][str(modulus)])
    priors = {"seen": trained, "starts": even_prior(modulus, seen), "heldout": even_prior(modulus)}
    law = transition_law(modulus, data_card["next_probability"])
    readers = {"bayes": predict(tokens, law, priors[group])}
    if group != "seen":
        by_heart = trained if group == "starts" else priors["starts"]
        readers["bayes_seen"] = predict(tokens, (1 - SLIP) * law + SLIP / modulus, by_heart)
    return readers
