"""Pretrained networks, ImageNet's of torchvision and one for CIFAR-10, from weight files that are named in the table of sources.

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
    """Where the weights of a network lie: constructor (torchvision's, or one of `cifar_networks`), data set and file in
    the table of sources; ``inside`` is the key of a checkpoint that holds them, ``prefix`` stands before their names."""

    constructor: str
    source: str
    file: str
    inside: str = ""
    prefix: str = ""


NETWORKS = {
    "resnet18": WeightFile("resnet18", "torchvision_weights", "resnet18-f37072fd.pth"),
    "wide_resnet50_2": WeightFile("wide_resnet50_2", "torchvision_weights", "wide_resnet50_2-95faca4d.pth"),
    "mobilenet_v2": WeightFile("mobilenet_v2", "torchvision_weights", "mobilenet_v2-b0353104.pth"),
    "squeezenet1_1": WeightFile("squeezenet1_1", "torchvision_weights", "squeezenet1_1-b8a52dc0.pth"),
    # The SqueezeNet authors' own weights, converted from Caffe.
    "squeezenet1_1_caffe": WeightFile(
        "squeezenet1_1", "weights/squeezenet1_1", "squeezenet1_1-ncnn-fp16.pth"
    ),
    "resnet20_cifar10": WeightFile(
        "resnet20_cifar10", "weights/resnet_cifar10", "resnet20-12fca82f.th", "state_dict", "module."
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
        entry, network = self._entry(name), untrained(name)
        place = f"{entry.source}/{entry.file}"
        load_weights(network, self._read(entry), place, entry.inside, entry.prefix)
        return network.eval().requires_grad_(False)

    def fingerprint(self, name: str) -> str:
        """sha256 of a network's weight file, 32 hexadecimal digits: which weights a result was made with."""
        return hashlib.sha256(self._read(self._entry(name))).hexdigest()[:32]

    def _entry(self, name: str) -> WeightFile:
        return _known(name)

    def _read(self, entry: WeightFile) -> bytes:
        from etudes.sources.table import require

        return (require(entry.source, self.raw, files=[entry.file]) / entry.file).read_bytes()


def _known(name: str) -> WeightFile:
    if name not in NETWORKS:
        raise ValueError(f"there is no network '{name}'; expected one of {', '.join(NETWORKS)}")
    return NETWORKS[name]


def untrained(name: str) -> nn.Module:
    """A network of `NETWORKS` as its constructor makes it.

    Raises:
        ValueError: an unknown name.
    """
    from etudes.vision import cifar_networks

    constructor = _known(name).constructor
    network: nn.Module
    if hasattr(cifar_networks, constructor):
        network = getattr(cifar_networks, constructor)()
    else:
        from torchvision import models

        network = getattr(models, constructor)(weights=None)
    return network


def load_weights(network: nn.Module, content: bytes, name: str, inside: str = "", prefix: str = "") -> None:
    """Put a state dict, given as the bytes of a ``torch.save`` file, into a network.

    Args:
        network: whose weights are replaced.
        content: of the file.
        name: of the file, for messages.
        inside: key under which a checkpoint holds the state dict; the file itself if empty.
        prefix: what stands before every name in it.

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
    if inside and isinstance(state, dict):
        state = state.get(inside, state)
    if prefix and isinstance(state, dict):
        state = {str(key).removeprefix(prefix): value for key, value in state.items()}
    own = network.state_dict()
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise WeightsError(f"{name}: found a {type(state).__name__}, expected a state dict (name -> tensor)")
    # Files of before 2018 lack the counts of batches, which no answer depends on.
    counts = {key: value for key, value in own.items() if key.endswith(".num_batches_tracked")}
    state = {**counts, **state}
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
