"""How sure classifiers are, and whether rightly: scores of every variant, differences of pairs, a temperature for any of them.

Besides the test rows there are *strangers*: inputs that belong to no class, on which a classifier should be less sure. They are
told apart from test rows by the entropy of the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.benches.classifiers import on_dev, rows_of
from etudes.evaluation import classification_metrics
from etudes.evaluation.classification import SMALLEST_PROBABILITY
from etudes.evaluation.paired import mean_intervals
from etudes.evaluation.ranking import auc_difference, auc_interval
from etudes.evaluation.uncertainty import (
    accuracy_kept,
    brier_scores,
    entropy,
    log_losses,
    risk_area,
    risk_area_interval,
)
from etudes.examples import Examples
from etudes.metrics import KNOWN
from etudes.models import register_model
from etudes.splits import stratified
from etudes.stored import Stored
from etudes.training.classification import fit_temperature
from etudes.training.session import part

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Trained = tuple[Any, dict[str, Any]]
LOSSES = {"log_loss": log_losses, "multiclass_brier": brier_scores}  # of a row; the smaller the better


def hits(labels: IntArray, probabilities: FloatArray) -> FloatArray:
    """Whether each row was answered rightly (N,), as 0.0 and 1.0."""
    return (probabilities.argmax(axis=1) == labels).astype(np.float64)


MEASURES = {"accuracy": hits, **LOSSES}  # of a row
AUROC = "ood_auroc"  # the larger the better
CLAIM = ["first", "second", "measure", "difference", "difference.low", "difference.high", "verdict"]


@register_model("uncertain.ensemble")
@dataclass
class Ensemble(Stored):
    """The mean of the probabilities of networks that differ in first weights and order of batches (Lakshminarayanan et al. 2017).

    Args:
        networks: models with ``draws(examples)`` (T, N, K).
    """

    networks: list[Any]

    def draws(self, examples: Examples) -> NDArray[np.float32]:
        """Probabilities of each network (M, N, K)."""
        return np.concatenate([network.draws(examples) for network in self.networks])

    def predict_proba(self, examples: Examples) -> FloatArray:
        """(N, K)."""
        mean: FloatArray = self.draws(examples).mean(axis=0, dtype=np.float64)
        return mean


def ensemble_of(
    trained: Sequence[Any],
    count: int,
    train_one: Callable[[str], tuple[Any, list[dict[str, float]]]],
    dev_split: Examples,
    named: str = "network",
) -> Trained:
    """An ensemble of ``count`` networks: those that are there, and others that are trained under names of their own.

    Args:
        trained: networks that there are.
        count: of all.
        train_one: of a name, which seeds it, to a network and its epochs.
        dev_split: rows that score the ensemble.
        named: how names begin.
    """
    networks, epochs = list(trained), list[dict[str, float]]()
    for place in range(len(networks), count):
        name = f"{named}_{place + 1}"
        with part(name):
            network, epochs = train_one(name)
        networks.append(network)
    ensemble = Ensemble(networks)
    return ensemble, on_dev(ensemble, dev_split, epochs=epochs)


@register_model("uncertain.tempered")
@dataclass
class Tempered(Stored):
    """Another model's probabilities at a temperature T: p_k^(1/T) / sum_j p_j^(1/T).

    Where they are the softmax of logits this is softmax(logits / T) (Guo et al. 2017, equation 9); a mean over several networks
    is taken first and tempered then (Rahaman and Thiery 2021). T above 1 makes less sure; the class that is answered stays.

    Args:
        members: the one model, by its name.
        temperature: T.
    """

    members: dict[str, Any]
    temperature: float

    def predict_proba(
        self, frame: pd.DataFrame | Examples, known: Mapping[str, FloatArray] | None = None
    ) -> FloatArray:
        """(N, K); ``known`` holds the other model's answers where they are at hand."""
        ((name, model),) = self.members.items()
        found = (known or {}).get(name)
        return tempered(model.predict_proba(frame) if found is None else found, self.temperature)


def tempered(probabilities: FloatArray, temperature: float) -> FloatArray:
    """p^(1/T), brought to sum one again: (..., K)."""
    logs = np.log(np.clip(probabilities, SMALLEST_PROBABILITY, 1.0)) / temperature
    powers = np.exp(logs - logs.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def train_tempered(dev_split: pd.DataFrame | Examples, members: dict[str, Any]) -> Trained:
    """A temperature for the one trained member, by its log-loss on dev.

    The dev scores are cross-fitted: each half of dev at the temperature of the other, so that they compare with those of models
    that have learned nothing from dev.

    Raises:
        ValueError: the member was not trained.
    """
    if not members:
        raise ValueError("the variant whose answers are to be tempered was not trained; add it to `variants`")
    ((name, model),) = members.items()
    labels, found = rows_of(dev_split)["label"].to_numpy(), model.predict_proba(dev_split)
    logs = np.log(np.clip(found, SMALLEST_PROBABILITY, 1.0))
    half = stratified(labels, 0.5, 0)
    crossed = np.empty_like(found)
    for one in (half, ~half):
        crossed[one] = tempered(found[one], fit_temperature(logs[~one], labels[~one]))
    temperature = fit_temperature(logs, labels)
    history = {"dev": classification_metrics(labels, crossed), "epochs": [], "temperature": temperature}
    return Tempered({name: model}, temperature), history


def by_variant(predictions: pd.DataFrame, classes: Sequence[str]) -> dict[str, FloatArray]:
    """Probabilities (N, K) of each variant from the rows of `etudes.benches.classifiers.evaluate`."""
    columns = [f"p_{name}" for name in classes]
    groups = predictions.groupby("variant", sort=False)
    return {str(name): rows[columns].to_numpy(np.float64) for name, rows in groups}


def on_strangers(models: Mapping[str, Any], strangers: pd.DataFrame | Examples) -> dict[str, FloatArray]:
    """Every model's answers (M, K) to strangers, what is made of another's answers from those.

    They are rounded to 32 bits, as predictions are: else equal answers to strangers and to test rows would not be equal.
    """
    found: dict[str, FloatArray] = {}
    for name, model in models.items():
        known = {member: found[member] for member in getattr(model, "members", ()) if member in found}
        found[name] = model.predict_proba(strangers, **({"known": known} if known else {}))
    return {name: p.astype(np.float32).astype(np.float64) for name, p in found.items()}


def uncertainty_scores(
    name: str, labels: IntArray, probabilities: FloatArray, strangers: FloatArray | None, resamples: int
) -> dict[str, float]:
    """Brier score, area under the risk-coverage curve and, of those who were asked strangers, their AUROC, flat, with 95 % intervals.

    Args:
        name: of the variant.
        labels: (N,).
        probabilities: (N, K).
        strangers: (M, K) answers to them, or None.
        resamples: behind the intervals over rows.
    """
    scores = brier_scores(labels, probabilities)
    brier = mean_intervals(pd.DataFrame({"brier": scores}), resamples).to_numpy()[0]
    right, unsure = probabilities.argmax(axis=1) == labels, entropy(probabilities)
    found = {
        "multiclass_brier": tuple(brier),
        "aurc": (risk_area(right, unsure), *risk_area_interval(right, unsure, resamples)),
    }
    if strangers is not None:
        found[AUROC] = auc_interval(*strangeness(probabilities, strangers))
    ends = ("", ".low", ".high")
    return {
        f"{name}.{metric}{end}": float(v)
        for metric, values in found.items()
        for end, v in zip(ends, values, strict=True)
    }


def strangeness(probabilities: FloatArray, strangers: FloatArray) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Entropies (N + M,) of test rows and strangers together, and which are of strangers."""
    return np.r_[entropy(probabilities), entropy(strangers)], np.arange(
        len(probabilities) + len(strangers)
    ) >= len(probabilities)


def claim_table(
    pairs: Sequence[tuple[str, str]],
    labels: IntArray,
    probabilities: Mapping[str, FloatArray],
    strangers: Mapping[str, FloatArray] | None,
    resamples: int,
    measures: Sequence[str] = tuple(LOSSES),
) -> pd.DataFrame:
    """Measures of rows and, if there are any, AUROC of strangers, of one variant minus another's on the same rows, with 95 % intervals.

    ``verdict`` is of the first: *better*, *worse* or *cannot tell*, by intervals that are corrected for all rows of the table
    (Bonferroni).

    Args:
        pairs: of variants; those that did not run are left out.
        labels: (N,).
        probabilities: (N, K) by variant.
        strangers: (M, K) by variant, or None.
        resamples: behind the intervals of ``measures``, over rows.
        measures: names of `MEASURES`.
    """
    pairs = [pair for pair in pairs if set(pair) <= probabilities.keys()]
    if not pairs:
        return pd.DataFrame(columns=CLAIM)
    level = 1 - 0.05 / (len(pairs) * (len(measures) + (strangers is not None)))
    of_rows = {
        (a, b, name): MEASURES[name](labels, probabilities[a]) - MEASURES[name](labels, probabilities[b])
        for name in measures
        for a, b in pairs
    }
    losses = pd.DataFrame({str(place): rows for place, rows in enumerate(of_rows.values())})
    plain, sure = (mean_intervals(losses, resamples, at) for at in (0.95, level))
    found = []
    for place, key in enumerate(of_rows):
        low, high = sure.iloc[place][["low", "high"]]
        gain = (low, high) if KNOWN[key[2]].maximise else (-high, -low)
        found.append([*key, *plain.iloc[place], verdict(*gain)])
    if strangers is None:
        return pd.DataFrame(found, columns=CLAIM)
    for a, b in pairs:
        one, strange = strangeness(probabilities[a], strangers[a])
        other, _ = strangeness(probabilities[b], strangers[b])
        _, low, high = auc_difference(one, other, strange, level)
        found.append([a, b, AUROC, *auc_difference(one, other, strange), verdict(low, high)])
    return pd.DataFrame(found, columns=CLAIM)


def verdict(low: float, high: float) -> str:
    """Of a difference that is the better the larger, from its interval."""
    return "better" if low > 0 else "worse" if high < 0 else "cannot tell"


def rejection_table(
    labels: IntArray, probabilities: Mapping[str, FloatArray], kept: Sequence[float]
) -> pd.DataFrame:
    """Accuracy of each variant on the share of rows it is surest of: ``variant``, ``kept``, ``accuracy``."""
    found = []
    for name, p in probabilities.items():
        accuracies = accuracy_kept(p.argmax(axis=1) == labels, entropy(p), kept)
        found += [(name, share, value) for share, value in zip(kept, accuracies, strict=True)]
    return pd.DataFrame(found, columns=["variant", "kept", "accuracy"])
