"""From raw files to tables: that in question, and those beside it."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import pandas as pd

from etudes.benches import tables
from etudes.cards import data_card
from etudes.forms.raw import RawFile, RawFolder
from etudes.pipelines.cluster_then_label.parameters import TableParameters

Frame = pd.DataFrame
TABLE = "table"  # the column of `others_frame` that says which table a row is of


def ingest(
    raw_table: RawFile, raw_others: RawFolder, table: TableParameters
) -> tuple[Frame, Frame, dict[str, Any]]:
    """Check the table in question, and those that the sweep runs over beside it.

    Returns:
        The table; the other tables below each other, whose columns are empty where another table has them; where they
        come from, and how many rows with an empty cell were left out.

    Raises:
        ValueError: as `etudes.benches.tables.read`, or too few rows of a class.
    """
    frame, left_out = tables.read(raw_table, table)
    files = {PurePosixPath(name).stem: raw_others.read(name) for name in raw_others}
    others = []
    for name, file in files.items():
        found, _ = tables.read(file)
        others.append(found.assign(**{TABLE: name}))
    card = data_card(
        [raw_table, *files.values()], table_rows=len(frame) + left_out, rows_with_an_empty_cell=left_out
    )
    return frame, pd.concat(others, ignore_index=True), card


def by_name(table_frame: Frame, others_frame: Frame, table: TableParameters) -> dict[str, Frame]:
    """All tables by name, each with its own measurements, that in question first."""
    others = {
        str(name): rows.drop(columns=TABLE).dropna(axis="columns", how="all")
        for name, rows in others_frame.groupby(TABLE, sort=False)
    }
    return {table.name: table_frame} | {name: rows for name, rows in others.items() if name != table.name}
