"""Altered views of pictures: one tensor operation for a batch against torchvision's transforms, picture by picture.

Both turn, shift, zoom, shear, mirror and brighten each picture by amounts of its own, bilinear, and standardise it. Processor seconds
of one thread; bytes in, the network's batch out.
"""

from __future__ import annotations

import numpy as np

from benchmarks.table import Row
from benchmarks.timing import interleaved

SIDES, PICTURES, REPEATS, BATCH = (32, 128), 256, 3, 32


def views_against_torchvision() -> list[Row]:
    """Pictures a second at two sizes."""
    import torch
    from torchvision.transforms import InterpolationMode, v2

    from etudes.vision.frozen import altered
    from etudes.vision.imagenet import IMAGENET_MEAN, IMAGENET_STD, standardised
    from etudes.vision.parameters import ViewParameters

    torch.set_num_threads(1)
    view = ViewParameters(shift=0.12, turn=0.3, zoom=0.25, shear=0.1, light=0.3, mirror=True)
    one_by_one = v2.Compose(
        [
            v2.RandomHorizontalFlip(),
            v2.RandomAffine(
                *(np.degrees(view.turn), (view.shift, view.shift), (1 - view.zoom, 1 + view.zoom)),
                shear=float(np.degrees(view.shear)),
                interpolation=InterpolationMode.BILINEAR,
            ),
            v2.ColorJitter(brightness=view.light),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(IMAGENET_MEAN, IMAGENET_STD),
        ]
    )
    rows = []
    for side in SIDES:
        pixels = np.random.default_rng(0).integers(0, 256, (PICTURES, 3, side, side), dtype=np.uint8)
        kept, generator = torch.from_numpy(pixels), torch.Generator().manual_seed(0)

        def ours(kept: torch.Tensor = kept, generator: torch.Generator = generator) -> None:
            for start in range(0, PICTURES, BATCH):
                standardised(altered(kept[start : start + BATCH].float().div_(255), view, generator))

        def theirs(kept: torch.Tensor = kept) -> None:
            for start in range(0, PICTURES, BATCH):
                torch.stack([one_by_one(picture) for picture in kept[start : start + BATCH]])

        best = interleaved({"ours": ours, "theirs": theirs}, REPEATS)
        speeds = [PICTURES / best[name].cpu for name in ("ours", "theirs")]
        what = f"altered views of {side} x {side} pictures, batches of {BATCH}, against torchvision's picture by picture"
        said = (f"{speed:,.0f} pictures/s" for speed in speeds)
        rows.append(Row(what, *said, f"{speeds[0] / speeds[1]:.1f}x"))
    return rows
