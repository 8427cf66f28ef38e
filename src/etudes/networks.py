"""Trained networks as models: from weights to arrays and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from etudes.models import ModelState

EXTRA = "kept/"  # before the names of a model's further arrays


def network_arrays(network: nn.Module) -> dict[str, NDArray]:
    """All weights and buffers of a network as arrays, by name."""
    return {name: value.detach().cpu().numpy() for name, value in network.state_dict().items()}


def load_arrays(network: nn.Module, arrays: Mapping[str, NDArray]) -> None:
    """Put back what `network_arrays` gave, and leave the network ready to answer."""
    network.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in arrays.items()})
    network.eval()


class NetworkModel:
    """A model that is one network, made from ``config``, and what else it needs to answer.

    A subclass names the network's class (or a function of ``config``) and registers itself by name. Keywords beside the
    network are kept with it: arrays as arrays, everything else as JSON; they are attributes of the model.
    """

    registered_name: str
    network_class: ClassVar[Callable[..., nn.Module]]

    def __init__(self, network: nn.Module, config: Mapping[str, Any], **kept: Any) -> None:
        self.network: Any = network.eval()
        self.config, self.kept = dict(config), kept

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["kept"][name]
        except KeyError:
            raise AttributeError(f"{type(self).__name__} has no attribute '{name}'") from None

    def state(self) -> ModelState:
        arrays = {name: value for name, value in self.kept.items() if isinstance(value, np.ndarray)}
        rest = {name: value for name, value in self.kept.items() if name not in arrays}
        return ModelState(
            {"network": self.config, "kept": rest},
            {**network_arrays(self.network), **{EXTRA + name: value for name, value in arrays.items()}},
        )

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        weights = {name: value for name, value in state.arrays.items() if not name.startswith(EXTRA)}
        kept = {n.removeprefix(EXTRA): value for n, value in state.arrays.items() if n.startswith(EXTRA)}
        config = state.config["network"]
        network = cls.network_class(**config)
        load_arrays(network, weights)
        return cls(network, config, **state.config["kept"], **kept)
