"""Maps by one signature, the choice of their settings and mosaics against what must hold of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from torch import nn

from etudes.examples import Examples
from etudes.pipelines.explainability import evaluation, maps, model
from etudes.pipelines.explainability.parameters import Parameters
from etudes.vision.victims import SmallNetwork, Victims, View, small_network
from study_settings import CONF, merged, run_parameters, settings_of

SIDE = 24
given = settings_of("explainability", Parameters)
HOW = given("maps")


def pixels(count: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, SIDE, SIDE, 3)).astype(np.uint8)


def cnn() -> View:
    torch.manual_seed(0)
    return View(small_network("deep_cnn", 3, SIDE)).eval().requires_grad_(False)


class Bright(nn.Module):
    """Logits of two classes: how red, and how green the picture is in the mean, times ten."""

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return 10 * pictures[:, :2].mean((2, 3))


def spot(count: int = 4) -> np.ndarray:
    """Grey pictures with a red square up to the left."""
    found = np.full((count, SIDE, SIDE, 3), 100, dtype=np.uint8)
    found[:, 4:10, 4:10] = (255, 0, 0)
    return found


@pytest.mark.parametrize("method", maps.METHODS)
def test_every_method_gives_a_map_of_each_photo_and_repeats_it(method: str) -> None:
    view, classes = cnn(), np.array([0, 1, 2, 1])
    for own in maps.tried(method, HOW):
        explainer = model.Explainer(method, own, 0.05, HOW, 3)
        found = explainer.maps(view, pixels(), classes)
        assert found.shape == (4, SIDE, SIDE) and found.dtype == np.float32 and np.isfinite(found).all()
        assert np.array_equal(found, explainer.maps(view, pixels(), classes))


def test_every_method_that_asks_the_network_has_as_many_trials_in_base_and_full() -> None:
    base, full = (
        yaml.safe_load((CONF / name / "parameters/explainability.yml").read_text())["explainability"]
        for name in ("base", "full")
    )
    for settings in (base, merged(base, full)):
        how = Parameters.model_validate(settings).maps
        assert {len(maps.tried(method, how)) for method in list(maps.METHODS)[3:]} == {2}


@pytest.mark.parametrize("method", ["saliency", "smoothgrad", "integrated_gradients", "occlusion", "lime"])
def test_methods_find_what_the_score_is_made_of(method: str) -> None:
    """A network that squares red sees the red square; the class of green does not."""

    class Squares(nn.Module):
        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            return pictures[:, :2].clamp(min=0).square().mean((2, 3))

    how = HOW.model_copy(update={"samples": 200, "copies": 5, "steps": 8})
    own = {"occlusion": 0.2, "lime": 16}.get(method, maps.tried(method, how)[0])
    explainer = model.Explainer(method, own, 0.0, how, 0)
    heat = explainer.maps(View(Squares()), spot(1), np.array([0]))[0]
    inside = np.zeros((SIDE, SIDE), dtype=bool)
    inside[4:10, 4:10] = True
    assert heat[inside].mean() > heat[~inside].mean() + heat.std()


def test_edges_and_centre_do_not_look_at_the_network() -> None:
    for method in ("edges", "centre"):
        one, other = (
            model.Explainer(method, "", 0.0, HOW, 0).maps(view, spot(2), np.array([0, 1]))
            for view in (cnn(), View(Bright()))
        )
        assert np.array_equal(one, other)
    flat = model.Explainer("edges", "", 0.0, HOW, 0).maps(cnn(), spot(1), np.array([0]))[0]
    assert flat[5:9, 12:].max() < 1e-5 and flat[4:10, 3:5].min() > 0.1


def test_a_layer_at_a_depth() -> None:
    layers: list[nn.Module] = [nn.Identity() for _ in range(13)]
    assert [maps.at_depth(layers, depth) for depth in (0.01, 0.6, 1.0)] == [0, 7, 12]
    with pytest.raises(ValueError, match="no layers"):
        maps.at_depth([], 0.5)


def test_mosaics_ask_what_the_network_knows_and_all_where_it_knows_nothing() -> None:
    how = given("evaluation", mosaics=3)
    photos_, labels = np.zeros((6, SIDE, SIDE, 3), dtype=np.uint8), np.array([0, 1, 0, 1, 0, 1])
    photos_[labels == 0, ..., 0] = photos_[labels == 1, ..., 1] = 200
    explainers = {"saliency": model.Explainer("saliency", "logit", 0.0, HOW, 0)}
    found = evaluation.mosaic_scores(explainers, View(Bright()), photos_, labels, how, 0, "cpu")
    assert list(found) == ["saliency.pointing"] and len(found) == 3
    found = evaluation.mosaic_scores(explainers, View(Bright()), photos_, 1 - labels, how, 0, "cpu")
    assert len(found) == 3


def test_dev_chooses_the_setting_with_the_largest_faithfulness() -> None:
    network = SmallNetwork(
        nn.Sequential(nn.Conv2d(3, 2, 1, bias=False)), nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    )
    victims = Victims(["cnn"], {"cnn": network}, {"classes": 2, "side": SIDE, "fingerprints": {"cnn": "x"}})
    rows = pd.DataFrame({"id": list("abc"), "label": [0, 1, 0], "name": ["r", "g", "r"]})
    dev = Examples(rows, {"pixels": pixels(3)})
    how = HOW.model_copy(update={"window": (0.2, 0.5)})
    found, history = model.choose(dev, victims, how, given("scoring"), run_parameters(), variant="occlusion")
    assert len(history["trials"]) == 2 * len(HOW.blur)
    assert history["dev"]["faithfulness"] == max(trial["faithfulness"] for trial in history["trials"])
    assert {"own": found.own, "blur": found.blur}.items() <= max(
        history["trials"], key=lambda trial: trial["faithfulness"]
    ).items()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"networks": {"names": ["mlp"]}}, "one network that has convolutions"),
        ({"networks": {"names": ["cnn", "deep_cnn"]}}, "one network that has convolutions"),
        ({"scoring": {"square": 7}}, "scoring.square = 7 does not divide photos.crop = 24"),
        ({"evaluation": {"mosaic_side": 25}}, "mosaic_side = 25 is larger than photos.crop = 24"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes: dict[str, dict[str, object]], said: str) -> None:
    ((name, values),) = changes.items()
    with pytest.raises(ValueError, match=said):
        given(name, **values)
