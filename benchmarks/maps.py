"""Maps of what an answer hangs on against captum: the same network, photos, classes and settings.

Photos of ImageNet that SqueezeNet 1.1 knows, in ``ETUDES_RAW``. Times are of the processor, on one thread, the best of
interleaved runs in single precision. Maps are compared in double precision: in single, a unit that is all but 0 is on in a
batch of one size and off in one of another, and a gradient jumps there. captum's LIME is given the pictures that ours draws and
our kernel, so that it is the regression that is compared.
"""

from __future__ import annotations

import copy
import importlib.util
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.attacks import known
from benchmarks.table import Row, at_most
from benchmarks.timing import interleaved

NETWORK, PHOTOS, REPEATS, REPEATS_OF_ONE = "squeezenet1_1_caffe", 4, 3, 10
STEPS, WINDOW, STRIDE, SAMPLES, PARTS, AT_ONCE = 12, 32, 16, 100, 25, 25
SAME = 1e-5  # of a map, beside its largest value
KERNEL = 0.25  # width of LIME's, as the default of `etudes.vision.attribution.lime`
ONE_PASS = ("saliency", "Grad-CAM")
TIMED = {
    "saliency": f"{PHOTOS} photos",
    "integrated gradients": f"{PHOTOS} photos, {STEPS} steps",
    "Grad-CAM": f"{PHOTOS} photos",
    "occlusion": f"a photo, squares of {WINDOW} pixels, moved by {STRIDE}",
    "LIME": f"a photo, {SAMPLES} pictures",
}


def maps_against_captum() -> list[Row]:
    """By how much maps differ, and the time of each method."""
    raw = Path(os.environ.get("ETUDES_RAW", "data/01_raw"))
    if importlib.util.find_spec("captum") is None or not (raw / "weights").is_dir():
        return [Row("maps against captum", f"captum is not installed, or there are no weights in {raw}")]
    import torch

    torch.set_num_threads(1)
    return list(compared(raw))


def compared(raw: Path) -> Iterator[Row]:
    """The rows of each method."""
    import numpy as np
    import torch

    from etudes.vision.pretrained import Pretrained
    from etudes.vision.victims import View

    view = View(Pretrained(raw).network(NETWORK)).eval().to(memory_format=torch.channels_last)
    photos, classes = known(raw, view, NETWORK, PHOTOS)
    exact = copy.deepcopy(view).double()
    of_one = contests(exact, photos[:1].double(), classes[:1])
    for name, (ours, theirs) in contests(view, photos, classes).items():
        repeats = REPEATS_OF_ONE if name in ONE_PASS else REPEATS
        times = interleaved({"ours": ours, "captum": theirs}, repeats)
        first, second = (run().detach().double().numpy() for run in of_one[name])
        apart = float(np.abs(first - second).max() / np.abs(second).max())
        yield Row(f"{name}: difference", f"{apart:.1e}", "", "", f"<= {SAME:g}", apart <= SAME)
        yield at_most(f"  time, {TIMED[name]}", times["ours"].cpu, times["captum"].cpu, 1.05)


def contests(view: Any, photos: Any, classes: Any) -> dict[str, tuple[Callable[[], Any], Callable[[], Any]]]:
    """By method our maps and captum's."""
    import numpy as np
    import torch
    from captum._utils.models.linear_model import SkLearnRidge
    from captum.attr import (
        IntegratedGradients,
        LayerAttribution,
        LayerGradCam,
        Lime,
        Occlusion,
        Saliency,
    )

    from etudes.vision import attribution

    black, layer = torch.zeros_like(photos[:1]), view.network.features[12]
    one, label = photos[:1], classes[:1]
    parts = attribution.segments((one[0].permute(1, 2, 0) * 255).round().byte().numpy(), PARTS)

    def score(pictures: Any) -> Any:
        return view(pictures).softmax(1)

    def cam() -> Any:
        found = LayerGradCam(view, layer).attribute(photos, target=classes, relu_attributions=True)
        return LayerAttribution.interpolate(found, tuple(photos.shape[2:]), "bilinear")[:, 0]

    def covered() -> Any:
        shape, strides = (3, WINDOW, WINDOW), (3, STRIDE, STRIDE)
        found = Occlusion(score).attribute(
            one, shape, strides=strides, target=label, baselines=0.0, perturbations_per_eval=AT_ONCE
        )
        return found[:, 0]

    def linear() -> Any:
        # The draws are ours: of two runs with draws of their own, captum's maps correlate with each other by 0.3.
        draws = np.random.default_rng(0).random((SAMPLES, int(parts.max()) + 1)) < 0.5
        draws[0] = True
        drawn = iter(torch.from_numpy(draws).long())
        mask = torch.from_numpy(parts)[None, None].expand(1, 3, -1, -1)
        found = Lime(
            score,
            interpretable_model=SkLearnRidge(alpha=1.0),
            similarity_func=lambda original, picture, z, **_: (
                -((1 - z.double().mean().sqrt()) / KERNEL).square()
            ).exp(),
            perturb_func=lambda original, **_: next(drawn)[None],
        ).attribute(
            one,
            target=label,
            baselines=0.0,
            feature_mask=mask,
            n_samples=SAMPLES,
            perturbations_per_eval=AT_ONCE,
        )
        return found[0, 0]

    def ours_linear() -> Any:
        settings = (SAMPLES, black[0], AT_ONCE, np.random.default_rng(0))
        return attribution.lime(score, one[0], int(label), parts, *settings)

    return {
        "saliency": (
            lambda: attribution.saliency(view, photos, classes),
            lambda: Saliency(view).attribute(photos.clone().requires_grad_(), target=classes).amax(1),
        ),
        "integrated gradients": (
            lambda: attribution.integrated_gradients(view, photos, classes, black, STEPS),
            lambda: IntegratedGradients(view).attribute(
                photos, black, target=classes, n_steps=STEPS, method="riemann_middle"
            ),
        ),
        "Grad-CAM": (lambda: attribution.grad_cam(view, layer, photos, classes), cam),
        "occlusion": (
            lambda: attribution.occlusion(score, one, label, WINDOW, STRIDE, black, AT_ONCE),
            covered,
        ),
        "LIME": (ours_linear, linear),
    }
