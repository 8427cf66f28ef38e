"""Seeds: one number decides all randomness of a node."""

from __future__ import annotations

import hashlib
import random


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
