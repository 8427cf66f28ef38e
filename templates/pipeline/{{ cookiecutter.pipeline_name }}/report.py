"""The stage report: figures, the page, and the model to register. Nothing here changes a number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from etudes.evaluation import confusion_counts
from etudes.study import load_study, selected

STUDY = "{{ cookiecutter.pipeline_name }}"
FIGURES = ("scores", "confusion")
MISTAKES = 10


def scored_variants(metrics: Mapping[str, float]) -> list[str]:
    """Variants with a score, in the study's order."""
    return [name for name in load_study(STUDY).variants if f"{name}.accuracy" in metrics]


def best_variant(metrics: Mapping[str, float]) -> str:
    """The variant with the best accuracy on test."""
    return max(scored_variants(metrics), key=lambda name: metrics[f"{name}.accuracy"])


def draw(metrics: dict[str, float], predictions: pd.DataFrame, split_card: dict[str, Any]) -> tuple[Any, ...]:
    """All figures, in the order of `FIGURES`."""
    from etudes.reporting import figures

    study, classes = load_study(STUDY), split_card["classes"]
    of_best = predictions[predictions["variant"] == best_variant(metrics)]
    number = {name: k for k, name in enumerate(classes)}
    truth, predicted = (of_best[name].map(number).to_numpy() for name in ("truth", "predicted"))
    scored = scored_variants(metrics)
    return (
        figures.metric_bars(
            metrics, study.metric, scored, baseline=study.baseline, references=study.references
        ),
        figures.confusion_matrix(confusion_counts(truth, predicted, len(classes)), classes),
    )


def choose_predictor(data_card: dict[str, Any], split_card: dict[str, Any], **inputs: Any) -> Any:
    """The variant with the best dev score, behind the user's raw input; of equals the first."""
    from etudes.pipelines.{{ cookiecutter.pipeline_name }}.model import TablePredictor

    study = load_study(STUDY)
    models = selected({name: inputs[f"{name}_model"] for name in study.variants})
    scores = {name: inputs[f"{name}_history"]["dev"][study.dev_metric] for name in models}
    best = study.best_on_dev(scores)
    card = study.predictor_card(best, scores[best], split_card["dev_fingerprint"], data_card)
    return TablePredictor(
        models[best], split_card["measurements"], split_card["classes"], split_card["train_medians"], card
    )


def write_report(
    data_card: dict[str, Any],
    split_card: dict[str, Any],
    metrics: dict[str, float],
    predictions: pd.DataFrame,
    **figures: Any,
) -> str:
    """The study's page."""
    from etudes.reporting import Report, lead_table

    study, scored, best = load_study(STUDY), scored_variants(metrics), best_variant(metrics)
    rows = ", ".join(f"{split_card[f'{part}_rows']:,} {part}" for part in ("train", "dev", "test"))
    page = Report(
        study.title,
        _summary(data_card, split_card, metrics, best),
        ["embedded sample"] if data_card["embedded_sample"] else [],
        {
            "data": data_card["source"],
            "rows": f"{rows}; {split_card['equal_rows_left_out']:,} equal ones left out",
            "classes": ", ".join(split_card["classes"]),
            "fingerprint of the data": data_card["fingerprint"],
        },
    )
    page.section("What came out")
    page.table(lead_table(metrics, scored, study.metrics, study.baseline, study.references, study.metric))
    page.figure(figures["scores_figure"], "Accuracy on test with 95 % bootstrap intervals over rows.")
    page.text(
        "Intervals come from resampling test rows; they do not show what another split would change. This run scored test "
        "once, and nothing was chosen by it."
    )
    page.section("Where it goes wrong", f"Figure and table show the best variant, `{best}`.")
    page.figure(figures["confusion_figure"], "Rows are true classes; each row adds up to one.")
    of_best = predictions[predictions["variant"] == best]
    wrong = of_best[of_best["truth"] != of_best["predicted"]].nlargest(MISTAKES, "confidence")
    if wrong.empty:
        page.text("No row of test was given a wrong class.")
    else:
        columns = ["id", "truth", "predicted", "confidence"]
        page.table(wrong, "Most confident mistakes; id is the row of the table", columns=columns)
    return page.render()


def _summary(
    data_card: dict[str, Any], split_card: dict[str, Any], metrics: dict[str, float], best: str
) -> str:
    accuracy, low, high = (metrics[f"{best}.accuracy{end}"] for end in ("", ".low", ".high"))
    text = (
        f"The best of {len(scored_variants(metrics))} variants on {split_card['test_rows']:,} test rows is `{best}`: "
        f"accuracy **{accuracy:.3f}** (95 % interval {low:.3f} to {high:.3f})."
    )
    baseline = load_study(STUDY).baseline
    if f"{baseline}.accuracy" in metrics:
        text += f" Always answering the most frequent class gives {metrics[f'{baseline}.accuracy']:.3f}."
    if data_card["embedded_sample"]:
        text += " These rows are an **embedded sample**, a small table that comes with scikit-learn."
    return text
