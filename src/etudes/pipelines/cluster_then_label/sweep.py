"""Every method on repeated splits of a table: who is right how often, with how many labels, and what alpha does.

All methods of a split see the same rows and labels, so that differences are paired.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from etudes.benches.few_labels import Split, choose
from etudes.evaluation import classification_metrics
from etudes.evaluation.partitions import adjusted_rand_index, normalised_mutual_information
from etudes.pipelines.cluster_then_label.methods import FITS, guided, kmeans_vote, settings_of
from etudes.pipelines.cluster_then_label.parameters import MethodsParameters

METRICS = ("accuracy", "ari", "nmi", "log_loss")
ALPHA = (*METRICS[:3], *(f"{metric}_gain" for metric in METRICS[:3]))
MEASURED = ("guided", "kmeans_vote", "gain_of_all")


def by_labels(
    splits: Sequence[Split], names: Sequence[str], counts: Iterable[int], methods: MethodsParameters
) -> pd.DataFrame:
    """`METRICS` on test by ``split``, ``labels`` and ``variant``; settings are chosen among the labelled rows.

    Adjusted Rand index and normalised mutual information compare answers and classes as partitions.
    """
    found: list[dict[str, Any]] = []
    for number, split in enumerate(splits):
        for count in filter(split.allows, sorted({*counts})):
            for name in names:
                given = (split.train, split.known(count), split.classes, methods.folds, split.seed)
                rule = choose(FITS[name], settings_of(name, methods), *given).rule
                probabilities = rule.predict_proba(split.test)
                scores = classification_metrics(split.truth, probabilities)
                row = {"split": number, "shared": split.shared, "labels": count, "variant": name}
                row |= {metric: scores[metric] for metric in ("accuracy", "log_loss")}
                found.append(row | alike(split, probabilities.argmax(axis=1)))
    return pd.DataFrame(found, columns=["split", "shared", "labels", "variant", *METRICS])


def by_alpha(
    splits: Sequence[Split], alphas: Sequence[float], count: int, methods: MethodsParameters
) -> pd.DataFrame:
    """Guided k-means with a cluster for each class by ``split`` and ``alpha``: accuracy on test, and ``ari`` and ``nmi`` of the
    clusters there; and how much more of each than at alpha = 0 (``accuracy_gain`` ...)."""
    found: list[dict[str, Any]] = []
    for number, split in enumerate(splits):
        plain: dict[str, float] = {}
        for alpha in (0.0, *alphas) if split.allows(count) else ():
            rule = as_the_original(split, count, methods, alpha=alpha)["guided"]
            scores = {"accuracy": accuracy(split, rule), **alike(split, rule.assign(split.test))}
            plain = plain or scores
            gained = {f"{name}_gain": value - plain[name] for name, value in scores.items()}
            found.append({"split": number, "shared": split.shared, "alpha": alpha, **scores, **gained})
    return pd.DataFrame(found, columns=["split", "shared", "alpha", *ALPHA])


def by_measurements(
    splits: Mapping[str, Sequence[Split]], count: int, methods: MethodsParameters
) -> pd.DataFrame:
    """Accuracy on test `as_the_original` by ``measurements`` and ``starts``, one or many: ``guided``, ``kmeans_vote``, and how much
    more guided k-means has with the first measurements, which are all (``gain_of_all``)."""
    found: list[dict[str, Any]] = []
    for starts in (1, methods.starts):
        whole: list[float] = []
        for measurements, parts in splits.items():
            rules = [as_the_original(split, count, methods, starts=starts) for split in parts]
            rows = [{n: accuracy(s, r) for n, r in own.items()} for s, own in zip(parts, rules, strict=True)]
            whole = whole or [row["guided"] for row in rows]
            known = {"measurements": measurements, "starts": starts, "shared": parts[0].shared}
            found += [
                {**known, **row, "gain_of_all": best - row["guided"]}
                for row, best in zip(rows, whole, strict=True)
            ]
    return pd.DataFrame(found, columns=["measurements", "starts", "shared", *MEASURED])


def as_the_original(split: Split, count: int, methods: MethodsParameters, **changed: Any) -> dict[str, Any]:
    """Guided k-means and k-means with the vote, a cluster for each class and nothing chosen; ``changed`` are settings."""
    plain = {**settings_of("kmeans_vote", methods)[0], "per_class": 1, **changed}
    own = {"alpha": methods.guided.alphas[0], **plain}
    plain.pop("alpha", None)
    given = (split.train, [split.known(min(count, len(split.labels)))], split.classes, split.seed)
    return {"guided": next(guided(*given, **own)), "kmeans_vote": next(kmeans_vote(*given, **plain))}


def accuracy(split: Split, rule: Any) -> float:
    """Share of the test rows that a rule gets right."""
    return float((rule.predict_proba(split.test).argmax(axis=1) == split.truth).mean())


def alike(split: Split, parts: Any) -> dict[str, float]:
    """How a partition (M,) of the test rows compares with the classes."""
    return {
        "ari": adjusted_rand_index(split.truth, parts),
        "nmi": normalised_mutual_information(split.truth, parts),
    }
