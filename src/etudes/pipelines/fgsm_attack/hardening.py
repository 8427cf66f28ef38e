"""Adversarial training: a network learns on with pictures that were moved against it."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from etudes.cards import examples_fingerprint, fingerprint
from etudes.examples import Examples
from etudes.networks import network_arrays
from etudes.pipelines.fgsm_attack.parameters import HardeningParameters
from etudes.training.fit import fit
from etudes.training.parameters import RunParameters
from etudes.training.problem import ShuffledProblem
from etudes.training.seeds import derive_seed, seed_everything
from etudes.vision.bounded import perturbed
from etudes.vision.parameters import StepsParameters, parse_view
from etudes.vision.victims import Victims, View, intensities

AT_ONCE = 250  # pictures of one pass over dev
Batch = tuple[Tensor, Tensor, list[int]]


@dataclass
class HardeningProblem(ShuffledProblem):
    """min over w of E[ max over |d| <= r of L(f_w(x + d), y) ], the inner maximum by one step from a random start.

    Madry et al. 2018 (arXiv:1706.06083), equation 2.1; the step is that of Wong et al. 2020 (arXiv:2001.03994), longer than the
    radius and cut to it. ``dev`` chooses the epoch by the accuracy on pictures that were moved in the same way.
    """

    model: nn.Module
    train: Examples
    dev: Examples
    radius: float
    how: StepsParameters
    batch_size: int
    seed: int
    monitor: str = "attacked_accuracy"
    maximise: bool = True

    @property
    def fingerprint(self) -> str:
        settings = f"{self.radius} {self.how.model_dump_json()} {self.seed}"
        arrays = network_arrays(self.model)
        weights = fingerprint(*(piece for item in arrays.items() for piece in item))
        return fingerprint(
            examples_fingerprint(self.train), examples_fingerprint(self.dev), settings, weights
        )

    def collate(self, indices: NDArray[np.intp], device: torch.device) -> Batch:
        """Pictures, labels, and what the random starts are drawn by: the batch decides, so that a resumed run repeats them."""
        return *_batch(self.train, indices, device), [self.seed, *map(int, indices[:8])]

    def loss(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        pictures, labels, seed = batch
        losses = nn.functional.cross_entropy(
            View(model)(self.moved(model, pictures, labels, seed)), labels, reduction="none"
        )
        return losses, torch.ones_like(losses)

    def moved(self, model: nn.Module, pictures: Tensor, labels: Tensor, seed: list[int]) -> Tensor:
        """The pictures at the end of the inner step; no gradient goes through it."""
        radius = torch.full(labels.shape, self.radius, device=labels.device)
        return perturbed(
            View(model), pictures, labels, radius, self.how, np.random.default_rng(seed)
        ).detach()

    def evaluate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        found: dict[str, list[Tensor]] = {"loss": [], "accuracy": [], "attacked_accuracy": []}
        with torch.inference_mode(mode=False), torch.enable_grad():
            for start in range(0, len(self.dev), AT_ONCE):
                rows = np.arange(start, min(start + AT_ONCE, len(self.dev)))
                pictures, labels = _batch(self.dev, rows, device)
                attacked = self.moved(model, pictures, labels, [self.seed, start])
                with torch.no_grad():
                    plain, under_attack = View(model)(pictures), View(model)(attacked)
                found["loss"].append(nn.functional.cross_entropy(under_attack, labels, reduction="none"))
                found["accuracy"].append((plain.argmax(1) == labels).float())
                found["attacked_accuracy"].append((under_attack.argmax(1) == labels).float())
        return {name: float(torch.cat(values).mean()) for name, values in found.items()}


def _batch(examples: Examples, rows: NDArray[np.intp], device: torch.device) -> tuple[Tensor, Tensor]:
    labels = torch.from_numpy(examples.rows["label"].to_numpy()[rows]).to(device)
    return intensities(np.asarray(examples["pixels"])[rows], device), labels


def harden(
    train_split: Examples,
    dev_split: Examples,
    networks_model: Victims,
    parameters: HardeningParameters,
    run: RunParameters,
) -> tuple[Victims, dict[str, Any]]:
    """A copy of one of the networks, trained on under attack."""
    name = parse_view(parameters.network)[0]
    seed_everything(derive_seed(run.seed, "hardening"))
    network = copy.deepcopy(networks_model.networks[name]).requires_grad_(True)
    how = StepsParameters(
        norm="linf",
        steps=1,
        step=parameters.step,
        momentum=0,
        start="uniform",
        loss="cross_entropy",
        rounded=False,
        enough=None,
    )
    problem = HardeningProblem(
        network,
        train_split,
        dev_split,
        parameters.levels / 255,
        how,
        parameters.fit.batch_size,
        derive_seed(run.seed, "starts"),
    )
    epochs = fit(problem, parameters.fit, run)
    card = {
        **networks_model.card,
        "fingerprints": {name: fingerprint(*network_arrays(problem.model).values())},
    }
    dev = max(row["dev_attacked_accuracy"] for row in epochs)
    return Victims([name], {name: problem.model}, card), {"dev": {"accuracy": dev}, "epochs": epochs}
