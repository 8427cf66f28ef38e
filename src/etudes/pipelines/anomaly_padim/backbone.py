"""The network whose features are modelled: pretrained, or a small one that learns textures."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from etudes.models import ModelState, register_model
from etudes.pipelines.anomaly_padim.detector import Rows
from etudes.pipelines.anomaly_padim.parameters import BackboneParameters
from etudes.training.parameters import RunParameters
from etudes.vision.imagenet import normalised
from etudes.vision.taps import Taps, channel_counts, empty_taps, side_by_side, tapped

TEXTURES = "textures"


def texture_stages(width: int) -> Taps:
    """A small network on grids of 1/4, 1/8 and 1/16 of the picture, with width, 2 width and 4 width channels."""

    def block(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
        convolution = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        return [convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]

    first = nn.Sequential(*block(3, width, 2), *block(width, width, 2))
    second = nn.Sequential(*block(width, 2 * width, 2), *block(2 * width, 2 * width, 1))
    return Taps([first, second, nn.Sequential(*block(2 * width, 4 * width, 2))])


@register_model("anomaly_padim.backbone")
class Backbone:
    """A network cut into three stages, with its weights, so that it needs no weight file any more.

    Args:
        network: its name.
        taps: the stages.
        width: channels of the first stage of `textures`; 0 for pretrained networks.
        fingerprint: of the weights: which network a result was made with.
    """

    registered_name: str

    def __init__(self, network: str, taps: Taps, width: int, fingerprint: str) -> None:
        self.network, self.width, self.fingerprint = network, width, fingerprint
        # Convolutions on the CPU are about twice as fast with the channels innermost.
        self.taps = taps.eval().requires_grad_(False).to(memory_format=torch.channels_last)
        self.channel_counts = channel_counts(self.taps)

    @classmethod
    def pretrained(cls, networks: Any, name: str) -> Self:
        """A network of `etudes.vision.pretrained.Pretrained`; errors are of its methods."""
        return cls(name, tapped(networks.network(name), name), 0, networks.fingerprint(name))

    @property
    def channels(self) -> int:
        return sum(self.channel_counts)

    def stage_of(self, channels: np.ndarray) -> np.ndarray:
        """Which stage, counted from 1, each of the channels (C,) is from."""
        return np.searchsorted(np.cumsum(self.channel_counts), channels, side="right") + 1

    def embed(
        self, pixels: Rows, channels: np.ndarray, batch_size: int, device: torch.device
    ) -> Iterator[Tensor]:
        """Patch vectors (n, C, H, W) of pictures (N, H', W', 3), uint8, batch by batch, on ``device``.

        Only one batch is in memory.
        """
        taps = self.taps.to(device)
        chosen = torch.from_numpy(np.asarray(channels, dtype=np.int64))
        with torch.inference_mode():
            for start in range(0, len(pixels), batch_size):
                batch = normalised(pixels[start : start + batch_size], str(device))
                maps = taps(batch.contiguous(memory_format=torch.channels_last))
                yield side_by_side(maps, chosen)

    def state(self) -> ModelState:
        arrays = {name: value.cpu().contiguous().numpy() for name, value in self.taps.state_dict().items()}
        config = {"network": self.network, "width": self.width, "fingerprint": self.fingerprint}
        return ModelState(config, arrays)

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        network, width = state.config["network"], state.config["width"]
        taps = texture_stages(width) if network == TEXTURES else empty_taps(network)
        weights = {name: torch.from_numpy(np.array(value)) for name, value in state.arrays.items()}
        taps.load_state_dict(weights, assign=True)
        return cls(network, taps, width, state.config["fingerprint"])


class PretextNetwork(nn.Module):
    """The stages of `textures` and a linear answer to which family a texture is of."""

    def __init__(self, width: int, families: int) -> None:
        super().__init__()
        self.taps = texture_stages(width)
        self.head = nn.Linear(4 * width, families)

    def forward(self, batch: Tensor) -> Tensor:
        """Logits (n, families) of pictures (n, 3, H, W)."""
        return self.head(self.taps(batch)[-1].mean((2, 3)))


class PretextProblem:
    """Telling families of generated textures apart, for `etudes.training.fit`."""

    model: nn.Module
    monitor = "accuracy"
    maximise = True

    def __init__(
        self, model: nn.Module, pixels: np.ndarray, labels: np.ndarray, n_dev: int, batch_size: int
    ) -> None:
        self.model, self.batch_size = model, batch_size
        self.pixels, self.labels = pixels[n_dev:], labels[n_dev:]
        self.dev_pixels, self.dev_labels = pixels[:n_dev], labels[:n_dev]

    @property
    def fingerprint(self) -> str:
        digest = hashlib.sha256()
        for part in (self.pixels, self.labels, self.dev_pixels, self.dev_labels):
            digest.update(np.ascontiguousarray(part).tobytes())
        return digest.hexdigest()[:32]

    def batches(self, generator: np.random.Generator) -> Sequence[np.ndarray]:
        order = generator.permutation(len(self.pixels))
        return np.array_split(order, max(1, len(order) // self.batch_size))

    def collate(self, indices: np.ndarray, device: torch.device) -> tuple[Tensor, Tensor]:
        return normalised(self.pixels[indices], str(device)), torch.from_numpy(self.labels[indices]).to(
            device
        )

    def loss(self, model: nn.Module, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        pictures, labels = batch
        losses = nn.functional.cross_entropy(model(pictures), labels, reduction="none")
        return losses, torch.ones_like(losses)

    def evaluate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        losses, hits = [], 0
        for start in range(0, len(self.dev_pixels), 128):
            part = slice(start, start + 128)
            labels = torch.from_numpy(self.dev_labels[part]).to(device)
            logits = model(normalised(self.dev_pixels[part], str(device)))
            losses.append(nn.functional.cross_entropy(logits, labels, reduction="none"))
            hits += int((logits.argmax(1) == labels).sum())
        return {"loss": float(torch.cat(losses).mean()), "accuracy": hits / len(self.dev_pixels)}

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        return [{"params": list(self.model.parameters()), "lr": learning_rate}]


def learn_textures(
    parameters: BackboneParameters, run: RunParameters
) -> tuple[Backbone, list[dict[str, float]]]:
    """Train the small network to name the family of generated textures; no picture of a category is among them.

    Returns:
        The backbone, its weights those of the best epoch on held-out crops, and the epochs.
    """
    from etudes.samples.textures_pretext import FAMILIES, texture_crops
    from etudes.training.fit import fit
    from etudes.training.seeds import derive_seed, seed_everything

    seed = derive_seed(run.seed, "textures")
    pixels, labels = texture_crops(parameters.crops, parameters.size, seed)
    seed_everything(seed)
    model = PretextNetwork(parameters.width, len(FAMILIES))
    n_dev = max(1, round(parameters.dev_fraction * len(pixels)))
    problem = PretextProblem(model, pixels, labels, n_dev, parameters.fit.batch_size)
    epochs = fit(problem, parameters.fit, run)
    digest = hashlib.sha256()
    for value in model.taps.state_dict().values():
        digest.update(value.numpy().tobytes())
    return Backbone(TEXTURES, model.taps, parameters.width, digest.hexdigest()[:32]), epochs
