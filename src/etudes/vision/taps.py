"""Feature maps from inside a network: the networks of torchvision cut into stages of falling resolution.

Three stages are kept of each network, as in PaDiM (Defard et al. 2020, arXiv:2011.08785), and the rest is left out:
the last stage answers ImageNet's question and has few, large cells.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from etudes.vision.pretrained import NETWORKS

TAPPED = ("resnet18", "wide_resnet50_2", "squeezenet1_1", "squeezenet1_1_caffe")


class Taps(nn.Module):
    """A chain of stages of which every output is wanted.

    Args:
        stages: each takes the output of the one before; resolutions must not rise.
    """

    def __init__(self, stages: Sequence[nn.Module]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)

    def forward(self, batch: Tensor) -> list[Tensor]:
        """Maps [(N, C_1, H_1, W_1), (N, C_2, H_2, W_2), ...] of pictures (N, 3, H, W)."""
        maps = []
        for stage in self.stages:
            batch = stage(batch)
            maps.append(batch)
        return maps


def tapped(network: nn.Module, name: str) -> Taps:
    """The stages of a network of `etudes.vision.pretrained` up to its third resolution, sharing its weights.

    ResNets give the outputs of ``layer1`` to ``layer3``, as in the paper. SqueezeNet 1.1 gives the last fire module of
    each width, 128, 256 and 384 channels on three resolutions; like ``layer4``, the modules of width 512 are left out.

    Raises:
        ValueError: a network whose stages are not known here.
    """
    constructor = _constructor(name)
    if constructor.startswith("squeezenet"):
        features = network.get_submodule("features")
        assert isinstance(features, nn.Sequential)
        return Taps([nn.Sequential(*features[part]) for part in (slice(5), slice(5, 8), slice(8, 11))])
    parts = [network.get_submodule(part) for part in ("conv1", "bn1", "relu", "maxpool", "layer1")]
    return Taps([nn.Sequential(*parts), network.get_submodule("layer2"), network.get_submodule("layer3")])


def empty_taps(name: str) -> Taps:
    """`tapped` with nothing in its weights, for ``load_state_dict(..., assign=True)``; needs no torchvision."""
    from etudes.vision.stages import resnet_stages, squeezenet_stages

    constructor = _constructor(name)
    with torch.device("meta"):
        if constructor.startswith("squeezenet"):
            stages = squeezenet_stages()
        elif constructor == "resnet18":
            stages = resnet_stages((2, 2, 2), expansion=1, width=64)
        else:
            stages = resnet_stages((3, 4, 6), expansion=4, width=128)
    return Taps(stages).eval().requires_grad_(False)


def channel_counts(taps: Taps, size: int = 64) -> list[int]:
    """How many channels each map has, found by one forward pass of an empty picture."""
    device = next(taps.parameters()).device
    with torch.inference_mode():
        return [int(found.shape[1]) for found in taps(torch.zeros(1, 3, size, size, device=device))]


def side_by_side(maps: Sequence[Tensor], channels: Tensor) -> Tensor:
    """Some channels of all maps on the grid of the finest, each patch with the vector that lies above it.

    Coarser maps are repeated (nearest), not smoothed, as in the paper. Channels are chosen before they are repeated,
    so the cost is that of the channels asked for.

    Args:
        maps: [(N, C_1, H, W), (N, C_2, H_2, W_2), ...] from fine to coarse.
        channels: (C,) rising indices into the C_1 + C_2 + ... channels.

    Returns:
        (N, C, H, W).

    Raises:
        ValueError: indices that do not rise or that no map has.
    """
    counts = [found.shape[1] for found in maps]
    total = sum(counts)
    if channels.ndim != 1 or not len(channels) or bool((channels.diff() <= 0).any()):
        raise ValueError(
            f"channels must be rising indices (C,), C >= 1, found the shape {tuple(channels.shape)}"
        )
    if int(channels[0]) < 0 or int(channels[-1]) >= total:
        raise ValueError(
            f"channels {int(channels[0])}..{int(channels[-1])}, expected indices into {total} channels"
        )
    grid, start, parts = maps[0].shape[-2:], 0, []
    for found, count in zip(maps, counts, strict=True):
        wanted = channels[(channels >= start) & (channels < start + count)] - start
        start += count
        if len(wanted):
            part = found.index_select(1, wanted.to(found.device))
            parts.append(
                part if part.shape[-2:] == grid else nn.functional.interpolate(part, grid, mode="nearest")
            )
    return torch.cat(parts, 1)


def _constructor(name: str) -> str:
    if name not in TAPPED:
        raise ValueError(f"the stages of the network '{name}' are not known; expected {', '.join(TAPPED)}")
    return NETWORKS[name].constructor
