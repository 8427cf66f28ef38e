"""Other hands: training drawings, each a little turned, stretched, sheared and moved."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from etudes.pipelines.meta_learning.parameters import DistortionParameters


def distorted(pictures: Tensor, settings: DistortionParameters, generator: np.random.Generator) -> Tensor:
    """Every picture under an affine map of its own, its numbers drawn evenly from both sides of none.

        x  ->  R(turn) [1 + stretch_x, shear; 0, 1 + stretch_y] x + move

    Args:
        pictures: (n, 1, S, S); what comes in from outside is 0.
        settings: the largest of each; all 0 gives the pictures back as they are.
        generator: decides; the same one gives the same pictures on any device.
    """
    if not settings.any:
        return pictures
    turn, wide, high, shear, right, down = generator.uniform(-1, 1, (6, len(pictures))).astype(np.float32)
    angle = turn * math.radians(settings.turn)
    rotation = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], 1).reshape(-1, 2, 2)
    scale = np.zeros_like(rotation)
    scale[:, 0, 0], scale[:, 1, 1] = 1 + settings.stretch * wide, 1 + settings.stretch * high
    scale[:, 0, 1] = settings.shear * shear
    # affine_grid's coordinates go from -1 to 1: a side is 2.
    move = 2 * settings.move * np.stack([right, down], 1)
    maps = torch.from_numpy(np.concatenate([rotation @ scale, move[:, :, None]], 2)).to(pictures.device)
    grid = affine_grid(maps, list(pictures.shape), align_corners=False)
    return grid_sample(pictures, grid, align_corners=False)
