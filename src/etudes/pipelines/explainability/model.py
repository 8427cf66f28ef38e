"""A map with the settings that dev chose, and the same behind a user's picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from etudes.benches.attacks import answers, class_names
from etudes.benches.photo_predictor import PhotoPredictor
from etudes.evaluation.map_ranks import ranked
from etudes.examples import Examples
from etudes.forms.pictures import png_text
from etudes.models import register_model
from etudes.pipelines.explainability.maps import METHODS, Asked, Own, smoothed, tried
from etudes.pipelines.explainability.parameters import MapsParameters, ScoringParameters
from etudes.stored import Stored
from etudes.training.fit import resolve_device
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed
from etudes.vision.deletion import Labels, Pixels, areas_of, score_curves
from etudes.vision.heat_maps import overlay_of_ranks
from etudes.vision.victims import Victims, View, intensities

Maps = NDArray[np.float32]


@register_model("explainability.explainer")
@dataclass
class Explainer(Stored):
    """A method, its ``own`` setting, the ``blur`` of its maps (share of the side), and the ``seed`` of what it draws."""

    method: str
    own: Own
    blur: float
    how: MapsParameters
    seed: int

    def maps(
        self,
        view: View,
        photos: Pixels,
        classes: Labels,
        device: torch.device | str = "cpu",
        draw: int = 0,
    ) -> Maps:
        """Maps (N, H, W) of what the classes (N,) of photos (N, H, W, 3) hang on; other ``draw``, other chance."""
        raw = self.raw(view, photos, classes, device, draw)
        return smoothed(torch.from_numpy(raw), self.blur).numpy()

    def raw(
        self, view: View, photos: Pixels, classes: Labels, device: torch.device | str = "cpu", draw: int = 0
    ) -> Maps:
        """The same before they are blurred."""
        view = view.to(device).to(memory_format=torch.channels_last)
        parts = []
        for start in range(0, len(photos), self.how.batch_size):
            piece = slice(start, start + self.how.batch_size)
            labels = torch.from_numpy(np.array(classes[piece], dtype=np.int64)).to(device)
            seed = derive_seed(self.seed, draw, start)
            asked = Asked(view, intensities(photos[piece], device), labels, self.how, seed)
            parts.append(METHODS[self.method](asked, self.own).detach().float().cpu().numpy())
        return np.concatenate(parts)


def choose(
    dev_split: Examples,
    networks_model: Victims,
    maps: MapsParameters,
    scoring: ScoringParameters,
    run: RunParameters,
    variant: str = "",
) -> tuple[Explainer, dict[str, Any]]:
    """Try the settings of a method on the dev photos and keep the one with the largest mean faithfulness.

    What is explained is what the network answers, right or wrong. Numbers that know nothing and the middle have nothing
    to choose; every method that asks the network has as many trials as the others.
    """
    view, device = networks_model.view(networks_model.victim), resolve_device(run.device)
    pixels = np.asarray(dev_split["pixels"])
    classes = answers(view, pixels, 0, maps.batch_size, device).predicted
    trials: list[dict[str, Any]] = []
    heats = []
    for own in tried(variant, maps):
        explainer = Explainer(variant, own, 0.0, maps, derive_seed(run.seed, variant))
        raw = torch.from_numpy(explainer.raw(view, pixels, classes, device))
        for blur in (0.0,) if variant in ("random", "centre") else maps.blur:
            trials.append({"own": own, "blur": blur})
            heats.append(smoothed(raw, blur).numpy())
    found = areas_of(score_curves(view, pixels, classes, heats, scoring, run.seed, device=device))
    trials = [
        trial | {name: float(values[place].mean()) for name, values in found.items()}
        for place, trial in enumerate(trials)
    ]
    best = max(trials, key=lambda trial: trial["faithfulness"])
    model = Explainer(variant, best["own"], best["blur"], maps, derive_seed(run.seed, variant))
    return model, {"dev": {name: best[name] for name in found}, "trials": trials}


@register_model("explainability.predictor")
class MapPredictor(PhotoPredictor):
    """The network behind a user's picture, and the chosen map of what its answer hangs on."""

    def answer(self, frame: pd.DataFrame) -> pd.DataFrame:
        """One row for each picture: the class and its probability, the ``method`` of the map, and the ``picture`` with the
        map over it (PNG, base64)."""
        photos, view = self.photos(frame), self.view
        found = answers(view, photos, 0, self.model.how.batch_size)
        # One by one: what is drawn for a picture shall not depend on those beside it.
        ranks = [
            ranked(self.model.maps(view, photos[place : place + 1], found.predicted[place : place + 1]))[0]
            for place in range(len(photos))
        ]
        return pd.DataFrame(
            {
                "class": class_names(self.names, found.predicted),
                "probability": found.confidence,
                "method": self.model.method,
                "picture": [png_text(overlay_of_ranks(*pair)) for pair in zip(photos, ranks, strict=True)],
            }
        )

    def describe(self, answer: pd.DataFrame) -> str:
        """Class, probability and method of the first row."""
        row = answer.iloc[0]
        return f"{row['class']:<24} {row['probability']:6.1%}\nthe darker, the more it hangs on it ({row['method']})"
