"""What is left of the scores on a plain text, whose words must be found first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from etudes.benches.parameters import ResamplingParameters
from etudes.benches.tagging import ENDS
from etudes.evaluation.bootstrap import quantile_interval, resample_weights
from etudes.pipelines.pos_tagging.parameters import FormParameters
from etudes.text.cutting import cutter


def from_text(
    test_split: pd.DataFrame,
    models: dict[str, Any],
    histories: dict[str, Any],
    split_card: dict[str, Any],
    form: FormParameters,
    evaluation: ResamplingParameters,
) -> pd.DataFrame:
    """The best variant of dev on plain texts: which words the rules cut as the file does, and which of these have the right tag too.

    Returns:
        ``f1`` by ``what``, harmonic mean of the shares of the words found and of the words given that are right (Zeman et al., CoNLL 2018). Of
        sentences whose words are those of their text.
    """
    written = test_split[test_split["text"] != ""]
    glued = written["words"].map("".join) == written["text"].map(lambda text: "".join(text.split()))
    written = written[glued]
    names = ["what", *(f"f1{end}" for end in ENDS), "sentences"]
    if not len(written):
        return pd.DataFrame(columns=names)
    best = max(models, key=lambda name: histories[name]["dev"]["accuracy"])
    cut = cutter(form.language)
    parts = [cut(text) for text in written["text"]]
    given = [[word for sentence in sentences for word in sentence] for sentences in parts]
    tags, _ = models[best].tag([sentence for sentences in parts for sentence in sentences])
    told = np.array(split_card["classes"])[tags]
    counts, at = [], 0
    for words, own, system in zip(written["words"], written["tags"], given, strict=True):
        gold = set(zip(spans(words), own, strict=True))
        found = list(zip(spans(system), told[at : at + len(system)], strict=True))
        at += len(system)
        places = {place for place, _ in gold}
        same = sum(place in places for place, _ in found), sum(pair in gold for pair in found)
        counts.append([*same, len(gold) + len(found)])
    sums = np.array(counts, dtype=np.float64)
    drawn = np.concatenate([w @ sums for w in resample_weights(len(sums), evaluation.resamples, seed=0)])
    rows = []
    for column, what in enumerate(("words", "words with the right tag")):
        value = 2 * sums[:, column].sum() / sums[:, 2].sum()
        rows.append([what, value, *quantile_interval(2 * drawn[:, column] / drawn[:, 2], 0.95), len(written)])
    return pd.DataFrame(rows, columns=names)


def spans(words: Sequence[str]) -> list[tuple[int, int]]:
    """Where each word begins and ends among the characters that are no spaces."""
    ends = np.cumsum([len("".join(word.split())) for word in words])
    return list(zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True))
