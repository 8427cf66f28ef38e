"""Which pixels an answer hangs on: maps of gradients, of a layer, and of what happens when parts are covered.

Every function takes ``view``, intensities (n, 3, H, W) in 0..1 -> scores (n, classes), photos (N, 3, H, W) and the class (N,)
of each that is explained. What is explained is that class's score, so a view that ends in a softmax explains probabilities.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

View = Callable[[Tensor], Tensor]


def gradients(view: View, photos: Tensor, classes: Tensor) -> Tensor:
    """Gradient of each photo's score with respect to its intensities, (N, 3, H, W).

    Raises:
        ValueError: another number of classes than photos, or a shape that is no class each.
    """
    _check(photos, classes)
    with torch.enable_grad():
        inputs = photos.detach().clone().requires_grad_(True)
        scores = view(inputs).gather(1, classes[:, None])
        found: Tensor = torch.autograd.grad(scores.sum(), inputs)[0]
    return found


def saliency(view: View, photos: Tensor, classes: Tensor) -> Tensor:
    """The largest absolute gradient over the channels, (N, H, W) (Simonyan et al. 2014, section 3.1)."""
    return gradients(view, photos, classes).abs().amax(1)


def smooth_gradients(
    view: View, photos: Tensor, classes: Tensor, sigma: float, samples: int, generator: torch.Generator
) -> Tensor:
    """SmoothGrad (Smilkov et al. 2017): the gradient averaged over noisy copies, then as in `saliency`, (N, H, W).

    Args:
        sigma: standard deviation of the noise as a share of each photo's range of intensities.
        samples: noisy copies of each photo.
        generator: of the noise.
    """
    spread = sigma * (photos.amax((1, 2, 3)) - photos.amin((1, 2, 3)))
    total = torch.zeros_like(photos)
    for _ in range(samples):
        noise = torch.randn(photos.shape, generator=generator, dtype=photos.dtype, device=photos.device)
        total += gradients(view, photos + spread[:, None, None, None] * noise, classes)
    return (total / samples).abs().amax(1)


def integrated_gradients(view: View, photos: Tensor, classes: Tensor, baseline: Tensor, steps: int) -> Tensor:
    """Integrated gradients (Sundararajan et al. 2017, equation 1) by the midpoint rule, (N, 3, H, W), signed.

    IG(x) = (x - x') * integral over a of grad f(x' + a (x - x')). Completeness: a photo's map adds up to f(x) - f(x').

    Args:
        baseline: x', broadcast to the photos.
        steps: points of the path.
    """
    total = torch.zeros_like(photos)
    for step in range(steps):
        total += gradients(view, baseline + (step + 0.5) / steps * (photos - baseline), classes)
    return (photos - baseline) * total / steps


def grad_cam(view: View, layer: nn.Module, photos: Tensor, classes: Tensor) -> Tensor:
    """Grad-CAM (Selvaraju et al. 2017, equations 1 and 2) of a convolutional layer, (N, H, W), not negative.

    alpha_k = mean over places of the gradient with respect to channel k; the map is relu(sum_k alpha_k A_k), bilinearly
    enlarged to the photo.

    Raises:
        ValueError: the layer did not run, or its output is no map of channels.
    """
    _check(photos, classes)
    seen: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        seen.append(output.detach().requires_grad_(True))  # no gradient is asked for before the layer
        return seen[-1].clone()  # an activation that follows may write into the layer's own output

    handle = layer.register_forward_hook(keep)
    try:
        with torch.enable_grad():
            scores = view(photos.detach()).gather(1, classes[:, None])
            if len(seen) != 1 or seen[0].ndim != 4:
                found = [tuple(tensor.shape) for tensor in seen]
                raise ValueError(
                    f"the layer of Grad-CAM gave {found or 'nothing'}; expected one output (N, channels, h, w): name a "
                    "convolution that runs once"
                )
            slopes = torch.autograd.grad(scores.sum(), seen[0])[0]
    finally:
        handle.remove()
    maps = (slopes.mean((2, 3), keepdim=True) * seen[0].detach()).sum(1, keepdim=True).relu()
    enlarged: Tensor = nn.functional.interpolate(maps, photos.shape[2:], mode="bilinear", align_corners=False)
    return enlarged[:, 0]


def occlusion(
    view: View, photos: Tensor, classes: Tensor, window: int, stride: int, fill: Tensor, batch_size: int
) -> Tensor:
    """How far the score falls when a square is covered (Zeiler and Fergus 2014), (N, H, W).

    A pixel has the mean fall over all squares that hold it; squares at the far edges are moved in, so that every pixel is
    in one.

    Args:
        window, stride: side of the square and its step, pixels.
        fill: what covers, broadcast to the photos.
        batch_size: photos of one pass.

    Raises:
        ValueError: a stride longer than the window, which leaves pixels out, or a window larger than the photo.
    """
    _check(photos, classes)
    height, width = photos.shape[2:]
    if stride > window or window > min(height, width):
        raise ValueError(
            f"window = {window} and stride = {stride} on photos of {height} x {width}; expected stride <= window <= side"
        )
    total, count = photos.new_zeros(len(photos), height, width), photos.new_zeros(height, width)
    cover = fill.expand_as(photos)
    with torch.inference_mode():
        before = _scores(view, photos, classes, batch_size)
        for top in _starts(height, window, stride):
            for left in _starts(width, window, stride):
                square = (slice(top, top + window), slice(left, left + window))
                covered = photos.clone()
                covered[:, :, *square] = cover[:, :, *square]
                fall = before - _scores(view, covered, classes, batch_size)
                total[:, *square] += fall[:, None, None]
                count[square] += 1
    return total / count


def segments(
    photo: NDArray[np.uint8], count: int, compactness: float = 0.4, rounds: int = 8
) -> NDArray[np.int64]:
    """Superpixels of a photo (H, W, 3), about ``count``, numbered from 0, (H, W).

    k-means over colour and place as in SLIC (Achanta et al. 2012, equation 1) with a grid of first centres, on every fourth pixel
    of a large photo; every pixel then has the number of the nearest of those.

    Args:
        compactness: weight of a distance of one grid cell beside a difference of colour of the whole range.
        rounds: of k-means.
    """
    height, width = photo.shape[:2]
    thin = max(1, min(height, width) // 56)
    small = photo[thin // 2 :: thin, thin // 2 :: thin].astype(np.float64) / 255
    rows, columns = small.shape[:2]
    cell = np.sqrt(rows * columns / count)
    y, x = np.mgrid[:rows, :columns]
    points = np.dstack([small, compactness * y / cell, compactness * x / cell]).reshape(-1, 5)
    down, across = max(1, round(rows / cell)), max(1, round(columns / cell))
    at_y = ((np.arange(down) + 0.5) * rows / down).astype(int)
    at_x = ((np.arange(across) + 0.5) * columns / across).astype(int)
    centres = points[(at_y[:, None] * columns + at_x).ravel()].copy()
    for _ in range(rounds):
        # |p - c|^2 up to |p|^2, which is the same for all centres.
        nearest = (np.square(centres).sum(1) - 2 * points @ centres.T).argmin(1)
        members = np.bincount(nearest, minlength=len(centres))
        sums = np.stack([np.bincount(nearest, column, len(centres)) for column in points.T], axis=1)
        centres[members > 0] = sums[members > 0] / members[members > 0, None]
    numbers = np.unique(nearest, return_inverse=True)[1].reshape(rows, columns)
    place_y = np.minimum(np.arange(height) // thin, rows - 1)
    place_x = np.minimum(np.arange(width) // thin, columns - 1)
    found: NDArray[np.int64] = numbers[place_y[:, None], place_x].astype(np.int64)
    return found


def lime(
    view: View,
    photo: Tensor,
    label: int,
    parts: NDArray[np.int64],
    samples: int,
    fill: Tensor,
    batch_size: int,
    generator: np.random.Generator,
    width: float = 0.25,
    penalty: float = 1.0,
) -> Tensor:
    """LIME (Ribeiro et al. 2016, equation 1): weights of a linear model of which superpixels are shown, as a map (H, W).

    Each sample shows every part z_j with a chance of one half; weights are exp(-d^2 / width^2), d one less the cosine
    of z and of all parts shown, as in the paper's section 3.4; the model is ridge regression with a free intercept.

    Args:
        photo: (3, H, W).
        parts: (H, W), numbers from 0.
        samples: photos that are shown.
        fill: what covers, broadcast to the photo.
        generator: of the samples.
        penalty: of the ridge, on squared weights.

    Raises:
        ValueError: parts of another size than the photo.
    """
    if parts.shape != tuple(photo.shape[1:]):
        raise ValueError(
            f"parts have the shape {parts.shape}; expected that of the photo, {tuple(photo.shape[1:])}"
        )
    shown = generator.random((samples, int(parts.max()) + 1)) < 0.5
    shown[0] = True  # the photo as it is: the point that is explained
    where = torch.from_numpy(shown[:, parts]).to(photo.device)
    scores = []
    with torch.inference_mode():
        for some in where.split(batch_size):
            pictures = torch.where(some[:, None], photo, fill.expand_as(photo))
            scores.append(view(pictures)[:, label].double().cpu())
    distance = 1 - np.sqrt(shown.mean(1))  # cosine of a vector of zeros and ones with all ones
    weights = ridge(
        shown.astype(np.float64), torch.cat(scores).numpy(), np.exp(-np.square(distance / width)), penalty
    )
    return torch.from_numpy(weights[parts]).to(photo)


def ridge(
    inputs: NDArray[np.float64], targets: NDArray[np.float64], weights: NDArray[np.float64], penalty: float
) -> NDArray[np.float64]:
    """Coefficients (D,) of weighted ridge regression with a free intercept.

    b = (X'WX + penalty I)^-1 X'Wy, where X (N, D) and y (N,) have their weighted means taken off.
    """
    share = weights / weights.sum()
    x, y = inputs - share @ inputs, targets - share @ targets
    normal = (x * weights[:, None]).T @ x + penalty * np.eye(x.shape[1])
    found: NDArray[np.float64] = np.linalg.solve(normal, (x * weights[:, None]).T @ y)
    return found


def centre_map(height: int, width: int) -> NDArray[np.float64]:
    """The map that knows nothing of the photo but that its subject is in the middle: minus the distance, (H, W)."""
    y, x = np.mgrid[:height, :width]
    found: NDArray[np.float64] = -np.hypot(y - (height - 1) / 2, x - (width - 1) / 2)
    return found


def edge_map(photos: Tensor) -> Tensor:
    """The size of the grey picture's gradient by Sobel's kernels, which sees the photo and not the network: (N, 3, H, W) ->
    (N, H, W)."""
    grey = photos.mean(1, keepdim=True)
    kernel = grey.new_tensor([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]])
    padded = nn.functional.pad(grey, (1, 1, 1, 1), mode="reflect")
    slopes = nn.functional.conv2d(padded, torch.stack([kernel, kernel.T])[:, None])
    return slopes.square().sum(1).sqrt()


def _starts(side: int, window: int, stride: int) -> Iterator[int]:
    last = side - window
    yield from range(0, last, stride)
    yield last


def _scores(view: View, photos: Tensor, classes: Tensor, batch_size: int) -> Tensor:
    pieces = zip(photos.split(batch_size), classes.split(batch_size), strict=True)
    return torch.cat([view(some).gather(1, labels[:, None])[:, 0] for some, labels in pieces])


def _check(photos: Tensor, classes: Tensor) -> None:
    if photos.ndim != 4 or classes.shape != photos.shape[:1]:
        raise ValueError(
            f"photos have the shape {tuple(photos.shape)}, classes {tuple(classes.shape)}; expected (N, 3, H, W) and (N,)"
        )
