"""The variants: how each strip is made, and the model that answers users.

Importing this module registers every class that a model file may name.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from etudes.benches.attack_predictor import AttackPredictor
from etudes.benches.attacks import answers
from etudes.examples import Examples
from etudes.models import register_model
from etudes.pipelines.adversarial_strip.learning import Learning, Task
from etudes.pipelines.adversarial_strip.parameters import (
    AttackParameters,
    SweepParameters,
    TransferParameters,
)
from etudes.pipelines.adversarial_strip.strip import Pixels, Strips, paste, strip_rows
from etudes.training.fit import resolve_device
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed
from etudes.training.session import part
from etudes.vision.victims import Victims

__all__ = ["StripPredictor", "Strips"]
AT_ONCE = 50  # photos of one forward pass on dev
Trained = tuple[Any, dict[str, Any]]


@register_model("adversarial_strip.predictor")
class StripPredictor(AttackPredictor):
    """The chosen strip and its victim behind a user's photo; of several draws the first is used."""

    attack = "strip"


def train_drawn(
    networks_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    networks_model: Victims,
    attack: AttackParameters,
    run: RunParameters,
    name: str = "",
) -> Trained:
    """Strips that are not learned: ``black`` covers the top rows, the trivial baseline; ``random`` is uniform noise,
    several draws; ``natural`` is cut out of photos of the target itself, at evenly spaced heights, several draws."""
    side = int(dev_split["pixels"].shape[1])
    rows, generator = strip_rows(attack.height, side), np.random.default_rng(derive_seed(run.seed, name))
    if name == "black":
        pixels = np.zeros((1, rows, side, 3), dtype=np.uint8)
    elif name == "random":
        pixels = generator.integers(0, 256, size=(attack.draws, rows, side, 3), dtype=np.uint8)
    else:
        of_target = np.flatnonzero(networks_split.rows["label"].to_numpy() == split_card["target"])
        tops = np.unique(np.linspace(0, side - rows, attack.draws).round().astype(int))
        places = [(photo, top) for photo in of_target for top in tops]
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
    """Learned with a loss; where ``related``, on photos of related classes alone, which choose its iteration too."""
    train, dev = (
        np.asarray(photos["pixels"][photos.rows["related"].to_numpy() if related else slice(None)])
        for photos in (train_split, dev_split)
    )
    target, victim = split_card["target"], networks_model.victim
    task = Task(networks_model, victim, train, dev, target, attack.height, loss)
    pixels, history = Learning(task, attack.learning, run).learn()
    model, scores = _finished(pixels[None], dev_split, split_card, networks_model, run)
    return model, {**history, **scores}


def train_several(
    train_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    networks_model: Victims,
    attack: AttackParameters,
    parameters: SweepParameters | TransferParameters,
    run: RunParameters,
) -> Trained:
    """One strip for each height, all against the victim; or of one height against each network but the victim, whose
    strip is in the sweep."""
    train, dev = (np.asarray(photos["pixels"]) for photos in (train_split, dev_split))
    if isinstance(parameters, SweepParameters):
        victim, heights = networks_model.victim, parameters.heights
        wanted = {f"{h:g}": (victim, h, f"rows_{strip_rows(h, train.shape[1])}") for h in heights}
    else:
        wanted = {n: (n, attack.height, n.replace("@", "_")) for n in networks_model.names[1:]}
    target, strips, histories = split_card["target"], {}, {}
    for key, (network, height, name) in wanted.items():
        task = Task(networks_model, network, train, dev, target, height, parameters.loss, name)
        with part(name):
            pixels, histories[key] = Learning(task, parameters.learning, run).learn()
        strips[key] = pixels[None]
    return Strips(strips, {"target": target}), histories


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
    weights = victims.fingerprint(victims.victim)
    card = {"target": target, "network": victims.victim, "network_fingerprint": weights}
    return Strips({"strip": pixels}, card), {"dev": scores}
