"""Dense networks with backpropagation written out. numpy alone: they work without Kedro.

A reversible block (Gomez et al. 2017, equations 6 and 7) takes two halves of a state and gives two halves,

    y1 = x1 + F(x2),   y2 = x2 + G(y1),        x2 = y2 - G(y1),   x1 = y1 - F(x2),

so that the state before it can be computed from the state after it. F and G are residual functions that may be anything;
here F(x) = W relu(x) + b. Backpropagation through many blocks then needs the last state alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[np.floating]
Weights = list[Array]  # of a network, in the order of its layers: W (in, out), b (out,), W, b, ...


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def softmax_cross_entropy(logits: Array, labels: NDArray[np.int64]) -> tuple[float, Array]:
    """Mean of -log softmax(logits)_label over the rows, nats, and its gradient for the logits (B, K).

    Raises:
        ValueError: logits that are not (B, K), or labels that are not (B,).
    """
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise ValueError(
            f"logits have the shape {logits.shape}, labels {labels.shape}; expected (B, K) and (B,)"
        )
    rows = np.arange(len(labels))
    shifted = logits - logits.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    sums = exponentials.sum(axis=1, keepdims=True)
    loss = float(np.mean(np.log(sums[:, 0]) - shifted[rows, labels]))
    gradient = exponentials / sums
    gradient[rows, labels] -= 1
    return loss, gradient / len(labels)


class DenseNetwork(ABC):
    """What both networks share: an input layer, what lies between, and an output layer after a ReLU.

    Args:
        inputs, width, blocks, outputs: D, H, what lies between, K.
        seed: of the first weights: He's variance 2 / in, in what lies between divided by the number of its functions, so that
            the state does not grow with depth; biases 0. None leaves weights to be filled in.
        dtype: of all weights.
    """

    def __init__(
        self,
        inputs: int,
        width: int,
        blocks: int,
        outputs: int,
        seed: int | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.inputs, self.width, self.blocks, self.outputs = inputs, width, blocks, outputs
        generator = np.random.default_rng(seed)
        self.weights: Weights = []
        for fan_in, fan_out, damping in self.layers():
            deviation = np.sqrt(2 / fan_in) * damping
            drawn = generator.normal(0, deviation, (fan_in, fan_out)) if seed is not None else 0.0
            self.weights.append(np.full((fan_in, fan_out), drawn, dtype=dtype))
            self.weights.append(np.zeros(fan_out, dtype=dtype))
        self.gradients: Weights = [np.zeros_like(weight) for weight in self.weights]

    @property
    def shape(self) -> dict[str, int]:
        return {n: getattr(self, n) for n in ("inputs", "width", "blocks", "outputs")}

    def layers(self) -> Sequence[tuple[int, int, float]]:
        """Of each layer its inputs, its outputs and a factor of its first weights."""
        between = [(i, o, self.damping) for i, o in self.between()]
        return [(self.inputs, self.width, 1.0), *between, (self.width, self.outputs, 1.0)]

    damping = 1.0

    @abstractmethod
    def between(self) -> Sequence[tuple[int, int]]:
        """Inputs and outputs of the layers between the first and the last."""

    def logits(self, x: Array) -> Array:
        """Rows (B, D) -> (B, K)."""
        return self._outward(self._through(self._inward(x)))

    @abstractmethod
    def loss_and_gradient(self, x: Array, labels: NDArray[np.int64]) -> float:
        """Mean cross-entropy of a batch, nats; ``gradients`` are then its gradients for ``weights``.

        Args:
            x: (B, D).
            labels: (B,), 0..K-1.
        """

    def _inward(self, x: Array) -> Array:
        return relu(x @ self.weights[0] + self.weights[1])

    @abstractmethod
    def _through(self, state: Array) -> Array:
        """From the first state (B, H) to the last."""

    def _outward(self, state: Array) -> Array:
        return relu(state) @ self.weights[-2] + self.weights[-1]

    def _linear_back(self, place: int, inputs: Array, upstream: Array) -> Array:
        """Backward through inputs @ W + b, W being ``weights[place]``: keeps both gradients, gives that of the inputs."""
        np.matmul(inputs.T, upstream, out=self.gradients[place])
        np.sum(upstream, axis=0, out=self.gradients[place + 1])
        return upstream @ self.weights[place].T

    def _head(self, state: Array, labels: NDArray[np.int64]) -> tuple[float, Array]:
        """Loss, and its gradient for the last state."""
        loss, upstream = softmax_cross_entropy(self._outward(state), labels)
        upstream = self._linear_back(len(self.weights) - 2, relu(state), upstream)
        upstream *= state > 0
        return loss, upstream

    def _stem(self, x: Array, active: NDArray[np.bool_], upstream: Array) -> None:
        """Gradients of the input layer; ``active`` says where the state that it gave is above 0, ``upstream`` is its gradient."""
        masked = upstream * active
        np.matmul(x.T, masked, out=self.gradients[0])
        np.sum(masked, axis=0, out=self.gradients[1])


class PlainNetwork(DenseNetwork):
    """Dense layers with ReLU, one after the other: h <- relu(h W + b), the activations kept for the way back.

    A layer has H x H weights, twice those of a reversible block of the same state; ``blocks`` counts layers.
    """

    def between(self) -> Sequence[tuple[int, int]]:
        return [(self.width, self.width)] * self.blocks

    def _through(self, state: Array) -> Array:
        for layer in range(self.blocks):
            state = relu(state @ self.weights[2 + 2 * layer] + self.weights[3 + 2 * layer])
        return state

    def loss_and_gradient(self, x: Array, labels: NDArray[np.int64]) -> float:
        states = [self._inward(x)]
        for layer in range(self.blocks):
            states.append(relu(states[-1] @ self.weights[2 + 2 * layer] + self.weights[3 + 2 * layer]))
        loss, upstream = self._head(states[-1], labels)
        for layer in reversed(range(self.blocks)):
            upstream = upstream * (states.pop() > 0)
            upstream = self._linear_back(2 + 2 * layer, states[-1], upstream)
        self._stem(x, states[0] > 0, upstream)
        return loss


class ReversibleNetwork(DenseNetwork):
    """Reversible blocks between two dense layers; the state (B, H) is two halves side by side.

    The backward pass of a block goes from (y1, y2) and their gradients (v1, v2) to (x1, x2) and theirs (u1, u2), as
    algorithm 1 of the paper:

        x2 = y2 - G(y1),   u1 = v1 + v2 dG/dy1,   x1 = y1 - F(x2),   u2 = v2 + u1 dF/dx2.

    Args:
        inputs, width, blocks, outputs, seed, dtype: of `DenseNetwork`; the width is even.
        stored: keep the state before every block instead of computing it again: the same gradients, for the memory of all
            blocks. The trained network is the same kind of thing.

    Raises:
        ValueError: an odd width.
    """

    def __init__(
        self,
        inputs: int,
        width: int,
        blocks: int,
        outputs: int,
        seed: int | None = None,
        dtype: DTypeLike = np.float32,
        stored: bool = False,
    ) -> None:
        if width % 2:
            raise ValueError(f"width = {width}; expected an even number, the state has two halves")
        self.half, self.stored = width // 2, stored
        super().__init__(inputs, width, blocks, outputs, seed, dtype)

    @property
    def damping(self) -> float:  # type: ignore[override]
        return 1 / np.sqrt(2 * self.blocks)

    def between(self) -> Sequence[tuple[int, int]]:
        return [(self.half, self.half)] * (2 * self.blocks)

    def residual(self, block: int, which: int, x: Array) -> Array:
        """F (``which`` 0) or G (1) of a block: W relu(x) + b, (B, H / 2)."""
        place = 2 + 4 * block + 2 * which
        return relu(x) @ self.weights[place] + self.weights[place + 1]

    def _residual_back(self, block: int, which: int, x: Array, upstream: Array) -> Array:
        """Keeps the gradients of F's or G's weights, gives that of its input."""
        found = self._linear_back(2 + 4 * block + 2 * which, relu(x), upstream)
        found *= x > 0
        return found

    def forward(self, block: int, x1: Array, x2: Array) -> tuple[Array, Array]:
        """(x1, x2) -> (y1, y2), each (B, H / 2)."""
        y1 = x1 + self.residual(block, 0, x2)
        return y1, x2 + self.residual(block, 1, y1)

    def inverse(self, block: int, y1: Array, y2: Array) -> tuple[Array, Array]:
        """(y1, y2) -> (x1, x2), up to rounding."""
        x2 = y2 - self.residual(block, 1, y1)
        return y1 - self.residual(block, 0, x2), x2

    def halves(self, state: Array) -> tuple[Array, Array]:
        return state[:, : self.half].copy(), state[:, self.half :].copy()

    def _through(self, state: Array) -> Array:
        x1, x2 = self.halves(state)
        for block in range(self.blocks):
            x1, x2 = self.forward(block, x1, x2)
        return np.concatenate([x1, x2], axis=1)

    def loss_and_gradient(self, x: Array, labels: NDArray[np.int64]) -> float:
        state = self._inward(x)
        active = state > 0  # computed again, the zeros of the ReLU would be rounding errors of either sign
        first, second = self.halves(state)
        del state
        kept: list[tuple[Array, Array]] = []
        for block in range(self.blocks):
            if self.stored:
                kept.append((first, second))
            first, second = self.forward(block, first, second)
        loss, upstream = self._head(np.concatenate([first, second], axis=1), labels)
        u1, u2 = self.halves(upstream)
        del upstream
        for block in reversed(range(self.blocks)):
            if self.stored:
                y1, (x1, x2) = first, kept.pop()
            else:
                y1 = first
                x2 = second - self.residual(block, 1, y1)
            u1 = u1 + self._residual_back(block, 1, y1, u2)
            if not self.stored:
                x1 = y1 - self.residual(block, 0, x2)
            u2 = u2 + self._residual_back(block, 0, x2, u1)
            first, second = x1, x2
        self._stem(x, active, np.concatenate([u1, u2], axis=1))
        return loss


def reconstruction_error(network: ReversibleNetwork, x: Array) -> float:
    """How far the state before the first block is off when it is computed from the last: max |error| / max |state|.

    Args:
        network: its weights decide the type of the arithmetic.
        x: rows (B, D).
    """
    start = network._inward(x.astype(network.weights[0].dtype))
    state = network.halves(start)
    for block in range(network.blocks):
        state = network.forward(block, *state)
    for block in reversed(range(network.blocks)):
        state = network.inverse(block, *state)
    error = np.abs(np.concatenate(state, axis=1) - start).max()
    return float(error / np.abs(start).max())


def network_of(kind: str, **shape: Any) -> DenseNetwork:
    """``plain``, ``stored`` or ``reversible``."""
    if kind == "plain":
        return PlainNetwork(**shape)
    return ReversibleNetwork(**shape, stored=kind == "stored")
