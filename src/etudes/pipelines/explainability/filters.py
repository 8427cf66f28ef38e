"""What channels of some layers look for: pictures that excite them, beside the photos that do."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from etudes.examples import Examples
from etudes.pipelines.explainability.maps import at_depth
from etudes.pipelines.explainability.parameters import FiltersParameters
from etudes.training.fit import resolve_device
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed
from etudes.vision.excited import activations, excite
from etudes.vision.victims import Victims, intensities, local_layers, to_uint8

AT_ONCE = 25  # photos of one pass
DEAD = 1e-6  # a mean activation below it is none


def visualise(
    networks_model: Victims, test_split: Examples, filters: FiltersParameters, run: RunParameters
) -> tuple[pd.DataFrame, Examples]:
    """Pictures for channels of some layers, beside the test photo that excites each channel most.

    Returns:
        A row for each channel: what the picture reaches (``reached``) and the best photo (``best_photo``), mean activations,
        and their ``ratio`` (none for a channel that no photo excites); and the two pictures.
    """
    device = resolve_device(run.device)
    view = networks_model.view(networks_model.victim).to(device).to(memory_format=torch.channels_last)
    stack, _ = local_layers(view.network)
    photos = np.asarray(test_split["pixels"])
    rows, found, best = [], [], []
    for depth in filters.depth:
        place = at_depth(stack, depth)
        layers = nn.Sequential(*stack[: place + 1])
        with torch.inference_mode():
            pieces = (photos[start : start + AT_ONCE] for start in range(0, len(photos), AT_ONCE))
            of_photos = torch.cat([activations(layers, intensities(piece, device)) for piece in pieces])
        highest, which = of_photos.cpu().max(0)
        channels = torch.linspace(0, len(highest) - 1, filters.channels).long().unique()
        scales = highest[channels].clamp(min=DEAD).to(device)
        generator = torch.Generator().manual_seed(derive_seed(run.seed, "filters", place))
        grown = excite(layers, channels.to(device), scales, photos.shape[1], filters, generator)
        pictures: NDArray[np.uint8] = to_uint8(grown.permute(0, 2, 3, 1).cpu().numpy())
        with torch.inference_mode():
            reached = activations(layers, intensities(pictures, device)).cpu()
        for number, channel in enumerate(channels.tolist()):
            of_best, of_picture = float(highest[channel]), float(reached[number, channel])
            facts = {"layer": f"{place + 1} of {len(stack)}", "channel": channel}
            ratio = of_picture / of_best if of_best > DEAD else np.nan
            rows.append(facts | {"reached": of_picture, "best_photo": of_best, "ratio": ratio})
            best.append(photos[int(which[channel])])
        found.append(pictures)
    table = pd.DataFrame(rows)
    named = table.assign(id=[f"layer {row['layer']}, channel {row['channel']}" for row in rows])
    return table, Examples(named, {"pictures": np.concatenate(found), "photos": np.stack(best)})
