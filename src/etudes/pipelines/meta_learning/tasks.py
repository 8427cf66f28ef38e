"""Sinusoids drawn from seeds. numpy only."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from etudes.pipelines.meta_learning.parameters import SinusoidParameters

Floats = NDArray[np.float32]

SINUSOID_SHOTS = (5, 10)


class Sinusoids(NamedTuple):
    """T tasks y = a sin(x + b): ``amplitude`` (T,), ``phase`` (T,), radians; ``x`` and ``y`` (T, n, 1)."""

    amplitude: Floats
    phase: Floats
    x: Floats
    y: Floats


def draw_sinusoids(
    parameters: SinusoidParameters, tasks: int, examples: int, generator: np.random.Generator
) -> Sinusoids:
    """``tasks`` fresh tasks with ``examples`` points each; a, b and x are uniform."""
    amplitude = generator.uniform(*parameters.amplitude, tasks).astype(np.float32)
    phase = generator.uniform(*parameters.phase, tasks).astype(np.float32)
    x = generator.uniform(*parameters.range, (tasks, examples, 1)).astype(np.float32)
    return Sinusoids(amplitude, phase, x, sinusoid(amplitude, phase, x))


def sinusoid(amplitude: Floats, phase: Floats, x: Floats) -> Floats:
    """a sin(x + b): (T,), (T,), (T, n, 1) -> (T, n, 1)."""
    return amplitude[:, None, None] * np.sin(x + phase[:, None, None])
