"""The stage report: figures, the page, and the model to register. Nothing here changes a number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from etudes.pipelines.income_classification.parameters import EvaluationParameters
from etudes.pipelines.income_classification.people import COLUMNS, LABELS
from etudes.study import load_study, selected

STUDY = "income_classification"
FIGURES = (
    "scores",
    "learning_curve",
    "advantage",
    "descent",
    "stages",
    "path",
    "effects",
    "roc",
    "calibration",
    "groups",
)
MISTAKES = 9
NAMES = {"gaussian": "the Gaussian model", "naive_bayes": "naive Bayes", "log_loss": "log-loss"}


def scored_variants(metrics: Mapping[str, float]) -> list[str]:
    """Variants with a score, in the study's order."""
    return [name for name in load_study(STUDY).variants if f"{name}.accuracy" in metrics]


def best_variant(metrics: Mapping[str, float]) -> str:
    """The variant with the best accuracy on test."""
    return max(scored_variants(metrics), key=lambda name: metrics[f"{name}.accuracy"])


def draw(
    metrics: dict[str, float],
    predictions: pd.DataFrame,
    parameters: EvaluationParameters,
    learning_curve_table: pd.DataFrame,
    effect_table: pd.DataFrame,
    path_table: pd.DataFrame,
    path_weight_table: pd.DataFrame,
    group_table: pd.DataFrame,
    logistic_history: dict[str, Any],
    boosting_history: dict[str, Any],
) -> tuple[Any, ...]:
    """All figures, in the order of `FIGURES`."""
    from etudes.pipelines.income_classification import drawing
    from etudes.reporting import figures

    study, scored = load_study(STUDY), scored_variants(metrics)
    references = [r for r in study.references if r.metric == study.metric]
    of_best = group_table[group_table["variant"] == best_variant(metrics)]
    boosting = boosting_history.get("epochs", [])
    return (
        figures.metric_bars(metrics, study.metric, scored, baseline=study.baseline, references=references),
        drawing.learning_curve(learning_curve_table, study.variants),
        drawing.advantage(learning_curve_table, study.variants),
        drawing.descent(logistic_history.get("epochs", []), study.variants),
        drawing.stages(boosting, boosting_history.get("trees"), study.variants),
        drawing.penalty_path(path_table, path_weight_table, study.variants),
        drawing.effects(effect_table, study.variants),
        drawing.roc(predictions, study.variants, LABELS[1]),
        drawing.calibration(predictions, parameters.bins, study.variants, LABELS[1], study.baseline),
        drawing.groups(of_best),
    )


def choose_predictor(data_card: dict[str, Any], split_card: dict[str, Any], **inputs: Any) -> Any:
    """The variant with the best dev score, behind the user's raw input."""
    from etudes.pipelines.income_classification.model import IncomePredictor

    study = load_study(STUDY)
    models = selected({name: inputs[name] for name in study.variants})
    scores = {name: inputs[f"{name}_history"]["dev"][study.dev_metric] for name in models}
    best = study.best_on_dev(scores)
    card = study.predictor_card(best, scores[best], split_card["dev_fingerprint"], data_card)
    return IncomePredictor(models[best], card)


def confident_mistakes(predictions: pd.DataFrame, test: pd.DataFrame, count: int) -> list[dict[str, Any]]:
    """The wrong answers of one variant with the largest confidence, with the person's answers."""
    wrong = predictions[predictions["truth"] != predictions["predicted"]]
    people = test.set_index("id")[list(COLUMNS)].to_dict("index")
    rows = []
    for row in wrong.nlargest(count, "confidence").to_dict("records"):
        answers = {name: value for name, value in people[row["id"]].items() if name != "fnlwgt"}
        rows.append(
            {
                "text": ", ".join(f"{name} {value}" for name, value in answers.items()),
                "truth": row["truth"],
                "predicted": row["predicted"],
                "probability": float(row["confidence"]),
            }
        )
    return rows


def write_report(
    data_card: dict[str, Any],
    split_card: dict[str, Any],
    metrics: dict[str, float],
    predictions: pd.DataFrame,
    test_split: pd.DataFrame,
    comparison: dict[str, Any],
    learning_curve: dict[str, Any],
    inference: dict[str, Any],
    group_table: pd.DataFrame,
    gap_table: pd.DataFrame,
    **inputs: Any,
) -> str:
    """The study's page."""
    from etudes.reporting import Report, lead_table

    study, variants, best = load_study(STUDY), scored_variants(metrics), best_variant(metrics)
    page = Report(
        study.title,
        _summary(data_card, split_card, metrics, best),
        ["embedded sample"] if data_card["embedded_sample"] else [],
        _facts(data_card, split_card),
    )
    page.section("What came out")
    page.table(lead_table(metrics, variants, study.metrics, study.baseline, study.references, study.metric))
    page.text(_reading(data_card, split_card, metrics, comparison))
    page.figure(inputs["scores_figure"], "Accuracy on test with 95 % bootstrap intervals over people.")
    page.section("Does the generative model win with little data?", CLAIM)
    page.text(read_verdicts(learning_curve["verdicts"]))
    page.figure(
        inputs["learning_curve_figure"], "Scores on test; bands are 95 % t-intervals over draws.", CURVE_NOTE
    )
    page.figure(
        inputs["advantage_figure"],
        "The same draws, generative less logistic: above zero the generative method is better.",
    )
    if learning_curve["penalties"]:
        page.table(_penalties(learning_curve["penalties"]), "Median penalty chosen (people)", digits=4)
    page.section("How it was learned")
    page.text(_training(inputs))
    page.figure(
        inputs["descent_figure"],
        "Penalised loss of mini-batch gradient descent above the minimum that Newton's method finds, and its dev loss.",
    )
    page.figure(
        inputs["path_figure"],
        "Weights of logistic regression along the path, and the dev loss of each linear variant; the larger marker is the penalty chosen.",
    )
    page.figure(inputs["stages_figure"], "Loss of the boosted trees; dev chooses how many are kept.")
    page.table(_costs(variants, inputs, inference), "What each variant costs", note=COST_NOTE, digits=4)
    page.section("What the linear models look at")
    page.figure(
        inputs["effects_figure"],
        "The effects of logistic regression that are most certainly not zero, with 95 % intervals (Wald); the same "
        "columns in the generative models. A level counts against the commonest level of its column; the effect "
        "of a number is that of its column and its bins together.",
    )
    page.section("Whether to believe its probabilities")
    page.figure(
        inputs["calibration_figure"], "On the diagonal, of people given 70 % there are 70 % above 50K."
    )
    page.figure(inputs["roc_figure"], "Each point is a threshold on the probability.")
    page.section("Whom it serves worse", f"Figure and table show the best variant, `{best}`.")
    page.figure(inputs["groups_figure"], "Rates of each group with 95 % bootstrap intervals within it.")
    page.table(_rates_of(group_table, best), "Rates by group", note=GROUP_NOTE, digits=3)
    page.text(_gaps(gap_table, best))
    page.section("Where it goes wrong")
    of_best = predictions[predictions["variant"] == best]
    page.examples(confident_mistakes(of_best, test_split, MISTAKES), "Confident mistakes")
    return page.render()


CLAIM = (
    "Ng and Jordan (2002) prove that naive Bayes needs fewer examples to come near its best, and that logistic "
    "regression has the better best: a generative model should win with little data and lose with much."
)
CURVE_NOTE = (
    "Every method has the same columns and the same form; each chooses its penalty from one list by cross-validation in the part it "
    "learns from. Draws of more than half of train share people, so that their bands are too narrow; all of train is one draw."
)
COST_NOTE = (
    "Wall time on this machine. Added memory is what the process rose by while it trained. "
    "Speed is of the whole path from answers to probabilities on test."
)
GROUP_NOTE = (
    "answered: share given > 50K; hits: of those truly above, share given > 50K; false alarms: the same of those "
    "below; calibration gap: mean probability less the true share. Brackets: 95 % bootstrap interval."
)


def _facts(data_card: dict[str, Any], split_card: dict[str, Any]) -> dict[str, Any]:
    return {
        "data": data_card["source"],
        "people": f"{split_card['train_rows']:,} train, {split_card['dev_rows']:,} dev, {split_card['test_rows']:,} test",
        "above 50K": f"{data_card['train_positives']:,} of {data_card['train_rows']:,} train and dev, "
        f"{data_card['test_positives']:,} of {data_card['test_rows']:,} test",
        "test rows that stand in train": str(split_card["test_rows_that_stand_in_train"]),
        "fingerprint of the data": data_card["fingerprint"],
    }


def _summary(
    data_card: dict[str, Any], split_card: dict[str, Any], metrics: dict[str, float], best: str
) -> str:
    accuracy, low, high = (metrics[f"{best}.accuracy{end}"] for end in ("", ".low", ".high"))
    text = (
        f"The best of {len(scored_variants(metrics))} variants on {split_card['test_rows']:,} test people is `{best}`: "
        f"accuracy **{accuracy:.3f}** (95 % interval {low:.3f} to {high:.3f}), area under the ROC curve "
        f"{metrics[f'{best}.roc_auc']:.3f}."
    )
    if "majority.accuracy" in metrics:
        text += f" Always answering the commoner income gives {metrics['majority.accuracy']:.3f}."
    if data_card["embedded_sample"]:
        text += (
            "\n\nThese people are an **embedded sample**: answers drawn by a seeded generator from made-up tables, so that "
            "the study runs at once. The numbers say how the methods compare on it and nothing of any real population; "
            "`--env=full` runs on the census."
        )
    return text


def _reading(
    data_card: dict[str, Any],
    split_card: dict[str, Any],
    metrics: dict[str, float],
    comparison: dict[str, Any],
) -> str:
    parts = []
    ceiling = data_card.get("ceiling")
    if ceiling:
        parts.append(
            f"**Ceiling.** The generator knows P(> 50K) of every person: no classifier can expect more than "
            f"{ceiling['accuracy']:.3f} accuracy on these people, an area under the ROC curve above {ceiling['roc_auc']:.3f} or a "
            f"log-loss below {ceiling['log_loss']:.3f} nats. The Bayes classifier gets {ceiling['realised_accuracy']:.3f} of "
            f"them right, with area {ceiling['realised_roc_auc']:.3f} and log-loss {ceiling['realised_log_loss']:.3f}."
        )
    if comparison:
        low, high = (comparison[f"accuracy_difference.{end}"] for end in ("low", "high"))
        parts.append(
            f"**The two best, person by person.** `{comparison['first']}` minus `{comparison['second']}`: accuracy "
            f"{comparison['accuracy_difference']:+.4f} [{low:+.4f}, {high:+.4f}]; {comparison['only_a_correct']:.0f} people "
            f"only the first gets right, {comparison['only_b_correct']:.0f} only the second (exact McNemar "
            f"p = {comparison['mcnemar_p']:.3g})."
        )
    best = best_variant(metrics)
    without = metrics.get(f"{best}.accuracy_without_twins")
    if without is not None:
        parts.append(
            f"**Twins.** {split_card['test_with_equal_answers_in_train']:,} test people gave the same 13 answers as someone in "
            f"train, {split_card['test_rows_that_stand_in_train']:,} rows are equal to the last field; different people may well. "
            f"They are kept and counted. On the others `{best}` has accuracy {without:.3f}."
        )
    parts.append(
        "Intervals come from resampling test people; they do not show what another seed would change. Penalties and the "
        "number of trees were chosen on dev; this run scored test once."
    )
    return "\n\n".join(parts)


def read_verdicts(verdicts: list[dict[str, Any]]) -> str:
    """What the learning curve says of the claim, one paragraph a generative method."""
    if not verdicts:
        return "Not asked here: no generative variant was trained beside logistic regression."
    parts = []
    for name in dict.fromkeys(verdict["name"] for verdict in verdicts):
        said = [_verdict(verdict) for verdict in verdicts if verdict["name"] == name]
        parts.append(f"**{NAMES[name][0].upper()}{NAMES[name][1:]}.** {' '.join(said)}")
    return "\n\n".join(parts)


def _verdict(verdict: dict[str, Any]) -> str:
    metric = NAMES.get(verdict["metric"], verdict["metric"])
    if verdict["holds"]:
        text = f"In {metric} the claim holds with little data: better than logistic regression {_at(verdict['better_at'])}"
    elif verdict["better_at"]:
        text = f"In {metric} it is not certainly better with the least data, but {_at(verdict['better_at'])}"
    else:
        text = f"In {metric} the claim does not hold here: nowhere certainly better than logistic regression"
    text += (
        f", certainly worse {_at(verdict['worse_at'])}"
        if verdict["worse_at"]
        else ", and nowhere certainly worse"
    )
    if verdict["crossing"] is not None:
        text += f"; on average the lead is lost at about {verdict['crossing']:,.0f} people"
    return text + "."


def _at(sizes: list[int]) -> str:
    return f"at {', '.join(f'{size:,}' for size in sizes)} people"


def _penalties(penalties: list[dict[str, Any]]) -> pd.DataFrame:
    table = (
        pd.DataFrame(penalties).pivot_table(index="size", columns="method", values="penalty").reset_index()
    )
    table = table.rename(columns={"size": "training people"})
    whole = [name for name in table.columns if (table[name] % 1 == 0).all()]
    return table.astype(dict.fromkeys(whole, "int64"))


def _training(inputs: Mapping[str, Any]) -> str:
    parts = []
    logistic = inputs["logistic_history"]
    if not logistic.get("skipped"):
        last = logistic["epochs"][-1]
        parts.append(
            f"**Logistic regression.** Dev chose the penalty {logistic['penalty']:g}. After {last['epoch']:.0f} epochs gradient descent "
            f"is {last['excess_loss']:.1e} of the loss above the minimum, and no weight is further than "
            f"{logistic['largest_weight_difference']:.1e} nats per standard deviation from the minimum's."
        )
    boosting = inputs["boosting_history"]
    if not boosting.get("skipped"):
        parts.append(
            f"**Boosting.** {boosting['trees']} of {len(boosting['epochs'])} trees are kept, where the dev loss is least."
        )
    return "\n\n".join(parts)


def _costs(variants: list[str], inputs: Mapping[str, Any], inference: Mapping[str, Any]) -> pd.DataFrame:
    rows = []
    for name in variants:
        cost, speed = inputs[f"{name}_resources"], inference[name]
        rows.append(
            {
                "variant": name,
                "training (s)": cost["seconds"],
                "added memory (MiB)": round(cost["added_memory_mib"]),
                "people a second": speed["people_per_second"],
            }
        )
    return pd.DataFrame(rows)


def _rates_of(group_table: pd.DataFrame, variant: str) -> pd.DataFrame:
    def cell(row: pd.Series, rate: str) -> str:
        value, low, high = (row[f"{rate}{end}"] for end in ("", ".low", ".high"))
        return "–" if pd.isna(value) else f"{value:.3f} [{low:.3f}, {high:.3f}]"

    names = {
        "base_rate": "truly above",
        "accuracy": "accuracy",
        "positive_rate": "answered",
        "tpr": "hits",
        "fpr": "false alarms",
        "calibration_gap": "calibration gap",
    }
    rows = [
        {
            "group": f"{row['attribute']}: {row['group']}",
            "people": row["people"],
            **{text: cell(row, rate) for rate, text in names.items()},
        }
        for _, row in group_table[group_table["variant"] == variant].iterrows()
    ]
    return pd.DataFrame(rows, columns=["group", "people", *names.values()])


def _gaps(gap_table: pd.DataFrame, variant: str) -> str:
    """The gaps of sex in words; those of race are in the table, for some groups are small."""
    rows = gap_table[(gap_table["variant"] == variant) & (gap_table["attribute"] == "sex")]
    found = {str(row["rate"]): row for row in rows.to_dict("records")}
    if not found:
        return "Too few people of one sex for a comparison."

    def gap(rate: str) -> str:
        row = found[rate]
        return f"{row['gap']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]"

    group, reference = found["tpr"]["group"], found["tpr"]["reference"]
    return (
        f"**{group} less {reference}.** Answered > 50K: {gap('positive_rate')}, where the truth differs by {gap('base_rate')}. "
        f"Of those truly above, found: {gap('tpr')}. Of those below, taken for above: {gap('fpr')}. Mean probability less "
        f"truth: {gap('calibration_gap')}. A model can be calibrated in both groups or have equal hits and false alarms in "
        "both, not all of it where the truth differs (Kleinberg et al. 2017); the figure shows what this one does."
    )
