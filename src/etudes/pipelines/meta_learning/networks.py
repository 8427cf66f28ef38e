"""The two networks and their losses. They are called with their weights as an argument (`torch.func.functional_call`).

Both take ``(inputs, context)``: the context is the support set of the task, for networks that look at it when they
answer a query; None where the inputs are the support set.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from etudes.pipelines.meta_learning.adaptation import Learner
from etudes.pipelines.meta_learning.parameters import CharacterParameters, SinusoidParameters

LAYERS = 4
OUTPUT = "output."  # begins the names of the weights of the last layer, in both networks
EPSILON = 1e-5


class Regressor(nn.Module):
    """ReLU layers from one number to one number (Finn et al. 2017, section 5.1): x (n, 1) -> y (n, 1).

    x is standardised with the mean and deviation of its uniform law: ``sqrt(12) (x - middle) / width``. On raw x, most
    of the first layer's kinks lie where |x| < 1, and the start needs several times the updates.
    """

    def __init__(self, parameters: SinusoidParameters) -> None:
        super().__init__()
        low, high = parameters.range
        self.middle, self.deviation = (low + high) / 2, (high - low) / math.sqrt(12)
        widths = [1, *parameters.hidden]
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        for layer in self.hidden:  # with PyTorch's smaller first weights inner steps hardly move the answer
            nn.init.kaiming_normal_(layer.get_parameter("weight"), nonlinearity="relu")
        self.output = nn.Linear(widths[-1], 1)

    def forward(self, inputs: Tensor, context: Tensor | None = None) -> Tensor:
        inputs = (inputs - self.middle) / self.deviation
        for layer in self.hidden:
            inputs = functional.relu(layer(inputs))
        return self.output(inputs)


class Classifier(nn.Module):
    """Four times 3 x 3 convolution of stride 2, normalisation and ReLU, then a linear layer (Finn et al. 2017, 5.2).

    Pictures (n, 1, S, S), intensities in 0..1 -> logits (n, outputs). What normalises the filters of a query is a
    choice with consequences, because MAML's own batch normalisation lets the queries of a task help each other:

    - ``support``: mean and variance over the support set, so that each query is answered as if it came alone.
    - ``query``: mean and variance over all queries of the task, as in the reference code: transductive.
    """

    def __init__(self, parameters: CharacterParameters, outputs: int) -> None:
        super().__init__()
        self.by_support = parameters.normalisation == "support"
        filters, side = parameters.filters, parameters.side
        self.convolutions = nn.ModuleList(
            nn.Conv2d(filters if index else 1, filters, 3, stride=2, padding=1, bias=False)
            for index in range(LAYERS)
        )
        for convolution in self.convolutions:
            nn.init.kaiming_normal_(convolution.get_parameter("weight"), nonlinearity="relu")
        self.scales = nn.ParameterList(torch.ones(filters) for _ in range(LAYERS))
        self.shifts = nn.ParameterList(torch.zeros(filters) for _ in range(LAYERS))
        side = math.ceil(side / 2**LAYERS)
        self.output = nn.Linear(filters * side * side, outputs)

    def forward(self, inputs: Tensor, context: Tensor | None = None) -> Tensor:
        given, maps = 0, inputs
        if context is not None and self.by_support:
            given, maps = len(context), torch.cat([context, inputs])
        for convolution, scale, shift in zip(self.convolutions, self.scales, self.shifts, strict=True):
            maps = functional.relu(self._normalised(convolution(maps), given, scale, shift))
        return self.output(maps[given:].flatten(1))

    def _normalised(self, maps: Tensor, given: int, scale: Tensor, shift: Tensor) -> Tensor:
        """(maps - mean) / deviation * scale + shift, each channel with its own scale and shift.

        Written as maps * factor + rest: passes over the maps, not convolutions, take most of the time of an update.
        """
        variance, mean = torch.var_mean(
            maps[:given] if given else maps, (0, 2, 3), correction=0, keepdim=True
        )
        factor = scale[:, None, None] * torch.rsqrt(variance + EPSILON)
        return torch.addcmul(shift[:, None, None] - mean * factor, maps, factor)


def squared_error(predictions: Tensor, targets: Tensor) -> Tensor:
    """Mean of (prediction - target)^2 over (n, 1) and (n, 1); other shapes are a ValueError.

    (n,) against (n, 1) would broadcast to (n, n), whose best answer is a constant.
    """
    if predictions.shape != targets.shape:
        raise ValueError(
            f"predictions {tuple(predictions.shape)} and targets {tuple(targets.shape)} differ in shape; expected the "
            "same, or the error is taken between examples that do not belong together"
        )
    return (predictions - targets).square().mean()


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean of -log softmax(logits)[label] over (n, classes) and (n,), nats; other shapes are a ValueError."""
    _check_labels(logits, labels)
    return functional.cross_entropy(logits, labels)


def hits(logits: Tensor, labels: Tensor) -> Tensor:
    """Share of right answers: (n, classes) and (n,), integers -> a number; other shapes are a ValueError."""
    _check_labels(logits, labels)
    return (logits.argmax(-1) == labels).float().mean()


def _check_labels(logits: Tensor, labels: Tensor) -> None:
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise ValueError(
            f"logits {tuple(logits.shape)} and labels {tuple(labels.shape)} do not fit; expected (n, classes) and (n,)"
        )


def learner_of(
    parameters: SinusoidParameters | CharacterParameters, adapts: str = "", outputs: int = 0
) -> Learner:
    """A fresh network for tasks of one family, its loss and its score; ``outputs`` in place of a task's characters."""
    if isinstance(parameters, SinusoidParameters):
        return Learner(Regressor(parameters), squared_error, squared_error, adapts)
    return Learner(Classifier(parameters, outputs or parameters.ways), cross_entropy, hits, adapts)
