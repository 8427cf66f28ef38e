"""The variants: how each strip is made, and the model that answers users.

Importing this module registers every class that a model file may name.
"""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.benches.attacks import answers
from etudes.examples import Examples
from etudes.forms.pictures import png_bytes, read_picture
from etudes.models import register_model
from etudes.pipelines.adversarial_strip.learning import Learning, Task
from etudes.pipelines.adversarial_strip.parameters import (
    AttackParameters,
    SweepParameters,
    TransferParameters,
)
from etudes.pipelines.adversarial_strip.strip import Pixels, Strip, Strips, paste, strip_rows
from etudes.serving.predictor import Column, Predictor
from etudes.training.fit import resolve_device
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed
from etudes.training.session import part
from etudes.vision.victims import Victims

__all__ = ["Strip", "StripPredictor", "Strips"]
AT_ONCE = 50  # photos of one forward pass on dev
Trained = tuple[Any, dict[str, Any]]


def train_black(
    dev_split: Examples,
    split_card: dict[str, Any],
    networks_model: Victims,
    attack: AttackParameters,
    run: RunParameters,
) -> Trained:
    """The trivial baseline: the photo's top rows are covered."""
    rows, side = _size(dev_split, attack.height)
    return _finished(np.zeros((1, rows, side, 3), dtype=np.uint8), dev_split, split_card, networks_model, run)


def train_random(
    dev_split: Examples,
    split_card: dict[str, Any],
    networks_model: Victims,
    attack: AttackParameters,
    run: RunParameters,
) -> Trained:
    """Uniform noise, several draws."""
    generator = np.random.default_rng(derive_seed(run.seed, "random"))
    shape = (attack.draws, *_size(dev_split, attack.height), 3)
    pixels = generator.integers(0, 256, size=shape, dtype=np.uint8)
    return _finished(pixels, dev_split, split_card, networks_model, run)


def train_natural(
    networks_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    networks_model: Victims,
    attack: AttackParameters,
    run: RunParameters,
) -> Trained:
    """Strips cut out of photos of the target itself, at evenly spaced heights: several draws."""
    rows, side = _size(dev_split, attack.height)
    of_target = np.flatnonzero(networks_split.rows["label"].to_numpy() == split_card["target"])
    tops = np.unique(np.linspace(0, side - rows, attack.draws).round().astype(int))
    places = [(photo, top) for photo in of_target for top in tops]
    generator = np.random.default_rng(derive_seed(run.seed, "natural"))
    chosen = [places[place] for place in generator.permutation(len(places))[: attack.draws]]
    pixels = np.stack([networks_split["pixels"][photo, top : top + rows] for photo, top in chosen])
    return _finished(pixels, dev_split, split_card, networks_model, run)


def train_learned(
    train_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    networks_model: Victims,
    attack: AttackParameters,
    run: RunParameters,
    loss: str = "cross_entropy",
    related: bool = False,
) -> Trained:
    """Learned with a loss; where ``related``, photos of related classes alone, which choose its iteration too."""
    seen = [train_split, dev_split]
    if related:
        seen = [photos.take(photos.rows["related"].to_numpy()) for photos in seen]
    task = _task(networks_model, networks_model.victim, seen, split_card, attack.height, loss)
    pixels, history = Learning(task, attack.learning, run).learn()
    model, scores = _finished(pixels[None], dev_split, split_card, networks_model, run)
    return model, {**history, **scores}


def train_sweep(
    train_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    networks_model: Victims,
    parameters: SweepParameters,
    run: RunParameters,
) -> Trained:
    """One strip for each height, all against the victim."""
    victim, seen = networks_model.victim, [train_split, dev_split]
    tasks = {}
    for height in parameters.heights:
        rows, _ = _size(train_split, height)
        tasks[f"{height:g}"] = _task(
            networks_model, victim, seen, split_card, height, parameters.loss, f"rows_{rows}"
        )
    return _several(tasks, dict.fromkeys(tasks, victim), split_card, networks_model, parameters, run)


def train_transfer(
    train_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    networks_model: Victims,
    attack: AttackParameters,
    parameters: TransferParameters,
    run: RunParameters,
) -> Trained:
    """One strip against each network but the victim, whose strip is in the sweep."""
    seen, tasks = [train_split, dev_split], {}
    for name in networks_model.names[1:]:
        short = name.replace("@", "_")
        tasks[name] = _task(networks_model, name, seen, split_card, attack.height, parameters.loss, short)
    return _several(tasks, {name: name for name in tasks}, split_card, networks_model, parameters, run)


def _several(
    tasks: dict[str, Task],
    networks: dict[str, str],
    split_card: dict[str, Any],
    victims: Victims,
    parameters: SweepParameters | TransferParameters,
    run: RunParameters,
) -> Trained:
    strips, histories = {}, {}
    for name, task in tasks.items():
        with part(task.name):
            pixels, histories[name] = Learning(task, parameters.learning, run).learn()
        strips[name] = Strip(pixels[None], _card(split_card, victims, networks[name]))
    return Strips(strips), histories


def _task(
    victims: Victims,
    network: str,
    seen: list[Examples],
    split_card: dict[str, Any],
    height: float,
    loss: str,
    name: str = "",
) -> Task:
    train, dev = (np.asarray(photos["pixels"]) for photos in seen)
    rows, _ = _size(seen[0], height)
    view, weights = victims.view(network), victims.fingerprint(network)
    return Task(view, weights, train, dev, split_card["target"], rows, loss, name)


def _size(photos: Examples, height: float) -> tuple[int, int]:
    """Rows of the strip, and side of the photos, in pixels."""
    side = int(photos["pixels"].shape[1])
    return strip_rows(height, side), side


def _card(split_card: dict[str, Any], victims: Victims, network: str) -> dict[str, Any]:
    """What a strip was made for."""
    target = {name: split_card[name] for name in ("target", "target_name")}
    return {**target, "network": network, "network_fingerprint": victims.fingerprint(network)}


def _finished(
    pixels: Pixels, dev: Examples, split_card: dict[str, Any], victims: Victims, run: RunParameters
) -> Trained:
    """Strips (draws, h, W, 3) as a model, with their scores on all of dev."""
    view, device = victims.view(victims.victim), resolve_device(run.device)
    photos, target = np.asarray(dev["pixels"]), split_card["target"]
    found = [answers(view, paste(photos, strip), target, AT_ONCE, device) for strip in pixels]
    scores = {
        "success": float(np.mean([answer.success(target) for answer in found])),
        "target_log_probability": float(np.mean([answer.of_target for answer in found])),
    }
    return Strip(pixels, _card(split_card, victims, victims.victim)), {"dev": scores}


@register_model("adversarial_strip.predictor")
class StripPredictor(Predictor):
    """The chosen strip and its victim behind a user's photo.

    Parts: ``networks``, the victim alone; ``names``, class index (as text) -> name; ``size`` and ``crop``, how photos
    are resized and cut, in pixels. Of several strips the first is used.
    """

    suffix = ".png"
    networks: Victims
    names: dict[str, str]
    size: int
    crop: int

    @property
    def columns(self) -> tuple[Column, ...]:
        """The photo; the example is one of bands of grey."""
        band = np.linspace(40, 220, self.crop).astype(np.uint8)[:, None, None]
        return (Column("image", "picture", examples=(_base64(np.tile(band, (1, self.crop, 3))),)),)

    def answer(self, frame: pd.DataFrame) -> pd.DataFrame:
        """One row per photo: the class ``before`` and ``after`` the strip with their probabilities, the target's
        probability after it, whether it ``succeeded``, and the ``picture`` with the strip (PNG, base64)."""
        photos = np.stack([read_picture(raw, self.size, self.crop) for raw in frame["image"]])
        patched, target = paste(photos, self.model.pixels[0]), int(self.model.card["target"])
        view = self.networks.view(self.networks.victim)
        before, after = (answers(view, pictures, target, AT_ONCE) for pictures in (photos, patched))
        return pd.DataFrame(
            {
                "before": class_names(self.names, before.predicted),
                "before_probability": before.confidence,
                "after": class_names(self.names, after.predicted),
                "after_probability": after.confidence,
                "target_probability": np.exp(after.of_target),
                "succeeded": after.success(target),
                "picture": [_base64(photo) for photo in patched],
            }
        )

    def describe(self, answer: pd.DataFrame) -> str:
        """Class before and after the strip of the first row."""
        row = answer.iloc[0]
        return (
            f"without the strip: {row['before']:<24} {row['before_probability']:6.1%}\n"
            f"with the strip:    {row['after']:<24} {row['after_probability']:6.1%}"
        )

    def draw(self, answer: pd.DataFrame) -> bytes:
        """The first photo with the strip."""
        return base64.b64decode(answer["picture"].iloc[0])


def class_names(names: dict[str, str], labels: NDArray[np.int64]) -> list[str]:
    """Names of classes; networks may answer classes of which there is no photo."""
    return [names.get(str(label), f"class {label}") for label in labels.tolist()]


def _base64(pixels: Pixels) -> str:
    return base64.b64encode(png_bytes(pixels)).decode()
