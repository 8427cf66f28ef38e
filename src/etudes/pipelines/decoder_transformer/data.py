"""The stages ingest and preprocess: sequences held out in three ways, the text cut in three parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from etudes.cards import data_card
from etudes.examples import Examples
from etudes.forms.raw import RawFile
from etudes.forms.recurrences import parse_recurrences
from etudes.pipelines.decoder_transformer.parameters import SplitParameters, TextParameters
from etudes.splits import among, halved, hold_out
from etudes.text.characters import cut_text, parse_text

Card = dict[str, Any]
VECTOR, STARTS = ["a", "b"], ["a", "b", "start_0", "start_1"]


def ingest(raw_recurrences: RawFile, raw_text: RawFile) -> tuple[pd.DataFrame, pd.DataFrame, Card]:
    """Check both files and say where they come from."""
    recurrences, probability = parse_recurrences(raw_recurrences)
    text = parse_text(raw_text)
    content = (raw_recurrences.content, b"\0", raw_text.content)
    moduli = sorted(int(modulus) for modulus in recurrences["modulus"].unique())
    facts = {"next_probability": probability, "sequences": len(recurrences), "characters": len(text)}
    card = data_card([raw_text, raw_recurrences], *content, moduli=moduli, **facts)
    return recurrences, pd.DataFrame({"line": text.split("\n")}), card


def cut(
    recurrences_frame: pd.DataFrame, text_frame: pd.DataFrame, split: SplitParameters, text: TextParameters
) -> tuple[Any, ...]:
    """Train, dev and test of the recurrences, then of the text, then the card of both."""
    *sequences, card = split_recurrences(recurrences_frame, split)
    *texts, text_card = cut_text("\n".join(text_frame["line"]), text.context, text.dev, text.test)
    return *sequences, *texts, card | text_card


def split_recurrences(
    frame: pd.DataFrame, settings: SplitParameters
) -> tuple[Examples, Examples, Examples, Card]:
    """Hold out whole coefficient vectors, of the others some start tokens, and of the rest some sequences.

    Of every modulus a share of the vectors (a, b) is held out: their sequences are in dev and test only, as the group
    ``heldout``. Of the other vectors a share of the start tokens is held out in the same way, as the group ``starts``:
    training has the vector, but never behind these two tokens. Of what remains, dev and test get sequences drawn at
    random, the group ``seen``. Training sequences that stand in dev or test token by token are dropped.

    Raises:
        ValueError: a part of a modulus would be empty.
    """
    tokens = np.stack(list(frame["tokens"])).astype(np.int64)
    part, group = (np.full(len(frame), name, dtype=object) for name in ("train", "seen"))
    card: Card = {"unit": "sequences", "length": tokens.shape[1], "vectors": {}, "heldout_starts": {}}
    for modulus, rows in frame.groupby("modulus", sort=True):
        generator = np.random.default_rng([settings.seed, int(str(modulus))])
        try:
            heldout, seen = hold_out(rows, VECTOR, settings.heldout, generator)
            held = among(rows, VECTOR, heldout)
            starts, _ = hold_out(rows[~held], STARTS, settings.starts, generator, least=2)
            new = among(rows, STARTS, starts) & ~held
            for name, members in (("heldout", rows[held]), ("starts", rows[new])):
                group[members.index] = name
                part[members.index] = halved(members, STARTS, settings.most, generator)
            rest = rows.index[~held & ~new].to_numpy()
            part[rest] = _drawn(len(rest), settings, generator)
        except ValueError as error:
            raise ValueError(
                f"modulus {modulus}, coefficient vectors and start tokens: {error}. Add sequences with others, or change "
                "split.heldout, split.starts, split.dev and split.test."
            ) from error
        card["vectors"][str(modulus)] = {"seen": seen, "heldout": heldout}
        card["heldout_starts"][str(modulus)] = starts
    elsewhere = {row.tobytes() for row in tokens[np.isin(part, ("dev", "test"))]}
    repeated = (part == "train") & np.array([row.tobytes() in elsewhere for row in tokens])
    rows = frame[["modulus", *STARTS]].assign(id=[f"r{i:06d}" for i in range(len(frame))])
    everything = Examples(rows.assign(group=group.astype(str)), {"tokens": tokens})
    train, dev, test = (everything.take((part == name) & ~repeated) for name in ("train", "dev", "test"))
    card |= {"train_rows": len(train), "dev_rows": len(dev), "test_rows": len(test)}
    return train, dev, test, card | {"dropped_because_repeated": int(repeated.sum())}


def _drawn(count: int, settings: SplitParameters, generator: np.random.Generator) -> np.ndarray:
    """``train``, ``dev`` or ``test`` for each of ``count`` sequences of seen coefficients and start tokens."""
    dev, test = (min(settings.most, round(share * count)) for share in (settings.dev, settings.test))
    if min(dev, test) < 1 or dev + test >= count:
        raise ValueError(
            f"{count} sequences of seen ones give {dev} to dev and {test} to test; expected at least one for each"
        )
    part, order = np.full(count, "train", dtype=object), generator.permutation(count)
    part[order[:dev]], part[order[dev : dev + test]] = "dev", "test"
    return part


def of_group(examples: Examples, modulus: int, group: str) -> Examples:
    """The sequences of one modulus and group."""
    rows = examples.rows
    return examples.take(((rows["modulus"] == modulus) & (rows["group"] == group)).to_numpy())
