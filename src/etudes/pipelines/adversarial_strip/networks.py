"""The networks that strips are made for and scored on: trained here on small pictures, or pretrained on ImageNet."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from etudes.examples import Examples
from etudes.models import ModelState, register_model
from etudes.pipelines.adversarial_strip.parameters import NetworksParameters
from etudes.training.checkpoint import checkpoint_key
from etudes.training.fit import fit
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed, seed_everything
from etudes.vision.imagenet import standardised
from etudes.vision.pretrained import NETWORKS as PRETRAINED
from etudes.vision.pretrained import Pretrained

SMALL = ("cnn", "deep_cnn", "mlp")
SIDES = range(32, 1025)  # of resized photos, in pixels


class SmallNetwork(nn.Module):
    """A classifier of small pictures in two parts: ``features`` sees neighbourhoods, ``head`` the whole picture."""

    def __init__(self, features: nn.Sequential, head: nn.Sequential) -> None:
        super().__init__()
        self.features, self.head = features, head

    def forward(self, pictures: Tensor) -> Tensor:
        """Pictures (N, 3, H, W), standardised -> logits (N, classes)."""
        logits: Tensor = self.head(self.features(pictures))
        return logits


def small_network(name: str, classes: int, side: int) -> SmallNetwork:
    """``cnn``: four convolutions; ``deep_cnn``: six with batch normalisation; ``mlp``: one hidden layer.

    Raises:
        ValueError: an unknown name.
    """

    def convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
        return nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1)

    if name == "cnn":
        layers: list[nn.Module] = []
        for inputs, outputs in ((3, 16), (16, 32), (32, 64), (64, 64)):
            layers += [convolution(inputs, outputs, 2), nn.ReLU()]
        return SmallNetwork(nn.Sequential(*layers), _averaged(64, classes))
    if name == "deep_cnn":
        layers = []
        for inputs, outputs in ((3, 8), (8, 16), (16, 32)):
            for first in (inputs, outputs):
                layers += [convolution(first, outputs), nn.BatchNorm2d(outputs), nn.ReLU()]
            layers.append(nn.MaxPool2d(2))
        return SmallNetwork(nn.Sequential(*layers), _averaged(32, classes))
    if name == "mlp":
        head = nn.Sequential(
            nn.Flatten(), nn.Linear(3 * side * side, 128), nn.ReLU(), nn.Linear(128, classes)
        )
        return SmallNetwork(nn.Sequential(), head)
    raise ValueError(f"there is no small network '{name}'; expected one of {', '.join(SMALL)}")


def _averaged(channels: int, classes: int) -> nn.Sequential:
    """The mean over the picture and a linear layer, as in the networks for ImageNet."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


class View(nn.Module):
    """How a network sees photos: intensities (N, 3, H, W) in 0..1 -> logits (N, classes).

    ``side`` is the number of pixels to which photos are resized first (bilinear, with antialiasing); None leaves them.
    """

    def __init__(self, network: nn.Module, side: int | None = None) -> None:
        super().__init__()
        self.network, self.side = network, side

    def forward(self, photos: Tensor) -> Tensor:
        if self.side is not None and photos.shape[2:] != (self.side, self.side):
            size = (self.side, self.side)
            photos = nn.functional.interpolate(photos, size, mode="bilinear", antialias=True)
        logits: Tensor = self.network(standardised(photos))
        return logits


def parse_view(text: str) -> tuple[str, int | None]:
    """``name`` or ``name@pixels``.

    Raises:
        ValueError: an unknown network, or a side that is no number or too small.
    """
    match = re.fullmatch(r"([^@]+)(?:@(\d+))?", text)
    name = match[1] if match else text
    if match is None or name not in (*SMALL, *PRETRAINED):
        raise ValueError(
            f"networks.names: '{text}' is no network; expected one of {', '.join((*SMALL, *PRETRAINED))}, "
            "with @PIXELS behind it to show it resized photos"
        )
    side = int(match[2]) if match[2] else None
    if side is not None and side not in SIDES:
        raise ValueError(
            f"networks.names: '{text}' asks for photos of {side} pixels; expected {SIDES.start} to {SIDES.stop - 1}"
        )
    return name, side


@register_model("adversarial_strip.networks")
class Networks:
    """The views of the transfer matrix by name, the victim first; views of one network share its weights.

    Args:
        names: views in order.
        networks: the networks by their own name, without ``@``.
        card: ``classes`` (of the small networks), ``side`` (of the photos) and ``fingerprints`` of the networks.
    """

    registered_name: str

    def __init__(
        self, names: Sequence[str], networks: Mapping[str, nn.Module], card: Mapping[str, Any]
    ) -> None:
        self.names, self.networks, self.card = list(names), dict(networks), dict(card)
        for network in self.networks.values():
            network.eval().requires_grad_(False)

    @property
    def victim(self) -> str:
        return self.names[0]

    def view(self, name: str) -> View:
        """A view by its name; its weights are frozen."""
        network, side = parse_view(name)
        return View(self.networks[network], side).eval()

    def fingerprint(self, name: str) -> str:
        """Which weights a view has."""
        return str(self.card["fingerprints"][parse_view(name)[0]])

    def only(self, name: str) -> Networks:
        """One view alone, for a model that answers users."""
        network = parse_view(name)[0]
        fingerprints = {network: self.card["fingerprints"][network]}
        return Networks(
            [name], {network: self.networks[network]}, {**self.card, "fingerprints": fingerprints}
        )

    def state(self) -> ModelState:
        arrays = {
            f"{name}/{key}": value.detach().cpu().numpy()
            for name, network in self.networks.items()
            for key, value in network.state_dict().items()
        }
        return ModelState({"names": self.names, **self.card}, arrays)

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        config = dict(state.config)
        names = config.pop("names")
        networks = {}
        for name in dict.fromkeys(parse_view(view)[0] for view in names):
            network = _untrained(name, config["classes"], config["side"])
            start = f"{name}/"
            weights = {
                key.removeprefix(start): torch.from_numpy(np.array(value))
                for key, value in state.arrays.items()
                if key.startswith(start)
            }
            network.load_state_dict(weights)
            networks[name] = network
        return cls(names, networks, config)


def _untrained(name: str, classes: int, side: int) -> nn.Module:
    if name in SMALL:
        return small_network(name, classes, side)
    from torchvision import models

    network: nn.Module = getattr(models, PRETRAINED[name].constructor)(weights=None)
    return network


def prepare_networks(
    photos: Examples,
    classes: int,
    target: int,
    pretrained: Pretrained,
    parameters: NetworksParameters,
    run: RunParameters,
) -> tuple[Networks, dict[str, Any]]:
    """Train the small networks on ``photos``, read the pretrained ones, and check that they know the classes.

    Returns:
        The networks, and for each trained one its epochs and dev accuracy.

    Raises:
        ValueError: an unknown network, one that does not know the classes, or small networks without enough photos.
        WeightsError: a weight file that cannot be used.
    """
    side = int(photos["pixels"].shape[1])
    names = list(dict.fromkeys(parse_view(text)[0] for text in parameters.names))
    networks: dict[str, nn.Module] = {}
    fingerprints, epochs, dev = {}, {}, {}
    for name in names:
        if name in SMALL:
            networks[name], epochs[name] = _trained(name, photos, classes, side, parameters, run)
            dev[name] = max(row["dev_accuracy"] for row in epochs[name])
            fingerprints[name] = _fingerprint(networks[name])
        else:
            networks[name] = pretrained.network(name)
            fingerprints[name] = pretrained.fingerprint(name)
    for text in parameters.names:
        name, resized = parse_view(text)
        if name == "mlp" and resized is not None:
            raise ValueError("networks.names: mlp sees photos of one size; leave its @PIXELS out")
        shape = (1, 3, side, side)
        with torch.inference_mode():
            answers = View(networks[name], resized).eval()(torch.zeros(shape)).shape[1]
        if max(classes - 1, target) >= answers:
            raise ValueError(
                f"networks.names: {name} knows {answers} classes, the photos show classes up to {classes - 1}; "
                "expected a network that knows them all"
            )
    card = {"classes": classes, "side": side, "fingerprints": fingerprints}
    return Networks(parameters.names, networks, card), {"dev": dev, "epochs": epochs}


def _fingerprint(network: nn.Module) -> str:
    digest = hashlib.sha256()
    for key, value in network.state_dict().items():
        digest.update(key.encode())
        digest.update(value.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:32]


def _trained(
    name: str, photos: Examples, classes: int, side: int, parameters: NetworksParameters, run: RunParameters
) -> tuple[nn.Module, list[dict[str, float]]]:
    from pathlib import Path

    from etudes.training.session import Session, current_session, enter_session

    labels = photos.rows["label"].to_numpy()
    missing = sorted(set(range(classes)) - set(labels.tolist()))
    if missing or len(labels) < 10:
        raise ValueError(
            f"{len(labels)} photos are left to train {name} on"
            + (f", none of class {missing[0]} among them" if missing else "")
            + "; ask for fewer in split.train, dev and test, or name pretrained networks"
        )
    generator = np.random.default_rng([run.seed, *name.encode()])
    order = generator.permutation(len(labels))
    count = max(1, round(parameters.dev_fraction * len(labels)))
    seed_everything(derive_seed(run.seed, "networks", name))
    problem = PictureProblem(
        model=small_network(name, classes, side),
        pixels=np.asarray(photos["pixels"]),
        labels=labels,
        train=order[count:],
        dev=order[:count],
        batch_size=parameters.fit.batch_size,
    )
    session = current_session()
    if session is None:
        return problem.model, fit(problem, parameters.fit, run)
    folder = session.checkpoints / name if session.checkpoints is not None else None

    def sink(step: int, metrics: dict[str, float]) -> None:
        session.sink(step, {f"{name}_{metric}": value for metric, value in metrics.items()})

    enter_session(Session(name, Path(folder) if folder else None, sink))
    try:
        return problem.model, fit(problem, parameters.fit, run)
    finally:
        enter_session(session)


@dataclass
class PictureProblem:
    """Classify pictures (N, H, W, 3), uint8; the positions ``train`` are learned, ``dev`` choose the epoch."""

    model: nn.Module
    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    train: NDArray[np.intp]
    dev: NDArray[np.intp]
    batch_size: int
    monitor: str = "accuracy"
    maximise: bool = True
    _fingerprint: str = field(default="", repr=False)

    @property
    def fingerprint(self) -> str:
        if not self._fingerprint:
            digest = hashlib.sha256(self.pixels.tobytes()).hexdigest()
            parts = [self.labels.tolist(), self.train.tolist(), self.dev.tolist()]
            self._fingerprint = checkpoint_key(digest, *parts)
        return self._fingerprint

    def batches(self, generator: np.random.Generator) -> Sequence[NDArray[np.intp]]:
        order = generator.permutation(self.train)
        return [order[start : start + self.batch_size] for start in range(0, len(order), self.batch_size)]

    def collate(self, indices: NDArray[np.intp], device: torch.device) -> Any:
        labels = torch.from_numpy(self.labels[indices]).to(device)
        return intensities(self.pixels[indices], device), labels

    def loss(self, model: nn.Module, batch: Any) -> tuple[Tensor, Tensor]:
        photos, labels = batch
        losses = nn.functional.cross_entropy(model(standardised(photos)).float(), labels, reduction="none")
        return losses, torch.ones_like(losses)

    def evaluate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        photos, labels = self.collate(self.dev, device)
        logits = torch.cat([model(standardised(part)) for part in photos.split(256)]).float()
        return {
            "loss": float(nn.functional.cross_entropy(logits, labels)),
            "accuracy": float((logits.argmax(1) == labels).double().mean()),
        }

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        return [{"params": list(self.model.parameters()), "lr": learning_rate}]


def intensities(pixels: NDArray[np.uint8], device: torch.device | str) -> Tensor:
    """Pixels (N, H, W, 3), uint8, as intensities (N, 3, H, W) in 0..1, float32, channels last in memory."""
    batch = torch.from_numpy(np.ascontiguousarray(pixels)).to(device).permute(0, 3, 1, 2)
    return batch.to(torch.float32).div_(255)
