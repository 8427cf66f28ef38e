"""Networks as they lie in a file: codes of their weights, scales, biases, and which weights are there at all."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from etudes.examples import Examples
from etudes.models import ModelFileError, Persistent, register_model, save_model
from etudes.stored import Stored
from etudes.vision.cifar_networks import CifarResNet
from etudes.vision.compact import Compact, folded, layers_of
from etudes.vision.rounding import codes_of, from_bytes, length, scales_of, to_bytes
from etudes.vision.teaching import asked

BITS = (32, 16, 8, 4)
Floats = NDArray[np.float32]


@register_model("vision.packed")
@dataclass
class Packed(Stored):
    """A network without normalisation (`folded`) in few bytes; it is unpacked once and answers in float32.

    First and last layer, a hundredth of the weights, have 8 bits at least. Four arrays hold all layers one after the other, since every
    array of a file has a head of its own.

    Args:
        config: of `Compact`.
        bits: of a weight: 32 or 16 (floating point), 8 or 4 (whole numbers times a scale).
        codes: bytes of all weights that are there.
        scales: (channels,) float32, of the layers with whole numbers.
        biases: (channels,) float32.
        kept: a bit for each weight, whether it is there, each layer to whole bytes; empty where all are.
    """

    config: dict[str, Any]
    bits: int
    codes: NDArray[np.uint8]
    scales: Floats
    biases: Floats
    kept: NDArray[np.uint8]

    def __post_init__(self) -> None:
        self._network = unpacked(self)

    @property
    def network(self) -> CifarResNet:
        """The network itself."""
        return self._network

    def logits(self, examples: Examples) -> Floats:
        """(N, K)."""
        return asked(self._network, np.asarray(examples["pixels"]), torch.device("cpu"))[0]

    def predict_proba(self, examples: Examples) -> NDArray[np.float64]:
        """(N, K)."""
        return torch.from_numpy(self.logits(examples)).double().softmax(1).numpy()


def packed(network: CifarResNet, config: dict[str, Any], bits: int, sparse: bool = False) -> Packed:
    """A trained network in few bytes; with ``sparse`` weights that are zero are not there.

    Raises:
        ValueError: bits that are not of `BITS`.
    """
    if bits not in BITS:
        raise ValueError(f"{bits} bits a weight; expected one of {', '.join(map(str, BITS))}")
    layers = [layer for _, layer in layers_of(folded(network))]
    codes, scales, kept = [], [], []
    for layer, depth in zip(layers, _depths(len(layers), bits), strict=True):
        weights = layer.weight.detach()
        found = weights
        if depth <= 8:
            steps = scales_of(weights, depth)
            scales.append(steps.numpy())
            found = codes_of(weights, steps, depth)
        there = (weights != 0).numpy().ravel() if sparse else np.ones(weights.numel(), bool)
        codes.append(to_bytes(found.numpy().ravel()[there], depth))
        kept.append(np.packbits(there))
    nothing = [np.zeros(0, np.float32)]
    biases = [layer.bias.detach().numpy() for layer in layers]  # type: ignore[union-attr]  # folding gave one to each
    return Packed(
        *(config, bits, np.concatenate(codes), np.concatenate(scales or nothing), np.concatenate(biases)),
        np.concatenate(kept) if sparse else np.zeros(0, np.uint8),
    )


def unpacked(model: Packed) -> CifarResNet:
    """The network that a file holds.

    Raises:
        ModelFileError: arrays of another type, or of another length than this network's.
    """
    wanted = {"codes": np.uint8, "scales": np.float32, "biases": np.float32, "kept": np.uint8}
    for name, kind in wanted.items():
        array = getattr(model, name)
        if array.dtype != kind or array.ndim != 1:
            raise ModelFileError(
                f"packed network: {name} is {array.ndim}-dimensional of type {array.dtype}; expected one dimension of type "
                f"{np.dtype(kind)}. The file is damaged or of another version: train again"
            )
    if model.bits not in BITS:
        raise ModelFileError(
            f"packed network: {model.bits} bits a weight; expected one of {', '.join(map(str, BITS))}"
        )
    network = folded(Compact(**model.config))
    layers, sparse, rest = (
        [layer for _, layer in layers_of(network)],
        len(model.kept) > 0,
        {n: getattr(model, n) for n in wanted},
    )

    def taken(name: str, count: int) -> NDArray:
        if len(rest[name]) < count:
            raise _length(name)
        found, rest[name] = rest[name][:count], rest[name][count:]
        return found

    for layer, depth in zip(layers, _depths(len(layers), model.bits), strict=True):
        count, channels = layer.weight.numel(), layer.weight.shape[0]
        there = np.ones(count, bool)
        if sparse:
            there = np.unpackbits(taken("kept", length(count, 1)), count=count).astype(bool)
        values = np.zeros(count, np.float32)
        of_layer = int(there.sum())
        values[there] = from_bytes(taken("codes", length(of_layer, depth)).copy(), of_layer, depth)
        weights = values.reshape(channels, -1)
        if depth <= 8:
            weights = weights * taken("scales", channels)[:, None]
        layer.weight.data = torch.from_numpy(weights.reshape(layer.weight.shape))
        layer.bias = nn.Parameter(torch.from_numpy(taken("biases", channels).copy()), requires_grad=False)
    for name, left in rest.items():
        if len(left):
            raise _length(name)
    return network.to(memory_format=torch.channels_last)


def _length(name: str) -> ModelFileError:
    return ModelFileError(
        f"packed network: {name} has another length than this network's; the file is damaged, or its weights belong to "
        "another network: train again"
    )


def _depths(layers: int, bits: int) -> list[int]:
    """Bits of each layer's weights."""
    ends = {0, layers - 1}
    return [max(bits, 8) if place in ends else bits for place in range(layers)]


def kilobytes(model: Persistent) -> float:
    """What a model takes on disk: its folder is written, and measured."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "model"
        save_model(model, place)
        return sum(file.stat().st_size for file in place.iterdir()) / 1000
