"""Attacks that stay in a ball around each picture: one step or many, with momentum, with a random start, with a target.

All are one loop (`perturbed`). The gradient goes through whatever the view does to a picture first, standardisation included.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from etudes.vision.attack_losses import cross_entropy, lead
from etudes.vision.parameters import StepsParameters

OBJECTIVES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"cross_entropy": cross_entropy, "lead": lead}
TINY = 1e-12  # keeps the gradient of a picture that has none at zero


def perturbed(
    view: nn.Module,
    pictures: Tensor,
    classes: Tensor,
    radius: Tensor,
    how: StepsParameters,
    generator: np.random.Generator,
    targeted: bool = False,
) -> Tensor:
    """Perturbed pictures (N, 3, H, W), in 0..1 and in the ball of each picture.

    With x_0 the picture or a random point of the ball, L the loss of the picture's class and a = ``how.step`` * radius:

        g_t+1 = momentum * g_t + grad L(x_t) / mean|grad L(x_t)|
        x_t+1 = clip(project(x_t + a * direction(g_t+1)), 0, 1),

    where the direction is sign(g) in the maximum norm and g / |g| in the Euclidean one, and ``project`` the nearest point of
    the ball. A target's loss is descended. Where ``how.rounded``, grad L is taken at x_t rounded to 8 bits and passed straight
    through: the network then sees in every step what a file could hold, and a picture that is done stays so when it is saved. One step of the whole radius without momentum is the fast gradient sign method
    (Goodfellow et al. 2015, arXiv:1412.6572); several are its basic iteration (Kurakin et al. 2017, arXiv:1607.02533),
    with momentum MI-FGSM (Dong et al. 2018, arXiv:1710.06081, equations 6 and 7), from a random start PGD (Madry et al. 2018,
    arXiv:1706.06083).

    Args:
        view: intensities (n, 3, H, W) in 0..1 -> logits (n, classes); its weights need no gradient.
        pictures: (N, 3, H, W) in 0..1.
        classes: (N,), int64: the class to leave, or where ``targeted`` the class to reach.
        radius: (N,), of each picture's ball, in intensities.
        how: steps, loss, and the lead at which a picture is done and left as it is.
        generator: of random starts; they do not depend on how pictures are batched.
        targeted: whether ``classes`` are targets.

    Raises:
        ValueError: other shapes, or gradients that are not finite.
    """
    if pictures.ndim != 4 or not (classes.shape == radius.shape == pictures.shape[:1]):
        raise ValueError(
            f"pictures have the shape {tuple(pictures.shape)}, classes {tuple(classes.shape)}, radius "
            f"{tuple(radius.shape)}; expected (N, 3, H, W), (N,) and (N,)"
        )
    signed = -1.0 if targeted else 1.0
    found = _start(pictures, radius, how, generator)
    # `active` are the pictures that are still on their way; all arrays below hold these alone.
    active = torch.arange(len(pictures), device=pictures.device)
    x, momentum = found.clone(), torch.zeros_like(found)
    base, labels, size = pictures, classes, radius[:, None, None, None]
    for step in range(how.steps):
        seen = ((x * 255).round() / 255 if how.rounded else x.clone()).requires_grad_()
        logits = view(seen).float()
        going = torch.ones_like(active, dtype=torch.bool)
        if how.enough is not None:
            going = signed * lead(logits.detach(), labels) <= how.enough
            found[active[~going]] = seen.detach()[~going]
            if not going.any():
                return found
        (gradient,) = torch.autograd.grad(signed * OBJECTIVES[how.loss](logits, labels)[going].sum(), seen)
        if not torch.isfinite(gradient).all():
            raise ValueError(
                f"the gradient of some picture is not finite in step {step}; expected numbers. Are the network's weights "
                "right?"
            )
        kept = (active, x, momentum, base, labels, size, gradient)
        active, x, momentum, base, labels, size, gradient = kept if going.all() else (v[going] for v in kept)
        if how.momentum:
            momentum = how.momentum * momentum + gradient / gradient.abs().mean(
                (1, 2, 3), keepdim=True
            ).clamp(min=TINY)
        else:
            momentum = gradient
        if how.norm == "linf":
            x = x + how.step * size * momentum.sign()
        else:
            x = x + how.step * size * momentum / lengths(momentum).clamp(min=TINY)
        x = (base + projected(x - base, size, how.norm)).clamp(0, 1)
    found[active] = x
    return found


def _start(pictures: Tensor, radius: Tensor, how: StepsParameters, generator: np.random.Generator) -> Tensor:
    if how.start == "picture":
        return pictures.clone()
    shape, size = tuple(pictures.shape), radius[:, None, None, None]
    if how.norm == "linf":
        drawn = generator.random(shape, dtype=np.float32) * 2 - 1
        noise = torch.from_numpy(np.sign(drawn) if how.start == "corner" else drawn).to(pictures)
    else:
        # A direction drawn evenly; the share of the radius is that of an even draw from the ball's volume.
        noise = torch.from_numpy(generator.standard_normal(shape, dtype=np.float32)).to(pictures)
        share = np.ones(len(pictures)) if how.start == "corner" else generator.random(len(pictures))
        share = share ** (1 / np.prod(shape[1:]))
        noise = noise / lengths(noise) * torch.from_numpy(share).to(pictures)[:, None, None, None]
    return (pictures + size * noise).clamp(0, 1)


def lengths(changes: Tensor) -> Tensor:
    """Euclidean lengths (N, 1, 1, 1) of changes (N, 3, H, W)."""
    return torch.linalg.vector_norm(changes, dim=(1, 2, 3), keepdim=True)


def projected(changes: Tensor, size: Tensor, norm: str) -> Tensor:
    """The nearest change in each ball: changes (N, 3, H, W), radius (N, 1, 1, 1), norm ``linf`` or ``l2``."""
    if norm == "linf":
        return changes.clamp(-size, size)
    return changes * (size / lengths(changes).clamp(min=TINY)).clamp(max=1)


class GaussianBlur(nn.Module):
    """Pictures (N, 3, H, W) convolved with a Gaussian of ``sigma`` pixels, cut at three of them; edges are mirrored."""

    def __init__(self, sigma: float) -> None:
        super().__init__()
        self.reach = max(1, round(3 * sigma))
        places = torch.arange(-self.reach, self.reach + 1, dtype=torch.float32)
        weights = torch.exp(-0.5 * (places / sigma) ** 2)
        self.weights: Tensor
        self.register_buffer("weights", weights / weights.sum())

    def forward(self, pictures: Tensor) -> Tensor:
        channels = pictures.shape[1]
        across = self.weights.view(1, 1, 1, -1).expand(channels, 1, 1, -1)
        padded = nn.functional.pad(pictures, (self.reach,) * 4, mode="reflect")
        rows = nn.functional.conv2d(padded, across, groups=channels)
        return nn.functional.conv2d(rows, across.transpose(2, 3), groups=channels)
