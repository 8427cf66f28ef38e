"""What a student is told: the teacher's softened answers, and controls that take something away from them. PyTorch alone."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def soft_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 KL(p || q) of each row, with p = softmax(v / T) the teacher's answer and q = softmax(z / T) the student's.

    Hinton, Vinyals and Dean 2015 (arXiv:1503.02531), section 2. The gradient by z_k is T (q_k - p_k): with the factor T^2 its size stays about the
    same whatever T is, and for large T it tends to ((z_k - mean z) - (v_k - mean v)) / K, the matching of logits (equation 4).

    Args:
        student: logits z (N, K).
        teacher: logits v (N, K).
        temperature: T.

    Returns:
        (N,), nats.

    Raises:
        ValueError: other shapes, or a temperature that is not positive.
    """
    if student.ndim != 2 or student.shape != teacher.shape:
        raise ValueError(
            f"expected logits of one shape (N, K), found {tuple(student.shape)} of the student and {tuple(teacher.shape)} of the teacher"
        )
    if not temperature > 0:
        raise ValueError(f"temperature = {temperature}; expected above 0")
    p, log_p = (teacher / temperature).softmax(1), (teacher / temperature).log_softmax(1)
    log_q = (student / temperature).log_softmax(1)
    return temperature**2 * (p * (log_p - log_q)).sum(1)


def shuffled_logits(logits: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """The same answers without what they say of the other classes: the largest logit stays where it is, the others change places.

    Each row is as right and as sure as before, at every temperature; only which other classes are likely is lost.

    Args:
        logits: (N, K).
        seed: of the new places.
    """
    rows, classes = logits.shape
    best = logits.argmax(1)
    others = np.arange(classes)[None].repeat(rows, 0)[np.arange(classes) != best[:, None]].reshape(rows, -1)
    drawn = np.random.default_rng(seed).permuted(others, axis=1)
    found = logits.copy()
    np.put_along_axis(found, others, np.take_along_axis(logits, drawn, 1), 1)
    return found


def hint_loss(guess: Tensor, hint: Tensor) -> Tensor:
    """Mean squared error (N,) of the student's guess (N, D) of the teacher's standardised features (N, D): the hint of FitNets (Romero et
    al. 2015, arXiv:1412.6550, equation 3), here at the layer before the last, where teachers of all depths have one vector a picture.

    Raises:
        ValueError: other shapes.
    """
    if guess.ndim != 2 or guess.shape != hint.shape:
        raise ValueError(f"expected one shape (N, D), found {tuple(guess.shape)} and {tuple(hint.shape)}")
    return torch.square(guess - hint).mean(1)
