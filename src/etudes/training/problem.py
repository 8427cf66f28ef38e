"""What most supervised problems answer alike."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from typing import Any

import numpy as np
from torch import nn


class ShuffledProblem:
    """A `Problem` of `fit` whose batches are all rows in a new order and whose weights learn at one rate."""

    model: nn.Module
    train: Sized
    batch_size: int

    def batches(self, generator: np.random.Generator) -> Sequence[np.ndarray]:
        """All rows in a new order; the last batch may be smaller."""
        order = generator.permutation(len(self.train))
        return [order[start : start + self.batch_size] for start in range(0, len(order), self.batch_size)]

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        return [{"params": list(self.model.parameters()), "lr": learning_rate}]
