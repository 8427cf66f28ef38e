"""Stochastic gradient descent for the networks in numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from etudes.cards import examples_fingerprint
from etudes.examples import Examples
from etudes.pipelines.revnet.networks import Array, DenseNetwork, softmax_cross_entropy
from etudes.pipelines.revnet.parameters import DescentParameters
from etudes.training.parameters import RunParameters
from etudes.training.resumable import Resumable
from etudes.training.seeds import derive_seed
from etudes.training.session import progress

BATCH = 2_000  # rows that are answered at once


def as_rows(pixels: NDArray[np.uint8]) -> Array:
    """Pictures (N, S, S), uint8, as rows (N, S * S) in 0..1, float32."""
    return pixels.reshape(len(pixels), -1).astype(np.float32) / 255


class Descent(Resumable):
    """Mini-batch gradient descent with momentum (Polyak 1964) and decoupled decay of the matrices, all rows in a new order each epoch.

        v <- momentum v - eta_t g(batch),   W <- (1 - eta_t decay) W + v

    eta_t rises linearly in the first epoch and falls linearly to zero until the last.

    Args:
        network: is trained in place and keeps the weights of the epoch with the best dev accuracy.
        train, dev: with arrays ``pixels`` (N, S, S).
        settings: epochs, batch size, step, momentum, decay.
        run: its seed and the epoch decide each order, so that a resumed training meets the same.
        name: for messages.
    """

    keep = ("weights", "velocities", "best", "epochs")
    rows = "epochs"

    def __init__(
        self,
        network: DenseNetwork,
        train: Examples,
        dev: Examples,
        settings: DescentParameters,
        run: RunParameters,
        name: str,
    ) -> None:
        self.network, self.settings, self.name = network, settings, name
        self.pixels, self.labels = np.asarray(train["pixels"]), train.rows["label"].to_numpy()
        self.dev = as_rows(np.asarray(dev["pixels"])), dev.rows["label"].to_numpy()
        self.seed = derive_seed(run.seed, "descent")
        self.weights = network.weights
        self.velocities = [np.zeros_like(weight) for weight in network.weights]
        self.best = [weight.copy() for weight in network.weights]
        self.epochs: list[dict[str, float]] = []
        data = examples_fingerprint(train), examples_fingerprint(dev)
        self.resume(run, *data, name, network.shape, settings.model_dump())
        network.weights = self.weights

    def run(self) -> list[dict[str, float]]:
        """Train to the end; a row for each epoch.

        Raises:
            ValueError: the loss is not finite.
        """
        rest = range(len(self.epochs), self.settings.epochs)
        for epoch in progress(rest, self.name, total=len(rest)):
            loss, rate = self._epoch(epoch)
            if not np.isfinite(loss):
                raise ValueError(
                    f"{self.name}: the training loss is {loss} in epoch {epoch + 1}; lower learning_rate or momentum"
                )
            dev_loss, accuracy = scored(self.network, *self.dev)
            if all(accuracy > row["dev_accuracy"] for row in self.epochs):
                self.best = [weight.copy() for weight in self.weights]
            row = {"epoch": float(epoch + 1), "train_loss": loss, "learning_rate": rate}
            self.epochs.append(row | {"dev_loss": dev_loss, "dev_accuracy": accuracy})
            self.log(self.epochs[-1])
            self.save()
        self.network.weights = self.best
        return self.epochs

    def _epoch(self, epoch: int) -> tuple[float, float]:
        """Go through all rows; mean loss of the batches, and the step size at the end."""
        count, size, settings = len(self.labels), self.settings.batch_size, self.settings
        order = np.random.default_rng([self.seed, epoch]).permutation(count)
        starts = range(0, count, size)
        loss = rate = 0.0
        for number, start in enumerate(starts):
            rows = order[start : start + size]
            rate = settings.learning_rate * self._rise_and_fall(epoch + number / len(starts))
            loss += len(rows) * self.network.loss_and_gradient(as_rows(self.pixels[rows]), self.labels[rows])
            # The last batch may be short. With a whole step its rows would weigh more than the others.
            self._step(rate * len(rows) / size)
        return loss / count, rate

    def _rise_and_fall(self, epochs: float) -> float:
        rest = (self.settings.epochs - epochs) / max(1, self.settings.epochs - 1)
        return min(1.0, epochs + 0.01, rest)

    def _step(self, rate: float) -> None:
        momentum, kept = self.settings.momentum, 1 - rate * self.settings.weight_decay
        triples = zip(self.weights, self.velocities, self.network.gradients, strict=True)
        for weight, velocity, gradient in triples:
            np.multiply(velocity, momentum, out=velocity)
            np.subtract(velocity, rate * gradient, out=velocity)
            if weight.ndim == 2:
                np.multiply(weight, kept, out=weight)
            np.add(weight, velocity, out=weight)


def scored(network: DenseNetwork, x: Array, labels: NDArray[np.int64]) -> tuple[float, float]:
    """Mean cross-entropy in nats and accuracy on rows."""
    logits = logits_of(network, x)
    return softmax_cross_entropy(logits, labels)[0], float((logits.argmax(1) == labels).mean())


def logits_of(network: DenseNetwork, x: Array) -> Array:
    """Rows (N, D) -> (N, K), a part at a time."""
    return np.concatenate([network.logits(x[start : start + BATCH]) for start in range(0, len(x), BATCH)])
