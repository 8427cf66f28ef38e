"""Pretrained ImageNet networks of torchvision, from weight files that are named in the table of sources.

A file is unpickled with ``weights_only``, and must have exactly the names and shapes of the network it is for.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class WeightFile:
    """Where the weights of a network lie: torchvision's constructor, data set and file in the table of sources."""

    constructor: str
    source: str
    file: str


NETWORKS = {
    "resnet18": WeightFile("resnet18", "torchvision_weights", "resnet18-f37072fd.pth"),
    "wide_resnet50_2": WeightFile("wide_resnet50_2", "torchvision_weights", "wide_resnet50_2-95faca4d.pth"),
    "mobilenet_v2": WeightFile("mobilenet_v2", "torchvision_weights", "mobilenet_v2-b0353104.pth"),
    "squeezenet1_1": WeightFile("squeezenet1_1", "torchvision_weights", "squeezenet1_1-b8a52dc0.pth"),
    # The SqueezeNet authors' own weights, converted from Caffe.
    "squeezenet1_1_caffe": WeightFile(
        "squeezenet1_1", "weights/squeezenet1_1", "squeezenet1_1-ncnn-fp16.pth"
    ),
}


class WeightsError(ValueError):
    """A weight file that cannot be used."""


class Pretrained:
    """Pretrained networks by name; nothing is read before a network is asked for.

    Args:
        raw: the raw folder.
    """

    def __init__(self, raw: Path) -> None:
        self.raw = raw

    def network(self, name: str) -> nn.Module:
        """A network with its weights, float32, on the CPU, in evaluation mode, its parameters frozen.

        Raises:
            ValueError: an unknown name.
            MissingDataError: the file is not there; the message says how to get it.
            WeightsError: the file is damaged or belongs to another network.
        """
        from torchvision import models

        entry = self._entry(name)
        network = getattr(models, entry.constructor)(weights=None)
        load_weights(network, self._read(entry), f"{entry.source}/{entry.file}")
        return network.eval().requires_grad_(False)

    def fingerprint(self, name: str) -> str:
        """sha256 of a network's weight file, 32 hexadecimal digits: which weights a result was made with."""
        return hashlib.sha256(self._read(self._entry(name))).hexdigest()[:32]

    def _entry(self, name: str) -> WeightFile:
        if name not in NETWORKS:
            raise ValueError(f"there is no network '{name}'; expected one of {', '.join(NETWORKS)}")
        return NETWORKS[name]

    def _read(self, entry: WeightFile) -> bytes:
        from etudes.sources.table import require

        return (require(entry.source, self.raw, files=[entry.file]) / entry.file).read_bytes()


def load_weights(network: nn.Module, content: bytes, name: str) -> None:
    """Put a state dict, given as the bytes of a ``torch.save`` file, into a network.

    Raises:
        WeightsError: the bytes are no such file, or names or shapes differ; the network is then as it was.
    """
    import torch

    try:
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a dozen types on damaged files
        raise WeightsError(
            f"{name}: no weights can be read from its {len(content):,} bytes ({type(error).__name__}); expected a "
            "state dict written by torch.save. Fetch or copy the file again."
        ) from error
    own = network.state_dict()
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise WeightsError(f"{name}: found a {type(state).__name__}, expected a state dict (name -> tensor)")
    missing, extra = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    if missing or extra:
        raise WeightsError(
            f"{name} belongs to another network than {type(network).__name__}: {len(missing)} tensors are missing "
            f"({', '.join(missing[:3])}), {len(extra)} are not expected ({', '.join(extra[:3])})"
        )
    for key, value in own.items():
        if state[key].shape != value.shape:
            raise WeightsError(
                f"{name}: {key} has the shape {tuple(state[key].shape)}, expected {tuple(value.shape)}"
            )
        if not torch.isfinite(state[key].float()).all():
            raise WeightsError(f"{name}: {key} holds values that are not finite; fetch the file again")
    network.load_state_dict({key: value.to(own[key].dtype) for key, value in state.items()})
