"""What the answers of networks for pictures cost, side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from etudes.evaluation.cost import latencies
from etudes.examples import Examples


def cost_table(
    test_split: Examples,
    models: Mapping[str, Any],
    columns: Sequence[str],
    counted: Callable[[Any, int], dict[str, Any]],
    batch: int,
    rounds: int,
) -> pd.DataFrame:
    """One row a network: ``variant``, what is ``counted``, and the time from bytes to probabilities (milliseconds), ``latency`` of one
    picture and ``batch_latency`` of a batch; networks take turns, in this process and with its threads.

    Args:
        test_split: its first pictures are asked.
        models: by name; those without a ``network`` are left out.
        columns: names of what is counted.
        counted: of a model and the side of a picture in pixels, by these names.
        batch: pictures.
        rounds: measured answers behind each time.
    """
    networks = {name: model for name, model in models.items() if hasattr(model, "network")}
    side = int(test_split["pixels"].shape[1])
    rows = {name: {"variant": name, **counted(model, side)} for name, model in networks.items()}
    for column, count in (("latency", 1), ("batch_latency", batch)):
        for name, taken in times(test_split, networks, count, rounds).items():
            rows[name][column] = taken
    return pd.DataFrame(rows.values(), columns=["variant", *columns, "latency", "batch_latency"])


def times(test_split: Examples, models: Mapping[str, Any], count: int, rounds: int) -> dict[str, float]:
    """Milliseconds that each model takes for the first ``count`` pictures."""
    asked = test_split.take(np.arange(min(count, len(test_split))))
    return latencies({name: partial(model.predict_proba, asked) for name, model in models.items()}, rounds)
