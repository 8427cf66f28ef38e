"""Targets of action-value learning."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def double_q_targets(returns: Tensor, discounts: Tensor, online_next: Tensor, target_next: Tensor) -> Tensor:
    """Targets (B,) of double Q-learning: one network chooses the action, the other says what it is worth.

    ``y = R + d Q_target(o', argmax_a Q_online(o', a))`` (van Hasselt, Guez and Silver, arXiv 1509.06461, equation 4),
    with R the return of the window and d its discount, which is 0 after a true end.

    Args:
        returns, discounts: (B,), as `etudes.rl.replay.Batch` has them.
        online_next, target_next: (B, actions), action values at the observations after the windows.

    Raises:
        ValueError: shapes that do not belong together; (B,) against (B, 1) would quietly give (B, B).
    """
    if returns.shape != discounts.shape or returns.ndim != 1:
        raise ValueError(
            f"returns {tuple(returns.shape)} and discounts {tuple(discounts.shape)}: expected both (B,)"
        )
    if (
        online_next.shape != target_next.shape
        or online_next.shape[:1] != returns.shape
        or online_next.ndim != 2
    ):
        raise ValueError(
            f"action values {tuple(online_next.shape)} and {tuple(target_next.shape)} for {len(returns)} returns: "
            "expected both (B, actions)"
        )
    chosen = online_next.argmax(1, keepdim=True)
    return returns + discounts * target_next.gather(1, chosen).squeeze(1)
