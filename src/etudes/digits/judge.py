"""A digit classifier of its own that judges generated pictures.

It learns from real training digits alone. Its answers say whether a generated picture is read as the digit it should
be; its last hidden layer is the space in which sets of pictures are compared, as Inception's is for photographs
(Heusel et al. 2017). Features of a network trained for another kind of picture would not tell digits apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from etudes.cards import examples_fingerprint
from etudes.digits.files import DIGITS
from etudes.digits.parameters import JudgeParameters
from etudes.examples import Examples
from etudes.models import register_model
from etudes.networks import NetworkModel
from etudes.training.checkpoint import checkpoint_key
from etudes.training.fit import fit
from etudes.training.parameters import RunParameters
from etudes.training.problem import ShuffledProblem
from etudes.training.seeds import derive_seed, seed_everything

BATCH = 500
LEAST_SPREAD = 1e-4  # a feature that never varies is left as it is


class Verdict(NamedTuple):
    """What the judge says of N pictures: ``probabilities`` (N, 10) and standardised ``features`` (N, D)."""

    probabilities: NDArray[np.float64]
    features: NDArray[np.float64]

    @property
    def digits(self) -> NDArray[np.int64]:
        return self.probabilities.argmax(1)


class JudgeNetwork(nn.Module):
    """Two convolutions with pooling, a layer of features, a linear layer.

    intensities (batch, 1, S, S) in 0..1 -> logits (batch, 10). S must be a multiple of 4.
    """

    def __init__(self, side: int, width: int, features: int, dropout: float) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, 3, padding=1, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(2 * width * (side // 4) ** 2, features),
            nn.LeakyReLU(0.1),
        )
        self.output = nn.Linear(features, DIGITS)

    def forward(self, intensities: Tensor) -> Tensor:
        return self.output(self.body(intensities))


def intensities(pixels: NDArray[np.uint8]) -> Tensor:
    """Pixels (N, S, S), uint8, as a network's input (N, 1, S, S), float32 in 0..1."""
    return torch.from_numpy(np.array(pixels)).unsqueeze(1).to(torch.float32).div_(255)


@dataclass
class JudgeProblem(ShuffledProblem):
    """Classify digits, for the shared training loop; the best epoch is the one with the best dev accuracy.

    Each picture of a batch is shifted by up to ``shift`` pixels in both directions, with background moving in.
    """

    model: nn.Module
    train: Examples
    dev: Examples
    shift: int
    batch_size: int
    monitor: str = "accuracy"
    maximise: bool = True

    def __post_init__(self) -> None:
        self.labels = torch.from_numpy(self.train.rows["label"].to_numpy().copy())
        self.pixels = torch.from_numpy(np.array(self.train["pixels"]))

    @property
    def fingerprint(self) -> str:
        return checkpoint_key(examples_fingerprint(self.train), examples_fingerprint(self.dev), self.shift)

    def collate(self, indices: np.ndarray, device: torch.device) -> Any:
        batch = self.pixels[indices].unsqueeze(1).to(torch.float32).div_(255)
        return shifted(batch, self.shift).to(device), self.labels[indices].to(device)

    def loss(self, model: nn.Module, batch: Any) -> tuple[Tensor, Tensor]:
        pictures, labels = batch
        losses = nn.functional.cross_entropy(model(pictures).float(), labels, reduction="none")
        return losses, torch.ones_like(losses)

    def evaluate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        labels = torch.from_numpy(self.dev.rows["label"].to_numpy().copy()).to(device)
        logits = torch.cat([model(part.to(device)).float() for part in _parts(self.dev["pixels"])])
        return {
            "loss": float(nn.functional.cross_entropy(logits, labels)),
            "accuracy": float((logits.argmax(1) == labels).double().mean()),
        }


def shifted(batch: Tensor, most: int) -> Tensor:
    """Each picture of (n, 1, S, S) moved by its own whole number of pixels in -most..most, zeros moving in."""
    if most == 0:
        return batch
    n, _, side, _ = batch.shape
    padded = nn.functional.pad(batch, (most,) * 4)
    down, right = torch.randint(0, 2 * most + 1, (2, n, 1, 1))
    rows = down + torch.arange(side).view(1, side, 1)
    columns = right + torch.arange(side).view(1, 1, side)
    return padded[torch.arange(n).view(n, 1, 1), 0, rows, columns].unsqueeze(1)


def _parts(pixels: NDArray[np.uint8]) -> list[Tensor]:
    return [intensities(pixels[start : start + BATCH]) for start in range(0, len(pixels), BATCH)]


@register_model("digits.judge")
class DigitJudge(NetworkModel):
    """The network with the mean and the spread of its features on training digits.

    ``mean`` and ``spread`` (D,) standardise the features: a distance then does not depend on the scale that a seed gave
    to a layer, and D features of real training digits have the total variance D.
    """

    network_class: ClassVar[Callable[..., nn.Module]] = JudgeNetwork

    @classmethod
    def fit(
        cls, train_split: Examples, dev_split: Examples, parameters: JudgeParameters, run: RunParameters
    ) -> tuple[Self, dict[str, Any]]:
        """Train on real digits with early stopping on dev; returns the judge and its history."""
        seed_everything(derive_seed(run.seed, "judge"))
        config: dict[str, Any] = {
            "side": int(train_split["pixels"].shape[1]),
            "width": parameters.width,
            "features": parameters.features,
            "dropout": parameters.dropout,
        }
        network = cls.network_class(**config)
        problem = JudgeProblem(network, train_split, dev_split, parameters.shift, parameters.fit.batch_size)
        epochs = fit(problem, parameters.fit, run)
        raw = cls(network, config, mean=np.zeros(parameters.features), spread=np.ones(parameters.features))
        features = raw.judge(train_split["pixels"]).features
        spread = features.std(0)
        spread = np.where(spread > LEAST_SPREAD, spread, 1.0)
        judge = cls(network, config, mean=features.mean(0), spread=spread)
        accuracy = float(
            (judge.judge(dev_split["pixels"]).digits == dev_split.rows["label"].to_numpy()).mean()
        )
        return judge, {"dev": {"accuracy": accuracy}, "epochs": epochs}

    def judge(self, pixels: NDArray[np.uint8]) -> Verdict:
        """Read N pictures (N, S, S), uint8.

        Raises:
            ValueError: another shape or type, or a side that the judge was not trained for.
        """
        side = self.config["side"]
        if (
            pixels.ndim != 3
            or pixels.shape[1:] != (side, side)
            or pixels.dtype != np.uint8
            or not len(pixels)
        ):
            raise ValueError(
                f"the judge expects pictures (N, {side}, {side}) of type uint8, N at least 1; found {pixels.shape} of "
                f"type {pixels.dtype}"
            )
        network = self.network.eval()
        features, probabilities = [], []
        with torch.inference_mode():
            for part in _parts(pixels):
                hidden = network.body(part)
                features.append(hidden.double().numpy())
                probabilities.append(network.output(hidden).double().softmax(1).numpy())
        return Verdict(np.concatenate(probabilities), (np.concatenate(features) - self.mean) / self.spread)
