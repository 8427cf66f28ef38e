"""A small network that learns from few labels, and from the answers that it gives itself.

Letters of shapes: N training pictures of which L are labelled, M have V weak and V strong views, D principal components of their
features, C classes, U pictures without a label, B pictures of a step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from etudes.benches.few_labels import UNKNOWN
from etudes.benches.spreading import Graph
from etudes.models import register_model
from etudes.networks import NetworkModel
from etudes.pipelines.self_training.parameters import ArmsParameters, LearningParameters

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]
Batch = Callable[[torch.Generator], tuple[Tensor, Tensor]]  # inputs (B, D) with targets (B, C)
Further = Callable[[nn.Module, torch.Generator], Tensor]  # the loss on unlabelled pictures


@dataclass(frozen=True, eq=False)
class Pool:
    """The training pictures of one split, as all methods see them; labels come apart.

    Args:
        z: (N, D).
        weak, strong: (M, V, D), views of the first M pictures, among which the labelled ones are.
        classes: C.
        graph_rows: most pictures in the graph of label spreading, the first ones.
    """

    z: FloatArray
    weak: FloatArray
    strong: FloatArray
    classes: int
    graph_rows: int

    @cached_property
    def graph(self) -> Graph:
        """The nearest neighbours, which no label changes: found once for all draws of labels."""
        return Graph.of(self.z[: self.graph_rows])


class Head(nn.Module):
    """W2 relu(W1 z + b1) + b2: (B, inputs) -> logits (B, classes)."""

    def __init__(self, inputs: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, classes))

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)


@register_model("self_training.head")
class Taught(NetworkModel):
    """A trained `Head` as a rule."""

    network_class = Head

    def predict_proba(self, z: FloatArray) -> NDArray[np.float64]:
        """Probabilities (N, C) of z (N, D)."""
        with torch.inference_mode():
            logits = self.network(torch.from_numpy(np.ascontiguousarray(z, dtype=np.float32)))
            found: NDArray[np.float64] = logits.double().softmax(1).numpy()
        return found


@dataclass(frozen=True)
class Round:
    """What one round gave itself: ``answers`` (N,), the class that each picture was taught as, `UNKNOWN` for none; and the rule
    that was learned with them."""

    answers: IntArray
    rule: Taught


@dataclass(frozen=True)
class Learned:
    """The last rule, and the rounds that led to it; none where nothing was given."""

    rule: Taught
    rounds: Sequence[Round] = ()


def soft_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """H(q, p) = -sum_c q_c ln p_c (B,), in nats; a row of zeros, which has no pseudo-label, costs nothing.

    Raises:
        ValueError: logits and targets that are not both (B, C).
    """
    if logits.ndim != 2 or logits.shape != targets.shape:
        raise ValueError(
            f"logits and targets must both be (B, C), found {tuple(logits.shape)} and {tuple(targets.shape)}"
        )
    return -(targets * logits.log_softmax(1)).sum(1)


def descend(
    pool: Pool, batch: Batch, further: Further | None, steps: int, settings: LearningParameters, seed: int
) -> Taught:
    """Train a new network: the mean of H(y, p) over labelled pictures, plus ``settings.weight`` times the further loss.

    AdamW, step size falling along the cosine of FixMatch, eta cos(7 pi k / (16 K)). The same seed gives the same first weights
    in every round and arm.
    """
    config = {"inputs": pool.z.shape[1], "hidden": settings.hidden, "classes": pool.classes}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = Head(**config)
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(
        head.parameters(), settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = settings.learning_rate * math.cos(7 * math.pi * step / (16 * steps))
        inputs, targets = batch(generator)
        loss = soft_cross_entropy(head(inputs), targets).mean()
        if further is not None:
            loss = loss + settings.weight * further(head, generator)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return Taught(head, config)


def drawn(inputs: Tensor, targets: Tensor, count: int) -> Batch:
    """Batches of ``count`` of the rows, with replacement; of inputs (L, V, D) one view of each is drawn too."""

    def batch(generator: torch.Generator) -> tuple[Tensor, Tensor]:
        rows = torch.randint(len(inputs), (count,), generator=generator)
        if inputs.ndim == 2:
            return inputs[rows], targets[rows]
        return inputs[rows, torch.randint(inputs.shape[1], (count,), generator=generator)], targets[rows]

    return batch


def one_hot(labels: IntArray, classes: int) -> Tensor:
    """(N,) -> (N, C), float32; a row of zeros for `UNKNOWN`."""
    return torch.from_numpy(np.eye(classes + 1, dtype=np.float32)[labels][:, :classes])


def supervised(
    pool: Pool, labels: IntArray, settings: LearningParameters, arms: ArmsParameters, seed: int
) -> Learned:
    """The labelled pictures alone: the lower bound."""
    known = np.flatnonzero(labels != UNKNOWN)
    batch = drawn(torch.from_numpy(pool.z[known]), one_hot(labels[known], pool.classes), settings.batch)
    return Learned(descend(pool, batch, None, settings.steps, settings, seed))


def all_labels(
    pool: Pool, truth: IntArray, settings: LearningParameters, arms: ArmsParameters, seed: int
) -> Learned:
    """Every label known: the upper bound. As many steps and pictures as an arm takes in all its rounds."""
    batch = drawn(
        torch.from_numpy(pool.z), one_hot(truth, pool.classes), settings.batch * (1 + settings.ratio)
    )
    return Learned(descend(pool, batch, None, settings.steps * (1 + arms.rounds), settings, seed))


def labelled_views(pool: Pool, labels: IntArray) -> tuple[Tensor, Tensor]:
    """All views (L, 2 V, D) of the labelled pictures, and their targets (L, C)."""
    known = np.flatnonzero(labels != UNKNOWN)
    both = np.concatenate([pool.weak[known], pool.strong[known]], axis=1)
    return torch.from_numpy(both), one_hot(labels[known], pool.classes)


def augmented(
    pool: Pool, labels: IntArray, settings: LearningParameters, arms: ArmsParameters, seed: int
) -> Learned:
    """The views of the labelled pictures alone: what augmentation gives without any unlabelled picture."""
    batch = drawn(*labelled_views(pool, labels), settings.batch)
    return Learned(descend(pool, batch, None, settings.steps * (1 + arms.rounds), settings, seed))


def consistency(
    pool: Pool, labels: IntArray, settings: LearningParameters, arms: ArmsParameters, seed: int
) -> Learned:
    """FixMatch (Sohn et al. 2020, equation 4): the answer on a weak view is the target of a strong view, where it is sure enough.

    mean over B ratio pictures of 1[max q >= agreement] H(argmax q, p(strong)), q = p(weak) without a gradient, beside `augmented`.
    """
    weak, strong = torch.from_numpy(pool.weak), torch.from_numpy(pool.strong)
    count = settings.batch * settings.ratio

    def further(head: nn.Module, generator: torch.Generator) -> Tensor:
        rows = torch.randint(len(weak), (count,), generator=generator)
        of_weak, of_strong = torch.randint(weak.shape[1], (2, count), generator=generator)
        with torch.no_grad():
            sure, answer = head(weak[rows, of_weak]).softmax(1).max(1)
        losses = nn.functional.cross_entropy(head(strong[rows, of_strong]), answer, reduction="none")
        return (losses * (sure >= arms.agreement)).mean()

    batch = drawn(*labelled_views(pool, labels), settings.batch)
    return Learned(descend(pool, batch, further, settings.steps * (1 + arms.rounds), settings, seed))


def pseudo_labels(
    kind: str, p: NDArray, before: IntArray, shares: NDArray, progress: float, arms: ArmsParameters
) -> tuple[IntArray, NDArray]:
    """What a round teaches the pictures without a label.

    ``soft``: all of them, as q_c proportional to p_c^(1 / temperature). ``threshold`` (Lee 2013, with a bar): the most probable class
    where it is at least ``arms.threshold``, decided anew in each round. ``most_confident``: further pictures, the most probable
    ones first, until ``progress * arms.share`` of all are taught; who was taught keeps the class. ``per_class``: the
    same among those of each class, until it has its ``shares`` of that number.

    Args:
        kind: of the four.
        p: (U, C), probabilities.
        before: (U,) the classes of the round before, `UNKNOWN` for none.
        shares: (C,) of the classes among the labelled pictures.
        progress: of the rounds, up to 1.
        arms: the settings.

    Returns:
        Answers (U,), `UNKNOWN` for none, and targets (U, C), zeros for none.
    """
    sure, answer, classes = p.max(axis=1), p.argmax(axis=1), p.shape[1]
    if kind == "soft":
        sharp = p ** (1 / arms.temperature)
        return answer, sharp / sharp.sum(axis=1, keepdims=True)
    if kind == "threshold":
        given = np.where(sure >= arms.threshold, answer, UNKNOWN)
    else:
        given, wanted = before.copy(), progress * arms.share * len(p)
        parts = [np.ones(len(p), bool)] if kind == "most_confident" else [answer == c for c in range(classes)]
        wishes = [wanted] if kind == "most_confident" else list(wanted * shares)
        for c, (among, wish) in enumerate(zip(parts, wishes, strict=True)):
            taught = (before != UNKNOWN).sum() if kind == "most_confident" else (before == c).sum()
            free = np.flatnonzero(among & (before == UNKNOWN))
            taken = free[np.argsort(-sure[free], kind="stable")[: max(0, round(wish) - int(taught))]]
            given[taken] = answer[taken]
    return given, one_hot(given, classes).numpy()


def self_training(
    pool: Pool,
    labels: IntArray,
    settings: LearningParameters,
    arms: ArmsParameters,
    seed: int,
    kind: str = "threshold",
) -> Learned:
    """Rounds of answers and training: the network of a round learns the labels and what that of the round before answered
    (`pseudo_labels`), from the same first weights each time."""
    rule = supervised(pool, labels, settings, arms, seed).rule
    known, free = np.flatnonzero(labels != UNKNOWN), np.flatnonzero(labels == UNKNOWN)
    shares = np.bincount(labels[known], minlength=pool.classes) / len(known)
    batch = drawn(torch.from_numpy(pool.z[known]), one_hot(labels[known], pool.classes), settings.batch)
    unlabelled, given = torch.from_numpy(pool.z[free]), np.full(len(free), UNKNOWN)
    rounds = []
    for number in range(1, arms.rounds + 1):
        p = rule.predict_proba(pool.z[free])
        given, targets = pseudo_labels(kind, p, given, shares, number / arms.rounds, arms)
        taught = torch.from_numpy(np.flatnonzero(given != UNKNOWN))
        further = None
        if len(taught):
            further = _taught(unlabelled[taught], torch.from_numpy(targets).float()[taught], settings)
        rule = descend(pool, batch, further, settings.steps, settings, seed)
        answers = np.full(len(labels), UNKNOWN)
        answers[free] = given
        rounds.append(Round(answers, rule))
    return Learned(rule, rounds)


def _taught(inputs: Tensor, targets: Tensor, settings: LearningParameters) -> Further:
    batch = drawn(inputs, targets, settings.batch * settings.ratio)

    def further(head: nn.Module, generator: torch.Generator) -> Tensor:
        z, wanted = batch(generator)
        return soft_cross_entropy(head(z), wanted).mean()

    return further


def learn(
    variant: str, pool: Pool, labels: IntArray, settings: LearningParameters, arms: ArmsParameters, seed: int
) -> Learned:
    """One arm by its name."""
    plain: dict[str, Any] = {f.__name__: f for f in (supervised, augmented, consistency, all_labels)}
    if variant in plain:
        found: Learned = plain[variant](pool, labels, settings, arms, seed)
        return found
    return self_training(pool, labels, settings, arms, seed, variant)
