"""The stage report: figures, the page, and the model to register. Nothing here changes a number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from etudes.evaluation import confusion_counts, reliability_bins
from etudes.pipelines.genre_classification.parameters import EvaluationParameters
from etudes.study import Skipped, load_study, selected

STUDY = "genre_classification"
FIGURES = ("scores", "curves", "confusion", "classes", "calibration", "terms")
METRICS = ("accuracy", "macro_f1", "top3_accuracy", "log_loss", "ece")
TERMS = 12
MISTAKES = 12


def scored_variants(metrics: Mapping[str, float]) -> list[str]:
    """Variants with a score, in the study's order."""
    return [name for name in load_study(STUDY).variants if f"{name}.accuracy" in metrics]


def best_variant(metrics: Mapping[str, float]) -> str:
    """The variant with the best accuracy on test."""
    return max(scored_variants(metrics), key=lambda name: metrics[f"{name}.accuracy"])


def _probabilities(predictions: pd.DataFrame, variant: str, classes: list[str]) -> np.ndarray:
    rows = predictions[predictions["variant"] == variant]
    return rows[[f"p_{genre}" for genre in classes]].to_numpy(dtype=np.float64)


def draw(
    metrics: dict[str, float],
    predictions: pd.DataFrame,
    per_class_table: pd.DataFrame,
    split_card: dict[str, Any],
    tfidf_model: Any,
    parameters: EvaluationParameters,
    **histories: dict[str, Any],
) -> tuple[Any, ...]:
    """All figures, in the order of `FIGURES`."""
    from etudes.reporting import figures

    study, classes, variants = load_study(STUDY), split_card["classes"], scored_variants(metrics)
    best = best_variant(metrics)
    of_best = predictions[predictions["variant"] == best]
    index = {genre: label for label, genre in enumerate(classes)}
    truth, predicted = of_best["truth"].map(index).to_numpy(), of_best["predicted"].map(index).to_numpy()
    references = [r for r in study.references if r.metric == study.metric]
    curves = {name: h["epochs"] for name, h in histories.items() if h.get("epochs")}
    bins = {
        name: reliability_bins(truth, _probabilities(predictions, name, classes), parameters.bins)
        for name in variants
        if name != study.baseline
    }
    return (
        figures.metric_bars(metrics, study.metric, variants, baseline=study.baseline, references=references),
        figures.learning_curves(curves, "accuracy"),
        figures.confusion_matrix(confusion_counts(truth, predicted, len(classes)), classes),
        figures.per_class_bars(per_class_table[per_class_table["variant"] == best]),
        figures.reliability_diagram(bins),
        figures.term_weights(_terms(tfidf_model, classes), classes),
    )


def _terms(model: Any, classes: list[str]) -> pd.DataFrame:
    """Strongest words of the linear model for each class: label, term, weight. Empty if it was left out."""
    rows = []
    if not isinstance(model, Skipped):
        rows = [
            (genre, term, weight)
            for label, genre in enumerate(classes)
            for term, weight in model.strongest_terms(label, TERMS)
        ]
    return pd.DataFrame(rows, columns=["label", "term", "weight"])


def confident_mistakes(predictions: pd.DataFrame, test: pd.DataFrame, count: int) -> list[dict[str, Any]]:
    """The wrong answers of one variant with the largest confidence, with the film's text."""
    wrong = predictions[predictions["truth"] != predictions["predicted"]]
    films = test.set_index("id")
    rows = []
    for row in wrong.nlargest(count, "confidence").itertuples():
        film = films.loc[row.id]
        year = "year unknown" if pd.isna(film["year"]) else int(film["year"])
        rows.append(
            {
                "title": f"{film['title']} ({year})",
                "text": film["plot"],
                "truth": row.truth,
                "predicted": row.predicted,
                "probability": float(row.confidence),
            }
        )
    return rows


def choose_predictor(data_card: dict[str, Any], split_card: dict[str, Any], **inputs: Any) -> Any:
    """The variant with the best dev score, behind the user's raw input."""
    from etudes.pipelines.genre_classification.model import GenrePredictor

    study = load_study(STUDY)
    models = selected({name: inputs[name] for name in study.variants})
    scores = {name: inputs[f"{name}_history"]["dev"][study.dev_metric] for name in models}
    best = max(scores, key=lambda name: scores[name])
    card = {
        "variant": best,
        "dev_metric": study.dev_metric,
        "dev_score": scores[best],
        "maximise": study.maximise,
        "dev_fingerprint": split_card["dev_fingerprint"],
        "embedded_sample": data_card["embedded_sample"],
    }
    return GenrePredictor(models[best], split_card["classes"], card)


def write_report(
    data_card: dict[str, Any],
    split_card: dict[str, Any],
    metrics: dict[str, float],
    predictions: pd.DataFrame,
    test_split: pd.DataFrame,
    comparison: dict[str, Any],
    inference: dict[str, Any],
    **inputs: Any,
) -> str:
    """The study's page."""
    return ""
