"""Linear forecasts: least squares in closed form and by gradient descent, ridge regression. numpy alone.

    f(x) = s(x) + b + w . z(x),   J(w) = 1/(2N) sum_i (y_i - s(x_i) - b - w . z_i)^2 + penalty / (2N) |w|^2

z are the standardised columns of a scheme (`windows.Layout`), s the start: nothing, or the last reading of PM2.5. With a start at the
last reading a penalty pulls towards persistence, without one towards the mean. The columns have mean 0 on train, so that b is the mean
of y - s whatever w is, and is not penalised. Weights are in ug/m3 per standard deviation of a column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from etudes.benches.hours import FloatArray, Windows
from etudes.models import register_model
from etudes.pipelines.air_quality.windows import Layout
from etudes.stored import Stored

RANK = 1e-6  # singular values below this share of the largest count as none


@register_model("air_quality.persistence")
@dataclass
class Persistence(Stored):
    """PM2.5 stays what it is."""

    def predict(self, windows: Windows) -> FloatArray:
        """The last reading (N,), ug/m3."""
        return windows.last


@register_model("air_quality.linear")
@dataclass
class Linear(Stored):
    """f of the module's docstring; ``start`` is ``mean`` (s = 0) or ``persistence``, ``weights`` (P,), ``bias`` b."""

    layout: Layout
    start: str
    weights: FloatArray
    bias: float

    def predict(self, windows: Windows) -> FloatArray:
        """PM2.5 at the horizon (N,), ug/m3."""
        return started(self.start, windows) + self.bias + self.layout.matrix(windows) @ self.weights


def started(start: str, windows: Windows) -> FloatArray:
    """s (N,)."""
    return windows.last if start == "persistence" else np.zeros(len(windows))


@dataclass(frozen=True)
class Problem:
    """Least squares as its sums: the Hessian H = Z'Z / N (P, P), g = Z'(y - s - b) / N (P,), N, and the mean square of y - s - b.

    J(w) = 1/2 w'Hw - g'w + 1/2 square, without the penalty.
    """

    layout: Layout
    start: str
    bias: float
    matrix: FloatArray
    residual: FloatArray
    hessian: FloatArray
    slope: FloatArray

    @classmethod
    def of(cls, windows: Windows, scheme: str, start: str = "mean") -> Problem:
        """From the training windows."""
        layout = Layout.fit(scheme, windows)
        z, y = layout.matrix(windows), windows.target - started(start, windows)
        bias = float(y.mean())
        return cls(layout, start, bias, z, y - bias, z.T @ z / len(z), z.T @ (y - bias) / len(z))

    def model(self, weights: FloatArray) -> Linear:
        return Linear(self.layout, self.start, weights, self.bias)

    def loss(self, weights: FloatArray) -> float:
        """J without the penalty, (ug/m3)^2."""
        return float(np.square(self.residual - self.matrix @ weights).mean() / 2)


def closed_form(problem: Problem) -> FloatArray:
    """The w of least length among those that minimise J without a penalty, w = Z^+ (y - s - b), by singular values (P,)."""
    return np.asarray(np.linalg.lstsq(problem.matrix, problem.residual, rcond=RANK)[0], dtype=np.float64)


def ridge_path(problem: Problem, penalties: Sequence[float]) -> list[FloatArray]:
    """w = (Z'Z + penalty I)^-1 Z'(y - s - b) for each penalty, from one decomposition Z'Z / N = V diag(e) V'."""
    values, vectors = np.linalg.eigh(problem.hessian)
    inside, n = vectors.T @ problem.slope, len(problem.matrix)
    return [vectors @ (inside / (np.maximum(values, 0) + penalty / n)) for penalty in penalties]


@dataclass(frozen=True)
class Descended:
    """Where a descent ended: ``weights`` (P,), how many ``steps``, the ``condition`` number of the Hessian, and ``path``, the loss
    J after some of the steps."""

    weights: FloatArray
    steps: int
    condition: float
    path: list[tuple[int, float]]


def descend(problem: Problem, tolerance: float, steps: int, momentum: bool = True) -> Descended:
    """Gradient descent on J from w = 0, over all windows at once.

        v <- beta v - alpha (H w - g),   w <- w + v

    With L and m the largest and the smallest eigenvalue of H above zero, the steps that lose most in the worst case are
    alpha = 4 / (sqrt L + sqrt m)^2, beta = ((sqrt L - sqrt m) / (sqrt L + sqrt m))^2 (Polyak 1964): an error falls by about
    1 - 2 / sqrt(L / m) a step. Without momentum, alpha = 2 / (L + m) and beta = 0, it is 1 - 2 / (L / m). Directions in which H is zero
    are never entered, so that the descent ends at the shortest of all minima, the one of `closed_form`.

    Args:
        problem: the sums.
        tolerance: largest entry of the gradient at the end.
        steps: most steps.
        momentum: whether beta is above 0.

    Raises:
        ArithmeticError: a weight is not finite.
    """
    values = np.linalg.eigvalsh(problem.hessian)
    largest = float(values[-1])
    above = values[values > largest * RANK**2]
    smallest = float(above[0])
    root, low = np.sqrt(largest), np.sqrt(smallest)
    alpha = 4 / (root + low) ** 2 if momentum else 2 / (largest + smallest)
    beta = ((root - low) / (root + low)) ** 2 if momentum else 0.0
    weights = np.zeros(len(problem.slope))
    velocity, path, shown = np.zeros(len(weights)), [(0, problem.loss(weights))], 1.0
    step = 0
    for step in range(1, steps + 1):
        velocity = beta * velocity - alpha * (problem.hessian @ weights - problem.slope)
        weights = weights + velocity
        if step >= shown:
            path.append((step, problem.loss(weights)))
            shown = step * 1.15
        if step % 50 == 0 and np.abs(problem.hessian @ weights - problem.slope).max() < tolerance:
            break
    if not np.isfinite(weights).all():
        raise ArithmeticError(f"the descent left the numbers after {step} steps; expected it to converge")
    return Descended(weights, step, largest / smallest, [*path, (step, problem.loss(weights))])
