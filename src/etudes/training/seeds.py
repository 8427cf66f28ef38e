"""Seeds: one number decides all randomness of a node."""

from __future__ import annotations

import hashlib
import random
from typing import Any


def seed_everything(seed: int) -> None:
    """Seed Python's, numpy's and (where it is loaded or loadable) torch's generators."""
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - libraries called by a node draw from the global generator
    torch.manual_seed(seed)


def derive_seed(seed: int, *names: str | int) -> int:
    """A seed for one purpose, from the run's seed and the purpose's name: stable across machines and versions."""
    text = "/".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def random_state() -> dict[str, Any]:
    """Where the global generators stand, in values that a checkpoint may hold when it is read with ``weights_only``."""
    import numpy as np
    import torch

    numpy_state = np.random.get_state(legacy=False)  # noqa: NPY002 - libraries may draw from it
    assert isinstance(numpy_state, dict)
    inner = {**numpy_state["state"], "key": numpy_state["state"]["key"].tolist()}
    version, internal, gauss = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "numpy": {**numpy_state, "state": inner},
        "python": [version, list(internal), gauss],
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
    }


def restore_random_state(state: dict[str, Any]) -> None:
    """Put the global generators where `random_state` found them."""
    import numpy as np
    import torch

    torch.set_rng_state(state["torch"])
    inner = {**state["numpy"]["state"], "key": np.array(state["numpy"]["state"]["key"], np.uint32)}
    np.random.set_state({**state["numpy"], "state": inner})  # noqa: NPY002
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
