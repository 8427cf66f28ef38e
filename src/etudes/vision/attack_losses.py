"""What attacks minimise or maximise, from logits. What targeted ones minimise is bounded below, unlike the raw logit of the target."""

from __future__ import annotations

import torch
from torch import Tensor


def cross_entropy(logits: Tensor, targets: Tensor, confidence: float = 0.0) -> Tensor:
    """-log p(target), nats, one for each photo (N,); p is the softmax of the logits.

    Args:
        logits: (N, classes).
        targets: (N,) class indices.
        confidence: not used; both losses have one signature.

    Raises:
        ValueError: other shapes.
    """
    _check(logits, targets)
    return -logits.log_softmax(1).gather(1, targets[:, None])[:, 0]


def margin(logits: Tensor, targets: Tensor, confidence: float = 0.0) -> Tensor:
    """max(max_{k != t} z_k - z_t + confidence, 0), logits, one for each photo (N,).

    Carlini and Wagner, "Towards Evaluating the Robustness of Neural Networks" (2017), f_6 with a margin: photos on
    which the target leads by ``confidence`` add nothing, so that the others decide.

    Args and errors as `cross_entropy`.
    """
    return (lead(logits, targets) + confidence).clamp(min=0)


def lead(logits: Tensor, classes: Tensor) -> Tensor:
    """max_{k != c} z_k - z_c, logits, one for each photo (N,): by how much the best other class is ahead of the class c.

    Positive where the network answers another class. Errors as `cross_entropy`.
    """
    _check(logits, classes)
    of_class = logits.gather(1, classes[:, None])
    others = logits.scatter(1, classes[:, None], float("-inf"))
    return others.max(1).values - of_class[:, 0]


LOSSES = {"cross_entropy": cross_entropy, "margin": margin}


def _check(logits: Tensor, targets: Tensor) -> None:
    if logits.ndim != 2 or targets.shape != logits.shape[:1] or targets.dtype != torch.int64:
        raise ValueError(
            f"logits have the shape {tuple(logits.shape)}, targets {tuple(targets.shape)} and {targets.dtype}; expected "
            "(N, classes) and (N,) class indices, int64"
        )
