"""The variants: one loop (`etudes.vision.bounded`) with other settings, and the model that answers users.

Importing this module registers every class that a model file may name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from etudes.benches.attack_predictor import PerturbationPredictor
from etudes.benches.attacks import Labels, Pixels, answers, attacked
from etudes.examples import Examples
from etudes.models import register_model
from etudes.pipelines.fgsm_attack.parameters import AttackParameters, BoardParameters
from etudes.stored import Stored
from etudes.training.fit import resolve_device
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed
from etudes.vision.parameters import StepsParameters
from etudes.vision.victims import Victims

AT_ONCE = 100  # pictures of one pass
Trained = tuple[Any, dict[str, Any]]


@register_model("fgsm_attack.attack")
@dataclass
class Attack(Stored):
    """An attack of one kind: ``how`` it goes, ``levels`` (of 255) how far on photos, ``seed`` of its random starts."""

    how: StepsParameters
    levels: int
    seed: int

    def attacked(self, view: nn.Module, photos: Pixels, classes: Labels) -> Pixels:
        """Photos (N, H, W, 3) moved away from their classes (N,)."""
        return attacked(view, photos, classes, self.levels, self.how, self.seed, AT_ONCE)


@register_model("fgsm_attack.predictor")
class GradientPredictor(PerturbationPredictor):
    """The chosen attack and the photos' network behind a user's photo."""

    attack = "change"


def kinds(variant: str, settings: AttackParameters) -> list[StepsParameters]:
    """What dev chooses among for a variant: the same loop with different steps.

    ``noise`` is the corner of the box that random signs point to, the trivial baseline; it has nothing to choose.
    """
    tried = {"noise": (1.0,), "fgsm": settings.one_step}.get(variant, settings.many_steps)
    return [
        StepsParameters(
            norm="linf",
            steps={"noise": 0, "fgsm": 1}.get(variant, settings.steps),
            step=step,
            momentum=settings.momentum if variant == "mifgsm" else 0.0,
            start={"noise": "corner", "pgd": "uniform"}.get(variant, "picture"),  # type: ignore[arg-type]
            loss="cross_entropy",
            rounded=True,
            enough=0.0 if variant not in ("noise", "fgsm") else None,
        )
        for step in tried
    ]


def train(
    dev_split: Examples,
    networks_model: Victims,
    attack: AttackParameters,
    pictures_board: BoardParameters,
    photos_board: BoardParameters,
    run: RunParameters,
    variant: str = "",
) -> Trained:
    """Try the settings of a variant on the dev pictures that the victim knows, at the main radius, and keep the best.

    Of equal success the one with the lower mean log-probability of the true class is kept.

    Raises:
        ValueError: the victim knows none of the dev pictures.
    """
    view, device = networks_model.view(networks_model.victim), resolve_device(run.device)
    pixels, labels = np.asarray(dev_split["pixels"]), dev_split.rows["label"].to_numpy()
    right = answers(view, pixels, labels, AT_ONCE, device).predicted == labels
    if not right.any():
        raise ValueError(
            f"{networks_model.victim} answers none of {len(labels)} dev pictures rightly; expected a network that knows "
            "them. Train it longer (networks.fit), or name another."
        )
    pixels, labels, seed = pixels[right], labels[right], derive_seed(run.seed, variant)
    trials = []
    for how in kinds(variant, attack):
        moved = attacked(view, pixels, labels, pictures_board.main, how, seed, AT_ONCE, device)
        found = answers(view, moved, labels, AT_ONCE, device)
        success, of_class = float((found.predicted != labels).mean()), float(found.of_target.mean())
        trials.append({"step": how.step, "success": success, "log_probability": of_class})
    best = max(
        range(len(trials)), key=lambda place: (trials[place]["success"], -trials[place]["log_probability"])
    )
    model = Attack(kinds(variant, attack)[best], photos_board.main, seed)
    return model, {"dev": {"success": trials[best]["success"]}, "trials": trials}
