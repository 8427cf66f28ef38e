"""Scores on test: the stored models on the study's own split, and every method on repeated splits of digits and leaves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.benches import repeated
from etudes.benches.classifiers import answers, prediction_rows
from etudes.benches.few_labels import UNKNOWN, known_labels, label_order
from etudes.evaluation import classification_metrics
from etudes.examples import Examples
from etudes.pipelines.self_training.features import Projection
from etudes.pipelines.self_training.learning import IntArray, Learned, Pool, learn, self_training, supervised
from etudes.pipelines.self_training.model import answer_from, digits_pool
from etudes.pipelines.self_training.parameters import (
    ArmsParameters,
    CheapParameters,
    DigitsParameters,
    LearningParameters,
    LeavesParameters,
    RepeatsParameters,
)
from etudes.splits import stratified_groups
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed

Frame = pd.DataFrame
UPPER = "all_labels"
AGAINST = ("supervised", "augmented", "label_spreading")
METRICS = ("accuracy", "log_loss", "ece")
DIGITS, LEAVES = "digits", "leaves"


@dataclass(frozen=True)
class Split:
    """One draw: the pool with its true classes (N,), which no method sees, the order in which it is labelled, and test (T, D)."""

    data: str
    number: int
    pool: Pool
    truth: IntArray
    order: IntArray
    test: NDArray
    test_truth: IntArray
    shared: float
    seed: int

    def known(self, count: int) -> IntArray:
        """The labels (N,) that are given where ``count`` are."""
        return known_labels(self.truth, self.order, count)


def evaluate(
    test_split: Examples,
    split_card: dict[str, Any],
    models: dict[str, Any],
    train_split: Examples,
    views_split: Examples,
    train_images: Examples,
    leaves_split: Examples,
    digits: DigitsParameters,
    leaves: LeavesParameters,
    learning: LearningParameters,
    arms: ArmsParameters,
    cheap: CheapParameters,
    repeats: RepeatsParameters,
    run: RunParameters,
) -> tuple[dict[str, float], Frame, Frame, Frame, Frame, Frame, Frame, dict[str, Any]]:
    """Score the trained variants on test, and their methods on repeated splits.

    Returns:
        metrics (flat: means over the splits of digits, and the accuracy on leaves with most labels), predictions of the stored
        models, the scores by data set and number of labels, what each method gains over the bounds, the precision of
        pseudo-labels by round, what the original's reading of its test pictures would say (two tables), and what answers cost.
    """
    counts = {DIGITS: [digits.labels], LEAVES: sorted({*leaves.labels})}
    known = train_images.rows.set_index("id")["label"]
    truth = known.loc[train_split.rows["id"]].to_numpy()
    of_leaves = list(leaves_splits(leaves_split, leaves, learning, cheap, repeats, run))
    drawn = [
        *digits_splits(train_split, views_split, truth, test_split, digits, learning, cheap, repeats, run),
        *of_leaves,
    ]
    scores, rounds = score(drawn, counts, list(models), learning, arms, cheap)
    curve = repeated.summarise(scores, ["data", "labels", "variant"], METRICS)
    keys = ["data", "labels", "variant", "round"]
    looked = pd.concat([look(split, learning, arms, repeats) for split in of_leaves], ignore_index=True)
    probabilities, costs = answers(models, test_split, "pictures")
    names = np.array(split_card["classes"])
    rows = test_split.rows.assign(**{"class": names[test_split.rows["label"].to_numpy()]})
    columns = {name: f"p_{name}" for name in split_card["classes"]}
    return (
        metrics_of(curve, counts),
        prediction_rows(
            rows, "class", list(names), probabilities, lambda p: dict(zip(columns.values(), p.T, strict=True))
        ),
        curve,
        gained(scores),
        repeated.summarise(rounds, keys, ["precision", "coverage"], {"coverage": "precision"}),
        repeated.summarise(looked, ["added"], ["gain"]),
        readings(looked),
        costs,
    )


def digits_splits(
    train: Examples,
    viewed: Examples,
    truth: IntArray,
    test: Examples,
    digits: DigitsParameters,
    learning: LearningParameters,
    cheap: CheapParameters,
    repeats: RepeatsParameters,
    run: RunParameters,
) -> Iterator[Split]:
    """Draws of labelled digits among the same training pictures; each draw has a part of test of its own, so that no test picture
    counts twice and the draws share nothing that would make their interval too narrow."""
    projection = Projection.fit(np.asarray(train["features"]), learning.components)
    pool = digits_pool(projection, train, viewed, int(truth.max()) + 1, cheap)
    parts = np.array_split(np.random.default_rng(digits.seed).permutation(len(test)), repeats.splits)
    for number, part in enumerate(parts):
        seed = derive_seed(run.seed, "split", DIGITS, number)
        order = label_order(truth[: digits.viewed], np.random.default_rng(seed))
        z = projection.z(np.asarray(test["features"][np.sort(part)]))
        theirs = test.rows["label"].to_numpy()[np.sort(part)]
        yield Split(DIGITS, number, pool, truth, order, z, theirs, 0.0, seed)


def leaves_splits(
    photographs: Examples,
    leaves: LeavesParameters,
    learning: LearningParameters,
    cheap: CheapParameters,
    repeats: RepeatsParameters,
    run: RunParameters,
) -> Iterator[Split]:
    """Stratified splits of the leaves, near-duplicates on one side; principal components are of the training side."""
    labels, groups = (photographs.rows[name].to_numpy() for name in ("label", "group"))
    for number in range(repeats.splits):
        seed = derive_seed(run.seed, "split", LEAVES, number)
        is_test = stratified_groups(labels, groups, leaves.test_fraction, seed)
        own = {name: np.asarray(photographs[name])[~is_test] for name in ("features", "weak", "strong")}
        projection = Projection.fit(own["features"], learning.components)
        z = {name: projection.z(array) for name, array in own.items()}
        pool = Pool(z["features"], z["weak"], z["strong"], int(labels.max()) + 1, cheap.spread_over)
        order = label_order(labels[~is_test], np.random.default_rng(seed))
        test = projection.z(np.asarray(photographs["features"])[is_test])
        shared = is_test.sum() / (~is_test).sum()
        yield Split(LEAVES, number, pool, labels[~is_test], order, test, labels[is_test], shared, seed)


def score(
    drawn: Sequence[Split],
    counts: dict[str, list[int]],
    variants: Sequence[str],
    learning: LearningParameters,
    arms: ArmsParameters,
    cheap: CheapParameters,
) -> tuple[Frame, Frame]:
    """`METRICS` on test by ``data``, ``labels``, ``variant`` and ``split``, the upper bound among the variants; and what each round
    taught: ``precision``, the share of its answers that are true, and ``coverage``, the share of unlabelled pictures with one."""
    scores: list[dict[str, Any]] = []
    rounds: list[dict[str, Any]] = []
    for split in drawn:
        upper = learn(UPPER, split.pool, split.truth, learning, arms, split.seed)
        for count in counts[split.data]:
            given = split.known(count)
            key = {"data": split.data, "labels": count, "split": split.number, "shared": split.shared}
            for variant in (*variants, UPPER):
                learned = upper
                if variant != UPPER:
                    learned, _ = answer_from(variant, split.pool, given, learning, arms, cheap, split.seed)
                found = classification_metrics(split.test_truth, learned.rule.predict_proba(split.test))
                scores.append({**key, "variant": variant, **{name: found[name] for name in METRICS}})
                rounds += [{**key, "variant": variant, **row} for row in taught(learned, split.truth, given)]
    names = ["data", "labels", "split", "shared", "variant"]
    return pd.DataFrame(scores), pd.DataFrame(rounds, columns=[*names, "round", "precision", "coverage"])


def taught(learned: Learned, truth: IntArray, given: IntArray) -> Iterator[dict[str, float]]:
    """Precision and coverage of each round that taught any picture."""
    for number, one in enumerate(learned.rounds, start=1):
        of = one.answers != UNKNOWN
        if of.any():
            right = float((one.answers[of] == truth[of]).mean())
            yield {"round": number, "precision": right, "coverage": of.sum() / (given == UNKNOWN).sum()}


def look(
    split: Split, learning: LearningParameters, arms: ArmsParameters, repeats: RepeatsParameters
) -> Frame:
    """The original's experiment: the most confident of a few unlabelled pictures is added, one a round, and test is looked at after each.

    Returns:
        ``added`` (0 for none), ``gain`` in accuracy over none added, ``split``, ``shared``.
    """
    settings = learning.model_copy(update={"steps": repeats.looks_steps})
    rows = split.order[: repeats.looks_labels + repeats.looks]
    labels = known_labels(split.truth[rows], np.arange(len(rows)), repeats.looks_labels)
    views = (array[rows] for array in (split.pool.weak, split.pool.strong))
    pool = Pool(split.pool.z[rows], *views, split.pool.classes, len(rows))
    one_by_one = arms.model_copy(update={"rounds": len(rows) - repeats.looks_labels, "share": 1.0})
    learned = self_training(pool, labels, settings, one_by_one, split.seed, "most_confident")
    rules = [supervised(pool, labels, settings, arms, split.seed).rule, *(r.rule for r in learned.rounds)]
    right = np.array([(r.predict_proba(split.test).argmax(1) == split.test_truth).mean() for r in rules])
    table = pd.DataFrame({"added": np.arange(len(rules)), "gain": right - right[0]})
    return table.assign(split=split.number, shared=split.shared)


def readings(looked: Frame) -> Frame:
    """What one would report: the gain after the last picture, or the best of all looks at test."""
    by_split = looked[looked["added"] > 0].groupby(["split", "shared"], sort=False)["gain"]
    last, best = by_split.last().reset_index(), by_split.max().reset_index()
    both = pd.concat(
        [last.assign(reading="after the last picture"), best.assign(reading="the best look at test")]
    )
    return repeated.summarise(both, ["reading"], ["gain"])


def gained(scores: Frame) -> Frame:
    """What each method has more than the bounds and label spreading, of the same splits: `etudes.benches.repeated.gains` by ``data``,
    ``labels`` and ``method``; verdicts count all of these."""
    keys, found = ["data", "labels", "method"], []
    for against in AGAINST:
        methods = [name for name in scores["variant"].unique() if name != against]
        theirs = scores[scores["variant"] == against]
        pairs = [
            pd.concat([scores[scores["variant"] == name].assign(variant="own"), theirs]).assign(method=name)
            for name in methods
        ]
        if len(theirs) and pairs:
            found.append(repeated.gains(pd.concat(pairs), "own", keys))
    return pd.concat(found) if found else repeated.gains(scores.assign(method=""), "own", keys)


def metrics_of(curve: Frame, counts: dict[str, list[int]]) -> dict[str, float]:
    """The scores on digits as flat metrics; and the accuracy on leaves with most labels, ``leaf_accuracy``."""
    metrics: dict[str, float] = {}
    for row in curve[curve["variant"] != UPPER].to_dict("records"):
        if row["labels"] == counts[row["data"]][-1]:
            named = {n: n for n in METRICS} if row["data"] == DIGITS else {"accuracy": "leaf_accuracy"}
            for name, metric in named.items():
                metrics |= {
                    f"{row['variant']}.{metric}{end}": row[f"{name}{end}"] for end in ("", ".low", ".high")
                }
    return metrics
