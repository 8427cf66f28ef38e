"""Three kinds of new: what is held out is in no training sequence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from etudes.pipelines.decoder_transformer.data import STARTS, VECTOR, of_group, split_recurrences
from etudes.pipelines.decoder_transformer.parameters import Parameters, SplitParameters


def keys(rows: pd.DataFrame, columns: list[str]) -> set[tuple[int, ...]]:
    return set(rows[columns].itertuples(index=False, name=None))


def test_held_out_vectors_are_in_no_training_sequence(splits: dict[str, Any]) -> None:
    for modulus in (3, 5):
        vectors = splits["split_card"]["vectors"][str(modulus)]
        heldout, seen = ({tuple(v) for v in vectors[name]} for name in ("heldout", "seen"))
        assert heldout and seen and not heldout & seen
        assert len(heldout) == round(0.34 * modulus**2) and len(heldout | seen) == modulus**2
        for name, allowed in (("train", seen), ("dev", seen | heldout), ("test", seen | heldout)):
            rows = splits[name].rows
            assert keys(rows[rows["modulus"] == modulus], VECTOR) <= allowed, name
        for name in ("dev", "test"):
            for group, of in (("seen", seen), ("starts", seen), ("heldout", heldout)):
                rows = of_group(splits[name], modulus, group).rows
                assert len(rows) and keys(rows, VECTOR) <= of


def test_held_out_start_tokens_are_in_no_training_sequence(splits: dict[str, Any]) -> None:
    for modulus in (3, 5):
        held = {tuple(key) for key in splits["split_card"]["heldout_starts"][str(modulus)]}
        train, dev, test = (
            keys(of_group(splits[name], modulus, group).rows, STARTS)
            for name, group in (("train", "seen"), ("dev", "starts"), ("test", "starts"))
        )
        assert held and train and dev and test
        assert not train & held and dev | test <= held
        assert not dev & test, "dev must not show the start tokens of test"


def test_no_sequence_is_in_two_parts(splits: dict[str, Any]) -> None:
    parts = [splits[name] for name in ("train", "dev", "test")]
    ids = [set(part.rows["id"]) for part in parts]
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert not ids[i] & ids[j]
    sequences = [{row.tobytes() for row in np.asarray(part["tokens"])} for part in parts]
    assert not sequences[0] & (sequences[1] | sequences[2])


def test_tokens_travel_with_their_coefficients(splits: dict[str, Any]) -> None:
    for name in ("train", "dev", "test"):
        tokens, rows = splits[name]["tokens"], splits[name].rows
        first = (rows["a"] * rows["start_1"] + rows["b"] * rows["start_0"]) % rows["modulus"]
        other = (rows["start_1"] + 1) % rows["modulus"]
        assert ((tokens[:, 0] == first) | (tokens[:, 0] == other)).all()


def test_split_is_decided_by_its_seed(splits: dict[str, Any], parameters: Parameters) -> None:
    frame, settings = splits["frame"], parameters.split
    pd.testing.assert_frame_equal(split_recurrences(frame, settings)[0].rows, splits["train"].rows)
    other = split_recurrences(frame, settings.model_copy(update={"seed": 1}))
    assert other[3]["vectors"] != splits["split_card"]["vectors"]


def rows_of(starts: dict[tuple[int, int], list[tuple[int, int]]]) -> pd.DataFrame:
    """One sequence of modulus 2 for each vector and its start tokens."""
    rows = [
        {"modulus": 2, "a": a, "b": b, "start_0": s, "start_1": u, "tokens": np.array([s, u, a, b, s])}
        for (a, b), pairs in starts.items()
        for s, u in pairs
    ]
    return pd.DataFrame(rows)


ALL = [(0, 0), (0, 1), (1, 0), (1, 1)]
ONE = {(0, 0): ALL[:1], (0, 1): ALL}


@pytest.mark.parametrize(
    ("starts", "changes", "message"),
    [
        ({(0, 0): ALL}, {}, "1 are different, of which 1 would be held out"),
        (
            {(0, 0): ALL, (0, 1): ALL, (1, 1): ALL},
            {"starts": 0.5, "dev": 0.02},
            "give 0 to dev and .* at least one",
        ),
        ({(0, 0): ALL, (0, 1): ALL, (1, 1): ALL}, {"starts": 0.99}, "of which 8 would be held out"),
        (ONE, {"heldout": 0.5, "seed": 0}, "are all alike; expected two groups"),
        (ONE, {"heldout": 0.5, "seed": 1}, "1 are different, of which 2 would be held out"),
    ],
)
def test_a_part_without_sequences_is_refused(
    parameters: Parameters, starts: dict[Any, Any], changes: dict[str, float], message: str
) -> None:
    settings = SplitParameters(**{**parameters.split.model_dump(), "most": 3, **changes})
    with pytest.raises(ValueError, match=f"modulus 2, .*{message}.*Add sequences"):
        split_recurrences(rows_of(starts), settings)
