"""From the raw file to folds of advertisements in which near-duplicates stay together."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.cards import data_card, fingerprint
from etudes.forms.raw import RawFile
from etudes.forms.texts import read_rows
from etudes.pipelines.salary_prediction.parameters import FormParameters, SplitParameters
from etudes.splits import dealt, stratified_groups
from etudes.text.duplicates import near_duplicates
from etudes.text.tokens import tokenize
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed

Frame = pd.DataFrame
IntArray = NDArray[np.int64]
TITLE, DESCRIPTION, SALARY = "Title", "FullDescription", "SalaryNormalized"
CATEGORIES = (
    *("LocationRaw", "LocationNormalized", "Category"),
    *("Company", "ContractType", "ContractTime", "SourceName"),
)
FIELDS = (TITLE, DESCRIPTION, *CATEGORIES)
FEWEST = 20  # advertisements


def ingest(raw_advertisements: RawFile, form: FormParameters) -> tuple[Frame, dict[str, Any]]:
    """Check the file, and say where it comes from.

    Returns:
        ``id`` (the number of the row, from 1), the `FIELDS` as texts (empty where the file has nothing), ``salary`` in GBP a year.

    Raises:
        ValueError: as `etudes.forms.texts.read_rows`; a salary that is no positive number, an empty description, or fewer than 20 rows.
    """
    found = read_rows(raw_advertisements, (*FIELDS, SALARY), _advertisement, form.separator)
    if len(found) < FEWEST:
        raise ValueError(
            f"{raw_advertisements.name}: {len(found)} advertisements; expected {FEWEST} or more, to learn from "
            "some and test on others"
        )
    frame = pd.DataFrame(found)
    median = float(frame["salary"].median())
    return frame, data_card([raw_advertisements], advertisements=len(frame), median_salary=median)


def _advertisement(row: dict[str, str]) -> dict[str, Any]:
    try:
        salary = float(row[SALARY])
    except ValueError:
        salary = math.nan
    if not 0 < salary < math.inf:
        raise ValueError(f"{SALARY} is {row[SALARY][:30]!r}, expected GBP a year above 0")
    if not row[DESCRIPTION].strip():
        raise ValueError(f"{DESCRIPTION} is empty")
    return {**{field: row[field].strip() for field in FIELDS}, "salary": salary}


def texts_of(frame: Frame) -> list[str]:
    """Title and description of each row, a line each."""
    return (frame[TITLE] + "\n" + frame[DESCRIPTION]).tolist()


def dev_rows(groups: IntArray, fraction: float, seed: int) -> NDArray[np.bool_]:
    """Which of the training rows (R,) variants are compared by: a share of the groups."""
    return stratified_groups(np.zeros(len(groups)), groups, fraction, derive_seed(seed, "dev"))


def split(
    advertisements_frame: Frame, split: SplitParameters, run: RunParameters
) -> tuple[Frame, Frame, Frame, dict[str, Any]]:
    """Deal near-duplicates together into folds; the first fold is the study's own test split, the others are its train split.

    Returns:
        train, of which some rows are dev rows as well (``is_dev``); its dev rows once more; test; what was done. ``group`` and
        ``fold`` say where a row belongs; ``test_rows`` are all rows, because each is tested once.
    """
    rows = advertisements_frame
    group = near_duplicates(texts_of(rows), split.shingle, split.resemblance)
    fold = dealt(group, split.folds, derive_seed(run.seed, "folds"))
    rows = rows.assign(group=group, fold=fold, is_dev=False)
    train, test = (rows[part].reset_index(drop=True) for part in (fold != 0, fold == 0))
    train["is_dev"] = dev_rows(train["group"].to_numpy(), split.dev_fraction, run.seed)
    dev = train[train["is_dev"]].reset_index(drop=True)
    sizes = np.bincount(group)
    card = {
        "unit": "advertisements",
        "train_rows": len(train),
        "dev_rows": len(dev),
        "test_rows": len(rows),
        "folds": split.folds,
        "groups": len(sizes),
        "near_duplicates": int(sizes[sizes > 1].sum()),
        "dev_fingerprint": fingerprint(dev),
        "words": sorted({word for text in texts_of(train) for word in tokenize(text)}),
    }
    return train, dev, test, card
