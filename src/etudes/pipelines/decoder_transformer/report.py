"""What `report.md` shows: figures, and the words that must be computed. Nothing here changes a number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from etudes.assembly import left_out
from etudes.examples import Examples
from etudes.pipelines.decoder_transformer.data import Card, of_group
from etudes.pipelines.decoder_transformer.evaluation import GROUPS
from etudes.reporting import image_grid, learning_curves, metric_bars
from etudes.reporting.charts import heat, lines
from etudes.study import Study, load_study

STUDY = load_study("decoder_transformer")
READERS = {"bayes": "ceiling (Bayes)", "bayes_seen": "Bayes, knows what training had only"}
ATTENDED = 24  # tokens of the sequence in the attention maps
GONE = "The transformer was left out of this run."


def scores(study: Study, metrics: dict[str, float]) -> go.Figure:
    """Accuracy of every variant on new sequences."""
    references = [reference for reference in study.references if reference.metric == study.metric]
    return metric_bars(metrics, study.metric, study.variants, study.baseline, references)


def positions(positions_table: pd.DataFrame, data_card: Card, group: str = "") -> go.Figure:
    """Accuracy by position on a group of the first modulus, below the ceiling."""
    first = positions_table["modulus"] == data_card["moduli"][0]
    table = positions_table[first & (positions_table["group"] == group)]
    table = table.assign(x=table["position"], y=table["accuracy"], by=table["variant"].replace(READERS))
    title, order = f"Accuracy by position, {GROUPS[group]}", [*STUDY.variants, *READERS.values()]
    x, y = "position (tokens seen, less one)", "accuracy (fraction)"
    return lines(table, title, x, y, by="by", order=order, marks=False)


def curves(histories: dict[str, Any]) -> go.Figure:
    """Loss and accuracy on dev by epoch, a line for each network."""
    found = {
        f"{name}, {task.replace('_', ' ')}": epochs
        for name, history in histories.items()
        for task, epochs in history["epochs"].items()
    }
    return learning_curves(found, "accuracy")


def grid(sampling_table: pd.DataFrame, of_text: bool = False, measure: str = "", unit: str = "") -> go.Figure:
    """A measure of the continuations by temperature and top-p."""
    of_task = (sampling_table["task"] == "text") == of_text
    table = sampling_table[of_task & (sampling_table["source"] == "model")]
    table = table.assign(x=table["top_p"], y=table["temperature"], value=table[measure])
    title = f"{'Text' if of_text else 'Recurrences'}: {unit}"
    return heat(table, title, "top-p (mass)", "temperature (1)", unit, empty=GONE)


def attention(transformer_model: Any, test_split: Examples, data_card: Card) -> bytes:
    """Attention on the start of the first test sequence of the first modulus: a row for each layer."""
    if left_out(transformer_model):
        return image_grid([np.zeros((1, 1))], [GONE], 1, tile=280)
    modulus = data_card["moduli"][0]
    tokens = of_group(test_split, modulus, "seen")["tokens"][0][:-1][:ATTENDED]
    maps = transformer_model.networks[f"modulus_{modulus}"].attention_maps(tokens)
    captions = [f"layer {layer + 1}, head {head + 1}" for layer, head in np.ndindex(maps.shape[:2])]
    return image_grid(maps.reshape(-1, len(tokens), len(tokens)), captions, maps.shape[1], tile=168)


def by_modulus(moduli_table: pd.DataFrame) -> pd.DataFrame:
    """Accuracy of the three groups, a row for each modulus and reader or variant."""
    order = [*READERS, *(name for name in STUDY.variants if name in set(moduli_table["variant"]))]
    wide = moduli_table.pivot(index=["modulus", "variant"], columns="group", values="accuracy")
    rows = [(modulus, name) for modulus in wide.index.unique("modulus") for name in order]
    said = [f"{READERS.get(name, name)}, modulus {modulus}" for modulus, name in rows]
    table = wide.reindex(rows)[list(GROUPS)].rename(columns=GROUPS).reset_index(drop=True)
    table.insert(0, "reader", said)
    return table


def of_data(sampling_table: pd.DataFrame) -> pd.DataFrame:
    """The measures of what the data themselves go on with."""
    return sampling_table[sampling_table["source"] == "data"].drop(
        columns=["source", "temperature", "top_p", "entropy"]
    )
