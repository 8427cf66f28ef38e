"""The ceiling of `recurrences`: the best that any reader of a sequence can do, by exact Bayes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

CHUNK = 256  # sequences at once: a posterior over m² vectors and m start tokens each
FLOOR = 0.01  # share of the uniform law in `true_likelihood`
Keys = Sequence[Sequence[int]]


def transition_law(modulus: int, next_probability: float) -> np.ndarray:
    """p(x_t | x_{t-2}, x_{t-1}; a, b), table (m², m, m, m) by vector a m + b, x_{t-2}, x_{t-1} and x_t.

    q where x_t = x_{t-1} + 1, plus 1 - q where x_t = a x_{t-1} + b x_{t-2}, all modulo m.
    """
    m = modulus
    a, b = np.divmod(np.arange(m * m), m)
    before, last = np.arange(m)[:, None], np.arange(m)[None, :]
    recurrence = (a[:, None, None] * last + b[:, None, None] * before) % m
    table = np.zeros((m * m, m, m, m))
    table[*np.indices(recurrence.shape), recurrence] = 1 - next_probability
    table[:, :, np.arange(m), (np.arange(m) + 1) % m] += next_probability
    return table


def even_prior(modulus: int, vectors: Keys | None = None, without: Keys = ()) -> np.ndarray:
    """Equal weights (m², m, m) on vectors (a, b), all if None, with all start tokens but for (a, b, s, u) in ``without``."""
    prior = np.zeros((modulus**2, modulus, modulus))
    prior[slice(None) if vectors is None else [a * modulus + b for a, b in vectors]] = 1.0
    for a, b, before, last in without:
        prior[a * modulus + b, before, last] = 0.0
    return prior / prior.sum()


def predict(tokens: np.ndarray, law: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """p(x_t | x_0 .. x_{t-1}) of sequences whose coefficients and start tokens nobody shows.

    With the prior p(v, s, u) over coefficient vectors v = (a, b) and start tokens s = x₋₂, u = x₋₁,

        p(x_t | x_<t)  =  Σ_v w_t(v) p(x_t | x_{t-2}, x_{t-1}; v),      w_{t+1}(v) ∝ w_t(v) p(x_t | x_{t-2}, x_{t-1}; v)

    from t = 2 on. The first two steps sum over the start tokens as well:

        w_1(v, u) ∝ Σ_s p(v, s, u) p(x_0 | s, u; v),      p(x_1 | x_0; v, u) = p(x_1 | u, x_0; v).

    Args:
        tokens: (N, T).
        law: from `transition_law`, (m², m, m, m).
        prior: p(v, s, u), (m², m, m), vectors by a m + b.

    Returns:
        Probabilities (N, T - 1, m) of tokens 1 .. T-1 of each row, each given those before it.

    Raises:
        ValueError: a prior of another size, or a sequence that the prior's vectors cannot give.
    """
    if prior.shape != law.shape[:3]:
        raise ValueError(f"the prior has the shape {prior.shape}; expected {law.shape[:3]}")
    if len(tokens) > CHUNK:
        return np.concatenate(
            [predict(tokens[i : i + CHUNK], law, prior) for i in range(0, len(tokens), CHUNK)]
        )
    result = np.empty((len(tokens), tokens.shape[1] - 1, len(law[0])))
    first = (prior[..., None] * law).sum(axis=1)  # (m², m, m): p(v, u, x_0)
    weights = _normalised(
        np.moveaxis(first[:, :, tokens[:, 0]], 2, 0)
    )  # (N, m², m) by v and u, once x_0 is seen
    of_u = np.moveaxis(law[:, :, tokens[:, 0], :], 2, 0)  # (N, m², m, m): p(x_1 | u, x_0; v)
    result[:, 0] = np.einsum("nvu,nvux->nx", weights, of_u)
    seen = np.take_along_axis(of_u, tokens[:, 1][:, None, None, None], axis=3)[..., 0]
    posterior = _normalised((weights * seen).sum(axis=2))
    by_state = np.moveaxis(law, 0, 2)  # (m, m, m², m)
    for t in range(2, tokens.shape[1]):
        now = by_state[tokens[:, t - 2], tokens[:, t - 1]]  # (N, m², m)
        result[:, t - 1] = (posterior[:, None, :] @ now)[:, 0]
        seen = np.take_along_axis(now, tokens[:, t][:, None, None], axis=2)[..., 0]
        posterior = _normalised(posterior * seen)
    return result


def true_likelihood(prompts: np.ndarray, written: np.ndarray, laws: np.ndarray) -> dict[str, float]:
    """How the process itself, with the coefficients of each row, sees what was written (N, T) behind prompts (N, P >= 2).

    Args:
        laws: of each row, (N or more, m, m, m), by x_{t-2}, x_{t-1} and x_t. `FLOOR` of the uniform law is mixed in, so
            that a token which the process never gives costs -ln(FLOOR / m) and not infinity.

    Returns:
        ``log_likelihood``, the mean of ln p(x_t | x_{t-2}, x_{t-1}), nats a token; the share of tokens ``impossible``.
    """
    before = np.concatenate([prompts[:, -2:], written], axis=1)
    chances = laws[np.arange(len(written))[:, None], before[:, :-2], before[:, 1:-1], written]
    floored = (1 - FLOOR) * chances + FLOOR / laws.shape[-1]
    return {"log_likelihood": float(np.log(floored).mean()), "impossible": float((chances == 0).mean())}


def _normalised(weights: np.ndarray) -> np.ndarray:
    total = weights.sum(axis=tuple(range(1, weights.ndim)), keepdims=True)
    if not (total > 0).all():
        row = int(np.flatnonzero(total.ravel() <= 0)[0])
        raise ValueError(f"sequence {row} has probability 0 under every vector of the prior; widen the prior")
    return weights / total
