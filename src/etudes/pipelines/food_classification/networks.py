"""The networks that begin with drawn weights, all of them with about as many. PyTorch alone: it works without Kedro.

S is the side of a picture, K the number of classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from etudes.vision.equal_weights import nearest_width, weights

NORMALISED = ("batch_norm", "augmented", "half_depth", "dense")  # with batch normalisation
AUGMENTED = ("augmented", "half_depth", "dense")  # see a new view of each picture in every epoch


def scratch_network(
    variant: str, side: int, widths: Sequence[int], hidden: int, classes: int
) -> nn.Sequential:
    """Standardised pictures (n, 3, S, S) -> logits (n, K).

    ``cnn``, and with batch normalisation ``batch_norm`` and ``augmented``: a 3 x 3 convolution of each width with pooling by
    2, then a dense layer. ``half_depth``: half as many convolutions with pooling by 4, so that the last maps have the same
    grid. ``dense``: two hidden layers on the pixels. The last two are made as wide as brings them nearest to the weights of
    ``augmented``.

    Args:
        variant: of the five.
        side: S, divisible by 2 as often as there are widths.
        widths: channels of the convolutions.
        hidden: units of the dense layer.
        classes: K.

    Raises:
        ValueError: an unknown variant, or a side that cannot be halved so often.
    """
    if side % 2 ** len(widths):
        raise ValueError(
            f"side = {side} cannot be halved {len(widths)} times; expected a multiple of {2 ** len(widths)}"
        )
    if variant in ("cnn", "batch_norm", "augmented"):
        return _convolutions(side, widths, 2, hidden, classes, variant in NORMALISED)
    target = weights(lambda: _convolutions(side, widths, 2, hidden, classes, True))
    if variant == "half_depth":
        depth = len(widths) // 2
        pool = 2 ** (len(widths) // depth)

        def halved(width: int) -> nn.Sequential:
            return _convolutions(side, [width * 2**n for n in range(depth)], pool, hidden, classes, True)

        return halved(nearest_width(halved, target))
    if variant == "dense":

        def dense(width: int) -> nn.Sequential:
            sizes = (3 * side * side, width, width)
            layers: list[nn.Module] = [nn.Flatten()]
            for inputs, outputs in pairwise(sizes):
                layers += [nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU()]
            return nn.Sequential(*layers, nn.Linear(width, classes))

        return dense(nearest_width(dense, target))
    raise ValueError(
        f"there is no network '{variant}'; expected cnn, batch_norm, augmented, half_depth or dense"
    )


def _convolutions(
    side: int, widths: Sequence[int], pool: int, hidden: int, classes: int, normalised: bool
) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise((3, *widths)):
        layers.append(nn.Conv2d(inputs, outputs, 3, padding=1))
        layers += [nn.BatchNorm2d(outputs)] * normalised + [nn.ReLU(), nn.MaxPool2d(pool)]
    grid = side // pool ** len(widths)
    head = [nn.Flatten(), nn.Linear(grid * grid * widths[-1], hidden), nn.ReLU(), nn.Linear(hidden, classes)]
    return nn.Sequential(*layers, *head)
