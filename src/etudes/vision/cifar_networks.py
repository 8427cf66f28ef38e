"""The residual network for pictures of 32 x 32 pixels (He et al. 2016, arXiv:1512.03385, section 4.2), written out.

Names of weights are those of Y. Idelbayev's training of it, whose files are read here.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import pad

from etudes.vision.thinning import Thinning


class Block(nn.Module):
    """relu(f(x) + x), f two 3 x 3 convolutions. Where the block halves the picture and doubles its channels, x is every
    second pixel of its input with channels of zeros around (the paper's option A): the shortcut has no weights. Between the
    two convolutions a share ``rate`` of the values is dropped, as in wide residual networks (arXiv:1605.07146, section 2.4)."""

    def __init__(self, inputs: int, outputs: int, rate: float = 0.0) -> None:
        super().__init__()
        self.stride, more = (1 if inputs == outputs else 2), outputs - inputs
        self.zeros = (more // 2, more - more // 2)  # channels before and behind
        self.conv1 = nn.Conv2d(inputs, outputs, 3, self.stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.drop = Thinning(rate)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)

    def forward(self, batch: Tensor) -> Tensor:
        """Features (N, inputs, H, W) -> (N, outputs, H / stride, W / stride)."""
        kept = batch
        if self.stride > 1:
            kept = pad(batch[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, *self.zeros))
        inner = self.bn1(self.conv1(batch)).relu_()
        return self.bn2(self.conv2(self.drop(inner))).add_(kept).relu_()


class CifarResNet(nn.Module):
    """Three stages of blocks: 6 blocks + 2 layers, ResNet-20 as it is, a small relative of it with other numbers.

    Args:
        blocks: of each stage.
        classes: logits.
        width: channels of the first stage; the second has twice as many, the third four times.
        channels: of the input.
        stride: of the first convolution; 2 halves the picture before the first stage and quarters the cost.
        rate: share of values that is dropped inside of the blocks.
    """

    def __init__(
        self,
        blocks: int = 3,
        classes: int = 10,
        width: int = 16,
        channels: int = 3,
        stride: int = 1,
        rate: float = 0.0,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = _stage(width, width, blocks, rate)
        self.layer2 = _stage(width, 2 * width, blocks, rate)
        self.layer3 = _stage(2 * width, 4 * width, blocks, rate)
        self.linear = nn.Linear(4 * width, classes)

    def forward(self, pictures: Tensor) -> Tensor:
        """Standardised pictures (N, channels, H, W) -> logits (N, classes)."""
        logits: Tensor = self.linear(self.features(pictures))
        return logits

    def features(self, pictures: Tensor) -> Tensor:
        """Standardised pictures (N, channels, H, W) -> means over the picture of the last stage's channels (N, 4 width), which the
        last layer reads."""
        batch = self.bn1(self.conv1(pictures)).relu_()
        batch = self.layer3(self.layer2(self.layer1(batch)))
        return batch.mean((2, 3))


def _stage(inputs: int, outputs: int, blocks: int, rate: float) -> nn.Sequential:
    rest = (Block(outputs, outputs, rate) for _ in range(blocks - 1))
    return nn.Sequential(Block(inputs, outputs, rate), *rest)


def resnet20_cifar10() -> CifarResNet:
    """ResNet-20 for the ten classes of CIFAR-10, 269,722 weights."""
    return CifarResNet()
