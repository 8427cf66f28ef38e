"""The attack of Carlini and Wagner: the nearest picture that the network answers otherwise, by descent on a margin.

PyTorch alone; all pictures are one batch, in which each has its own constant, its own optimiser and its own clock.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

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
    ``how.factor`` until both have happened and to the geometric mean of its bracket from then on. A run ends early where ``how.check`` steps
    brought its objective no further. Every x on the way that is turned with the lead kappa is a candidate, the nearest is kept.

    In w a run gets no farther than its steps of Adam, each about the learning rate. So where a picture was not turned yet the rate
    doubles with c; the paper has 10,000 steps instead.

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
    signed, device = -1.0 if targeted else 1.0, pictures.device
    found, shortest = pictures.clone(), torch.full((len(pictures),), torch.inf, device=device)
    on_way = OnTheWay.begin(pictures, classes, how.constant, learning_rate)
    while len(on_way.place):
        here = on_way
        x = (torch.tanh(here.w) + 1) / 2
        seen = ((x * 255).round() / 255 if rounded else x.clone()).requires_grad_()
        ahead = signed * lead(view(seen).float(), here.labels)
        hinge = (how.confidence - ahead).clamp(min=0)
        (gradient,) = torch.autograd.grad((here.constant * hinge).sum(), seen)
        if not torch.isfinite(gradient).all():
            raise ValueError(
                "the gradient of some picture is not finite; expected numbers. Are the network's weights right?"
            )
        seen, ahead, hinge = seen.detach(), ahead.detach(), hinge.detach()
        change = seen - here.base
        distance = change.square().sum((1, 2, 3))
        reached = (ahead > 0) & (ahead >= how.confidence)
        nearer = reached & (distance < shortest[here.place])
        shortest[here.place[nearer]], found[here.place[nearer]] = distance[nearer], seen[nearer]
        here.turned |= reached
        # The gradient in w, and Adam's step with each picture's own count of steps.
        here.step += 1
        gradient = (gradient + 2 * change) * (2 * x * (1 - x))
        here.mean.mul_(BETA1).add_(gradient, alpha=1 - BETA1)
        here.square.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
        taken = here.step[:, None, None, None]
        length = here.rate * how.decay ** ((here.step - 1) / how.steps)
        spread = (here.square / (1 - BETA2**taken)).sqrt() + TINY
        here.w -= length[:, None, None, None] * (here.mean / (1 - BETA1**taken)) / spread
        objective = distance + here.constant * hinge
        at_check = here.step % how.check == 0
        over = (at_check & (objective > how.progress * here.before)) | (here.step >= how.steps)
        here.before = torch.where(at_check, objective, here.before)
        if over.any():
            on_way = here.next(over, how)
    return found


@dataclass
class OnTheWay:
    """The n pictures that are not done: arrays with a row for each, of the shape (n, 3, H, W) or (n,).

    ``place`` among all pictures; ``start`` in w, ``base`` as intensities, ``labels``; ``w``, and ``mean`` and ``square`` of Adam;
    ``constant`` c between ``low`` and ``high``, ``rate`` of learning, ``search`` how many constants are done, ``step`` in this
    run, whether it has ``turned`` the picture, and its objective at the check ``before``.
    """

    place: Tensor
    start: Tensor
    base: Tensor
    labels: Tensor
    w: Tensor
    mean: Tensor
    square: Tensor
    constant: Tensor
    low: Tensor
    high: Tensor
    rate: Tensor
    search: Tensor
    step: Tensor
    turned: Tensor
    before: Tensor

    @classmethod
    def begin(cls, pictures: Tensor, labels: Tensor, constant: float, rate: float) -> Self:
        place, start = (
            torch.arange(len(pictures), device=pictures.device),
            torch.atanh((pictures * 2 - 1) * ALMOST),
        )

        def each(value: float) -> Tensor:
            return torch.full((len(pictures),), value, device=pictures.device)

        none = torch.zeros_like(start)
        return cls(
            *(place, start, pictures, labels, start.clone(), none, none.clone()),
            *(each(constant), each(0.0), each(torch.inf), each(rate)),
            *(torch.zeros_like(place), torch.zeros_like(place), torch.zeros_like(place, dtype=torch.bool)),
            each(torch.inf),
        )

    def next(self, over: Tensor, how: MarginParameters) -> Self:
        """Begin the next constant of the pictures (n,) whose run is ``over``; those that had their last are left out."""
        self.high = torch.where(over & self.turned, torch.minimum(self.high, self.constant), self.high)
        self.low = torch.where(over & ~self.turned, torch.maximum(self.low, self.constant), self.low)
        between = torch.where(self.low == 0, self.high / how.factor, (self.low * self.high).sqrt())
        following = torch.where(self.high.isinf(), self.low * how.factor, between)
        self.constant = torch.where(over, following, self.constant)
        self.rate = torch.where(over & self.high.isinf(), 2 * self.rate, self.rate)
        self.search = self.search + over.long()
        fresh = over[:, None, None, None]
        self.w = torch.where(fresh, self.start, self.w)
        self.mean, self.square = self.mean.masked_fill(fresh, 0), self.square.masked_fill(fresh, 0)
        self.step, self.before = self.step.masked_fill(over, 0), self.before.masked_fill(over, torch.inf)
        self.turned = self.turned & ~over
        left = self.search < how.searches
        return (
            self if left.all() else replace(self, **{name: rows[left] for name, rows in vars(self).items()})
        )
