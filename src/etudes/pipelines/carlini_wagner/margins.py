"""The attack of Carlini and Wagner: the nearest picture that the network answers otherwise, by descent on a margin.

PyTorch alone; all pictures are one batch, in which each has its own constant, its own optimiser and its own clock.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from etudes.pipelines.carlini_wagner.parameters import MarginParameters
from etudes.vision.attack_losses import lead

ALMOST = 1 - 1e-6  # of the way to black and white, so that the inverse hyperbolic tangent is finite
BETA1, BETA2, TINY = 0.9, 0.999, 1e-8  # of Adam (Kingma and Ba 2015, arXiv:1412.6980)


def nearest(
    view: nn.Module,
    pictures: Tensor,
    classes: Tensor,
    how: MarginParameters,
    learning_rate: float,
    rounded: bool = False,
    targeted: bool = False,
) -> Tensor:
    """Pictures (N, 3, H, W) in 0..1, each turned and as near to its original as was found; as it was where none was found.

    Carlini and Wagner 2017 (arXiv:1608.04644), section V: over w, with x = (tanh(w) + 1) / 2 in the box by itself,

        minimise  |x - x_0|_2^2 + c f(x),    f(x) = max(kappa - s (max_{k != y} z_k(x) - z_y(x)), 0),

    where z are logits, y is the class to leave (s = 1) or the target (s = -1). Adam takes at most ``how.steps`` steps for each
    of ``how.searches`` constants c: after a run that turned the picture c falls, after another one it rises, by
    ``how.factor`` until both have happened and to the geometric mean of its bracket from then on. A run ends early where ten steps
    brought its objective no further. Every x on the way that is turned with the lead kappa is a candidate, the nearest is kept.

    A picture that is done with a constant goes on with its next while others are on their way, and one that is done with all
    leaves the batch. Where ``rounded``, x is rounded to 8 bits before network and norm see it, and the gradient passes
    straight through: what is kept then is what a file can hold.

    Args:
        view: intensities (n, 3, H, W) in 0..1 -> logits (n, classes); its weights need no gradient.
        pictures: (N, 3, H, W) in 0..1.
        classes: (N,), int64: the class to leave, or where ``targeted`` the class to reach.
        how: constants, steps, kappa.
        learning_rate: of Adam at first; it falls geometrically to the share ``how.decay`` of it.
        rounded: whether only pictures of 8 bits count.
        targeted: whether ``classes`` are targets.

    Raises:
        ValueError: other shapes, or gradients that are not finite.
    """
    if pictures.ndim != 4 or classes.shape != pictures.shape[:1]:
        raise ValueError(
            f"pictures have the shape {tuple(pictures.shape)}, classes {tuple(classes.shape)}; expected (N, 3, H, W) and (N,)"
        )
    signed, count, device = -1.0 if targeted else 1.0, len(pictures), pictures.device
    found, shortest = pictures.clone(), torch.full((count,), torch.inf, device=device)
    # Arrays below hold the pictures that are still on their way: which they are, where they are, Adam's two means.
    active = torch.arange(count, device=device)
    start = torch.atanh((pictures * 2 - 1) * ALMOST)
    base, labels, w = pictures, classes, start.clone()
    mean, square = torch.zeros_like(w), torch.zeros_like(w)
    constant = torch.full((count,), how.constant, device=device)
    low, high = torch.zeros_like(constant), torch.full_like(constant, torch.inf)
    step, search = torch.zeros_like(active), torch.zeros_like(active)
    turned, before = torch.zeros_like(active, dtype=torch.bool), torch.full_like(constant, torch.inf)
    while len(active):
        x = (torch.tanh(w) + 1) / 2
        seen = ((x * 255).round() / 255 if rounded else x.clone()).requires_grad_()
        ahead = signed * lead(view(seen).float(), labels)
        hinge = (how.confidence - ahead).clamp(min=0)
        (gradient,) = torch.autograd.grad((constant * hinge).sum(), seen)
        if not torch.isfinite(gradient).all():
            raise ValueError(
                "the gradient of some picture is not finite; expected numbers. Are the network's weights right?"
            )
        seen, ahead = seen.detach(), ahead.detach()
        change = seen - base
        distance = change.square().sum((1, 2, 3))
        reached = (ahead > 0) & (ahead >= how.confidence)
        nearer = reached & (distance < shortest[active])
        shortest[active[nearer]], found[active[nearer]] = distance[nearer], seen[nearer]
        turned |= reached
        # The objective's gradient in w, and Adam's step with each picture's own count of steps.
        step += 1
        gradient = (gradient + 2 * change) * (2 * x * (1 - x))
        mean = BETA1 * mean + (1 - BETA1) * gradient
        square = BETA2 * square + (1 - BETA2) * gradient.square()
        taken = step[:, None, None, None]
        rate = learning_rate * how.decay ** ((step - 1) / how.steps)
        moved = mean / (1 - BETA1**taken) / ((square / (1 - BETA2**taken)).sqrt() + TINY)
        w = w - rate[:, None, None, None] * moved
        objective = distance + constant * hinge.detach()
        at_check = step % how.check == 0
        stuck = at_check & (objective > how.progress * before)
        before = torch.where(at_check, objective, before)
        over = stuck | (step >= how.steps)
        if not over.any():
            continue
        # The next constant of the pictures whose run is over.
        high = torch.where(over & turned, torch.minimum(high, constant), high)
        low = torch.where(over & ~turned, torch.maximum(low, constant), low)
        between = torch.where(low == 0, high / how.factor, (low * high).sqrt())
        following = torch.where(high.isinf(), low * how.factor, between)
        constant = torch.where(over, following, constant)
        search = search + over.long()
        fresh = over[:, None, None, None]
        w = torch.where(fresh, start, w)
        mean, square = mean.masked_fill(fresh, 0), square.masked_fill(fresh, 0)
        step, before = step.masked_fill(over, 0), before.masked_fill(over, torch.inf)
        turned = turned & ~over
        left = search < how.searches
        if not left.all():
            kept = (
                active,
                start,
                base,
                labels,
                w,
                mean,
                square,
                constant,
                low,
                high,
                step,
                search,
                turned,
                before,
            )
            (
                active,
                start,
                base,
                labels,
                w,
                mean,
                square,
                constant,
                low,
                high,
                step,
                search,
                turned,
                before,
            ) = (values[left] for values in kept)
    return found
