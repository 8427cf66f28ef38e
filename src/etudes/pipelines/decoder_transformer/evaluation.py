"""The stage evaluate: scores on test beside the ceiling of the same sequences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from etudes.evaluation.bootstrap import quantile_interval, resample_weights
from etudes.examples import Examples
from etudes.pipelines.decoder_transformer.bayes import BayesPredictor, oracle, starts_prior, uniform_prior
from etudes.pipelines.decoder_transformer.nodes import TEXT, Card, task_of
from etudes.pipelines.decoder_transformer.parameters import EvaluationParameters
from etudes.study import selected

GROUPS = ("seen", "starts", "heldout")
PREDICTION_COLUMNS = ["variant", "id", "modulus", "group", "accuracy", "log_loss"]


def mean_with_interval(values: np.ndarray, resamples: int, level: float = 0.95) -> tuple[float, float, float]:
    """Mean of one number a sequence (N,), and its percentile bootstrap interval over sequences."""
    chunks = [weights @ values / len(values) for weights in resample_weights(len(values), resamples, seed=0)]
    return float(values.mean()), *quantile_interval(np.concatenate(chunks), level)


def evaluate(
    test_split: Examples,
    text_test_split: Examples,
    data_card: Card,
    split_card: Card,
    parameters: EvaluationParameters,
    **models: Any,
) -> tuple[dict[str, float], pd.DataFrame, pd.DataFrame, pd.DataFrame, Card]:
    """Score every trained variant on test, which no other stage sees, beside the ceiling of the same sequences.

    Returns:
        metrics (flat, with bootstrap intervals over sequences), predictions (one row per variant and sequence), accuracy
        by position, accuracy by modulus and group beside the ceiling, and the ceilings.
    """
    from etudes.pipelines.decoder_transformer.problem import next_token_scores

    chosen = selected(models)
    metrics: dict[str, float] = {}
    predictions, positions, moduli, ceilings = [], [], [], {}
    for modulus in data_card["moduli"]:
        for group in GROUPS:
            member = (
                (test_split.rows["modulus"] == modulus) & (test_split.rows["group"] == group)
            ).to_numpy()
            examples = test_split.take(member)
            tokens, targets = examples["tokens"], examples["tokens"][:, 1:]
            readers = readers_of(examples, group, data_card, split_card, parameters.slip)
            best = readers["bayes"].argmax(-1) == targets
            ceilings[f"{task_of(modulus)}.{group}"] = {
                "expected": float(readers["bayes"].max(-1).mean()),
                **{name: float((p.argmax(-1) == targets).mean()) for name, p in readers.items()},
            }
            positions += [
                _by_position(name, modulus, group, p.argmax(-1) == targets) for name, p in readers.items()
            ]
            for name, model in chosen.items():
                right, surprise = next_token_scores(
                    model.log_probs(task_of(modulus), tokens[:, :-1]), targets
                )
                frame = examples.rows[["id", "modulus", "group"]].assign(
                    variant=name, accuracy=right.mean(1), log_loss=surprise.mean(1)
                )
                predictions.append(frame)
                positions.append(_by_position(name, modulus, group, right))
                scores = {
                    "accuracy": right.mean(1),
                    "gap": best.mean(1) - right.mean(1),
                    "log_loss": surprise.mean(1),
                }
                measured = {key: mean_with_interval(v, parameters.resamples) for key, v in scores.items()}
                metrics |= _named(name, measured, group, modulus, modulus == data_card["moduli"][0])
                moduli.append(
                    {
                        "variant": name,
                        "modulus": modulus,
                        "group": group,
                        "accuracy": measured["accuracy"][0],
                        "low": measured["accuracy"][1],
                        "high": measured["accuracy"][2],
                        "ceiling": float(best.mean()),
                        "gap": measured["gap"][0],
                    }
                )
    of_text, text_metrics = _text_scores(text_test_split, chosen, parameters.resamples)
    table = pd.concat([*predictions, *of_text], ignore_index=True)[PREDICTION_COLUMNS]
    return (
        metrics | text_metrics,
        table,
        pd.concat(positions, ignore_index=True),
        pd.DataFrame(moduli),
        ceilings,
    )


def readers_of(
    examples: Examples, group: str, data_card: Card, split_card: Card, slip: float
) -> dict[str, np.ndarray]:
    """Probabilities (N, T - 1, m) of readers that know the process; ``examples`` are of one modulus and group.

    - ``bayes``, the ceiling: on new sequences it knows what training had, vectors and start tokens; on new start tokens
      it knows the seen vectors and holds all start tokens alike; on held-out vectors it holds all m² vectors alike, as
      a reader who knows the process and not the split.
    - ``bayes_seen``: believes on the last two that there is only what training had, as one who learned that by heart.
    - ``oracle``: is told the coefficients.
    """
    modulus, q = int(examples.rows["modulus"].iloc[0]), data_card["next_probability"]
    tokens = np.asarray(examples["tokens"])
    vectors = split_card["vectors"][str(modulus)]["seen"]
    trained = starts_prior(modulus, vectors, split_card["heldout_starts"][str(modulus)])
    seen = uniform_prior(modulus, vectors)
    priors = {"seen": trained, "starts": seen, "heldout": uniform_prior(modulus)}
    by_heart = {"starts": trained, "heldout": seen}
    readers = {
        "bayes": BayesPredictor(modulus, q, priors[group]).predict(tokens),
        "oracle": oracle(tokens, examples.rows[["a", "b"]].to_numpy(), modulus, q),
    }
    if group in by_heart:
        readers["bayes_seen"] = BayesPredictor(modulus, q, by_heart[group], slip).predict(tokens)
    return readers


def _by_position(name: str, modulus: int, group: str, right: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "variant": name,
            "modulus": modulus,
            "group": group,
            "position": np.arange(right.shape[1]),
            "accuracy": right.mean(0),
            "sequences": len(right),
        }
    )


def _named(
    variant: str, measured: Mapping[str, tuple[float, float, float]], group: str, modulus: int, first: bool
) -> dict[str, float]:
    """Flat metrics of the first modulus: ``accuracy``, ``ceiling_gap``, ``log_loss``, ``starts_accuracy``, ``starts_gap``,
    ..., ``heldout_accuracy``, ...; with ``_mod13`` at their end of the others.
    """
    flat: dict[str, float] = {}
    for key, (value, low, high) in measured.items():
        of_seen = "ceiling_gap" if key == "gap" else key
        name = f"{variant}.{of_seen if group == 'seen' else f'{group}_{key}'}"
        name += "" if first else f"_mod{modulus}"
        flat |= {name: value, f"{name}.low": low, f"{name}.high": high}
    return flat


def _text_scores(
    test: Examples, models: Mapping[str, Any], resamples: int
) -> tuple[list[pd.DataFrame], dict[str, float]]:
    from etudes.pipelines.decoder_transformer.problem import next_token_scores

    tokens = np.asarray(test["tokens"])
    frames: list[pd.DataFrame] = []
    metrics: dict[str, float] = {}
    for name, model in models.items():
        if TEXT not in model.tasks:
            continue
        right, surprise = next_token_scores(model.log_probs(TEXT, tokens[:, :-1]), tokens[:, 1:])
        frames.append(
            test.rows[["id"]].assign(
                variant=name, modulus=0, group=TEXT, accuracy=right.mean(1), log_loss=surprise.mean(1)
            )
        )
        for key, values in (
            ("text_accuracy", right.mean(1)),
            ("bits_per_character", surprise.mean(1) / np.log(2)),
        ):
            value, low, high = mean_with_interval(values, resamples)
            metrics |= {f"{name}.{key}": value, f"{name}.{key}.low": low, f"{name}.{key}.high": high}
    return frames, metrics
