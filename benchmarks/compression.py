"""Where fewer bits, fewer weights and fewer operations become time, and where they do not."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from benchmarks.table import Row, at_most
from benchmarks.timing import interleaved

SIDE, PICTURES, REPEATS, GONE = 32, 50, 5, 0.9


def smaller_networks_against_the_whole() -> list[Row]:
    """Milliseconds that ResNet-20's relatives take for fifty pictures, random weights: unpacked from 8 bits, in integer kernels, with nine
    weights of ten at zero, with half of the inner channels; small networks of three designs with equal weights; and a product
    with a sparse matrix (PyTorch's CSR) of which a tenth is left, beside the dense one."""
    import numpy as np
    import pandas as pd
    import torch

    from etudes.examples import Examples
    from etudes.pipelines.network_compression.integers import Integer, grids
    from etudes.pipelines.network_compression.pruning import masks_of, slimmed
    from etudes.vision.compact import Compact
    from etudes.vision.packing import packed

    torch.manual_seed(0)
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (PICTURES, SIDE, SIDE, 3), dtype=np.uint8)
    asked = Examples(pd.DataFrame({"id": range(PICTURES)}), {"pixels": pixels})
    config = {"blocks": 3, "classes": 10, "width": 16}
    whole, thin = Compact(**config).eval(), Compact(**config).eval()
    masks = masks_of(whole, GONE)
    thin.load_state_dict({name: value * masks.get(name, 1) for name, value in whole.state_dict().items()})
    narrow, shape = slimmed(whole, config, 0.5)
    eight = packed(whole, config, 8)
    at = grids(eight.network, pixels)
    scales, zeros = (np.array([grid[place] for grid in at.values()]) for place in (0, 1))
    models = {
        "float32": packed(whole, config, 32),
        "8 bits": eight,
        "integers": Integer(eight, list(at), scales, zeros),
        "sparse": packed(thin, config, 16, sparse=True),
        "slim": packed(narrow, shape, 16),
    }
    for design, width in (("dense", 16), ("grouped", 32), ("separable", 46)):
        small = {"blocks": 1, "classes": 10, "width": width, "stride": 2, "design": design}
        models[design] = packed(Compact(**small).eval(), small, 16)
    matrix, vectors = torch.randn(64, 576), torch.randn(576, 64 * PICTURES)
    left = matrix * (torch.rand(64, 576) > GONE)
    contestants = {name: partial(model.predict_proba, asked) for name, model in models.items()}
    contestants["a dense matrix"] = partial(torch.mm, matrix, vectors)
    contestants["a sparse matrix"] = partial(torch.sparse.mm, left.to_sparse_csr(), vectors)
    for contestant in contestants.values():
        contestant()  # warm-up
    best = {name: 1e3 * times.cpu for name, times in interleaved(contestants, REPEATS).items()}

    def row(name: str, other: str, limit: float) -> Row:
        return at_most(f"{PICTURES} pictures, {name} against {other}", best[name], best[other], limit, "ms")

    def told(name: str, other: str) -> Row:  # what a design costs on this machine: nothing is asked of it
        found = row(name, other, float("inf"))
        return replace(found, asked="", ok=None)

    return [
        row("integers", "float32", 1.0),
        row("8 bits", "float32", 1.3),
        row("sparse", "float32", 1.3),
        row("slim", "float32", 1.0),
        told("grouped", "dense"),
        told("separable", "dense"),
        told("a sparse matrix", "a dense matrix"),
    ]
