"""Which weights and channels go. PyTorch alone."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from etudes.vision.cifar_networks import CifarResNet
from etudes.vision.compact import Compact, blocks_of, folded, layers_of


def masks_of(network: CifarResNet, rate: float) -> dict[str, Tensor]:
    """Which weights stay, by the parameter's name: all but the share ``rate`` with the least magnitude among all convolutions in blocks
    together (Han et al. 2015, arXiv:1506.02626).

    Magnitudes are those of the folded network: there every weight acts on inputs of one scale, whatever normalisation makes of
    it afterwards. First and last layer are left alone.
    """
    sizes = {name: layer.weight.abs() for name, layer in layers_of(folded(network)) if "." in name}
    ordered = torch.cat([size.flatten() for size in sizes.values()]).sort().values
    least = ordered[min(round(rate * len(ordered)), len(ordered) - 1)]
    return {f"{name}.weight": (size >= least).float() for name, size in sizes.items()}


def channels_kept(network: CifarResNet, rate: float) -> list[Tensor]:
    """Of each block, in rising order, the channels between its convolutions that stay: all but the share ``rate`` whose filters have the
    least sum of magnitudes after folding (Li et al. 2017, arXiv:1608.08710), at least one."""
    found = []
    for block in blocks_of(folded(network)):
        scores = block.conv1.weight.abs().sum((1, 2, 3))
        count = max(1, round((1 - rate) * len(scores)))
        found.append(scores.argsort(descending=True, stable=True)[:count].sort().values)
    return found


def slimmed(network: CifarResNet, config: dict[str, Any], rate: float) -> tuple[Compact, dict[str, Any]]:
    """A network with fewer channels inside of its blocks, which is a smaller dense network, and its config.

    Blocks pass on as many channels as before, so that shortcuts stay as they are.
    """
    kept = channels_kept(network, rate)
    narrow = {**config, "inner": [len(channels) for channels in kept]}
    found = Compact(**narrow)
    state = {name: value.clone() for name, value in network.state_dict().items()}
    names = {id(module): name for name, module in network.named_modules()}
    for block, channels in zip(blocks_of(network), kept, strict=True):
        start = names[id(block)]
        for name in [key for key in state if key.startswith((f"{start}.conv1", f"{start}.bn1"))]:
            if state[name].ndim:
                state[name] = state[name][channels]
        state[f"{start}.conv2.weight"] = state[f"{start}.conv2.weight"][:, channels]
    found.load_state_dict(state)
    return found.eval(), narrow
