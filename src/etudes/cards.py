"""Small facts of a stage that later stages, the tracker and the records read: where data come from, what they are."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.examples import Examples
from etudes.forms.raw import RawFile, RawFolder
from etudes.study import OWN_DATA

LENGTH = 32  # characters of a fingerprint
Part = bytes | str | pd.DataFrame | NDArray


def fingerprint(*parts: Part) -> str:
    """Of bytes, texts, tables and arrays, one after the other: equal for equal values in equal order."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            digest.update(part.encode())
        elif isinstance(part, bytes):
            digest.update(part)
        elif isinstance(part, pd.DataFrame):
            digest.update(part.to_csv(index=False).encode())
        else:
            digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()[:LENGTH]


def examples_fingerprint(examples: Examples) -> str:
    """Fingerprint of ids, labels and arrays, in order."""
    arrays = [part for name in sorted(examples.arrays) for part in (name, examples[name])]
    return fingerprint(examples.rows[["id", "label"]], *arrays)


def fingerprint_of(model: Any) -> str:
    """Of a model's weights: another one gives other results where it is used."""
    arrays = model.state().arrays
    return fingerprint(*(part for name in sorted(arrays) for part in (name, arrays[name])))


def data_card(raw: Sequence[RawFile | RawFolder], *parts: Part, **facts: Any) -> dict[str, Any]:
    """What the ingest stage says of its data.

    Args:
        raw: the raw inputs; the first says where they come from, all tell what is known of them beforehand.
        parts: what the fingerprint is of; the contents of the files if none are given.
        facts: counts and whatever else later stages read.
    """
    files = [file for file in raw if isinstance(file, RawFile)]
    contents = [part for file in files for part in (b"\0", file.content)][1:]
    known = {key: value for entry in reversed(raw) for key, value in entry.facts.items()}
    rest = {key: value for key, value in known.items() if key not in ("source", "embedded_sample")}
    card = {
        "source": raw[0].facts.get("source", OWN_DATA),
        "embedded_sample": raw[0].embedded_sample,
        "fingerprint": fingerprint(*(parts or contents)),
        **facts,
        **rest,
    }
    return card | ({"files": [file.short_name for file in files]} if files else {})
