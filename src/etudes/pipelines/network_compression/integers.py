"""A network that computes with whole numbers: PyTorch's integer kernels behind the same steps as the residual network's.

A value x is kept as a byte q with x = s (q - z). The scale s and the zero z of every place in the network are set once, on training pictures
(Jacob et al. 2018, arXiv:1712.05877). Values stay below 128: on processors without dot products of bytes larger ones overflow.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import pad

from etudes.examples import Examples
from etudes.models import register_model
from etudes.stored import Stored
from etudes.vision.compact import blocks_of
from etudes.vision.imagenet import standardised_bytes
from etudes.vision.packing import Packed
from etudes.vision.rounding import scales_of

LEVELS = 127
AT_ONCE = 250  # pictures of one pass
Floats = NDArray[np.float32]
See = Callable[[str, Tensor], Tensor]


def through(network: Any, pictures: Tensor, see: See) -> Tensor:
    """Logits (N, K) of a folded network of plain convolutions, in float32; every value on its way is what ``see(place, value)`` makes of it."""
    batch = see("pictures", pictures)
    batch = see("stem", network.conv1(batch).relu())
    for place, block in enumerate(blocks_of(network)):
        inner = see(f"{place}.inner", block.conv1(batch).relu())
        batch = see(f"{place}.sum", see(f"{place}.outer", block.conv2(inner)) + shortcut(block, batch)).relu()
        batch = see(f"{place}.block", batch)
    logits: Tensor = network.linear(batch.mean((2, 3)))
    return logits


def shortcut(block: Any, batch: Tensor) -> Tensor:
    """What a block adds to what its convolutions give (`Block`)."""
    if block.stride == 1:
        return batch
    return pad(batch[:, :, :: block.stride, :: block.stride], (0, 0, 0, 0, *block.zeros))


def grids(network: nn.Module, pixels: NDArray[np.uint8]) -> dict[str, tuple[float, int]]:
    """Scale and zero of every place, from the least and the largest value that training pictures (N, H, W, 3) give there."""
    ends: dict[str, tuple[float, float]] = {}

    def see(place: str, value: Tensor) -> Tensor:
        low, high = ends.get(place, (0.0, 0.0))
        ends[place] = min(low, float(value.min())), max(high, float(value.max()))
        return value

    with torch.inference_mode():
        for start in range(0, len(pixels), AT_ONCE):
            through(
                network, standardised_bytes(torch.from_numpy(np.array(pixels[start : start + AT_ONCE]))), see
            )
    found = {}
    for place, (low, high) in ends.items():
        scale = max(high - low, 1e-8) / LEVELS
        found[place] = scale, round(-low / scale)
    return found


def simulated(network: nn.Module, pictures: Tensor, at: dict[str, tuple[float, int]]) -> Tensor:
    """The logits of integer arithmetic, computed in float32: the idea without the speed."""

    def see(place: str, value: Tensor) -> Tensor:
        if place.endswith(".sum"):  # the kernel adds and cuts off at zero before it rounds
            return value
        scale, zero = at[place]
        return ((value / scale).round() + zero).clamp(0, LEVELS).sub(zero) * scale

    return through(network, pictures, see)


@register_model("network_compression.integer")
@dataclass
class Integer(Stored):
    """A network with 8 bits a weight whose activations have 7, computed by PyTorch's kernels.

    Args:
        weights: the network, with 8 bits.
        places, scales, zeros: names (P), (P,) and (P,) of `grids`.
    """

    weights: Packed
    places: list[str]
    scales: NDArray[np.float64]
    zeros: NDArray[np.int64]

    def __post_init__(self) -> None:
        self._at = {
            place: (float(scale), int(zero))
            for place, scale, zero in zip(self.places, self.scales, self.zeros, strict=True)
        }
        with warnings.catch_warnings():
            # PyTorch announces another home for its integer kernels; requirements.lock names the version that has them here.
            warnings.simplefilter("ignore")
            self._layers = {
                id(layer): _prepared(layer)
                for layer in self.network.modules()
                if isinstance(layer, nn.Conv2d)
            }

    @property
    def network(self) -> Any:
        """The network in float32, whose steps are the same."""
        return self.weights.network

    def logits(self, examples: Examples) -> Floats:
        """(N, K)."""
        pixels = np.asarray(examples["pixels"])
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = [
                self._logits(standardised_bytes(torch.from_numpy(np.array(pixels[start : start + AT_ONCE]))))
                for start in range(0, len(pixels), AT_ONCE)
            ]
        classes = self.network.linear.out_features
        return torch.cat(found).numpy() if found else np.zeros((0, classes), np.float32)

    def predict_proba(self, examples: Examples) -> NDArray[np.float64]:
        """(N, K)."""
        return torch.from_numpy(self.logits(examples)).double().softmax(1).numpy()

    def _logits(self, pictures: Tensor) -> Tensor:
        kernels, network, at = torch.ops.quantized, self.network, self._at
        layers = self._layers
        batch = torch.quantize_per_tensor(pictures, *at["pictures"], torch.quint8)
        batch = kernels.conv2d_relu(batch, layers[id(network.conv1)], *at["stem"])
        for place, block in enumerate(blocks_of(network)):
            inner = kernels.conv2d_relu(batch, layers[id(block.conv1)], *at[f"{place}.inner"])
            outer = kernels.conv2d(inner, layers[id(block.conv2)], *at[f"{place}.outer"])
            batch = kernels.add_relu(outer, shortcut(block, batch), *at[f"{place}.block"])
        return network.linear(batch.dequantize().mean((2, 3)))


def _prepared(layer: nn.Conv2d) -> Any:
    """A convolution as the kernels want it."""
    weights = layer.weight.detach().contiguous()
    scales = scales_of(weights, 8).double()
    whole = torch.quantize_per_channel(
        weights, scales, torch.zeros(len(scales), dtype=torch.long), 0, torch.qint8
    )
    how = ([*layer.stride], [*layer.padding], [*layer.dilation], layer.groups)
    return torch.ops.quantized.conv2d_prepack(whole, layer.bias, *how)
