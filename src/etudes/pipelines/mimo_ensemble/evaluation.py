"""Are several networks in one better than one? On test, on corrupted pictures, by width, by how pictures are shown together."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.benches import uncertain
from etudes.benches.classifiers import evaluate as score
from etudes.benches.uncertain import Tempered, by_variant, hits, on_strangers
from etudes.evaluation import classification_metrics
from etudes.evaluation.cost import latencies
from etudes.evaluation.diversity import disagreement, divergence
from etudes.evaluation.paired import mean_intervals
from etudes.evaluation.uncertainty import log_losses
from etudes.examples import Examples
from etudes.models import stored_bytes
from etudes.pipelines.mimo_ensemble.model import Network, Swept
from etudes.pipelines.mimo_ensemble.parameters import EvaluationParameters, MimoParameters
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed
from etudes.vision.corruptions import AMOUNTS, corrupted

PAIRS = (
    ("mimo_2", "plain"),
    ("mimo_3", "plain"),
    ("mimo_4", "plain"),
    ("mimo_3", "narrow_ensemble"),
    ("mimo_temperature", "temperature"),
    ("mc_dropout", "plain"),
    ("narrow_ensemble", "plain"),
    ("ensemble", "plain"),
    ("ensemble_temperature", "temperature"),
    ("ensemble", "mimo_3"),
)
TOLD = ("accuracy", "log_loss")  # of the claims
COLUMNS = ["accuracy", "log_loss", "ece", "member_accuracy", "disagreement", "divergence"]
REPETITION = ["batch_repetition", "input_repetition"]


def evaluate(
    test_split: Examples,
    split_card: dict[str, Any],
    models: dict[str, Any],
    evaluation: EvaluationParameters,
    run: RunParameters,
) -> tuple[Any, ...]:
    """Score every trained variant on test, which no other stage sees.

    Returns:
        metrics (flat), predictions, the per-class table, the two best variants row by row, inference costs; tables of paired
        differences, of members, of costs, of corrupted pictures, and of what is left where the least sure are not answered.
    """
    metrics, predictions, per_class, best, speed = score(
        test_split, split_card, models, evaluation, rows="pictures"
    )
    labels = test_split.rows["label"].to_numpy()
    probabilities = by_variant(predictions, split_card["classes"])
    members = members_table(test_split, models)
    worse, corrupted_metrics = corrupted_scores(test_split, models, evaluation, run)
    for name, p in probabilities.items():
        metrics |= uncertain.uncertainty_scores(name, labels, p, None, evaluation.resamples)
    for row in members.to_dict("records"):
        metrics[f"{row['variant']}.disagreement"] = row["disagreement"]
    return (
        *(metrics | corrupted_metrics, predictions, per_class, best, speed),
        uncertain.claim_table(PAIRS, labels, probabilities, None, evaluation.resamples, TOLD),
        members,
        cost_table(test_split, models, evaluation),
        worse,
        uncertain.rejection_table(labels, probabilities, evaluation.kept),
    )


def of_members(labels: NDArray[np.int64], draws: NDArray) -> dict[str, float]:
    """`COLUMNS` of members (M, N, K) and of their mean; of a single one there is no disagreement."""
    draws = draws.astype(np.float64)
    scores = classification_metrics(labels, draws.mean(axis=0))
    found = {name: scores[name] for name in ("accuracy", "log_loss", "ece")}
    found["member_accuracy"] = float((draws.argmax(axis=2) == labels).mean())
    for name, measure in (("disagreement", disagreement), ("divergence", divergence)):
        found[name] = float(measure(draws).mean()) if len(draws) > 1 else 0.0
    return found


def members_table(test_split: Examples, models: Mapping[str, Any]) -> pd.DataFrame:
    """``variant`` and `COLUMNS` of all variants whose answer is a mean over members."""
    labels, rows = test_split.rows["label"].to_numpy(), []
    for name, model in models.items():
        if hasattr(model, "draws") and len(draws := model.draws(test_split)) > 1:
            rows.append({"variant": name, "members": len(draws), **of_members(labels, draws)})
    return pd.DataFrame(rows, columns=["variant", "members", *COLUMNS])


def networks_of(model: Any) -> list[Network]:
    """The networks that an answer of a variant asks."""
    if isinstance(model, Tempered):
        return networks_of(next(iter(model.members.values())))
    return [model] if isinstance(model, Network) else list(getattr(model, "networks", ()))


def cost_table(
    test_split: Examples, models: Mapping[str, Any], evaluation: EvaluationParameters
) -> pd.DataFrame:
    """``variant``, ``megaflops``, ``weights``, ``kilobytes`` of the stored model, and the time of an answer from bytes to probabilities: ``latency`` (ms) of one picture,
    ``batch_latency`` of a batch. Variants take turns, in this process and with its threads."""
    side, table = int(test_split["pixels"].shape[1]), {}
    for name, model in models.items():
        costs = [network.cost(side) for network in networks_of(model)]
        table[name] = {
            "megaflops": sum(c[0] for c in costs),
            "weights": sum(c[1] for c in costs),
            "kilobytes": stored_bytes(model) / 1000,
        }
    for column, count in (("latency", 1), ("batch_latency", evaluation.batch)):
        asked = test_split.take(np.arange(min(count, len(test_split))))
        calls = {name: partial(model.predict_proba, asked) for name, model in models.items()}
        for name, taken in latencies(calls, evaluation.rounds).items():
            table[name][column] = taken
    return pd.DataFrame([{"variant": name, **row} for name, row in table.items()])


def corrupted_scores(
    test_split: Examples, models: Mapping[str, Any], evaluation: EvaluationParameters, run: RunParameters
) -> tuple[pd.DataFrame, dict[str, float]]:
    """Accuracy and log-loss on test pictures that were made worse.

    Returns:
        ``variant``, ``corruption``, ``accuracy``, ``log_loss``, means over severities; and flat metrics over all, with intervals over
        pictures, of which each is one row whatever was done to it.
    """
    labels, rows = test_split.rows["label"].to_numpy(), []
    sums: dict[str, NDArray[np.float64]] = {}
    for kind, severity in product(AMOUNTS, evaluation.severities):
        seed = derive_seed(run.seed, kind, severity)
        pixels = corrupted(np.asarray(test_split["pixels"]), kind, severity, seed)
        for name, p in on_strangers(models, Examples(test_split.rows, {"pixels": pixels})).items():
            found = np.stack([hits(labels, p), log_losses(labels, p)])
            sums[name] = sums.get(name, 0.0) + found
            rows.append((name, kind, *found.mean(axis=1)))
    table = pd.DataFrame(rows, columns=["variant", "corruption", "accuracy", "log_loss"])
    table = table.groupby(["variant", "corruption"], sort=False, as_index=False).mean()
    metrics, count = {}, len(AMOUNTS) * len(evaluation.severities)
    for name, total in sums.items():
        means = pd.DataFrame((total / count).T, columns=["corrupted_accuracy", "corrupted_log_loss"])
        for metric, ends in mean_intervals(means, evaluation.resamples).iterrows():
            metrics[f"{name}.{metric}"] = float(ends["value"])
            metrics |= {f"{name}.{metric}.{end}": float(ends[end]) for end in ("low", "high")}
    return table, metrics


def sweeps(
    test_split: Examples,
    models: dict[str, Any],
    widths: Swept,
    repetitions: Swept,
    mimo: MimoParameters,
    evaluation: EvaluationParameters,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Networks of other widths, and pictures shown together in other ways, beside the variants.

    Returns:
        By ``width`` and ``members``: ``megaflops`` and `COLUMNS`; paired differences of several inputs to one at each width, as
        `uncertain.claim_table`; and by `REPETITION`: `COLUMNS`.
    """
    labels, side = test_split.rows["label"].to_numpy(), int(test_split["pixels"].shape[1])
    several = max(setting["members"] for setting in widths.settings)
    pairs = [(f"mimo_{several}", several), ("plain", 1)]
    ours = [({"members": m}, models[name]) for name, m in pairs if name in models]
    own_sizes = {(network.config["width"], setting["members"]) for setting, network in ours}
    # One of the variants' own size says nothing new.
    others = zip(widths.settings, widths.networks, strict=True)
    asked = [(s, n) for s, n in others if (n.config["width"], s["members"]) not in own_sizes] + ours
    rows, answers = [], {}
    for setting, network in sorted(asked, key=lambda a: (a[1].config["width"], a[0]["members"])):
        draws, width = network.draws(test_split), network.config["width"]
        key = {"width": width, "members": setting["members"], "megaflops": network.cost(side)[0]}
        rows.append(key | of_members(labels, draws))
        answers[f"{setting['members']} at width {width}"] = draws.mean(axis=0, dtype=np.float64)
    sizes = sorted({row["width"] for row in rows})
    compared = [(f"{several} at width {width}", f"1 at width {width}") for width in sizes]
    gaps = uncertain.claim_table(compared, labels, answers, None, evaluation.resamples, TOLD)
    shown = list(zip(repetitions.settings, repetitions.networks, strict=True))
    own = [
        model for _, model in ours if repetitions.networks and model.inputs == repetitions.networks[0].inputs
    ]
    shown += [(mimo.model_dump(), model) for model in own]
    ways = [setting | of_members(labels, network.draws(test_split)) for setting, network in shown]
    return (
        pd.DataFrame(rows, columns=["width", "members", "megaflops", *COLUMNS]),
        gaps,
        pd.DataFrame(ways, columns=[*REPETITION, *COLUMNS]).sort_values(REPETITION, ignore_index=True),
    )
