"""The networks that attacks are made for and scored on: trained here on small pictures, or pretrained on ImageNet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from etudes.cards import fingerprint
from etudes.examples import Examples
from etudes.models import ModelState, register_model
from etudes.networks import load_arrays, network_arrays
from etudes.training.fit import fit
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed, seed_everything
from etudes.training.session import part
from etudes.vision.classifying import PictureProblem
from etudes.vision.imagenet import standardised
from etudes.vision.parameters import SMALL, NetworksParameters, parse_view
from etudes.vision.pretrained import Pretrained, untrained

FEWEST = 10  # photos that a network is trained on


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
    layers: list[nn.Module] = []
    if name == "cnn":
        for inputs, outputs in ((3, 16), (16, 32), (32, 64), (64, 64)):
            layers += [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.ReLU()]
        return SmallNetwork(nn.Sequential(*layers), _averaged(64, classes))
    if name == "deep_cnn":
        for inputs, outputs in ((3, 8), (8, 16), (16, 32)):
            for first in (inputs, outputs):
                layers += [nn.Conv2d(first, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]
            layers.append(nn.MaxPool2d(2))
        return SmallNetwork(nn.Sequential(*layers), _averaged(32, classes))
    if name == "mlp":
        layers = [nn.Flatten(), nn.Linear(3 * side * side, 128), nn.ReLU(), nn.Linear(128, classes)]
        return SmallNetwork(nn.Sequential(), nn.Sequential(*layers))
    raise ValueError(f"there is no small network '{name}'; expected one of {', '.join(SMALL)}")


def _averaged(channels: int, classes: int) -> nn.Sequential:
    """The mean over the picture and a linear layer, as in the networks for ImageNet."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


def local_layers(network: nn.Module) -> tuple[list[nn.Module], nn.Module]:
    """Layers that see neighbourhoods only, one after the other, and what follows them; none for a network unknown."""
    if isinstance(network, SmallNetwork):
        return list(network.features), network.head
    from torchvision.models import MobileNetV2, ResNet, SqueezeNet

    if isinstance(network, SqueezeNet):
        return list(network.features), nn.Sequential(network.classifier, nn.Flatten())
    if isinstance(network, MobileNetV2):
        tail = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), network.classifier)
        return list(network.features), tail
    if isinstance(network, ResNet):
        stem = [network.conv1, network.bn1, network.relu, network.maxpool]
        blocks = [block for k in range(1, 5) for block in getattr(network, f"layer{k}")]
        return [*stem, *blocks], nn.Sequential(network.avgpool, nn.Flatten(), network.fc)
    return [], network


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


@register_model("victims.networks")
class Victims:
    """Views by name, the victim first; views of one network share its weights, which are frozen.

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
        """A view by its name."""
        network, side = parse_view(name)
        return View(self.networks[network], side).eval()

    def fingerprint(self, name: str) -> str:
        """Which weights a view has."""
        return str(self.card["fingerprints"][parse_view(name)[0]])

    def only(self, name: str) -> Victims:
        """One view alone, for a model that answers users."""
        network = parse_view(name)[0]
        card = {**self.card, "fingerprints": {network: self.card["fingerprints"][network]}}
        return Victims([name], {network: self.networks[network]}, card)

    def state(self) -> ModelState:
        state = ModelState({"names": self.names, "card": self.card})
        for name, network in self.networks.items():
            state.nest(name, ModelState(arrays=network_arrays(network)))
        return state

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        names, card = state.config["names"], state.config["card"]
        networks = {}
        for name in dict.fromkeys(parse_view(view)[0] for view in names):
            networks[name] = _untrained(name, card["classes"], card["side"])
            load_arrays(networks[name], state.nested(name).arrays)
        return cls(names, networks, card)


def _untrained(name: str, classes: int, side: int) -> nn.Module:
    return small_network(name, classes, side) if name in SMALL else untrained(name)


def train(
    networks_split: Examples,
    split_card: dict[str, Any],
    pretrained: Pretrained,
    parameters: NetworksParameters,
    run: RunParameters,
) -> tuple[Victims, dict[str, Any]]:
    """Train the small networks on photos that no attack sees, read the pretrained ones, check that they know the classes.

    Args:
        networks_split: column ``label``, array ``pixels``.
        split_card: ``classes``, how many the photos show, and ``target``, the class of a targeted attack, if there is one.

    Returns:
        The networks, and for each trained one its epochs and dev accuracy.

    Raises:
        ValueError: a network that does not know the classes or cannot see photos this small, or small networks without
            enough photos.
        WeightsError: a weight file that cannot be used.
    """
    side, classes = int(networks_split["pixels"].shape[1]), split_card["classes"]
    networks: dict[str, nn.Module] = {}
    fingerprints, epochs, dev = {}, {}, {}
    for name in dict.fromkeys(parse_view(text)[0] for text in parameters.names):
        if name in SMALL:
            networks[name], epochs[name] = _trained(name, networks_split, classes, parameters, run)
            dev[name] = max(row["dev_accuracy"] for row in epochs[name])
            arrays = network_arrays(networks[name])
            fingerprints[name] = fingerprint(*(piece for item in arrays.items() for piece in item))
        else:
            networks[name], fingerprints[name] = pretrained.network(name), pretrained.fingerprint(name)
    victims = Victims(
        parameters.names, networks, {"classes": classes, "side": side, "fingerprints": fingerprints}
    )
    for text in victims.names:
        try:
            with torch.inference_mode():
                answers = victims.view(text)(torch.zeros(1, 3, side, side)).shape[1]
        except RuntimeError as error:  # a layer is left with less than a pixel
            raise ValueError(
                f"networks.names: {text} cannot be shown photos of {side} pixels ({error}); expected larger ones"
            ) from error
        if max(classes - 1, split_card.get("target", 0)) >= answers:
            raise ValueError(
                f"networks.names: {text} knows {answers} classes, the photos show classes up to {classes - 1}; "
                "expected a network that knows them all"
            )
    return victims, {"dev": dev, "epochs": epochs}


def _trained(
    name: str, photos: Examples, classes: int, parameters: NetworksParameters, run: RunParameters
) -> tuple[nn.Module, list[dict[str, float]]]:
    missing = sorted(set(range(classes)) - set(photos.rows["label"]))
    if missing or len(photos) < FEWEST:
        raise ValueError(
            f"{len(photos)} photos are left to train {name} on"
            + (f", none of class {missing[0]} among them" if missing else "")
            + "; ask for fewer in split, or name pretrained networks"
        )
    order = np.random.default_rng([run.seed, *name.encode()]).permutation(len(photos))
    count = max(1, round(parameters.dev_fraction * len(photos)))
    seed_everything(derive_seed(run.seed, "networks", name))
    network = small_network(name, classes, int(photos["pixels"].shape[1]))
    pixels, labels = np.asarray(photos["pixels"]), photos.rows["label"].to_numpy()
    dev, train = ((pixels[rows], labels[rows]) for rows in (order[:count], order[count:]))
    problem = PictureProblem(network, *train, *dev, parameters.fit.batch_size)
    with part(name):
        return problem.model, fit(problem, parameters.fit, run)


def intensities(pixels: NDArray[np.uint8], device: torch.device | str) -> Tensor:
    """Pixels (N, H, W, 3), uint8, as intensities (N, 3, H, W) in 0..1, float32, channels last in memory."""
    batch = torch.from_numpy(np.require(pixels, requirements=("C", "W"))).to(device).permute(0, 3, 1, 2)
    return batch.to(torch.float32).div_(255)


def to_uint8(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Intensities in 0..1 rounded to the 256 values that a picture file can hold.

    Raises:
        ValueError: a value outside 0..1, or none.
    """
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
        raise ValueError("a picture holds values outside 0..1; expected intensities")
    return np.round(values * 255).astype(np.uint8)
