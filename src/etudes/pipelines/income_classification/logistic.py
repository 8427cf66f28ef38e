"""Logistic regression: its loss and gradient, mini-batch gradient descent, and Newton's method to check it against.

    J(w, b) = 1/N sum_i log(1 + exp(-s_i (w . x_i + b))) + penalty / (2 N) |w|^2,   s_i = 2 y_i - 1

N J is the objective of scikit-learn's `LogisticRegression` with C = 1 / penalty; the bias is not penalised.
"""

from __future__ import annotations

import numpy as np

from etudes.cards import fingerprint
from etudes.pipelines.income_classification.linear import (
    FloatArray,
    IntArray,
    Linear,
    Set,
    check_shapes,
    log_loss,
    sigmoid,
)
from etudes.pipelines.income_classification.parameters import LogisticParameters
from etudes.training.parameters import RunParameters
from etudes.training.resumable import Resumable
from etudes.training.seeds import derive_seed
from etudes.training.session import progress

STEPS = 100  # of Newton's method, at most


def objective(model: Linear, matrix: FloatArray, labels: IntArray, penalty: float) -> float:
    """J of the module's docstring, nats."""
    fit = log_loss(model.log_odds(matrix), labels)
    return fit + penalty / (2 * len(labels)) * float(model.weights @ model.weights)


def gradient(model: Linear, matrix: FloatArray, labels: IntArray, penalty: float, n_all: int) -> FloatArray:
    """Gradient of the batch's mean loss and of the whole penalty (P + 1,), the bias last.

        dJ/dw = 1/n X' (sigmoid(f) - y) + penalty / N w,   dJ/db = 1/n sum_i (sigmoid(f_i) - y_i)

    Args:
        model: where the gradient is taken.
        matrix: (n, P) rows of the batch.
        labels: (n,) 0 or 1.
        penalty: of the whole objective.
        n_all: N, the number of training rows; n where the batch is all of them.
    """
    log_odds = model.log_odds(matrix)
    check_shapes(log_odds, labels)
    residual = (sigmoid(log_odds) - labels) / len(labels)
    return np.append(residual @ matrix + penalty / n_all * model.weights, residual.sum())


def fit_newton(
    matrix: FloatArray,
    labels: IntArray,
    penalty: float,
    start: Linear | None = None,
    tolerance: float = 1e-10,
) -> Linear:
    """The minimum of J by Newton's method, halving a step that does not descend (ESL, section 4.4.1).

    Used where the optimum itself is asked for: the choice of the penalty, the learning curve, the check of the descent.

    Args:
        matrix: (N, P).
        labels: (N,) 0 or 1, both present.
        penalty: above 0, so that there is one minimum.
        start: where to begin; the nearer, the fewer steps.
        tolerance: largest entry of the gradient of J at the end.
    """
    n, width = matrix.shape
    share = labels.mean()
    model = start or Linear(np.zeros(width), float(np.log(share / (1 - share))))
    value = objective(model, matrix, labels, penalty)
    for _ in range(STEPS):
        slope = gradient(model, matrix, labels, penalty, n)
        if np.abs(slope).max() < tolerance:
            break
        step = np.linalg.solve(hessian(model, matrix, penalty), slope)
        factor = 1.0
        while factor > 1e-8:
            moved = Linear(model.weights - factor * step[:-1], model.bias - factor * step[-1])
            moved_value = objective(moved, matrix, labels, penalty)
            if moved_value <= value:
                break
            factor /= 2
        else:
            break  # no descent is left: rounding ends it
        model, value = moved, moved_value
    return model


def optima(
    matrix: FloatArray, labels: IntArray, penalties: list[float], tolerance: float = 1e-10
) -> list[Linear]:
    """The minima of J for several penalties: from the strongest down, each is near the one before."""
    found: dict[float, Linear] = {}
    last = None
    for penalty in sorted(penalties, reverse=True):
        last = found[penalty] = fit_newton(matrix, labels, penalty, last, tolerance)
    return [found[penalty] for penalty in penalties]


def hessian(model: Linear, matrix: FloatArray, penalty: float) -> FloatArray:
    """Second derivatives of J (P + 1, P + 1), the bias last: 1/N [X 1]' diag(p (1 - p)) [X 1] + penalty / N."""
    n, width = matrix.shape
    p = sigmoid(model.log_odds(matrix))
    weight = p * (1 - p) / n
    result = np.empty((width + 1, width + 1))
    result[:-1, :-1] = (matrix * weight[:, None]).T @ matrix
    result[-1, :-1] = result[:-1, -1] = weight @ matrix
    result[-1, -1] = weight.sum() + 1e-12
    result[np.arange(width), np.arange(width)] += penalty / n
    return result


def standard_errors(model: Linear, matrix: FloatArray, penalty: float) -> FloatArray:
    """Standard errors (P,) of the weights: the roots of the diagonal of the inverse of N J's Hessian at the minimum."""
    inverse = np.linalg.inv(hessian(model, matrix, penalty)) / len(matrix)
    return np.sqrt(np.diag(inverse)[:-1])


class Descent(Resumable):
    """Mini-batch gradient descent with momentum (Polyak 1964): each epoch goes through all rows in a new order.

        v <- momentum v - eta_t g(batch),   (w, b) <- (w, b) + v,   eta_t = learning_rate (1 - t / T)^2

    The step falls to zero over the T batches, which takes out their noise: with a step that stays, descent ends in a
    cloud around the minimum, whose width the step decides.

    Args:
        train: its matrix is standardised: one step size must serve all columns.
        dev: what each epoch is scored on.
        penalty: of the whole objective.
        least: J at its minimum, which the record counts from.
        settings: epochs, batch size, step, momentum.
        run: its seed and the epoch decide each order, so that a resumed training meets the same.
    """

    keep = ("point", "velocity", "epochs")
    rows = "epochs"

    def __init__(
        self,
        train: Set,
        dev: Set,
        penalty: float,
        least: float,
        settings: LogisticParameters,
        run: RunParameters,
    ) -> None:
        (self.matrix, self.labels), self.dev = train, dev
        self.penalty, self.least, self.settings = penalty, least, settings
        self.seed = derive_seed(run.seed, "logistic")
        self.point = self.velocity = np.zeros(self.matrix.shape[1] + 1)
        self.epochs: list[dict[str, float]] = []
        self.resume(run, fingerprint(*train), fingerprint(*dev), penalty, settings.model_dump())

    def run(self) -> Linear:
        """The model after the last epoch; ``epochs`` holds a row for each.

        Raises:
            ValueError: the loss is not finite.
        """
        rest = range(len(self.epochs), self.settings.epochs)
        for epoch in progress(rest, "logistic", total=len(rest)):
            rate = self._epoch(epoch)
            loss = objective(self.model, self.matrix, self.labels, self.penalty)
            if not np.isfinite(loss):
                raise ValueError(
                    f"logistic: the training loss is {loss} after epoch {epoch + 1}; lower logistic.learning_rate or "
                    "logistic.momentum"
                )
            odds, labels = self.model.log_odds(self.dev[0]), self.dev[1]
            self.epochs.append(
                {
                    "epoch": float(epoch + 1),
                    "train_loss": loss,
                    "learning_rate": rate,
                    "excess_loss": loss / self.least - 1,
                    "dev_loss": log_loss(odds, labels),
                    "dev_accuracy": float(((odds > 0) == labels).mean()),
                }
            )
            self.log(self.epochs[-1])
            if (epoch + 1) % self.settings.checkpoint_epochs == 0:
                self.save()
        return self.model

    @property
    def model(self) -> Linear:
        return Linear(self.point[:-1], float(self.point[-1]))

    def _epoch(self, epoch: int) -> float:
        """Go through all rows; the step size at the end."""
        n, size = len(self.matrix), self.settings.batch_size
        order, batches, rate = np.random.default_rng([self.seed, epoch]).permutation(n), -(-n // size), 0.0
        for number in range(batches):
            rows = order[number * size : (number + 1) * size]
            done = (epoch * batches + number) / (self.settings.epochs * batches)
            rate = self.settings.learning_rate * (1 - done) ** 2
            slope = gradient(self.model, self.matrix[rows], self.labels[rows], self.penalty, n)
            # The last batch may be short. With a whole step its people would weigh more than the others.
            self.velocity = self.settings.momentum * self.velocity - rate * len(rows) / size * slope
            self.point = self.point + self.velocity
        return rate
