"""Networks with weights and statistics as after training, and settings of the compression study for small pictures."""

from __future__ import annotations

from typing import Any

import torch

from digit_toys import fit_settings, settings
from etudes.vision.compact import Compact
from mimo_toys import CARD, DEV, RUN, TEST, TRAIN

__all__ = ["CARD", "CONFIG", "DEV", "RUN", "TEST", "TRAIN", "group", "lived"]
CONFIG = {"blocks": 1, "classes": 4, "width": 8}


def group(name: str, **changes: Any) -> Any:
    """A group of the study's `test` parameters, changed; its network learns the toy pictures."""
    fit = fit_settings(epochs=8, batch_size=16, learning_rate=0.02, checkpoint_steps=1000).model_dump()
    more = {"fit": {**fit, "epochs": 3}}
    own = {
        "views": {"shift": 0, "mirror": False},  # the class is a place
        "network": {"width": 8, "fit": fit},
        "small": {"fit": fit},
        "tuning": more,
        "pruning": more,
    }
    return settings("network_compression", name, **{**own.get(name, {}), **changes})


def lived(seed: int = 0, **changes: Any) -> Compact:
    """A network in evaluation whose normalisation has statistics of its own, as after training."""
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    network = Compact(**{**CONFIG, **changes})
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for value, low, high in (
                (module.weight.data, -0.5, 1.5),
                (module.bias.data, -0.5, 0.5),
                (module.running_mean, -0.5, 0.5),
                (module.running_var, 0.5, 2.0),
            ):
                value.copy_(torch.rand(value.shape, generator=generator) * (high - low) + low)
    return network.eval()
