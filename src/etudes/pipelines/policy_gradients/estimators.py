"""What an action counts for: the weights Ψ of the policy gradient ``E[Σ_t Ψ_t ∇ log π(a_t | s_t)]``, and the loss whose gradient it is.

The notation is that of Schulman et al., *High-Dimensional Continuous Control Using Generalized Advantage Estimation* (arXiv
1506.02438). Steps are arrays (T, ...), time first. numpy and PyTorch alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from etudes.pipelines.policy_gradients.parameters import Method

if TYPE_CHECKING:
    from torch import Tensor

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Rung:
    """One rung of the ladder: what a method adds to the one before it.

    ``total``: every action counts for all rewards of its episode, those before it too; ``discounted``: later rewards count for less;
    ``critic``: a network learns what a state is worth; ``bootstraps``: its word stands for rewards that were not waited for, so that
    a batch may be a number of steps instead of whole episodes; ``clipped``: the same batch is learned from several times.
    """

    total: bool = False
    discounted: bool = True
    critic: bool = False
    bootstraps: bool = False
    clipped: bool = False


LADDER: dict[Method, Rung] = {
    "reinforce": Rung(total=True, discounted=False),
    "reward_to_go": Rung(discounted=False),
    "discount": Rung(),
    "baseline": Rung(critic=True),
    "a2c": Rung(critic=True, bootstraps=True),
    "ppo": Rung(critic=True, bootstraps=True, clipped=True),
}


def advantages(
    rewards: Floats,
    values: Floats,
    terminated: NDArray[np.bool_],
    ended: NDArray[np.bool_],
    discount: float,
    trace: float,
) -> Floats:
    """Generalised advantages (equation 16)::

        δ_t = r_t + γ V(s_{t+1}) - V(s_t)        A_t = δ_t + γ λ A_{t+1}

    Nothing follows a true end, ``V(s_{t+1}) = 0``; an episode that is cut off goes on in the values. No advantage reaches over the
    end of an episode. With λ = 1 this is the discounted return from t on less ``V(s_t)``, with ``V = 0`` the return alone.

    Args:
        rewards: (T, ...).
        values: (T + 1, ...), V of the state before each step and of the one after the last.
        terminated: (T, ...), true ends.
        ended: (T, ...), ends of either kind.
        discount: γ.
        trace: λ.

    Raises:
        ValueError: shapes that do not belong together; (T, B) against (T, B, 1) would quietly give (T, B, B).
    """
    if not rewards.shape == terminated.shape == ended.shape == (len(values) - 1, *values.shape[1:]):
        raise ValueError(
            f"rewards {rewards.shape}, values {values.shape}, ends {terminated.shape} and {ended.shape}: expected one shape "
            "(T, ...), and one step more of values"
        )
    errors = rewards + discount * values[1:] * ~terminated - values[:-1]
    found, following = np.zeros_like(errors), np.zeros_like(errors[0])
    for t in range(len(errors) - 1, -1, -1):
        following = errors[t] + discount * trace * ~ended[t] * following
        found[t] = following
    return found


def action_weights(
    method: Method,
    rewards: Floats,
    values: Floats | None,
    terminated: NDArray[np.bool_],
    ended: NDArray[np.bool_],
    discount: float,
    trace: float,
) -> Floats:
    """Ψ (T, ...) of a method; shapes as in `advantages`.

    - ``reinforce``: ``Σ_t' r_t'`` of the whole episode (Williams 1992);
    - ``reward_to_go``: ``Σ_{t' ≥ t} r_t'``;
    - ``discount``: ``Σ_{t' ≥ t} γ^{t' - t} r_t'``;
    - ``baseline``: the same less ``V(s_t)``;
    - ``a2c`` and ``ppo``: generalised advantages.

    Args:
        values: of the critic; None where a method has none, whose episodes then have to be whole: one in each column, from its
            first step on, nothing after its end.
    """
    rung = LADDER[method]
    if values is None:
        values = np.zeros((len(rewards) + 1, *rewards.shape[1:]), rewards.dtype)
    found = advantages(
        rewards,
        values,
        terminated,
        ended,
        discount if rung.discounted else 1.0,
        trace if rung.bootstraps else 1.0,
    )
    return np.broadcast_to(found[0], found.shape).copy() if rung.total else found


def surrogate(
    log_probs: Tensor, weights: Tensor, before: Tensor | None = None, clip: float | None = None
) -> Tensor:
    """What an ascent makes larger, step by step: ``Ψ log π(a | s)``, or with ρ the ratio of ``π(a | s)`` to what it was when the
    action was taken, ``min(ρ Ψ, clip(ρ, 1 - ε, 1 + ε) Ψ)`` (PPO; Schulman et al., arXiv 1707.06347, equation 7).

    Args:
        log_probs: log π(a | s) of the actions taken, of any shape.
        weights: Ψ, of the same shape.
        before: log π(a | s) at the time of acting; needed with a clip.
        clip: ε; None for none.

    Raises:
        ValueError: other shapes; (N,) against (N, 1) would quietly give every action the mean weight.
    """
    if log_probs.shape != weights.shape or (before is not None and before.shape != weights.shape):
        raise ValueError(
            f"log-probabilities {tuple(log_probs.shape)} and weights {tuple(weights.shape)}: expected one shape"
        )
    if clip is None or before is None:
        return weights * log_probs
    ratio = (log_probs - before).exp()
    return (ratio * weights).minimum(ratio.clamp(1 - clip, 1 + clip) * weights)
