"""Networks from scratch: equal weights, the grids they end in, and a stage that starts as the linear answer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from etudes.benches.table_models import Softmax
from etudes.pipelines.food_classification.networks import nearest_width, scratch_network, weights
from etudes.pipelines.food_classification.transfer import TopProblem, started
from etudes.vision.frozen import Projection

VARIANTS = ("cnn", "batch_norm", "augmented", "half_depth", "dense")


def made(variant: str, side: int = 32) -> nn.Sequential:
    return scratch_network(variant, side, (8, 16, 32, 32), 32, 5)


def counted(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_network_has_about_the_weights_of_the_one_with_normalisation(variant: str) -> None:
    network = made(variant).eval()
    assert network(torch.rand(2, 3, 32, 32)).shape == (2, 5)
    assert abs(counted(network) / counted(made("augmented")) - 1) < 0.1


def test_half_depth_has_half_the_convolutions_and_the_same_last_grid() -> None:
    deep, half = made("augmented"), made("half_depth")
    grids = []
    for network, depth in ((deep, 4), (half, 2)):
        assert sum(isinstance(layer, nn.Conv2d) for layer in network) == depth
        before = next(i for i, layer in enumerate(network) if isinstance(layer, nn.Flatten))
        grids.append(network[:before].eval()(torch.rand(1, 3, 32, 32)).shape[2:])
    assert grids[0] == grids[1] == (2, 2)
    assert not any(isinstance(layer, nn.Conv2d) for layer in made("dense"))
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in made("cnn"))


def test_the_nearest_width_is_that_of_a_search_through_all() -> None:
    def line(width: int) -> nn.Module:
        return nn.Sequential(nn.Linear(7, width), nn.Linear(width, width))

    for target in (9, 100, 1000, 54321):
        found = abs(counted(line(nearest_width(line, target))) - target)
        assert found == min(abs(counted(line(width)) - target) for width in range(1, 400))
    assert weights(lambda: line(3)) == counted(line(3))


def test_a_side_that_cannot_be_halved_and_an_unknown_network_are_refused() -> None:
    with pytest.raises(ValueError, match="side = 24 cannot be halved 4 times"):
        made("cnn", side=24)
    with pytest.raises(ValueError, match="there is no network 'lstm'"):
        made("lstm")


def problem() -> tuple[TopProblem, Projection, Softmax]:
    generator = np.random.default_rng(0)
    maps = generator.random((9, 2, 6, 3, 3)).astype(np.float16)
    labels = np.arange(9) % 3
    stage = nn.Sequential(nn.Conv2d(6, 4, 1), nn.ReLU())
    with torch.no_grad():
        features = stage(torch.from_numpy(maps[:, 0]).float()).mean((2, 3)).numpy()
    projection = Projection.fit(features, 3)
    rule = Softmax.fit(projection.z(features).astype(np.float64), labels, 1.0)
    top = started(stage.requires_grad_(False), projection, rule)
    return TopProblem(top, maps, labels, maps[:3, 0], labels[:3], 3, seed=0), projection, rule


def test_the_top_starts_with_the_answers_of_the_linear_rule() -> None:
    top, projection, rule = problem()
    maps = torch.from_numpy(top.train[:, 0]).float()
    features = top.model.stage(maps).mean((2, 3)).detach().numpy()
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
    other = TopProblem(top.model, top.train, top.labels, top.dev, top.dev_labels, 3, seed=1)
    drawn = [p.collate(np.arange(9), torch.device("cpu"))[0] for p in (top, other)]
    assert not torch.equal(*drawn) and top.fingerprint != other.fingerprint
