"""Shifts and mirrors of a batch against the same done picture by picture."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from etudes.vision.augmentation import shifted_and_mirrored

PIXELS = torch.randint(0, 256, (40, 6, 8, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("shift", "mirror"), [(2, False), (0, True), (3, True)])
def test_every_picture_is_a_window_of_its_own_with_the_edge_repeated(shift: int, mirror: bool) -> None:
    torch.manual_seed(1)
    found = shifted_and_mirrored(PIXELS, shift, mirror).numpy()
    assert found.dtype == np.uint8
    kinds = set()
    for picture, moved in zip(PIXELS.numpy(), found, strict=True):
        padded = np.pad(picture, ((shift, shift), (shift, shift), (0, 0)), mode="edge")
        windows = {
            (down, right, turned): (window[:, ::-1] if turned else window)
            for down in range(2 * shift + 1)
            for right in range(2 * shift + 1)
            for turned in {False, mirror}
            for window in (padded[down : down + 6, right : right + 8],)
        }
        matches = [kind for kind, window in windows.items() if np.array_equal(window, moved)]
        assert len(matches) == 1
        kinds.add(matches[0])
    assert len(kinds) > min(1, shift) + 1  # not all pictures alike
    if mirror:
        assert {turned for *_, turned in kinds} == {False, True}


def test_nothing_asked_is_nothing_done() -> None:
    assert shifted_and_mirrored(PIXELS, 0, False) is PIXELS


def test_the_global_generator_decides() -> None:
    def drawn(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return shifted_and_mirrored(PIXELS, 2, True)

    assert torch.equal(drawn(5), drawn(5)) and not torch.equal(drawn(5), drawn(6))
