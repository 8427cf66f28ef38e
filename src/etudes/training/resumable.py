"""Loops of another shape than `fit`'s: they say what they keep, saving and resuming are the same for all."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch

from etudes.training.checkpoint import Checkpoint, checkpoint_key
from etudes.training.parameters import RunParameters
from etudes.training.seeds import random_state, restore_random_state
from etudes.training.session import current_session, record


class Resumable:
    """A training that continues after a kill and ends, on a CPU, with the same numbers.

    ``keep`` names the attributes that change while it trains: networks, optimisers and other things with ``state_dict``
    or with ``state`` and ``restore``, random generators, tensors (restored in place, so that views of them stay views), arrays,
    dataclasses, plain values, and mappings or lists of all these. ``rows`` names the one that is a list of rows whose first
    value is the step: a resumed run shows its tracker the rows of the killed one. The states of the global random
    generators are always kept.
    """

    keep: ClassVar[tuple[str, ...]]
    rows: ClassVar[str] = ""
    checkpoint: Checkpoint

    def resume(self, run: RunParameters | bool, *key: Any) -> bool:
        """Take up the last checkpoint, if the run asks for it and there is one; call it when all attributes are set.

        Args:
            run: the shared parameters, or whether to resume; their seed is part of the key.
            key: JSON values that say what else the training depends on: data, settings.

        Returns:
            Whether there was something to take up.

        Raises:
            CheckpointError: the checkpoint is damaged.
        """
        session = current_session()
        seed, resume = (None, run) if isinstance(run, bool) else (run.seed, run.resume)
        name = f"{type(self).__module__}.{type(self).__qualname__}"
        folder = session.checkpoints if session else None
        self.checkpoint = Checkpoint(folder, checkpoint_key(name, self.keep, seed, *key), resume)
        stored = self.checkpoint.load()
        if stored is None:
            return False
        for attribute in self.keep:
            setattr(self, attribute, _restored(getattr(self, attribute), stored["kept"][attribute]))
        restore_random_state(stored["random"])
        rows = type(self).rows  # not what an attribute of the loop may be called
        for row in getattr(self, rows) if rows else ():
            self.log(row)
        return True

    def save(self) -> None:
        """Write a checkpoint, whole or not at all; outside a run nothing is written.

        Raises:
            OSError: the disk is full or read-only; the previous checkpoint is as it was.
        """
        kept = {attribute: _plain(getattr(self, attribute)) for attribute in self.keep}
        self.checkpoint.save({"kept": kept, "random": random_state()})

    def log(self, row: Mapping[str, Any]) -> None:
        """Send a row of the curve to the tracker; its first value is the step."""
        step, *names = row
        record(int(row[step]), {name: float(row[name]) for name in names if row[name] is not None})


def _plain(value: Any) -> Any:
    """A value as what a checkpoint may hold: tensors, numbers, texts, lists and mappings of them."""
    if isinstance(value, torch.Tensor) or value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())
    if isinstance(value, np.generic):
        return value.item()
    if hasattr(value, "state_dict"):
        return value.state_dict()
    if isinstance(value, np.random.Generator):
        return json.dumps(value.bit_generator.state)
    if isinstance(value, torch.Generator):
        return value.get_state()
    if hasattr(value, "restore"):
        return _plain(value.state())
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_plain(item) for item in value]
    raise TypeError(f"a checkpoint cannot hold a {type(value).__name__}")


def _restored(value: Any, stored: Any) -> Any:
    """What was stored, in the place of ``value``; things that others refer to are changed and not replaced."""
    if hasattr(value, "load_state_dict"):
        value.load_state_dict(stored)
    elif isinstance(value, np.random.Generator):
        value.bit_generator.state = json.loads(stored)
    elif isinstance(value, torch.Generator):
        value.set_state(stored)
    elif isinstance(value, torch.Tensor):
        if value.shape != stored.shape or value.dtype != stored.dtype:
            return stored.to(value.device)
        with torch.no_grad():
            value.copy_(stored)
    elif isinstance(value, np.ndarray):
        return stored.numpy().copy()
    elif hasattr(value, "restore"):
        value.restore(stored)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        return type(value)(**{name: _restored(getattr(value, name), item) for name, item in stored.items()})
    elif isinstance(value, Mapping):
        return {key: _restored(value.get(key), item) for key, item in stored.items()}
    elif isinstance(value, Sequence) and not isinstance(value, str):
        known = [*value, *[None] * len(stored)]
        return type(value)(_restored(old, item) for old, item in zip(known, stored, strict=False))  # type: ignore[call-arg]
    else:
        return stored
    return value
