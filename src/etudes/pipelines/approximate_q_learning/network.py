"""Networks of action values, many of one form in one call, with their gradient and optimiser written out. numpy alone.

On networks of a few thousand weights the time goes into calls: automatic differentiation costs several times the arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class Networks:
    """Multilayer perceptrons of one form: observations (K, B, inputs) -> action values (K, B, actions).

    Each row of a matrix of weights (K, P) is one network: of every layer the matrix (inputs, units) and the bias (units), one
    behind the other. Hidden layers are rectified, ``h = max(0, x W + b)``; the last one is linear.

    Args:
        inputs: numbers in an observation.
        actions: number of actions.
        hidden: units of the hidden layers.
    """

    def __init__(self, inputs: int, actions: int, hidden: Sequence[int]) -> None:
        widths = pairwise((inputs, *hidden, actions))
        self.shapes = [shape for before, units in widths for shape in ((before, units), (1, units))]
        self._ends = np.cumsum([rows * columns for rows, columns in self.shapes]).tolist()
        self.size = self._ends[-1]  # P

    def draw(self, generator: np.random.Generator) -> Floats:
        """Fresh weights (P,): all of a layer uniform within ``1 / √inputs``, as PyTorch begins a linear layer."""
        drawn = [
            generator.uniform(-(inputs**-0.5), inputs**-0.5, (inputs + 1) * units)
            for inputs, units in self.shapes[::2]
        ]
        return np.concatenate(drawn).astype(np.float32)

    def parts(self, weights: Floats) -> list[Floats]:
        """Views (K, rows, columns) of the matrices and biases in weights (K, P)."""
        begins = (0, *self._ends)
        return [
            weights[:, begin:end].reshape(-1, *shape)
            for begin, end, shape in zip(begins, self._ends, self.shapes, strict=False)
        ]

    def values(self, weights: Floats, observations: Floats) -> Floats:
        """Action values (K, B, actions) of networks (K, P) at observations (K, B, inputs)."""
        return self._layers(self.parts(weights), observations)[-1]

    def _layers(self, parts: list[Floats], observations: Floats) -> list[Floats]:
        """The observations and what each layer makes of them."""
        layers = [observations]
        for place in range(0, len(parts), 2):
            x = np.matmul(layers[-1], parts[place])
            x += parts[place + 1]
            layers.append(np.maximum(x, 0, out=x) if place + 2 < len(parts) else x)
        return layers

    def gradient(
        self,
        weights: Floats,
        observations: Floats,
        actions: NDArray[np.int64],
        targets: Floats,
        counts: Floats,
        huber: float,
    ) -> tuple[Floats, Floats]:
        """Gradient (K, P) and losses (K,): Huber's of ``Q(s, a) - y``, mean over B; y is taken as a number (semi-gradient).

        Args:
            weights: (K, P).
            observations: (K, B, inputs).
            actions: (K, B), those taken.
            targets: y (K, B).
            counts: (K, B), what each error counts, 1 or 0.
            huber: error from which the loss grows linearly.

        Raises:
            ValueError: shapes that do not belong together; (K, B) against (K, B, 1) would quietly give (K, B, B).
        """
        shape = observations.shape[:2]
        if not actions.shape == targets.shape == counts.shape == shape:
            raise ValueError(
                f"observations {observations.shape}, actions {actions.shape}, targets {targets.shape}, counts {counts.shape}: "
                "expected (K, B, inputs) and thrice (K, B)"
            )
        parts, gradient = self.parts(weights), np.empty_like(weights)
        own, layers = self.parts(gradient), self._layers(parts, observations)
        taken = np.arange(shape[0])[:, None], np.arange(shape[1]), actions
        error = layers[-1][taken] - targets
        slope = np.clip(error, -huber, huber)
        losses = (slope * (error - slope / 2) * counts).mean(1)  # e²/2 inside, h (|e| - h/2) outside
        down = np.zeros_like(layers[-1])
        down[taken] = slope * counts / shape[1]
        for place in range(len(parts) - 2, -1, -2):
            below = layers[place // 2]
            np.matmul(below.swapaxes(1, 2), down, out=own[place])
            np.sum(down, axis=1, keepdims=True, out=own[place + 1])
            if place:
                down = np.matmul(down, parts[place].swapaxes(1, 2))
                down *= below > 0
        return gradient, losses


class Adam:
    """Adam (Kingma and Ba, arXiv 1412.6980, algorithm 1) for networks (K, P), each with a learning rate of its own::

        m ← β1 m + (1 - β1) g      v ← β2 v + (1 - β2) g²      θ ← θ - η (m / (1 - β1^t)) / (√(v / (1 - β2^t)) + ε)

    Args:
        size: P.
        rates: η (K,).
        epsilon: ε.
    """

    betas = (0.9, 0.999)

    def __init__(self, size: int, rates: Sequence[float], epsilon: float) -> None:
        self.rates, self.epsilon, self.steps = np.asarray(rates, np.float32)[:, None], np.float32(epsilon), 0
        self.mean, self.square, self._change = np.zeros((3, len(rates), size), np.float32)

    def step(self, weights: Floats, gradient: Floats) -> None:
        """One step of ``weights`` (K, P), in place."""
        self.steps += 1
        first, second = self.betas
        change = self._change
        self.mean *= np.float32(first)
        self.mean += np.multiply(gradient, np.float32(1 - first), out=change)
        self.square *= np.float32(second)
        np.multiply(gradient, gradient, out=change)
        self.square += np.multiply(change, np.float32(1 - second), out=change)
        np.sqrt(self.square, out=change)
        change *= np.float32((1 - second**self.steps) ** -0.5)
        change += self.epsilon
        np.divide(self.mean, change, out=change)
        change *= self.rates / np.float32(1 - first**self.steps)
        weights -= change

    def state(self) -> dict[str, Any]:
        """What `restore` needs."""
        return {"steps": self.steps, "mean": self.mean.copy(), "square": self.square.copy()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave."""
        self.steps = int(state["steps"])
        self.mean[:], self.square[:] = np.asarray(state["mean"]), np.asarray(state["square"])
