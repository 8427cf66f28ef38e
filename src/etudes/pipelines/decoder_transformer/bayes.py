"""The best that any reader of a recurrence can do: the exact Bayes predictor, and two that know more or less."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from etudes.pipelines.decoder_transformer.recurrences import transition_law

CHUNK = 256  # sequences at once: a posterior over m² vectors and m start tokens each


@dataclass(frozen=True)
class BayesPredictor:
    """p(x_t | x_0 .. x_{t-1}) of a sequence whose coefficients and start tokens nobody shows.

    With the prior p(v, s, u) over coefficient vectors v = (a, b) and start tokens s = x₋₂, u = x₋₁,

        p(x_t | x_<t)  =  Σ_v w_t(v) p(x_t | x_{t-2}, x_{t-1}; v),      w_{t+1}(v) ∝ w_t(v) p(x_t | x_{t-2}, x_{t-1}; v)

    from t = 2 on. The first two steps sum over the start tokens as well:

        w_1(v, u) ∝ Σ_s p(v, s, u) p(x_0 | s, u; v),      p(x_1 | x_0; v, u) = p(x_1 | u, x_0; v).

    Attributes:
        modulus: m.
        next_probability: q.
        prior: p(v, s, u), (m², m, m), vectors by a m + b; or p(v), (m²,), with uniform start tokens. Sums to one.
        slip: mixes ``slip`` / m into the law, so that a prior without the true vector still gives an answer.
    """

    modulus: int
    next_probability: float
    prior: np.ndarray
    slip: float = 0.0

    def predict(self, tokens: np.ndarray) -> np.ndarray:
        """Probabilities (N, T - 1, m) of tokens 1 .. T-1 of each row of ``tokens`` (N, T), each given those before it.

        Raises:
            ValueError: a prior of another size, or a sequence that the prior's vectors cannot give.
        """
        m = self.modulus
        if self.prior.shape not in ((m * m,), (m * m, m, m)):
            raise ValueError(
                f"the prior has the shape {self.prior.shape}; expected ({m * m},), one for each vector, or "
                f"({m * m}, {m}, {m}), one for each vector and its two start tokens"
            )
        law = (1 - self.slip) * transition_law(m, self.next_probability) + self.slip / m
        chunks = [self._predict(tokens[i : i + CHUNK], law) for i in range(0, len(tokens), CHUNK)]
        return np.concatenate(chunks) if chunks else np.empty((0, tokens.shape[1] - 1, m))

    def _predict(self, tokens: np.ndarray, law: np.ndarray) -> np.ndarray:
        result = np.empty((len(tokens), tokens.shape[1] - 1, self.modulus))
        starts = self.prior if self.prior.ndim == 3 else self.prior[:, None, None] / self.modulus**2
        first = (starts[..., None] * law).sum(axis=1)  # (m², m, m): p(v, u, x_0)
        # (N, m², m) by vector and u = x₋₁: the posterior once x_0 is seen.
        weights = self._normalised(np.moveaxis(first[:, :, tokens[:, 0]], 2, 0))
        of_u = np.moveaxis(law[:, :, tokens[:, 0], :], 2, 0)  # (N, m², m, m): p(x_1 | u, x_0; v)
        result[:, 0] = np.einsum("nvu,nvux->nx", weights, of_u)
        seen = np.take_along_axis(of_u, tokens[:, 1][:, None, None, None], axis=3)[..., 0]
        posterior = self._normalised((weights * seen).sum(axis=2))
        by_state = np.moveaxis(law, 0, 2)  # (m, m, m², m)
        for t in range(2, tokens.shape[1]):
            now = by_state[tokens[:, t - 2], tokens[:, t - 1]]  # (N, m², m)
            result[:, t - 1] = (posterior[:, None, :] @ now)[:, 0]
            seen = np.take_along_axis(now, tokens[:, t][:, None, None], axis=2)[..., 0]
            posterior = self._normalised(posterior * seen)
        return result

    @staticmethod
    def _normalised(weights: np.ndarray) -> np.ndarray:
        axes = tuple(range(1, weights.ndim))
        total = weights.sum(axis=axes, keepdims=True)
        if not (total > 0).all():
            row = int(np.flatnonzero(total.ravel() <= 0)[0])
            raise ValueError(
                f"sequence {row} has probability 0 under every vector of the prior; widen the prior or set a slip"
            )
        return weights / total


def uniform_prior(modulus: int, vectors: list[list[int]] | None = None) -> np.ndarray:
    """Equal weights (m²,) on the given vectors (a, b), or on all of them."""
    if vectors is None:
        return np.full(modulus**2, 1 / modulus**2)
    prior = np.zeros(modulus**2)
    prior[[a * modulus + b for a, b in vectors]] = 1 / len(vectors)
    return prior


def starts_prior(modulus: int, vectors: list[list[int]], without: list[list[int]]) -> np.ndarray:
    """Equal weights (m², m, m) on the given vectors with all start tokens, but for (a, b, s, u) in ``without``."""
    prior = np.zeros((modulus**2, modulus, modulus))
    prior[[a * modulus + b for a, b in vectors]] = 1.0
    for a, b, before, last in without:
        prior[a * modulus + b, before, last] = 0.0
    return prior / prior.sum()


def oracle(tokens: np.ndarray, coefficients: np.ndarray, modulus: int, next_probability: float) -> np.ndarray:
    """Probabilities (N, T - 1, m) of tokens 1 .. T-1 for a reader who is told a and b, coefficients (N, 2).

    Token 1 needs x₋₁, of which only its trace in x_0 is known: there it is the Bayes predictor of one vector.
    """
    law = transition_law(modulus, next_probability)[coefficients[:, 0] * modulus + coefficients[:, 1]]
    rows = np.arange(len(tokens))
    weights = law.mean(axis=1)[rows, :, tokens[:, 0]]  # (N, m) over u
    weights = weights / weights.sum(axis=1, keepdims=True)
    first = np.einsum("nu,nux->nx", weights, law[rows, :, tokens[:, 0], :])
    later = law[rows[:, None], tokens[:, :-2], tokens[:, 1:-1]]
    return np.concatenate([first[:, None], later], axis=1)
