"""Learning from fewer labels, and with either pooling."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from etudes.benches.classifiers import Majority
from etudes.benches.few_labels import label_order
from etudes.benches.parameters import ScoringParameters
from etudes.evaluation import classification_metrics, paired_comparison, with_intervals
from etudes.examples import Examples
from etudes.pipelines.bert_classification.evaluation import ENDS, FloatArray, probabilities
from etudes.pipelines.bert_classification.model import LINEAR, fit_linear, tune_encoder
from etudes.pipelines.bert_classification.parameters import (
    CurveParameters,
    LoraParameters,
    PenaltyParameters,
)
from etudes.text.parameters import EncoderParameters, FrozenParameters
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed

POOLED = "fine_tuned"  # the variant that learns with either pooling
FROZEN = {"first": "probe_first", "mean": "probe_mean"}


def learning_curve(
    train_split: Examples,
    dev_split: Examples,
    test_split: Examples,
    split_card: dict[str, Any],
    predictions: pd.DataFrame,
    frozen: FrozenParameters,
    linear: PenaltyParameters,
    lora: LoraParameters,
    fine_tuned: EncoderParameters,
    curve: CurveParameters,
    evaluation: ScoringParameters,
    run: RunParameters,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train every variant that was trained once more from the first n rows of one random order; a run's seed draws another.

    At most as many dev rows as training rows choose what dev chooses: who has fifty labels has no seven hundred for that.

    Returns:
        ``accuracy`` on test by ``rows`` and ``variant``, the models of all rows last; and by ``encoder`` what the mean over tokens has
        more than the state of the first token.
    """
    labels = test_split.rows["label"].to_numpy()
    count = evaluation.resamples
    orders = [
        label_order(
            part.rows["label"].to_numpy(), np.random.default_rng(derive_seed(run.seed, "curve", name))
        )
        for name, part in (("train", train_split), ("dev", dev_split))
    ]
    settings = {"lora": lora, "fine_tuned": fine_tuned}

    def learned(name: str, rows: int, **changes: Any) -> FloatArray:
        """Probabilities on test after ``rows`` training rows."""
        part, held_out = (
            split.take(order[:rows]) for split, order in zip((train_split, dev_split), orders, strict=True)
        )
        model: Any
        if name in LINEAR:
            model = fit_linear(part, held_out, frozen, linear, variant=name)[0]
        elif name in settings:
            own = stretched(settings[name].model_copy(update=changes), rows, curve.least_updates)
            model = tune_encoder(part, held_out, split_card, own, run)[0]
        else:
            model = Majority.fit(part.rows["label"].to_numpy(), len(split_card["classes"]))
        return probabilities(model, name, test_split, frozen, linear)

    columns = [f"p_{name}" for name in split_card["classes"]]
    names, whole = predictions["variant"].unique(), len(train_split)
    answered = {name: rows[columns].to_numpy(float) for name, rows in predictions.groupby("variant")}
    rows, found = [], {}
    for size in [*(n for n in sorted(curve.sizes) if n < whole), whole]:
        for name in names:
            found[name, size] = p = answered[name] if size == whole else learned(name, size)
            scores = with_intervals(name, labels, p, n_resamples=count)
            rows.append(
                {
                    "rows": size,
                    "variant": name,
                    **{f"accuracy{e}": scores[f"{name}.accuracy{e}"] for e in ENDS},
                }
            )
    pairs = {}
    if all(name in names for name in FROZEN.values()):
        pairs["frozen", whole] = [found[FROZEN[how], whole] for how in ("first", "mean")]
    if POOLED in names and (size := min(curve.pooling_size, whole)) > 0:
        own = fine_tuned.pooling
        other = "first" if own == "mean" else "mean"
        known = found[POOLED, size] if (POOLED, size) in found else learned(POOLED, size)
        both = {own: known, other: learned(POOLED, size, pooling=other)}
        pairs["fine-tuned", size] = [both[how] for how in ("first", "mean")]
    return pd.DataFrame(rows), poolings(pairs, labels, count)


def stretched(parameters: EncoderParameters, rows: int, least_updates: int) -> EncoderParameters:
    """The parameters with so many epochs that there are ``least_updates`` steps."""
    fit = parameters.fit
    epochs = max(fit.epochs, math.ceil(least_updates / math.ceil(rows / fit.batch_size)))
    changed = fit.model_copy(update={"epochs": epochs, "patience": max(fit.patience, epochs)})
    return parameters.model_copy(update={"fit": changed})


def poolings(pairs: dict[tuple[str, int], list[Any]], labels: np.ndarray, resamples: int) -> pd.DataFrame:
    """Accuracy with the state of the first token and with the mean over tokens, and how much more the second has."""
    rows = []
    for (encoder, size), (first, mean) in pairs.items():
        scores = {
            name: classification_metrics(labels, p)["accuracy"]
            for name, p in (("first", first), ("mean", mean))
        }
        how = paired_comparison(labels, mean, first, n_resamples=resamples)
        gain = {f"gain{end}": how[f"accuracy_difference{end}"] for end in ENDS}
        rows.append({"encoder": encoder, "rows": size, **scores, **gain})
    names = ["encoder", "rows", "first", "mean", *(f"gain{end}" for end in ENDS)]
    return pd.DataFrame(rows, columns=names)
