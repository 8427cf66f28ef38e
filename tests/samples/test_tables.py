"""The embedded tables: real rows as CSV, the same for the same seed."""

from __future__ import annotations

import io
from collections import Counter

import pandas as pd
import pytest

from etudes.samples.tables import PARTS, raw_file


def read(part: str, rows: int, seed: int = 0) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(raw_file(part, rows, seed).content))


@pytest.mark.parametrize("part", PARTS)
def test_a_whole_table_holds_the_rows_of_scikit_learn(part: str) -> None:
    from sklearn import datasets

    table = getattr(datasets, f"load_{part}")()
    frame = read(part, len(table.target))
    there = Counter(tuple(row) for row in frame.itertuples(index=False))
    names = table.target_names[table.target]
    assert there == Counter((*row, name) for row, name in zip(table.data.tolist(), names, strict=True))


def test_some_rows_have_the_shares_of_the_table() -> None:
    whole, some = (read("wine", rows)["label"].value_counts() for rows in (178, 60))
    assert all(abs(some[name] - 60 * count / 178) <= 1 for name, count in whole.items())


def test_the_seed_decides_the_rows() -> None:
    assert raw_file("iris", 50, seed=1).content == raw_file("iris", 50, seed=1).content
    assert set(map(tuple, read("iris", 50, 1).to_numpy())) != set(map(tuple, read("iris", 50, 2).to_numpy()))


@pytest.mark.parametrize(
    ("part", "rows", "said"),
    [
        ("wines", 10, "part = 'wines'"),
        ("iris", 151, "expected 1 to 150"),
        ("iris", {"iris": 10}, "expected 'several' where rows names tables"),
        ("several", {"wines": 10}, "part = 'wines'"),
    ],
)
def test_impossible_wishes_are_refused(part: str, rows: int | dict[str, int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        raw_file(part, rows, seed=0)


def test_several_tables_are_a_folder_of_each() -> None:
    folder = raw_file("several", {"wine": 20, "iris": 10}, seed=3)
    assert list(folder) == ["iris.csv", "wine.csv"] and folder.embedded_sample
    assert folder.read("wine.csv").content == raw_file("wine", 20, seed=3).content
