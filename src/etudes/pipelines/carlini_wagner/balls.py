"""The smallest ball in which an attack of one radius succeeds, found for every picture by halving."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from etudes.pipelines.carlini_wagner.parameters import BallsParameters
from etudes.vision.attack_losses import lead
from etudes.vision.bounded import perturbed
from etudes.vision.parameters import StepsParameters


def in_smallest_ball(
    view: nn.Module,
    pictures: Tensor,
    classes: Tensor,
    how: StepsParameters,
    balls: BallsParameters,
    seed: int,
    targeted: bool = False,
) -> Tensor:
    """Pictures (N, 3, H, W) in 0..1, each turned and as near to its original as was found; as it was where none was found.

    The radius of every picture begins at the geometric mean of ``balls.narrowest`` and ``balls.widest``; a success
    makes it the wider end of the bracket, a failure the narrower one, ``balls.halvings`` times. Random starts are the same in every ball.
    Arguments and errors as `bounded.perturbed`.
    """
    signed, found = -1.0 if targeted else 1.0, pictures.clone()
    shortest = torch.full((len(pictures),), torch.inf, device=pictures.device)
    low = torch.full_like(shortest, balls.narrowest)
    high = torch.full_like(shortest, balls.widest)
    for _ in range(balls.halvings):
        radius = (low * high).sqrt()
        generator = np.random.default_rng(seed)
        moved = perturbed(view, pictures, classes, radius, how, generator, targeted)
        with torch.inference_mode():
            turned = signed * lead(view(moved).float(), classes) > 0
        distance = (moved - pictures).square().sum((1, 2, 3)).sqrt()
        nearer = turned & (distance < shortest)
        found[nearer], shortest[nearer] = moved[nearer], distance[nearer]
        high = torch.where(turned, torch.minimum(radius, distance), high)
        low = torch.where(turned, torch.minimum(low, high), radius)
    return found
