"""Policies of many agents: tables and small networks, which are fitted to what the elite did."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from etudes.pipelines.cross_entropy_method.sessions import Sessions
from etudes.rl.flat import FlatAdamW

Floats = NDArray[np.float64]
Digest = dict[str, NDArray]


class Network:
    """The shape of a network with one hidden layer of tanh units, or of a linear one where ``hidden`` is 0.

    Its weights are one row of P numbers, so that those of many agents, or of many candidates, are one array.

    Args:
        inputs, hidden, actions: sizes.
    """

    def __init__(self, inputs: int, hidden: int, actions: int) -> None:
        self.inputs, self.hidden, self.actions = inputs, hidden, actions
        widths = [inputs, *([hidden] if hidden else []), actions]
        self.layers = list(itertools.pairwise(widths))

    @property
    def size(self) -> int:
        """How many weights there are, P."""
        return sum((fan_in + 1) * fan_out for fan_in, fan_out in self.layers)

    def drawn(self, generator: np.random.Generator) -> NDArray[np.float32]:
        """Weights (P,) to begin with: normal with variance 1 / fan-in, biases 0, the last layer a tenth of that, so that all
        actions begin about alike."""
        parts = []
        for place, (fan_in, fan_out) in enumerate(self.layers):
            scale = (0.1 if place == len(self.layers) - 1 else 1.0) / np.sqrt(fan_in)
            parts += [scale * generator.standard_normal(fan_in * fan_out), np.zeros(fan_out)]
        return np.concatenate(parts).astype(np.float32)

    def logits(self, weights: Tensor, observations: Tensor) -> Tensor:
        """(N, B, actions) of N networks: weights (N, P), observations (N, B, inputs)."""
        values, begin = observations, 0
        for place, (fan_in, fan_out) in enumerate(self.layers):
            middle, end = begin + fan_in * fan_out, begin + (fan_in + 1) * fan_out
            matrix = weights[:, begin:middle].reshape(-1, fan_in, fan_out)
            values = torch.baddbmm(
                weights[:, None, middle:end], values if place == 0 else torch.tanh(values), matrix
            )
            begin = end
        return values

    def play(self, weights: NDArray, observations: NDArray) -> NDArray[np.float32]:
        """The same of arrays, without gradients; observations (N, B, *shape)."""
        flat = np.asarray(observations, np.float32).reshape(*observations.shape[:2], self.inputs)
        # torch warns of arrays that cannot be written, as those of a stored policy
        own, flat = (np.require(array, requirements=["C", "W"]) for array in (weights, flat))
        with torch.inference_mode():
            return self.logits(torch.from_numpy(own), torch.from_numpy(flat)).numpy()


class NetworkPolicy:
    """``π(a | o) = softmax(f_θ(o))`` of K agents; the elite's steps are its examples.

    Args:
        network: the shape of f.
        seeds: (K,) of the agents.
        pairs: examples drawn from a round's elite for each agent.
        batch, updates: examples of an update, and updates of a round.
        learning_rate: of Adam.
    """

    def __init__(
        self,
        network: Network,
        seeds: Sequence[int],
        pairs: int,
        batch: int,
        updates: int,
        learning_rate: float,
    ) -> None:
        self.network, self.pairs, self.batch, self.updates = network, pairs, batch, updates
        self.learning_rate = learning_rate
        drawn = [network.drawn(np.random.default_rng([seed, 2**32 - 1])) for seed in seeds]
        self.tensor = torch.from_numpy(np.stack(drawn))
        self.optimiser = FlatAdamW(self.tensor, epsilon=1e-8, weight_decay=0.0)

    @property
    def weights(self) -> NDArray:
        """(K, P)."""
        return self.tensor.numpy()

    def probabilities(self, observations: NDArray) -> NDArray:
        """(K, B, actions)."""
        return softmax(self.network.play(self.weights, observations))

    def digest(self, sessions: Sessions, shares: Floats, generators: Sequence[np.random.Generator]) -> Digest:
        """Pairs of observation and action drawn from the sessions, each step of a session with its ``shares`` (K, B)."""
        seen, taken = [], []
        for agent, generator in enumerate(generators):
            weights = (sessions.playing[:, agent] * shares[agent]).reshape(-1)
            ends = np.cumsum(weights)
            chosen = np.searchsorted(ends, generator.random(self.pairs) * ends[-1], side="right")
            step, session = np.divmod(chosen, shares.shape[1])
            seen.append(sessions.observations[step, agent, session].reshape(self.pairs, -1))
            taken.append(sessions.actions[step, agent, session])
        return {"observations": np.stack(seen).astype(np.float32), "actions": np.stack(taken)}

    def fit(self, memory: Sequence[Digest], generators: Sequence[np.random.Generator]) -> None:
        """``updates`` steps of Adam on the cross-entropy ``-mean log π(a | o)`` of the pairs in memory."""
        seen = torch.from_numpy(
            np.concatenate([np.asarray(digest["observations"]) for digest in memory], axis=1)
        )
        taken = torch.from_numpy(np.concatenate([np.asarray(digest["actions"]) for digest in memory], axis=1))
        places = np.stack(
            [g.integers(0, seen.shape[1], (self.updates, self.batch)) for g in generators], axis=1
        )
        agents = torch.arange(len(generators))[:, None]
        for place in torch.from_numpy(places):
            weights = self.tensor.detach().requires_grad_()
            logits = self.network.logits(weights, seen[agents, place])
            # The sum over agents: each has the gradient of its own mean.
            loss = functional.cross_entropy(logits.transpose(1, 2), taken[agents, place], reduction="sum")
            (gradient,) = torch.autograd.grad(loss / self.batch, weights)
            self.optimiser.step(gradient, self.learning_rate)

    def state(self) -> dict[str, Any]:
        return {"weights": self.tensor.clone(), "optimiser": self.optimiser.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.tensor.copy_(state["weights"])
        self.optimiser.restore(state["optimiser"])


class TablePolicy:
    """A table of probabilities (K, S, A) for states that have numbers.

    Args:
        agents, states, actions: K, S, A.
        smoothing: how far a round moves the table.
        forgets: whether a state that no elite session saw moves to the uniform distribution; else it stays as it was.
    """

    def __init__(self, agents: int, states: int, actions: int, smoothing: float, forgets: bool) -> None:
        self.smoothing, self.forgets = smoothing, forgets
        self.weights = np.full((agents, states, actions), 1.0 / actions)

    def probabilities(self, observations: NDArray) -> NDArray:
        """(K, B, actions)."""
        return self.weights[np.arange(len(observations))[:, None], observations]

    def digest(self, sessions: Sessions, shares: Floats, generators: Sequence[np.random.Generator]) -> Digest:
        """How often (K, S, A) each action was taken in each state, a step counting as the ``shares`` (K, B) of its session."""
        agents, states, actions = self.weights.shape
        place = (np.arange(agents)[:, None] * states + sessions.observations) * actions + sessions.actions
        weights = sessions.playing * shares
        used = weights > 0
        counts = np.bincount(place[used], weights[used], self.weights.size)
        return {"counts": counts.reshape(self.weights.shape)}

    def fit(self, memory: Sequence[Digest], generators: Sequence[np.random.Generator]) -> None:
        """``π ← (1 - λ) π + λ n(s, a) / n(s)`` with the counts n in memory and λ the smoothing."""
        counts = np.sum([np.asarray(digest["counts"]) for digest in memory], axis=0)
        seen = counts.sum(2, keepdims=True)
        unseen = np.full_like(self.weights, 1.0 / self.weights.shape[2]) if self.forgets else self.weights
        wanted = np.where(seen > 0, counts / np.where(seen > 0, seen, 1.0), unseen)
        self.weights = (1 - self.smoothing) * self.weights + self.smoothing * wanted

    def state(self) -> dict[str, Any]:
        return {"weights": torch.from_numpy(self.weights.copy())}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.weights = state["weights"].numpy().copy()


def softmax(logits: NDArray) -> NDArray:
    """Over the last axis."""
    raised = np.exp(logits - logits.max(-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True)


def drawn_actions(probabilities: NDArray, uniforms: Floats, floor: float) -> NDArray[np.int64]:
    """Actions (...) from probabilities (..., A) and uniform numbers (...); the share ``floor`` of them is any action alike."""
    mixed = (1 - floor) * probabilities + floor / probabilities.shape[-1]
    ends = mixed.cumsum(-1)
    # Compared with the last end, which rounding leaves a little beside 1.
    return (uniforms[..., None] * ends[..., -1:] >= ends).sum(-1)
