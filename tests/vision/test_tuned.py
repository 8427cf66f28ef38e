"""Networks in two parts: together they are the network, maps and features are those of its layers, a top starts as a linear answer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from etudes.benches.table_models import Softmax
from etudes.models import ModelState
from etudes.vision import tuned
from etudes.vision.frozen import Projection
from etudes.vision.imagenet import normalised
from etudes.vision.parameters import ViewParameters
from etudes.vision.pretrained import untrained
from etudes.vision.tuned import TopProblem, started

VIEW = ViewParameters(shift=0.2, turn=0.3, zoom=0.1, shear=0, light=0.1, mirror=True)


def backbone() -> tuned.Backbone:
    torch.manual_seed(0)
    return tuned.Backbone(tuned.empty_parts(tuned.TEXTURES, 4).eval(), {"name": tuned.TEXTURES, "width": 4})


@pytest.mark.parametrize(
    ("name", "channels"), [("squeezenet1_1", 512), ("resnet18", 512), ("mobilenet_v2", 1280)]
)
def test_the_parts_in_a_row_are_the_network_without_its_classifier(name: str, channels: int) -> None:
    torch.manual_seed(1)
    network = untrained(name).eval()
    parts, batch = tuned.parts_of(network, name), torch.rand(1, 3, 64, 64)
    body = network.features if hasattr(network, "features") else nn.Sequential(*list(network.children())[:-2])
    with torch.inference_mode():
        found = parts.top(parts.trunk(batch))
        torch.testing.assert_close(found, body(batch))
    assert found.shape[1] == channels and sum(p.numel() for p in parts.top.parameters()) > 0


def test_a_network_whose_last_stage_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match="resnet20_cifar10"):
        tuned.parts_of(untrained("resnet20_cifar10"), "resnet20_cifar10")


def test_maps_begin_with_the_picture_itself_and_features_are_means_of_both_parts() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    eyes = backbone()
    maps = eyes.maps(pixels, VIEW, count=2, seed=5)
    with torch.inference_mode():
        below = eyes.network.trunk(normalised(pixels))
        above = eyes.network.top(below)
    assert maps.shape == (3, 3, *below.shape[1:]) and maps.dtype == np.float16
    np.testing.assert_allclose(maps[:, 0], below, rtol=2e-3, atol=1e-3)
    np.testing.assert_array_equal(maps[:, :1], eyes.maps(pixels))
    assert np.abs(maps[:, 1].astype(float) - maps[:, 2]).max() > 0.01
    np.testing.assert_array_equal(maps, eyes.maps(pixels, VIEW, count=2, seed=5))
    expected = torch.cat([below.mean((2, 3)), above.mean((2, 3))], 1)
    np.testing.assert_allclose(eyes.features(maps[:, 0]), expected, rtol=5e-3, atol=2e-3)


def test_a_backbone_answers_the_same_when_it_was_stored() -> None:
    eyes, pixels = backbone(), np.full((1, 32, 32, 3), 90, np.uint8)
    state = eyes.state()
    again = tuned.Backbone.from_state(ModelState(state.config, state.arrays, state.blobs))
    np.testing.assert_array_equal(again.maps(pixels), eyes.maps(pixels))


def both_means(stage: nn.Module, maps: torch.Tensor) -> np.ndarray:
    return torch.cat([maps.mean((2, 3)), stage(maps).mean((2, 3))], 1).detach().numpy()


def problem() -> tuple[TopProblem, Projection, Softmax]:
    generator = np.random.default_rng(0)
    maps = generator.random((9, 2, 6, 3, 3)).astype(np.float16)
    labels = np.arange(9) % 3
    stage = nn.Sequential(nn.Conv2d(6, 4, 1), nn.ReLU())
    with torch.no_grad():
        features = both_means(stage, torch.from_numpy(maps[:, 0]).float())
    projection = Projection.fit(features, 3)
    rule = Softmax.fit(projection.z(features).astype(np.float64), labels, 1.0)
    top = started(stage.requires_grad_(False), projection, rule.weights, rule.intercepts)
    return TopProblem(top, maps, labels, maps[:3, 0], labels[:3], 3, seed=0), projection, rule


def test_the_top_starts_with_the_answers_of_the_linear_rule() -> None:
    top, projection, rule = problem()
    maps = torch.from_numpy(top.train[:, 0]).float()
    features = both_means(top.model.stage, maps)
    expected = rule.predict_proba(projection.z(features).astype(np.float64))
    np.testing.assert_allclose(top.model(maps).softmax(1).detach().numpy(), expected, atol=1e-4)
    assert all(parameter.requires_grad for parameter in top.model.parameters())


def test_each_picture_is_shown_in_one_of_its_views_and_losses_are_one_each() -> None:
    top, rows = problem()[0], np.array([4, 1, 8])
    maps, labels = top.collate(rows, torch.device("cpu"))
    for place, row in enumerate(rows):
        assert any(np.array_equal(maps[place].numpy(), view.astype(np.float32)) for view in top.train[row])
    assert labels.tolist() == [1, 1, 2]
    losses, ones = top.loss(top.model, (maps, labels))
    assert losses.shape == ones.shape == (3,)
    parts = (top.model, top.train, top.labels, top.dev, top.dev_labels, 3)
    other, begun = TopProblem(*parts, seed=1), TopProblem(*parts, seed=0, start="otherwise")
    drawn = [p.collate(np.arange(9), torch.device("cpu"))[0] for p in (top, other)]
    assert not torch.equal(*drawn)
    assert len({p.fingerprint for p in (top, other, begun)}) == 3
