"""Pictures, each a little turned, stretched, sheared and moved."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample


def distorted(
    pictures: Tensor, generator: np.random.Generator, turn: float, stretch: float, shear: float, move: float
) -> Tensor:
    """Every picture under an affine map of its own, its numbers drawn evenly from both sides of none.

        x  ->  R(turn) [1 + stretch_x, shear; 0, 1 + stretch_y] x + move

    Args:
        pictures: (n, 1, S, S); what comes in from outside is 0.
        generator: decides; the same one gives the same pictures on any device.
        turn: at most, in degrees.
        stretch: at most, of width and of height, each by itself.
        shear: at most, of the width over the height.
        move: at most, to the side and up or down, as a share of the side. All 0 gives the pictures back as they are.
    """
    if not any((turn, stretch, shear, move)):
        return pictures
    turns, wide, high, sheared, right, down = generator.uniform(-1, 1, (6, len(pictures))).astype(np.float32)
    angle = turns * math.radians(turn)
    rotation = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], 1).reshape(-1, 2, 2)
    scale = np.zeros_like(rotation)
    scale[:, 0, 0], scale[:, 1, 1] = 1 + stretch * wide, 1 + stretch * high
    scale[:, 0, 1] = shear * sheared
    # affine_grid's coordinates go from -1 to 1: a side is 2.
    moved = 2 * move * np.stack([right, down], 1)
    maps = torch.from_numpy(np.concatenate([rotation @ scale, moved[:, :, None]], 2)).to(pictures.device)
    grid = affine_grid(maps, list(pictures.shape), align_corners=False)
    return grid_sample(pictures, grid, align_corners=False)
