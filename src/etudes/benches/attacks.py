"""What the evaluation of attacks on image classifiers shares: the networks' answers, success with intervals, tables.

Pictures are scored as 8 bits, by the whole network.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from etudes.evaluation.shares import wilson
from etudes.examples import Examples
from etudes.vision.bounded import GaussianBlur, perturbed
from etudes.vision.parameters import StepsParameters
from etudes.vision.similarity import ssim
from etudes.vision.victims import Victims, intensities, to_uint8

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]
LIKELY = 0.5  # probability of the target that counts as a confident success


@dataclass(frozen=True)
class Answers:
    """What a network answers to N photos; every array has the shape (N,).

    ``confidence`` is the probability of the predicted class, ``of_target`` the log-probability of the target (nats).
    """

    predicted: NDArray[np.int64]
    confidence: NDArray[np.float64]
    of_target: NDArray[np.float64]

    def success(self, target: int | Labels) -> NDArray[np.bool_]:
        return self.predicted == target


def answers(
    view: nn.Module,
    photos: Pixels,
    target: int | Labels,
    batch_size: int,
    device: torch.device | str = "cpu",
) -> Answers:
    """Show photos (N, H, W, 3) to a network; arguments and errors as `log_probabilities`.

    Args:
        target: class whose log-probability is kept, or of each photo one (N,).
    """
    table = log_probabilities(view, photos, batch_size, device)
    predicted, rows = table.argmax(1), np.arange(len(table))
    return Answers(predicted, np.exp(table[rows, predicted]), table[rows, target])


def log_probabilities(
    view: nn.Module, photos: Pixels, batch_size: int, device: torch.device | str = "cpu"
) -> NDArray[np.float64]:
    """What a network says of photos: the log-probability (nats) of every class, (N, classes).

    Args:
        view: intensities (n, 3, H, W) in 0..1 -> logits (n, classes).
        photos: (N, H, W, 3), uint8, so that nothing is scored that a picture file could not hold.
        batch_size: photos of one forward pass.
        device: where to compute.

    Raises:
        ValueError: another type or shape.
    """
    if photos.dtype != np.uint8 or photos.ndim != 4 or photos.shape[3] != 3:
        raise ValueError(
            f"photos have the shape {photos.shape} and type {photos.dtype}; expected (N, H, W, 3), uint8: round to 8 "
            "bits before scoring"
        )
    view = view.to(device).to(memory_format=torch.channels_last)
    parts = []
    with torch.inference_mode():
        for start in range(0, len(photos), batch_size):
            chunk = intensities(photos[start : start + batch_size], device)
            parts.append(view(chunk).double().log_softmax(1).cpu())
    found: NDArray[np.float64] = torch.cat(parts).numpy()
    return found


@dataclass(frozen=True)
class Bench:
    """Photos of one part (columns ``label``, ``name``; array ``pixels``) and the networks that see them.

    ``level`` is the coverage of the intervals, ``names`` are those of classes, by their index as text.
    """

    photos: Examples
    target: int
    names: Mapping[str, str]
    victims: Victims
    level: float
    batch_size: int
    device: torch.device | str

    @property
    def pixels(self) -> Pixels:
        return np.asarray(self.photos["pixels"])

    def answers(self, pictures: Pixels, network: str = "") -> Answers:
        """What a network, or else the victim, answers to pictures."""
        view = self.victims.view(network or self.victims.victim)
        return answers(view, pictures, self.target, self.batch_size, self.device)

    def share(self, name: str, pictures: Pixels, network: str = "") -> dict[str, float]:
        """Share of pictures that a network takes for the target, with its interval."""
        found = self.answers(pictures, network).success(self.target)
        return share_with_interval(name, found, self.level)

    def right(self, found: Answers) -> NDArray[np.bool_]:
        """Which answers (N,) are the photo's class."""
        return found.predicted == self.photos.rows["label"].to_numpy()

    def score(self, variant: str, found: Sequence[Answers], before: Answers) -> dict[str, float]:
        """Metrics of a variant from the answers to each of its draws, and those to the photos as they are."""
        succeeded = np.array([answer.success(self.target) for answer in found])
        of_target, right = np.array([answer.of_target for answer in found]), self.right(before)
        shares = {"success": succeeded, "confident_success": of_target >= np.log(LIKELY)}
        if right.any():
            shares["right_success"] = succeeded[:, right]
        metrics = {f"{variant}.target_log_probability": float(of_target.mean())}
        for name, values in shares.items():
            metrics |= share_with_interval(f"{variant}.{name}", values, self.level)
        return metrics

    def predictions(self, variant: str, found: Sequence[Answers], before: Answers) -> pd.DataFrame:
        """One row for each draw and photo: what the victim says to the photo as it is and attacked."""
        rows = self.photos.rows.rename(columns={"name": "truth"}).drop(columns="label")
        tables = [
            pd.DataFrame(
                {
                    "variant": variant,
                    "draw": draw,
                    **rows,
                    "before": class_names(self.names, before.predicted),
                    "before_confidence": before.confidence,
                    "predicted": class_names(self.names, answer.predicted),
                    "confidence": answer.confidence,
                    "target_probability": np.exp(answer.of_target),
                    "success": answer.success(self.target),
                }
            )
            for draw, answer in enumerate(found)
        ]
        return pd.concat(tables, ignore_index=True)

    def transfer(self, attacked: Mapping[str, Pixels]) -> pd.DataFrame:
        """Success of pictures made against each network, shown to all of them."""
        return table(
            {"learned_on": made_on, "scored_on": name, **self.share("success", pictures, name)}
            for made_on, pictures in attacked.items()
            for name in self.victims.names
        )

    def networks(self) -> pd.DataFrame:
        """How good each network is on the photos as they are, and how often it sees the target there already."""
        rows = []
        for name in self.victims.names:
            found = self.answers(self.pixels, name)
            facts = {"network": name, "weights": self.victims.fingerprint(name)[:12]}
            accuracy = share_with_interval("accuracy", self.right(found), self.level)
            rows.append(facts | accuracy | {"already_target": float(found.success(self.target).mean())})
        return table(rows)


def attacked(
    view: nn.Module,
    photos: Pixels,
    classes: Labels,
    levels: float | NDArray[np.float64],
    how: StepsParameters,
    seed: int,
    batch_size: int,
    device: torch.device | str = "cpu",
    targeted: bool = False,
) -> Pixels:
    """Photos (N, H, W, 3) perturbed by `bounded.perturbed` and rounded to 8 bits.

    Args:
        view: intensities (n, 3, H, W) in 0..1 -> logits (n, classes).
        photos: uint8.
        classes: (N,) to leave, or to reach where ``targeted``.
        levels: radius of the ball in levels of 255, of all photos or of each (N,). In the maximum norm rounding stays in the
            ball where it is a whole number.
        how: the attack.
        seed: of random starts.
        batch_size: photos of one pass.
        device: where to compute.
        targeted: whether ``classes`` are targets.
    """
    view = view.to(device).to(memory_format=torch.channels_last)
    generator = np.random.default_rng(seed)
    radius = np.broadcast_to(np.asarray(levels, dtype=np.float32) / 255, len(photos))
    result = np.empty_like(photos)
    for start in range(0, len(photos), batch_size):
        part = slice(start, start + batch_size)
        labels, size = (torch.from_numpy(np.array(values[part])).to(device) for values in (classes, radius))
        found = perturbed(view, intensities(photos[part], device), labels, size, how, generator, targeted)
        result[part] = to_uint8(found.permute(0, 2, 3, 1).cpu().numpy())
    return result


def distances(before: Pixels, after: Pixels) -> pd.DataFrame:
    """How far photos (N, H, W, 3) were moved: ``linf`` (levels of 255), ``l2`` (Euclidean, intensities 0..1), ``psnr`` (dB,
    infinite for equal ones) and ``ssim`` (`similarity.ssim`)."""
    change = after.astype(np.float64) - before
    square = np.square(change / 255).reshape(len(before), -1)
    with np.errstate(divide="ignore"):
        psnr = -10 * np.log10(square.mean(1))
    linf = np.abs(change).reshape(len(before), -1).max(1)
    return pd.DataFrame(
        {"linf": linf, "l2": np.sqrt(square.sum(1)), "psnr": psnr, "ssim": ssim(before, after)}
    )


def table(rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """Rows with shares as a table: the ends of an interval are called ``low`` and ``high``, of a fitted share ``fitted_low``."""
    ends = {f"{name}.{end}": end for name in ("success", "accuracy") for end in ("low", "high")}
    ends |= {f"fitted_success.{end}": f"fitted_{end}" for end in ("low", "high")}
    return pd.DataFrame(rows).rename(columns=ends)


def class_names(names: Mapping[str, str], labels: NDArray[np.int64]) -> list[str]:
    """Names of classes (N,); networks may answer classes of which there is no photo."""
    return [names.get(str(label), f"class {label}") for label in labels.tolist()]


def share_with_interval(name: str, values: ArrayLike, level: float) -> dict[str, float]:
    """``name``, ``name.low`` and ``name.high`` of a mean over photos.

    Args:
        name: key.
        values: (N,) for each photo whether it succeeded, or (draws, N).
        level: coverage of the interval.

    Raises:
        ValueError: no photos.
    """
    array = np.atleast_2d(np.asarray(values, dtype=np.float64))
    if not array.size:
        raise ValueError(f"{name}: no photos to take a share of")
    share = float(array.mean())
    low, high = wilson(share, array.shape[1], level)
    return {name: share, f"{name}.low": low, f"{name}.high": high}


def compressed(photos: Pixels, quality: int) -> Pixels:
    """Photos (N, H, W, 3) after JPEG compression."""
    from PIL import Image

    result = np.empty_like(photos)
    for index, photo in enumerate(photos):
        stream = io.BytesIO()
        Image.fromarray(photo).save(stream, "JPEG", quality=quality)
        result[index] = np.asarray(Image.open(stream).convert("RGB"))
    return result


def blurred(photos: Pixels, sigma: float, device: torch.device | str = "cpu") -> Pixels:
    """Photos (N, H, W, 3) after a Gaussian blur of ``sigma`` pixels, rounded to 8 bits."""
    with torch.inference_mode():
        smooth = GaussianBlur(sigma).to(device)(intensities(photos, device)).clamp(0, 1)
    return to_uint8(smooth.permute(0, 2, 3, 1).cpu().numpy())


def rescaled(photos: Pixels, factor: float) -> Pixels:
    """Photos (N, H, W, 3) scaled by a factor and back to their size (bilinear, rounded to 8 bits both times)."""
    from PIL import Image

    result = np.empty_like(photos)
    for index, photo in enumerate(photos):
        picture = Image.fromarray(photo)
        width, height = (max(1, round(side * factor)) for side in picture.size)
        small = picture.resize((width, height), Image.Resampling.BILINEAR)
        result[index] = np.asarray(small.resize(picture.size, Image.Resampling.BILINEAR))
    return result
