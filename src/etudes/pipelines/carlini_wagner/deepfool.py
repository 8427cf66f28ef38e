"""DeepFool: step by step to the nearest boundary of the network as it looks from where the picture is."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from etudes.pipelines.carlini_wagner.parameters import DeepfoolParameters
from etudes.vision.bounded import TINY, lengths

SLIGHTLY = 1e-4  # logits beyond the boundary: a picture on it would never leave it


def deepfool(
    view: nn.Module,
    pictures: Tensor,
    classes: Tensor,
    how: DeepfoolParameters,
    overshoot: float,
    targeted: bool = False,
) -> Tensor:
    """Pictures (N, 3, H, W) in 0..1, each moved over a boundary; as it was where none was crossed in ``how.steps`` steps.

    Moosavi-Dezfooli et al. 2016 (arXiv:1511.04599), algorithm 2: with y the class to leave and k another,

        f_k = z_k(x) - z_y(x),   w_k = grad f_k,   l = argmin_k |f_k| / |w_k|,   r = (|f_l| / |w_l|^2) w_l,
        x = clip(x_0 + (1 + overshoot) (r_1 + ... + r_t), 0, 1)

    until the network answers another class. k are the ``how.rivals`` classes that it holds likeliest beside y at x_0.
    Where ``targeted``, ``classes`` are to be reached: y is then what the network answers at x, and k the target alone.

    Raises:
        ValueError: other shapes.
    """
    if pictures.ndim != 4 or classes.shape != pictures.shape[:1]:
        raise ValueError(
            f"pictures have the shape {tuple(pictures.shape)}, classes {tuple(classes.shape)}; expected (N, 3, H, W) and (N,)"
        )
    found = pictures.clone()
    active = torch.arange(len(pictures), device=pictures.device)
    total, rivals = torch.zeros_like(pictures), None
    for _ in range(how.steps + 1):
        base, labels = pictures[active], classes[active]
        x = (base + (1 + overshoot) * total).clamp(0, 1).requires_grad_()
        logits = view(x).float()
        answered = logits.detach().argmax(1)
        over = (answered == labels) if targeted else (answered != labels)
        found[active[over]] = x.detach()[over]
        if over.all():
            return found
        of = answered if targeted else labels
        if targeted:
            rivals = labels[:, None]
        elif rivals is None:
            others = logits.detach().scatter(1, labels[:, None], float("-inf"))
            rivals = others.topk(min(how.rivals, logits.shape[1] - 1), dim=1).indices
        ahead = logits.gather(1, rivals) - logits.gather(1, of[:, None])
        nearest, shift = torch.full((len(active),), torch.inf, device=x.device), torch.zeros_like(x)
        for place in range(rivals.shape[1]):
            last = place == rivals.shape[1] - 1
            (slope,) = torch.autograd.grad(ahead[:, place].sum(), x, retain_graph=not last)
            size = lengths(slope).clamp(min=TINY)
            away = ahead.detach()[:, place].abs() + SLIGHTLY
            closer = away / size[:, 0, 0, 0] < nearest
            nearest = torch.where(closer, away / size[:, 0, 0, 0], nearest)
            step = away[:, None, None, None] * slope / size**2
            shift = torch.where(closer[:, None, None, None], step, shift)
        active, total, rivals = (values[~over] for values in (active, total + shift, rivals))
    return found
