"""scikit-learn's tables as CSV files, with a header and the class in the column ``label``.

Real measurements that ship inside the dependency: 178 wines of three growers, 569 breast tumours of two kinds, 150 irises
of three species, 1,797 digits of 8 x 8 pixels.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from etudes.forms.raw import RawFile, RawFolder

PARTS = ("wine", "breast_cancer", "iris", "digits")
SEVERAL = "several"


def raw_file(part: str, rows: int | Mapping[str, int], seed: int) -> RawFile | RawFolder:
    """One table, or some rows of it, in a seeded order; or a folder of several, ``<part>.csv``.

    Args:
        part: one of `PARTS`, or ``several``.
        rows: how many, drawn without replacement and the classes in their shares of the table as far as they go; of
            several tables by their names.
        seed: decides which rows, and their order.

    Raises:
        ValueError: an unknown part, or more rows than there are.
    """
    if isinstance(rows, int):
        return _table(part, rows, seed)
    if part != SEVERAL:
        raise ValueError(f"part = '{part}', expected '{SEVERAL}' where rows names tables")
    entries = {f"{name}.csv": _table(name, count, seed).content for name, count in rows.items()}
    facts = {"embedded_sample": True, "source": "embedded sample: scikit-learn's tables"}
    return RawFolder(f"embedded sample of scikit-learn's tables (seed {seed})", entries, facts)


def _table(part: str, rows: int, seed: int) -> RawFile:
    from sklearn import datasets

    if part not in PARTS:
        raise ValueError(f"part = '{part}', expected one of {', '.join(PARTS)}")
    table = getattr(datasets, f"load_{part}")()
    if not 1 <= rows <= len(table.target):
        raise ValueError(f"rows = {rows}, expected 1 to {len(table.target)}")
    generator = np.random.default_rng(seed)
    # Evenly spaced places among the rows sorted by class take each class in its share.
    order = generator.permutation(len(table.target))
    by_class = order[np.argsort(table.target[order], kind="stable")]
    chosen = generator.permutation(by_class[np.arange(rows) * len(by_class) // rows])
    names = [str(name).replace(" ", "_") for name in table.feature_names]
    lines = [",".join([*names, "label"])]
    lines += [
        ",".join([*map(repr, table.data[row].tolist()), str(table.target_names[table.target[row]])])
        for row in chosen
    ]
    return RawFile(
        f"embedded sample of scikit-learn's {part.replace('_', ' ')} table (seed {seed})",
        "\n".join([*lines, ""]).encode(),
        {
            "embedded_sample": True,
            "source": f"embedded sample: scikit-learn's {part.replace('_', ' ')} table",
        },
    )
