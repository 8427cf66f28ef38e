"""What `report.md` shows: figures, and the words and tables that must be computed. Nothing here changes a number."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from etudes.assembly import trained
from etudes.benches.classifiers import confident_mistakes
from etudes.examples import Examples
from etudes.reporting import figures, new_figure
from etudes.reporting.charts import bars
from etudes.study import Study

TERMS = 12
TELLING = ("bow", "multinomial_nb", "tfidf", "nb_svm")
GONE = "The variants that are treated were left out of this run."


def roc(study: Study, predictions: pd.DataFrame) -> go.Figure:
    """ROC curves of all variants."""
    scores = {
        str(name): (own["p_toxic"].to_numpy(), (own["truth"] == "toxic").to_numpy())
        for name, own in predictions.groupby("variant")
    }
    return figures.roc_curves(scores, study.variants)


def alarms(identity_table: pd.DataFrame) -> go.Figure:
    """False alarms where a group is named, by variant and treatment."""
    name = "fpr_identity"
    axes = ("sentences called toxic (fraction)", "variant")
    title = "False alarms where a group is named"
    low, high = f"{name}.low", f"{name}.high"
    return bars(
        identity_table, title, *axes, x=name, y="variant", by="treatment", low=low, high=high, empty=GONE
    )


def by_term(terms_table: pd.DataFrame) -> go.Figure:
    """False alarms by term, those that name no group below."""
    table = terms_table.sort_values(["named", "fpr"], ascending=[False, False], kind="stable")
    axes = ("sentences called toxic (fraction)", "term")
    return bars(table, "False alarms by term", *axes, x="fpr", y="term", by="variant", empty=GONE)


def telling(models: dict[str, Any]) -> go.Figure:
    """Words that speak most for either class, by variant."""
    rows = [
        (name, term, weight)
        for name, model in trained(models).items()
        if name in TELLING
        for term, weight in dict(model.strongest(TERMS)).items()
    ]
    table = pd.DataFrame(rows, columns=["label", "term", "weight"])
    if table.empty:
        return new_figure("the variants with one weight a word were left out of this run", height=120)
    names = list(dict.fromkeys(table["label"]))
    return figures.term_weights(table, names, title="Words that speak for toxic (+) or fine (-)")


def settings(histories: dict[str, Any]) -> pd.DataFrame:
    """What each linear variant chose in the study's own split."""
    rows = [
        {
            "variant": name,
            "chosen": history["setting"],
            "AUC of held-out training rows": history["dev"]["roc_auc"],
        }
        for name, history in histories.items()
        if "setting" in history
    ]
    return pd.DataFrame(rows, columns=["variant", "chosen", "AUC of held-out training rows"])


def mistakes(
    predictions: pd.DataFrame, train_split: Examples, test_split: Examples, metrics: dict[str, float]
) -> list[dict[Any, Any]]:
    """The most confident wrong answers of the variant with the largest area under the ROC curve, with their texts."""
    best = max(predictions["variant"].unique(), key=lambda name: metrics[f"{name}.roc_auc"])
    rows = pd.concat([train_split.rows, test_split.rows])
    texts = dict(zip(rows["id"], rows["text"], strict=True))
    return confident_mistakes(predictions[predictions["variant"] == best], texts)
