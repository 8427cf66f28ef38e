"""Scores on test: the stored models on the study's own split, every method on repeated splits, and the labels in doubt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.benches import classifiers, repeated
from etudes.benches.few_labels import folds_of
from etudes.benches.parameters import ScoringParameters
from etudes.benches.table_models import Softmax
from etudes.evaluation import classification_metrics
from etudes.evaluation.label_noise import confident_classes, held_out_probabilities, planted, suspects
from etudes.evaluation.shares import wilson
from etudes.examples import Examples
from etudes.pipelines.food_classification.model import IntArray, Pool, Task, answers, learn
from etudes.pipelines.food_classification.parameters import (
    LinearParameters,
    NoiseParameters,
    RepeatsParameters,
    ScratchParameters,
    TransferParameters,
)
from etudes.splits import stratified_groups
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed
from etudes.vision.frozen import Projection
from etudes.vision.parameters import FolderParameters
from etudes.vision.tuned import Backbone

Frame = pd.DataFrame
LEVEL = 0.95
AGAINST = ("logistic", "augmented", "cnn")
ALL, REVIEWED = "all", "reviewed"  # on which test pictures of a split
KEPT, DROPPED, RANDOM = "all labels", "suspects dropped", "as many dropped at random"
FEWEST = 2  # pictures of a class that are left where suspects are dropped
Learners = tuple[LinearParameters, ScratchParameters, TransferParameters]


@dataclass(frozen=True)
class Data:
    """All pictures: what is seen of them, their classes and groups (N,), and which were reviewed (N,)."""

    pool: Pool
    labels: IntArray
    group: IntArray
    reviewed: NDArray[np.bool_]
    classes: int


@dataclass(frozen=True)
class Split:
    """One split: the task and its test rows; ``shared`` as in `etudes.evaluation.mean_interval`."""

    number: int
    task: Task
    test: IntArray

    @property
    def shared(self) -> float:
        return len(self.test) / (len(self.task.train) + len(self.task.dev))


def splits_of(data: Data, count: int, pictures: FolderParameters, run: RunParameters) -> Iterator[Split]:
    """Stratified splits of all pictures, near-duplicates on one side; seeds of the run have splits of their own."""
    for number in range(count):
        seed = derive_seed(run.seed, "split", number)
        is_test = stratified_groups(data.labels, data.group, pictures.test_fraction, seed)
        rest = np.flatnonzero(~is_test)
        is_dev = stratified_groups(data.labels[rest], data.group[rest], pictures.dev_fraction, seed)
        own = run.model_copy(update={"seed": seed, "resume": False})
        task = Task(data.labels, rest[~is_dev], rest[is_dev], data.classes, own)
        yield Split(number, task, np.flatnonzero(is_test))


def evaluate(
    train_split: Examples,
    dev_split: Examples,
    test_split: Examples,
    split_card: dict[str, Any],
    models: dict[str, Any],
    backbone_model: Backbone,
    pictures: FolderParameters,
    linear: LinearParameters,
    scratch: ScratchParameters,
    transfer: TransferParameters,
    noise: NoiseParameters,
    repeats: RepeatsParameters,
    evaluation: ScoringParameters,
    run: RunParameters,
) -> tuple[
    dict[str, float], Frame, Frame, dict[str, Any], dict[str, Any], Frame, Frame, Frame, Frame, Frame, Frame
]:
    """Score the stored models on test, and all methods on repeated splits; look for wrong labels.

    Returns:
        metrics (of the stored models on test with bootstrap intervals; ``split_accuracy`` on repeated splits), predictions,
        scores by class, comparison of the best two, costs; tables: scores on splits, gains, shares of suspects, the suspects,
        how well the rule finds labels that were made wrong, what dropping suspects changes.
    """
    metrics, predictions, per_class, compared, costs = classifiers.evaluate(
        test_split, split_card, models, evaluation, rows="pictures"
    )
    parts = (train_split, dev_split, test_split)
    rows = pd.concat([part.rows for part in parts], ignore_index=True)
    pixels = np.concatenate([np.asarray(part["pixels"]) for part in parts])
    pool = Pool(
        pixels, backbone_model, transfer if "transfer" in models else None, derive_seed(run.seed, "pool")
    )
    label, group, reviewed = (rows[name].to_numpy() for name in ("label", "group", "held_back"))
    data = Data(pool, label, group, reviewed, len(split_card["classes"]))
    learners = (linear, scratch, transfer)
    drawn = list(splits_of(data, max(repeats.splits, noise.repeats), pictures, run))
    scored = score(data, drawn[: repeats.splits], models, learners)
    summed = repeated.summarise(scored, ["tested_on", "variant"], ["accuracy"])
    doubted, share = doubts(data, rows, split_card["classes"], linear, noise, run)
    return (
        metrics | _flat(summed),
        predictions,
        per_class,
        compared,
        costs,
        summed,
        repeated.gains_over(scored, AGAINST, ["tested_on"]),
        share,
        doubted,
        found_again(data, linear, noise, run),
        dropping(data, drawn[: noise.repeats], learners, noise),
    )


def _flat(summed: Frame) -> dict[str, float]:
    ends = ("", ".low", ".high")
    return {
        f"{row['variant']}.split_accuracy{end}": row[f"accuracy{end}"]
        for row in summed[summed["tested_on"] == ALL].to_dict("records")
        for end in ends
    }


def scored_rows(data: Data, split: Split, model: Any) -> Iterator[dict[str, Any]]:
    """Accuracy of a model on all test pictures of a split, and on those of them that were reviewed."""
    found = answers(model, data.pool, split.test)
    truth, reviewed = data.labels[split.test], data.reviewed[split.test]
    for name, which in ((ALL, np.ones(len(truth), bool)), (REVIEWED, reviewed)):
        if which.any():
            accuracy = classification_metrics(truth[which], found[which])["accuracy"]
            yield {"split": split.number, "shared": split.shared, "tested_on": name, "accuracy": accuracy}


def score(data: Data, drawn: list[Split], variants: Mapping[str, Any], learners: Learners) -> Frame:
    """Accuracy by ``tested_on``, ``variant`` and ``split``; everything is trained anew on each split."""
    rows = []
    for split in drawn:
        for variant in variants:
            model, _ = learn(variant, data.pool, split.task, *learners)
            rows += [{"variant": variant, **row} for row in scored_rows(data, split, model)]
    return pd.DataFrame(rows)


def doubt(
    data: Data, rows: IntArray, labels: IntArray, linear: LinearParameters, folds: int, seed: int
) -> NDArray[np.float64]:
    """Held-out probabilities (n, K) of some pictures by logistic regression on the backbone's features, with these labels (n,)."""
    z = (
        Projection.fit(data.pool.features[rows], linear.components)
        .z(data.pool.features[rows])
        .astype(np.float64)
    )

    def told(known: IntArray, asked: IntArray) -> NDArray[np.float64]:
        return Softmax.fit(z[known], labels[known], linear.penalties[0]).predict_proba(z[asked])

    return held_out_probabilities(told, folds_of(labels, folds, seed), data.classes)


def doubts(
    data: Data,
    rows: Frame,
    classes: list[str],
    linear: LinearParameters,
    noise: NoiseParameters,
    run: RunParameters,
) -> tuple[Frame, Frame]:
    """The pictures whose label is doubted, the surest first; and their share among those that were reviewed and the others."""
    every = np.arange(len(rows))
    held_out = doubt(data, every, data.labels, linear, noise.folds, derive_seed(run.seed, "doubts"))
    wrong = suspects(data.labels, held_out)
    belongs = confident_classes(data.labels, held_out)[wrong]
    table = rows.loc[wrong, ["id", "class", "held_back"]].assign(
        belongs_to=np.array(classes)[belongs],
        probability=held_out[wrong, belongs],
        of_label=held_out[wrong, data.labels[wrong]],
    )
    table = table.sort_values("probability", ascending=False, ignore_index=True)
    shares = []
    for name, which in (("reviewed", data.reviewed), ("not reviewed", ~data.reviewed)):
        if which.any():
            share = float(wrong[which].mean())
            low, high = wilson(share, int(which.sum()), LEVEL)
            shares.append(
                {"pictures": name, "count": int(which.sum()), "suspects": int(wrong[which].sum())}
                | {"suspected": share, "suspected.low": low, "suspected.high": high}
            )
    return table, pd.DataFrame(shares)


def found_again(data: Data, linear: LinearParameters, noise: NoiseParameters, run: RunParameters) -> Frame:
    """Of labels that were made wrong, how many are suspected (``recall``), and how many of the suspects are such (``precision``).

    Labels that are wrong of themselves count as false alarms, so precision is a lower bound. ``suspected`` is the share of all.
    """
    rows, scores = np.arange(len(data.labels)), []
    for number in range(noise.repeats):
        seed = derive_seed(run.seed, "planted", number)
        labels, wrong = planted(data.labels, noise.planted, data.classes, seed)
        found = suspects(labels, doubt(data, rows, labels, linear, noise.folds, seed))
        hits = int((found & wrong).sum())
        scores.append(
            {"recall": hits / wrong.sum(), "precision": hits / max(1, found.sum()), "suspected": found.mean()}
        )
    # Every repeat plants among the same pictures: what it says is of these, and the draws are independent.
    table = pd.DataFrame(scores).assign(planted=noise.planted, shared=0.0)
    names = ["recall", "precision", "suspected"]
    return repeated.summarise(table, ["planted"], names, {"suspected": "precision"})


def dropping(data: Data, drawn: list[Split], learners: Learners, noise: NoiseParameters) -> Frame:
    """What `logistic` gains where the suspects of the training side are dropped, over all labels and over as many dropped at random."""
    rows = []
    for split in drawn:
        own = np.concatenate([split.task.train, split.task.dev])
        held_out = doubt(data, own, data.labels[own], learners[0], noise.folds, split.task.run.seed)
        bad = _spared(data.labels, own, own[suspects(data.labels[own], held_out)])
        left = {
            KEPT: split.task.train,
            DROPPED: np.setdiff1d(split.task.train, bad),
            RANDOM: _fewer(split.task.train, bad, split.task.run.seed),
        }
        for name, train in left.items():
            task = replace(split.task, train=train)
            model, _ = learn("logistic", data.pool, task, *learners)
            rows += [{"variant": name, **row} for row in scored_rows(data, split, model)]
    return repeated.gains(pd.DataFrame(rows), DROPPED, ["tested_on"])


def _spared(labels: IntArray, own: IntArray, bad: IntArray) -> IntArray:
    """The bad rows of classes that keep at least `FEWEST` others: no class is dropped as a whole."""
    kept = np.bincount(labels[np.setdiff1d(own, bad)], minlength=labels.max() + 1)
    return bad[kept[labels[bad]] >= FEWEST]


def _fewer(train: IntArray, bad: IntArray, seed: int) -> IntArray:
    """As many rows as are left without the bad ones, drawn."""
    count = int(np.isin(train, bad).sum())
    return np.sort(np.random.default_rng(seed).permutation(train)[count:])
