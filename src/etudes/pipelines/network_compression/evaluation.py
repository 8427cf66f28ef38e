"""Accuracy against bytes, operations and time: on test, for every variant, every pruned network, every number of bits."""

from __future__ import annotations

from typing import Any

import pandas as pd
import torch

from etudes.benches import uncertain
from etudes.benches.classifiers import evaluate as score
from etudes.benches.uncertain import by_variant, verdict
from etudes.evaluation import classification_metrics
from etudes.evaluation.cost import megaflops
from etudes.examples import Examples
from etudes.pipelines.network_compression.model import Network, Original, PrunedNetworks
from etudes.pipelines.network_compression.parameters import EvaluationParameters
from etudes.vision.compact import layers_of
from etudes.vision.costs import cost_table, times
from etudes.vision.packing import kilobytes, packed

PAIRS = (
    *(
        (name, "uncompressed")
        for name in ("int8", "integer", "int4", "int4_tuned", "pruned", "slimmed", "combined")
    ),
    ("int4_tuned", "int4"),
    ("slimmed", "distilled"),
    ("distilled", "small"),
    ("grouped", "distilled"),
    ("separable", "distilled"),
)
POINTS = 0.02  # of accuracy that a smaller network may lose
COUNTED = ("kilobytes", "weights", "megaflops")
PRUNING = ["kind", "rate", "kilobytes", "megaflops", "batch_latency", "accuracy_before", "accuracy"]
FRONTIER = ["network", "bits", "kilobytes", "accuracy"]


def evaluate(
    test_split: Examples,
    split_card: dict[str, Any],
    models: dict[str, Any],
    original_model: Original,
    pruning_model: PrunedNetworks,
    evaluation: EvaluationParameters,
) -> tuple[Any, ...]:
    """Score every trained variant on test, which no other stage sees.

    Returns:
        metrics (flat), predictions, the per-class table, the two best variants row by row, inference costs; tables of paired
        differences, of costs, of pruned networks before and after more training, and of networks by bits.
    """
    scored = score(test_split, split_card, models, evaluation, rows="pictures")
    metrics, predictions = scored[:2]
    labels = test_split.rows["label"].to_numpy()
    probabilities = by_variant(predictions, split_card["classes"])
    for name, p in probabilities.items():
        metrics |= uncertain.uncertainty_scores(name, labels, p, None, evaluation.resamples)
        metrics[f"{name}.kilobytes"] = kilobytes(models[name])
    claims = uncertain.claim_table(PAIRS, labels, probabilities, None, evaluation.resamples, ("accuracy",))
    return (
        *(*scored, claims.assign(within=within(claims))),
        cost_table(test_split, models, COUNTED, counted, evaluation.batch, evaluation.rounds),
        pruning_table(test_split, pruning_model, evaluation),
        frontier_table(test_split, original_model, pruning_model, evaluation),
    )


def within(claims: pd.DataFrame) -> list[str]:
    """Whether the first loses no more than `POINTS` against the second, by the plain interval of the difference."""
    words = {"better": "yes", "worse": "no", "cannot tell": "cannot tell"}
    return [
        words[verdict(low + POINTS, high + POINTS)]
        for low, high in zip(claims["difference.low"], claims["difference.high"], strict=True)
    ]


def counted(model: Any, side: int) -> dict[str, float]:
    """Of a network: what its file takes (kilobytes), weights that are not zero, operations of an answer as if all were there (millions)."""
    return {
        "kilobytes": kilobytes(model),
        "weights": sum(int(layer.weight.count_nonzero()) for _, layer in layers_of(model.network)),
        "megaflops": megaflops(model.network, torch.zeros(1, 3, side, side)),
    }


def pruning_table(
    test_split: Examples, pruning: PrunedNetworks, evaluation: EvaluationParameters
) -> pd.DataFrame:
    """Accuracy on test of networks that lost weights or channels, before and after more training, with 16 bits a weight."""
    side, labels = int(test_split["pixels"].shape[1]), test_split.rows["label"].to_numpy()
    files = {
        f"{kind} {rate}": packed(after.network, after.config, 16, sparse=kind == "magnitude")
        for kind, rate, after in zip(pruning.kinds, pruning.rates, pruning.after, strict=True)
    }
    took = times(test_split, files, evaluation.batch, evaluation.rounds)
    rows = []
    for place, (name, model) in enumerate(files.items()):
        before = packed(pruning.before[place].network, pruning.before[place].config, 16)
        found = [
            classification_metrics(labels, m.predict_proba(test_split))["accuracy"] for m in (before, model)
        ]
        operations = megaflops(model.network, torch.zeros(1, 3, side, side))
        rows.append(
            (pruning.kinds[place], pruning.rates[place], kilobytes(model), operations, took[name], *found)
        )
    return pd.DataFrame(rows, columns=PRUNING)


def frontier_table(
    test_split: Examples, original_model: Original, pruning: PrunedNetworks, evaluation: EvaluationParameters
) -> pd.DataFrame:
    """Kilobytes and accuracy on test of the original and of every pruned network, by bits; nothing is trained after the bits are taken."""
    labels = test_split.rows["label"].to_numpy()
    networks: dict[str, Network] = {"all weights": original_model.network}
    for kind, rate, after in zip(pruning.kinds, pruning.rates, pruning.after, strict=True):
        networks[f"{rate:g} of {'weights' if kind == 'magnitude' else 'channels'} gone"] = after
    rows = []
    for name, one in networks.items():
        for bits in evaluation.bits:
            model = packed(one.network, one.config, bits, sparse=name.endswith("weights gone"))
            accuracy = classification_metrics(labels, model.predict_proba(test_split))["accuracy"]
            rows.append((name, bits, kilobytes(model), accuracy))
    return pd.DataFrame(rows, columns=FRONTIER)
