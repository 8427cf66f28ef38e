"""How alike two pictures look."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIGMA, REACH = 1.5, 5  # of the window, in pixels
SMALLEST = 2 * REACH + 1


def ssim(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Structural similarity (N,), 1 for equal pictures.

        SSIM = mean over places of (2 m1 m2 + c1)(2 s12 + c2) / ((m1^2 + m2^2 + c1)(s1^2 + s2^2 + c2))

    with means, variances and covariance under a Gaussian window of 11 x 11 pixels (sigma 1.5) that lies inside the picture,
    c1 = (0.01 * 255)^2, c2 = (0.03 * 255)^2; of each channel, averaged. Wang et al., "Image quality assessment: from error
    visibility to structural similarity" (2004), equation 13.

    Args:
        first, second: (N, H, W, C), uint8, of one shape, with sides of 11 pixels at least.

    Raises:
        ValueError: other shapes or types.
    """
    from scipy.ndimage import gaussian_filter

    if first.shape != second.shape or first.ndim != 4 or {first.dtype, second.dtype} != {np.dtype(np.uint8)}:
        raise ValueError(
            f"pictures have the shapes {first.shape} and {second.shape} and types {first.dtype} and {second.dtype}; "
            "expected the same (N, H, W, C), uint8"
        )
    if min(first.shape[1:3]) < SMALLEST:
        raise ValueError(
            f"pictures of {first.shape[1]} x {first.shape[2]} pixels; expected sides of {SMALLEST} or more"
        )
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    found = np.empty(len(first))
    for place, pair in enumerate(zip(first, second, strict=True)):
        a, b = (picture.astype(np.float64) for picture in pair)

        def window(values: NDArray[np.float64]) -> NDArray[np.float64]:
            smooth = gaussian_filter(values, SIGMA, axes=(0, 1), radius=REACH)
            return smooth[REACH:-REACH, REACH:-REACH]

        mean_a, mean_b = window(a), window(b)
        var_a, var_b = window(a * a) - mean_a**2, window(b * b) - mean_b**2
        both = window(a * b) - mean_a * mean_b
        upper = (2 * mean_a * mean_b + c1) * (2 * both + c2)
        found[place] = (upper / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))).mean()
    return found
