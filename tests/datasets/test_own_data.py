"""What a catalog may say of a user's own data."""

from __future__ import annotations

from pathlib import Path

import pytest
from kedro.io import DatasetError

from etudes.datasets import RawFileDataset, RawFolderDataset


def test_title_and_unit_travel_with_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_bytes(b"1")
    one = RawFileDataset(
        source=None, file="mine.csv", raw=str(tmp_path), title="Support tickets", unit="tickets"
    )
    all_of_them = RawFolderDataset(source=None, raw=str(tmp_path), title="Support tickets")
    known = {"embedded_sample": False, "source": "own data", "title": "Support tickets"}
    assert one.load().facts == {**known, "unit": "tickets"} and all_of_them.load().facts == known


def test_data_of_the_table_have_their_own(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="title and unit are for data of your own"):
        RawFileDataset(source="uci_adult", file="adult.data", raw=str(tmp_path), title="Mine")
