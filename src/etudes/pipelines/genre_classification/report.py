"""The stage report: figures, the page, and the model to register. Nothing here changes a number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from etudes.evaluation import confusion_counts, reliability_bins, without_examples
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
        figures.learning_curves(curves, "accuracy", variants=study.variants),
        figures.confusion_matrix(confusion_counts(truth, predicted, len(classes)), classes),
        figures.per_class_bars(per_class_table[per_class_table["variant"] == best]),
        figures.reliability_diagram(bins, variants=study.variants),
        _draw_terms(tfidf_model, classes),
    )


def _draw_terms(model: Any, classes: list[str]) -> Any:
    """Strongest words of the linear model for each class; an empty figure that says so if it was left out."""
    from etudes.reporting import figures, new_figure

    if isinstance(model, Skipped):
        return new_figure("tfidf was left out of this run", height=120)
    rows = [
        (genre, term, weight)
        for label, genre in enumerate(classes)
        for term, weight in model.strongest_terms(label, TERMS)
    ]
    table = pd.DataFrame(rows, columns=["label", "term", "weight"])
    return figures.term_weights(table, classes, unit="score per unit of TF-IDF")


def confident_mistakes(predictions: pd.DataFrame, test: pd.DataFrame, count: int) -> list[dict[str, Any]]:
    """The wrong answers of one variant with the largest confidence, with the film's text."""
    wrong = predictions[predictions["truth"] != predictions["predicted"]]
    films = test.set_index("id")[["title", "year", "plot"]].to_dict("index")
    rows = []
    for row in wrong.nlargest(count, "confidence").to_dict("records"):
        film = films[row["id"]]
        year = "year unknown" if pd.isna(film["year"]) else int(film["year"])
        rows.append(
            {
                "title": f"{film['title']} ({year})",
                "text": film["plot"],
                "truth": row["truth"],
                "predicted": row["predicted"],
                "probability": float(row["confidence"]),
            }
        )
    return rows


def choose_predictor(data_card: dict[str, Any], split_card: dict[str, Any], **inputs: Any) -> Any:
    """The variant with the best dev score, behind the user's raw input."""
    from etudes.pipelines.genre_classification.model import GenrePredictor

    study = load_study(STUDY)
    models = selected({name: inputs[name] for name in study.variants})
    scores = {name: inputs[f"{name}_history"]["dev"][study.dev_metric] for name in models}
    best = study.best_on_dev(scores)
    card = study.predictor_card(best, scores[best], split_card["dev_fingerprint"], data_card)
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
    from etudes.reporting import Report, lead_table

    study, variants, best = load_study(STUDY), scored_variants(metrics), best_variant(metrics)
    page = Report(
        study.title,
        _summary(data_card, split_card, metrics, best),
        _badges(data_card),
        _facts(data_card, split_card),
    )
    page.section("What came out")
    page.table(lead_table(metrics, variants, METRICS, study.baseline, study.references, study.metric))
    page.text(_reading(data_card, metrics, comparison))
    page.figure(inputs["scores_figure"], "Accuracy on test with 95 % bootstrap intervals over films.")
    page.section("How it was learned")
    page.figure(
        inputs["curves_figure"], "Loss and dev accuracy by epoch of the variants that train in epochs."
    )
    page.table(_costs(variants, inputs, inference), "What each variant costs", note=COST_NOTE, digits=4)
    page.section("Where it goes wrong", f"All pictures of this section show the best variant, `{best}`.")
    page.figure(
        inputs["confusion_figure"], "Confusions; genres that are mistaken for each other stand side by side."
    )
    page.figure(
        inputs["classes_figure"],
        "Precision, recall and F1 of each genre, with the number of test films."
        + _left_out(split_card, test_split),
    )
    of_best = predictions[predictions["variant"] == best]
    page.examples(confident_mistakes(of_best, test_split, MISTAKES), "Confident mistakes")
    page.section("Whether to believe its probabilities")
    page.figure(inputs["calibration_figure"], "On the diagonal, 70 % confidence means that 70 % are right.")
    page.section("What the linear model looks at")
    page.figure(
        inputs["terms_figure"],
        "The words with the largest weights of each genre; choose a genre from the list.",
    )
    return page.render()


def _left_out(split_card: dict[str, Any], test_split: pd.DataFrame) -> str:
    """What macro-F1 is averaged over, if that is not every genre."""
    genres = split_card["classes"]
    absent = without_examples(test_split["label"].to_numpy(), genres)
    if not absent:
        return ""
    return f" Macro-F1 is the mean over the {len(genres) - len(absent)} genres with test films; without any: {', '.join(absent)}."


COST_NOTE = (
    "Wall time on this machine. Added memory is what the process rose by while it trained. "
    "Speed is of the whole path from text to probabilities on test."
)


def _badges(data_card: dict[str, Any]) -> list[str]:
    return ["embedded sample"] if data_card["embedded_sample"] else []


def _facts(data_card: dict[str, Any], split_card: dict[str, Any]) -> dict[str, Any]:
    dropped = f"{split_card['dropped_because_in_test']} also in test, {split_card['dropped_because_repeated']} repeated"
    return {
        "data": data_card["source"],
        "films": f"{split_card['train_rows']:,} train, {split_card['dev_rows']:,} dev, {split_card['test_rows']:,} test",
        "genres": str(len(split_card["classes"])),
        "dropped from train": dropped,
        "fingerprint of the data": data_card["fingerprint"],
    }


def _summary(
    data_card: dict[str, Any], split_card: dict[str, Any], metrics: dict[str, float], best: str
) -> str:
    accuracy, low, high = (metrics[f"{best}.accuracy{end}"] for end in ("", ".low", ".high"))
    text = (
        f"The best of {len(scored_variants(metrics))} variants on {split_card['test_rows']:,} test films is `{best}`: "
        f"accuracy **{accuracy:.3f}** (95 % interval {low:.3f} to {high:.3f}), macro-F1 {metrics[f'{best}.macro_f1']:.3f}."
    )
    if "majority.accuracy" in metrics:
        text += f" Always answering the most frequent genre gives {metrics['majority.accuracy']:.3f}."
    if data_card["embedded_sample"]:
        text += (
            "\n\nThese films are an **embedded sample**: plots written by a seeded generator, so that the study runs at "
            "once. The numbers say how the methods compare on it and nothing of real films; `--env=full` runs on those."
        )
    return text


def _reading(data_card: dict[str, Any], metrics: dict[str, float], comparison: dict[str, Any]) -> str:
    parts = []
    ceiling = data_card.get("ceiling")
    if ceiling:
        parts.append(
            f"**Ceiling.** The generator knows how likely each genre is given a text: no classifier can expect more than "
            f"{ceiling['accuracy']:.3f} accuracy on these films. The Bayes classifier gets {ceiling['realised_accuracy']:.3f} "
            f"of them right, with macro-F1 {ceiling['realised_macro_f1']:.3f} and log-loss {ceiling['cross_entropy']:.3f} nats."
        )
    if comparison:
        parts.append(
            f"**The two best, film by film.** `{comparison['first']}` minus `{comparison['second']}`: accuracy "
            f"{_signed(comparison, 'accuracy_difference')}, macro-F1 {_signed(comparison, 'macro_f1_difference')}; "
            f"{comparison['only_a_correct']:.0f} films only the first gets right, {comparison['only_b_correct']:.0f} only "
            f"the second (exact McNemar p = {comparison['mcnemar_p']:.3g})."
        )
    parts.append(
        "Intervals come from resampling test films; they do not show what another seed would change. The variants were "
        "chosen and stopped on dev; test was scored once."
    )
    return "\n\n".join(parts)


def _signed(comparison: dict[str, Any], name: str) -> str:
    value, low, high = (comparison[f"{name}{end}"] for end in ("", ".low", ".high"))
    return f"{value:+.3f} [{low:+.3f}, {high:+.3f}]"


def _costs(variants: list[str], inputs: Mapping[str, Any], inference: Mapping[str, Any]) -> pd.DataFrame:
    rows = []
    for name in variants:
        cost, speed = inputs[name], inference[name]
        rows.append(
            {
                "variant": name,
                "training (s)": cost["seconds"],
                "added memory (MiB)": round(cost["added_memory_mib"]),
                "GPU memory (MiB)": round(cost["gpu_peak_memory_mib"]),
                "films a second": speed["texts_per_second"],
            }
        )
    return pd.DataFrame(rows)
