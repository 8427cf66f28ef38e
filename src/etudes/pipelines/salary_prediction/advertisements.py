"""From the raw file to folds of advertisements in which near-duplicates stay together."""

from __future__ import annotations

import csv
import io
import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from etudes.cards import data_card, fingerprint
from etudes.forms.files import read_text
from etudes.forms.raw import RawFile
from etudes.pipelines.salary_prediction.parameters import FormParameters, SplitParameters
from etudes.splits import stratified_groups
from etudes.text.terms import count_terms
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
SHOWN_PROBLEMS = 5


def ingest(raw_advertisements: RawFile, form: FormParameters) -> tuple[Frame, dict[str, Any]]:
    """Check the file, and say where it comes from.

    Returns:
        ``id`` (the number of the row, from 1), the `FIELDS` as texts (empty where the file has nothing), ``salary`` in GBP a year.

    Raises:
        ValueError: a wrong encoding or separator, a column that is missing, a row with another number of fields, a salary that is no
            positive number, an empty description, or fewer than 20 rows; the message names the file and the rows.
    """
    header, *rows = _rows(raw_advertisements, form.separator) or [(1, [])]
    names = header[1]
    name = raw_advertisements.name
    if missing := [field for field in (*FIELDS, SALARY) if field not in names]:
        raise ValueError(
            f"{name}: the first line has no column '{missing[0]}', found {', '.join(map(repr, names))[:300]}. Expected "
            f"{', '.join((*FIELDS, SALARY))} with {form.separator!r} between them; check names and separator."
        )
    problems, found = [], []
    for number, (line, fields) in enumerate(rows, start=1):
        place = f"row {number} (line {line})"
        if len(fields) != len(names):
            problems.append(f"{place}: {len(fields)} fields, expected {len(names)}")
            continue
        of = dict(zip(names, fields, strict=True))
        if (salary := _amount(of[SALARY])) is None:
            problems.append(f"{place}: {SALARY} is {of[SALARY][:30]!r}, expected GBP a year above 0")
        elif not of[DESCRIPTION].strip():
            problems.append(f"{place}: {DESCRIPTION} is empty")
        else:
            found.append({"id": number, **{field: of[field].strip() for field in FIELDS}, "salary": salary})
    if problems:
        more = f"\n  ... and {len(problems) - SHOWN_PROBLEMS} more" if len(problems) > SHOWN_PROBLEMS else ""
        shown = "\n  ".join(problems[:SHOWN_PROBLEMS])
        raise ValueError(
            f"{name}: {len(problems)} rows cannot be read.\n  {shown}{more}\nMend them or leave them out; a field "
            'that holds the separator, a line end or a quote stands in quotes ("), a quote in it is written twice.'
        )
    if len(found) < 20:
        raise ValueError(
            f"{name}: {len(found)} advertisements; expected 20 or more, to learn from some and test on others"
        )
    frame = pd.DataFrame(found)
    return frame, data_card(
        [raw_advertisements], advertisements=len(frame), median_salary=float(frame["salary"].median())
    )


def _rows(raw: RawFile, separator: str) -> list[tuple[int, list[str]]]:
    """The rows with the numbers of the lines that they end in; blank lines are left out."""
    content = read_text(raw)
    before = csv.field_size_limit(max(len(content), 1))  # a text may be long
    try:
        reader = csv.reader(io.StringIO(content, newline=""), delimiter=separator, strict=True)
        return [(reader.line_num, fields) for fields in reader if fields]
    except csv.Error as error:
        raise ValueError(
            f"{raw.name}, line {reader.line_num}: {error}; expected fields with {separator!r} between them, and quotes "
            '(") around those that hold a line end or a quote'
        ) from error
    finally:
        csv.field_size_limit(before)


def _amount(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None


def near_duplicates(frame: Frame, shingle: int, least: float) -> IntArray:
    """A number (N,) that is the same for advertisements that resemble each other, directly or through others.

    The resemblance of two is |A and B| / |A or B| of the sets of their runs of ``shingle`` words (Broder: On the Resemblance and
    Containment of Documents, 1997), in title and description; from ``least`` on they are near-duplicates.
    """
    texts = frame[TITLE] + "\n" + frame[DESCRIPTION]
    runs = []
    for words in map(tokenize, texts):
        sets = {" ".join(words[k : k + shingle]) for k in range(max(1, len(words) - shingle + 1))}
        runs.append(sorted(sets))
    counts, _ = count_terms(runs)
    common = csr_matrix(counts @ counts.T).tocoo()
    sizes = np.asarray(counts.sum(axis=1)).ravel()
    share = common.data / (sizes[common.row] + sizes[common.col] - common.data)
    alike = share >= least
    edges = csr_matrix(
        (np.ones(alike.sum()), (common.row[alike], common.col[alike])), (len(frame), len(frame))
    )
    _, group = connected_components(edges, directed=False)
    return group.astype(np.int64)


def deal(groups: IntArray, folds: int, seed: int) -> IntArray:
    """A fold (N,) for each row, of about the same size, each group whole: large groups first, each to the smallest fold.

    Raises:
        ValueError: fewer groups than folds.
    """
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(sizes) < folds:
        raise ValueError(
            f"{len(sizes)} groups of near-duplicates cannot be dealt into {folds} folds; expected as many"
        )
    order = np.random.default_rng(seed).permutation(len(sizes))
    fold, load = np.empty(len(sizes), dtype=np.int64), np.zeros(folds)
    for k in order[np.argsort(-sizes[order], kind="stable")]:
        fold[k] = load.argmin()
        load[fold[k]] += sizes[k]
    return fold[group]


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
    group = near_duplicates(rows, split.shingle, split.resemblance)
    rows = rows.assign(
        group=group, fold=deal(group, split.folds, derive_seed(run.seed, "folds")), is_dev=False
    )
    kept = rows["fold"].to_numpy() != 0
    train, test = (rows[part].reset_index(drop=True) for part in (kept, ~kept))
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
        "words": sorted(
            {word for text in train[TITLE] + "\n" + train[DESCRIPTION] for word in tokenize(text)}
        ),
    }
    return train, dev, test, card
