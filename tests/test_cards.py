"""Fingerprints and cards; networks as arrays."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import nn

from etudes.cards import data_card, examples_fingerprint, fingerprint, fingerprint_of
from etudes.examples import Examples
from etudes.forms.raw import RawFile
from etudes.networks import NetworkModel


class Line(NetworkModel):
    """A model of one layer."""

    registered_name = "scratch.line"
    network_class = nn.Linear


def line(seed: int = 0) -> Line:
    torch.manual_seed(seed)
    config = {"in_features": 3, "out_features": 2}
    return Line(nn.Linear(**config), config, mean=np.array([1.0, 2.0]), names=["a", "b"])


def test_a_fingerprint_changes_with_content_order_and_kind() -> None:
    frame, array = pd.DataFrame({"a": [1, 2]}), np.arange(4.0)
    known = fingerprint(frame, array, "x", b"y")
    assert known == fingerprint(frame.copy(), array.copy(), "x", b"y") and len(known) == 32
    others = [
        (frame.iloc[::-1], array, "x", b"y"),
        (frame, array + 1, "x", b"y"),
        (frame, array, "x"),
        (array, frame, "x", b"y"),
    ]
    assert len({known, *(fingerprint(*parts) for parts in others)}) == 5
    assert fingerprint(array[::2]) == fingerprint(np.array([0.0, 2.0])), "a view is its values"


def test_the_fingerprint_of_examples_holds_ids_labels_and_arrays() -> None:
    rows = pd.DataFrame({"id": [1, 2], "label": [0, 1]})

    def of(rows: pd.DataFrame = rows, first: int = 0) -> str:
        return examples_fingerprint(Examples(rows, {"pixels": np.array([[first], [2]], dtype=np.uint8)}))

    assert len({of(), of(first=1), of(rows.assign(label=1)), of(rows.assign(id=[1, 3]))}) == 4


def test_a_card_says_where_data_come_from_and_tells_files_apart() -> None:
    one, two = RawFile("a.csv", b"1", {"source": "own data"}), RawFile("b.csv", b"2", {"source": "own data"})
    card = data_card([one, two], rows=3)
    assert card["source"] == "own data" and card["rows"] == 3 and card["embedded_sample"] is False
    assert (
        card["fingerprint"] != data_card([one, RawFile("b.csv", b"3", {"source": "own data"})])["fingerprint"]
    )


def test_a_network_comes_back_with_what_it_needs_to_answer() -> None:
    model = line()
    again = Line.from_state(model.state())
    question = torch.ones(1, 3)
    torch.testing.assert_close(again.network(question), model.network(question))
    assert again.names == ["a", "b"] and again.mean.tolist() == [1.0, 2.0] and not again.network.training
    assert fingerprint_of(again) == fingerprint_of(model) != fingerprint_of(line(seed=1))
