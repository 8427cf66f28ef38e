"""Costs of networks side by side."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from etudes.vision.costs import cost_table, times
from mimo_toys import TEST


def asking(seen: list[int], **more) -> SimpleNamespace:
    return SimpleNamespace(predict_proba=lambda examples: seen.append(len(examples)), **more)


def test_networks_alone_have_costs_and_take_turns() -> None:
    seen: list[int] = []
    models = {"majority": asking(seen), "a": asking(seen, network=1), "b": asking(seen, network=2)}
    table = cost_table(TEST, models, ["size"], lambda model, side: {"size": side * model.network}, 7, 3)
    assert list(table.columns) == ["variant", "size", "latency", "batch_latency"]
    assert table["variant"].tolist() == ["a", "b"] and table["size"].tolist() == [16, 32]
    assert seen == [1] * 8 + [7] * 8  # once before, then three rounds, of both
    assert np.isfinite(table[["latency", "batch_latency"]]).all().all()
    assert list(cost_table(TEST, {}, ["size"], lambda model, side: {}, 7, 3).columns) == list(table.columns)


def test_no_more_pictures_are_asked_than_there_are() -> None:
    seen: list[int] = []
    times(TEST, {"a": asking(seen)}, 10_000, 1)
    assert seen == [len(TEST)] * 2
