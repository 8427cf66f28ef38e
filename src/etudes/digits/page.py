"""What the report pages of studies of digits have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from etudes.digits.scoring import SCORES
from etudes.examples import Examples


def digit_facts(data_card: Mapping[str, Any], split_card: Mapping[str, Any]) -> dict[str, Any]:
    """Names and values below the headline."""
    side = split_card["side"]
    dropped = f"{split_card['dropped_because_in_test']} also in test, {split_card['dropped_because_repeated']} repeated"
    return {
        "data": data_card["source"],
        "pictures": (
            f"{split_card['train_rows']:,} train, {split_card['dev_rows']:,} dev, {split_card['test_rows']:,} test"
        ),
        "pixels": f"{side} x {side}",
        "dropped from train": dropped,
        "fingerprint of the data": data_card["fingerprint"],
    }


def references_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Scores of pictures that no variant drew, without the ends of the intervals."""
    return table[["pictures", *SCORES]].rename(columns={name: name.replace("_", " ") for name in SCORES})


def cost_table(names: Sequence[str], resources: Mapping[str, Any]) -> pd.DataFrame:
    """Training time and memory, one row for each network that was trained."""
    return pd.DataFrame(
        [
            {
                "network": name,
                "training (s)": resources[name]["seconds"],
                "added memory (MiB)": round(resources[name]["added_memory_mib"]),
                "GPU memory (MiB)": round(resources[name]["gpu_peak_memory_mib"]),
            }
            for name in names
        ]
    )


def misread(drawn: Examples, variant: str) -> str:
    """How many of the kept pictures of a variant are read as another digit, for a caption."""
    rows = drawn.rows[drawn.rows["variant"] == variant]
    if rows.empty:
        return f"{variant} was left out of this run."
    wrong = int((rows["label"] != rows["judged"]).sum())
    return (
        f"{variant}: {wrong} of {len(rows):,} kept pictures are read as another digit than was asked for; the most "
        "confident readings."
    )
