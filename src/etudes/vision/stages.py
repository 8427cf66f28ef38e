"""The first three stages of ResNet18, Wide-ResNet50-2 and SqueezeNet 1.1, written out.

Names of weights and results are those of torchvision's networks (He et al. 2016, arXiv:1512.03385; Zagoruyko and
Komodakis 2016, arXiv:1605.07146; Iandola et al. 2016, arXiv:1602.07360). A model that was saved with its weights is
loaded through these, which spares the import of torchvision, its time and its memory.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Residual(nn.Module):
    """relu(f(x) + x): two 3 x 3 convolutions, or with ``width`` a 1 x 1, a 3 x 3 of that width and a 1 x 1."""

    def __init__(self, inputs: int, outputs: int, stride: int, width: int | None = None) -> None:
        super().__init__()
        inner = width or outputs
        if width is None:
            self.conv1 = nn.Conv2d(inputs, inner, 3, stride, padding=1, bias=False)
            self.conv2 = nn.Conv2d(inner, outputs, 3, padding=1, bias=False)
        else:
            self.conv1 = nn.Conv2d(inputs, inner, 1, bias=False)
            self.conv2 = nn.Conv2d(inner, inner, 3, stride, padding=1, bias=False)
            self.conv3 = nn.Conv2d(inner, outputs, 1, bias=False)
            self.bn3 = nn.BatchNorm2d(outputs)
        self.bn1, self.bn2 = nn.BatchNorm2d(inner), nn.BatchNorm2d(inner)
        self.downsample: nn.Module | None = None
        if stride > 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )
        self.bottleneck = width is not None

    def forward(self, batch: Tensor) -> Tensor:
        kept = batch if self.downsample is None else self.downsample(batch)
        batch = self.bn2(self.conv2(self.bn1(self.conv1(batch)).relu_()))
        if self.bottleneck:
            batch = self.bn3(self.conv3(batch.relu_()))
        return batch.add_(kept).relu_()


class Fire(nn.Module):
    """A 1 x 1 convolution to ``squeezed`` channels, then 1 x 1 and 3 x 3 side by side, half of ``outputs`` each."""

    def __init__(self, inputs: int, squeezed: int, outputs: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, outputs // 2, 1)
        self.expand3x3 = nn.Conv2d(squeezed, outputs // 2, 3, padding=1)

    def forward(self, batch: Tensor) -> Tensor:
        batch = self.squeeze(batch).relu_()
        return torch.cat([self.expand1x1(batch), self.expand3x3(batch)], 1).relu_()


def resnet_stages(blocks: tuple[int, int, int], expansion: int, width: int) -> list[nn.Module]:
    """Input layers with ``layer1``, then ``layer2`` and ``layer3``.

    Args:
        blocks: residual blocks of each.
        expansion: 1 for blocks of two convolutions, 4 for bottlenecks.
        width: of the first stage's bottlenecks, doubled by each stage; without a meaning for ``expansion`` 1.
    """
    inputs, stages = 64, []
    for number, count in enumerate(blocks):
        outputs, inner = 64 * 2**number * expansion, width * 2**number if expansion > 1 else None
        layer = []
        for block in range(count):
            layer.append(Residual(inputs, outputs, 2 if number and not block else 1, inner))
            inputs = outputs
        stages.append(nn.Sequential(*layer))
    first = [
        nn.Conv2d(3, 64, 7, 2, padding=3, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
    ]
    return [nn.Sequential(*first, stages[0]), *stages[1:]]


def squeezenet_stages() -> list[nn.Module]:
    """The fire modules of 128, of 256 and of 384 channels, each stage on half the resolution of the one before."""

    def pool() -> nn.Module:
        return nn.MaxPool2d(3, 2, ceil_mode=True)

    return [
        nn.Sequential(nn.Conv2d(3, 64, 3, 2), nn.ReLU(), pool(), Fire(64, 16, 128), Fire(128, 16, 128)),
        nn.Sequential(pool(), Fire(128, 32, 256), Fire(256, 32, 256)),
        nn.Sequential(pool(), Fire(256, 48, 384), Fire(384, 48, 384)),
    ]
