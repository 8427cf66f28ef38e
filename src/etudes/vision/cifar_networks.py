"""The residual network for pictures of 32 x 32 pixels (He et al. 2016, arXiv:1512.03385, section 4.2), written out.

Names of weights are those of Y. Idelbayev's training of it, whose files are read here.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import pad


class Block(nn.Module):
    """relu(f(x) + x), f two 3 x 3 convolutions. Where the block halves the picture and doubles its channels, x is every
    second pixel of its input with channels of zeros around (the paper's option A): the shortcut has no weights."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.stride, self.more = (1 if inputs == outputs else 2), (outputs - inputs) // 2
        self.conv1 = nn.Conv2d(inputs, outputs, 3, self.stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)

    def forward(self, batch: Tensor) -> Tensor:
        """Features (N, inputs, H, W) -> (N, outputs, H / stride, W / stride)."""
        kept = batch
        if self.stride > 1:
            kept = pad(batch[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.more, self.more))
        inner = self.bn1(self.conv1(batch)).relu_()
        return self.bn2(self.conv2(inner)).add_(kept).relu_()


class CifarResNet(nn.Module):
    """Three stages of ``blocks`` blocks with 16, 32 and 64 channels: 6 blocks + 2 layers, ResNet-20 for three blocks."""

    def __init__(self, blocks: int = 3, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = _stage(16, 16, blocks)
        self.layer2 = _stage(16, 32, blocks)
        self.layer3 = _stage(32, 64, blocks)
        self.linear = nn.Linear(64, classes)

    def forward(self, pictures: Tensor) -> Tensor:
        """Standardised pictures (N, 3, H, W) -> logits (N, classes)."""
        batch = self.bn1(self.conv1(pictures)).relu_()
        batch = self.layer3(self.layer2(self.layer1(batch)))
        logits: Tensor = self.linear(batch.mean((2, 3)))
        return logits


def _stage(inputs: int, outputs: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(Block(inputs, outputs), *(Block(outputs, outputs) for _ in range(blocks - 1)))


def resnet20_cifar10() -> CifarResNet:
    """ResNet-20 for the ten classes of CIFAR-10, 269,722 weights."""
    return CifarResNet()
