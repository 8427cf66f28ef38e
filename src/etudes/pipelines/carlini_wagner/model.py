"""The variants: three ways to the nearest picture that is answered otherwise, and the model that answers users.

Importing this module registers every class that a model file may name.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from etudes.benches.attack_predictor import PerturbationPredictor
from etudes.benches.attacks import Labels, Pixels
from etudes.examples import Examples
from etudes.models import register_model
from etudes.pipelines.carlini_wagner.balls import in_smallest_ball
from etudes.pipelines.carlini_wagner.deepfool import deepfool
from etudes.pipelines.carlini_wagner.margins import nearest
from etudes.pipelines.carlini_wagner.parameters import (
    BallsParameters,
    DeepfoolParameters,
    EvaluationParameters,
    MarginParameters,
)
from etudes.stored import Stored
from etudes.training.fit import resolve_device
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed
from etudes.vision.parameters import StepsParameters
from etudes.vision.victims import Victims, intensities, to_uint8

Floats = NDArray[np.float32]
Trained = tuple[Any, dict[str, Any]]


class Nearest(Stored):
    """An attack that looks for the nearest picture with another answer."""

    @abstractmethod
    def tensors(self, view: nn.Module, pictures: Tensor, classes: Tensor, targeted: bool) -> Tensor:
        """Pictures (N, 3, H, W) in 0..1 moved away from classes (N,), or to them where ``targeted``."""

    def turned(
        self,
        view: nn.Module,
        photos: Pixels,
        classes: Labels,
        batch_size: int,
        device: torch.device | str = "cpu",
        targeted: bool = False,
    ) -> Floats:
        """Photos (N, H, W, 3), uint8, as moved ones: intensities in 0..1 (N, H, W, 3), not rounded."""
        view, result = (
            view.to(device).to(memory_format=torch.channels_last),
            np.empty(photos.shape, np.float32),
        )
        for start in range(0, len(photos), batch_size):
            part = slice(start, start + batch_size)
            labels = torch.from_numpy(np.array(classes[part])).to(device)
            found = self.tensors(view, intensities(photos[part], device), labels, targeted)
            result[part] = found.permute(0, 2, 3, 1).cpu().numpy()
        return result

    def attacked(self, view: nn.Module, photos: Pixels, classes: Labels) -> Pixels:
        """Photos (N, H, W, 3) moved away from their classes (N,), as a file can hold them."""
        return to_uint8(self.turned(view, photos, classes, len(photos)))


@register_model("carlini_wagner.ball")
@dataclass
class SmallestBall(Nearest):
    """``how`` inside the smallest ball that is wide enough; ``seed`` of its random starts."""

    how: StepsParameters
    balls: BallsParameters
    seed: int

    def tensors(self, view: nn.Module, pictures: Tensor, classes: Tensor, targeted: bool) -> Tensor:
        return in_smallest_ball(view, pictures, classes, self.how, self.balls, self.seed, targeted)


@register_model("carlini_wagner.deepfool")
@dataclass
class Deepfool(Nearest):
    """DeepFool with one ``overshoot``."""

    how: DeepfoolParameters
    overshoot: float

    def tensors(self, view: nn.Module, pictures: Tensor, classes: Tensor, targeted: bool) -> Tensor:
        return deepfool(view, pictures, classes, self.how, self.overshoot, targeted)


@register_model("carlini_wagner.margin")
@dataclass
class Margin(Nearest):
    """The attack of Carlini and Wagner with one learning ``rate``; ``rounded`` to 8 bits on its way or not."""

    how: MarginParameters
    rate: float
    rounded: bool

    def tensors(self, view: nn.Module, pictures: Tensor, classes: Tensor, targeted: bool) -> Tensor:
        return nearest(view, pictures, classes, self.how, self.rate, self.rounded, targeted)


@register_model("carlini_wagner.predictor")
class NearestPredictor(PerturbationPredictor):
    """The chosen attack and the photos' network behind a user's photo."""

    attack = "change"


def steps(variant: str, step: float, balls: BallsParameters) -> StepsParameters:
    """How an attack goes inside one ball: ``noise`` a random direction, ``fgm`` one step along the gradient, ``pgd`` many."""
    return StepsParameters(
        norm="l2",
        steps={"noise": 0, "fgm": 1}.get(variant, balls.steps),
        step=step,
        momentum=0.0,
        start={"noise": "corner", "pgd": "uniform"}.get(variant, "picture"),  # type: ignore[arg-type]
        loss="cross_entropy",
        rounded=False,
        enough=0.0 if variant == "pgd" else None,
    )


def kinds(
    variant: str, balls: BallsParameters, fooling: DeepfoolParameters, margin: MarginParameters, seed: int
) -> dict[float, Nearest]:
    """What dev chooses among for a variant, by the number that differs; ``noise`` and ``fgm`` have nothing to choose."""
    if variant == "deepfool":
        return {overshoot: Deepfool(fooling, overshoot) for overshoot in fooling.tried}
    if variant.startswith("carlini_wagner"):
        return {rate: Margin(margin, rate, variant.endswith("8bit")) for rate in margin.rates}
    tried = balls.tried if variant == "pgd" else (1.0,)
    return {step: SmallestBall(steps(variant, step, balls), balls, seed) for step in tried}


def train(
    dev_split: Examples,
    networks_model: Victims,
    balls: BallsParameters,
    fooling: DeepfoolParameters,
    margin: MarginParameters,
    evaluation: EvaluationParameters,
    run: RunParameters,
    variant: str = "",
) -> Trained:
    """Try the settings of a variant on the dev pictures that the victim knows, keep the one with the smallest mean distance.

    A picture that withstands counts ``balls.widest``. What variants are told apart by is success after rounding to 8 bits,
    at the main radius.

    Raises:
        ValueError: the victim knows none of the dev pictures.
    """
    view, device = networks_model.view(networks_model.victim), resolve_device(run.device)
    pixels, labels = np.asarray(dev_split["pixels"]), dev_split.rows["label"].to_numpy()
    right = predicted(view, pixels, evaluation.batch_size, device) == labels
    if not right.any():
        raise ValueError(
            f"{networks_model.victim} answers none of {len(labels)} dev pictures rightly; expected a network that knows "
            "them. Train it longer (networks.fit), or name another."
        )
    pixels, labels, seed = pixels[right], labels[right], derive_seed(run.seed, variant)
    trials, found = [], kinds(variant, balls, fooling, margin, seed)
    for setting, model in found.items():
        moved = model.turned(view, pixels, labels, evaluation.batch_size, device)
        turned = predicted(view, moved, evaluation.batch_size, device) != labels
        saved = to_uint8(moved)
        held = predicted(view, saved, evaluation.batch_size, device) != labels
        success = float((held & (distance(pixels, saved) <= evaluation.main)).mean())
        mean = float(np.where(turned, distance(pixels, moved), balls.widest).mean())
        trials.append({"setting": setting, "distance": mean, "success": success})
    best = min(trials, key=lambda trial: trial["distance"])
    return found[best["setting"]], {"dev": {"success": best["success"]}, "trials": trials}


def predicted(
    view: nn.Module, photos: Pixels | Floats, batch_size: int, device: torch.device | str
) -> Labels:
    """Classes (N,) that a network answers to photos (N, H, W, 3), uint8 or intensities in 0..1."""
    view, parts = view.to(device).to(memory_format=torch.channels_last), []
    with torch.inference_mode():
        for start in range(0, len(photos), batch_size):
            chunk = photos[start : start + batch_size]
            batch = torch.from_numpy(np.array(chunk)).to(device).permute(0, 3, 1, 2)
            if batch.dtype == torch.uint8:
                batch = batch.to(torch.float32) / 255
            parts.append(view(batch).argmax(1).cpu())
    found: Labels = torch.cat(parts).numpy()
    return found


def distance(before: Pixels, after: Pixels | Floats) -> NDArray[np.float64]:
    """Euclidean distances (N,) of photos (N, H, W, 3), uint8 or intensities, in intensities."""
    first, second = (values / (255.0 if values.dtype == np.uint8 else 1.0) for values in (before, after))
    return np.sqrt(np.square(second.astype(np.float64) - first).sum((1, 2, 3)))
