"""Repeated draws of labels and test pictures: who is right how often, what each round taught, and what looks at test would say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.benches import repeated
from etudes.benches.few_labels import UNKNOWN, known_labels, label_order
from etudes.evaluation import classification_metrics
from etudes.examples import Examples
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
from etudes.vision.frozen import Projection

Frame = pd.DataFrame
UPPER = "all_labels"
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
        shared = float(is_test.sum() / (~is_test).sum())
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
            yield {
                "round": number,
                "precision": right,
                "coverage": float(of.sum() / (given == UNKNOWN).sum()),
            }


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
    whole = split.pool
    pool = Pool(whole.z[rows], whole.weak[rows], whole.strong[rows], whole.classes, len(rows))
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
