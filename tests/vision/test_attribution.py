"""Each map by what must hold of it: completeness, linearity, a closed form, scikit-learn's regression."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from etudes.vision import attribution
from etudes.vision.victims import View, small_network

SIDE = 16
without_captum = pytest.mark.skipif(not importlib.util.find_spec("captum"), reason="captum is not installed")


@pytest.fixture
def view() -> nn.Module:
    torch.manual_seed(0)
    return View(small_network("cnn", 4, SIDE)).double().eval()


def photos(count: int = 3) -> tuple[Tensor, Tensor]:
    made = torch.rand(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return made, torch.arange(count) % 4


def linear() -> tuple[Tensor, nn.Module]:
    """A view that is linear, and its weights (2, 3, H, W)."""
    weights = torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    network = nn.Sequential(nn.Flatten(), nn.Linear(weights[0].numel(), 2).double())
    network[1].weight.data = weights.flatten(1)
    return weights, network


def test_gradients_are_finite_differences(view: nn.Module) -> None:
    some, classes = photos(2)
    found, step = attribution.gradients(view, some, classes), 1e-6
    for place in ((0, 0, 3, 4), (1, 2, 9, 15)):
        moved = [some.clone(), some.clone()]
        moved[0][place] += step
        moved[1][place] -= step
        up, down = (view(one)[place[0], classes[place[0]]] for one in moved)
        assert found[place].item() == pytest.approx(((up - down) / (2 * step)).item(), abs=1e-7)


def test_saliency_of_a_linear_view_is_its_largest_weight() -> None:
    weights, network = linear()
    found = attribution.saliency(network, photos(2)[0], torch.tensor([1, 0]))
    assert torch.allclose(found, weights.abs().amax(1)[[1, 0]])


def test_smooth_gradients_average_over_noise() -> None:
    some, classes = photos(2)
    square = lambda x: torch.stack([x.square().sum((1, 2, 3)) / 2] * 4, 1)  # noqa: E731  its gradient is the photo
    found = attribution.smooth_gradients(square, some, classes, 0.3, 3, torch.Generator().manual_seed(5))
    generator = torch.Generator().manual_seed(5)
    noise = torch.stack(
        [torch.randn(some.shape, generator=generator, dtype=some.dtype) for _ in range(3)]
    ).mean(0)
    spread = 0.3 * (some.amax((1, 2, 3)) - some.amin((1, 2, 3)))[:, None, None, None]
    assert torch.allclose(found, (some + spread * noise).abs().amax(1))


@pytest.mark.parametrize("level", [0.0, 0.5])
def test_integrated_gradients_are_complete(view: nn.Module, level: float) -> None:
    some, classes = photos()
    baseline = torch.full_like(some[:1], level)
    found = attribution.integrated_gradients(view, some, classes, baseline, 2000).sum((1, 2, 3))
    wanted = (view(some) - view(baseline)).gather(1, classes[:, None])[:, 0]
    assert torch.allclose(found, wanted, atol=1e-5)


def test_integrated_gradients_are_linear_in_the_view(view: nn.Module) -> None:
    some, classes = photos()
    other, zero = lambda x: view(x.flip(3)).square(), torch.zeros_like(some[:1])
    maps = [attribution.integrated_gradients(one, some, classes, zero, 5) for one in (view, other)]
    both = lambda x: 2 * view(x) - 3 * other(x)  # noqa: E731
    found = attribution.integrated_gradients(both, some, classes, zero, 5)
    assert torch.allclose(found, 2 * maps[0] - 3 * maps[1])


def test_grad_cam_of_a_mean_over_places_is_the_class_activation_map() -> None:
    """Where a mean and a linear layer follow, the gradient is the weight of the channel over the places."""
    torch.manual_seed(0)
    convolution, head = nn.Conv2d(3, 5, 3).double(), nn.Linear(5, 4).double()
    network = nn.Sequential(convolution, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)
    some, classes = photos()
    found = attribution.grad_cam(network, convolution, some, classes)
    activations = convolution(some)
    maps = (head.weight[classes][:, :, None, None] * activations).sum(1, keepdim=True) / activations[
        0, 0
    ].numel()
    wanted = nn.functional.interpolate(maps.relu(), (SIDE, SIDE), mode="bilinear", align_corners=False)[:, 0]
    assert torch.allclose(found, wanted)


def test_grad_cam_survives_an_activation_in_place_and_refuses_a_layer_that_is_no_map() -> None:
    torch.manual_seed(0)
    layers = [
        nn.Conv2d(3, 5, 3),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(5, 4),
    ]
    network = nn.Sequential(*layers).double()
    some, classes = photos()
    found = attribution.grad_cam(network, network[0], some, classes)
    layers[1].inplace = False
    assert torch.equal(found, attribution.grad_cam(network, network[0], some, classes))
    for layer, what in ((network[4], r"\(3, 4\)"), (nn.Conv2d(3, 5, 3), "nothing")):
        with pytest.raises(ValueError, match=f"Grad-CAM gave .*{what}.*name a convolution"):
            attribution.grad_cam(network, layer, some, classes)
    assert not network[4]._forward_hooks


def test_occlusion_of_a_linear_view_is_what_the_squares_hold() -> None:
    weights, network = linear()
    some, _ = photos(1)
    found = attribution.occlusion(network, some, torch.tensor([1]), 4, 4, torch.full((1, 3, 1, 1), 0.25), 2)
    parts = (weights[1] * (some[0] - 0.25)).sum(0).reshape(4, 4, 4, 4).sum((1, 3))
    assert torch.allclose(found[0], parts.repeat_interleave(4, 0).repeat_interleave(4, 1))


def test_occlusion_covers_every_pixel_and_refuses_gaps() -> None:
    assert list(attribution._starts(16, 6, 5)) == [0, 5, 10] and list(attribution._starts(16, 6, 4)) == [
        0,
        4,
        8,
        10,
    ]
    for window, stride in ((4, 5), (17, 5)):
        with pytest.raises(ValueError, match="stride <= window <= side"):
            attribution.occlusion(linear()[1], *photos(1), window, stride, torch.zeros(1), 2)


def test_ridge_is_that_of_scikit_learn() -> None:
    from sklearn.linear_model import Ridge

    generator = np.random.default_rng(0)
    x, y, weights = generator.normal(size=(40, 6)) + 1, generator.normal(size=40), generator.random(40)
    wanted = Ridge(alpha=0.7).fit(x, y, sample_weight=weights).coef_
    assert np.allclose(attribution.ridge(x, y, weights, 0.7), wanted, atol=1e-10)


def test_lime_finds_the_parts_of_a_linear_view() -> None:
    weights, network = linear()
    some = photos(1)[0][0]
    parts = np.arange(16).reshape(4, 4).repeat(4, 0).repeat(4, 1)
    fill = torch.zeros(3, 1, 1, dtype=torch.float64)
    found = attribution.lime(network, some, 0, parts, 200, fill, 64, np.random.default_rng(0), penalty=1e-9)
    wanted = (weights[0] * some).sum(0).reshape(4, 4, 4, 4).sum((1, 3))
    assert torch.allclose(found, wanted.repeat_interleave(4, 0).repeat_interleave(4, 1), atol=1e-6)
    with pytest.raises(ValueError, match=r"parts have the shape \(4, 4\)"):
        attribution.lime(network, some, 0, parts[::4, ::4], 9, fill, 4, np.random.default_rng(0))


def test_edges_are_those_of_scipy() -> None:
    from scipy.ndimage import sobel

    grey = photos(2)[0].mean(1).numpy()
    wanted = [np.hypot(sobel(one, 0, mode="mirror"), sobel(one, 1, mode="mirror")) for one in grey]
    assert np.allclose(attribution.edge_map(photos(2)[0]).numpy(), np.stack(wanted))


@pytest.mark.parametrize(("height", "width"), [(32, 32), (224, 200)])
def test_segments_keep_to_edges_and_leave_no_pixel_out(height: int, width: int) -> None:
    photo = np.zeros((height, width, 3), dtype=np.uint8)
    photo[:, width // 2 :] = 255
    found = attribution.segments(photo, 20)
    assert found.shape == (height, width) and set(np.unique(found)) == set(range(found.max() + 1))
    assert 10 <= found.max() + 1 <= 30
    margin = max(1, height // 56)  # what a coarser grid cannot tell
    left, right = found[:, : width // 2 - margin], found[:, width // 2 + margin :]
    assert not set(np.unique(left)) & set(np.unique(right))


def test_another_number_of_classes_is_refused(view: nn.Module) -> None:
    some, classes = photos()
    for wrong in (classes[:2], classes[:, None]):
        with pytest.raises(ValueError, match=r"expected \(N, 3, H, W\) and \(N,\)"):
            attribution.saliency(view, some, wrong)


@without_captum
def test_maps_are_those_of_captum(view: nn.Module) -> None:
    from captum.attr import IntegratedGradients, LayerAttribution, LayerGradCam, Occlusion, Saliency

    some, classes = photos()
    given = some.clone().requires_grad_(True)
    theirs = Saliency(view).attribute(given, target=classes).amax(1)
    assert torch.allclose(attribution.saliency(view, some, classes), theirs, atol=1e-5)
    zero = torch.zeros_like(some[:1])
    theirs = IntegratedGradients(view).attribute(
        some, zero, target=classes, n_steps=20, method="riemann_middle"
    )
    assert torch.allclose(attribution.integrated_gradients(view, some, classes, zero, 20), theirs, atol=1e-5)
    layer = view.network.features[2]
    coarse = LayerGradCam(view, layer).attribute(some, target=classes, relu_attributions=True)
    theirs = LayerAttribution.interpolate(coarse, (SIDE, SIDE), "bilinear")[:, 0]
    assert torch.allclose(attribution.grad_cam(view, layer, some, classes), theirs.detach(), atol=1e-5)
    theirs = Occlusion(view).attribute(some, (3, 4, 4), strides=(3, 2, 2), target=classes, baselines=0.0)
    found = attribution.occlusion(view, some, classes, 4, 2, zero[0], 2)
    assert torch.allclose(found, theirs[:, 0].to(found), atol=1e-5), "captum answers in single precision"
