"""The stage report: figures, the page, and the model to register. Nothing here changes a number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from etudes.examples import Examples
from etudes.pipelines.meta_learning.parameters import CharacterParameters, SinusoidParameters
from etudes.study import load_study, selected

STUDY = "meta_learning"
FIGURES = ("errors", "accuracies", "sinusoids", "training")
SHOWN_EPISODES = 2
NORMALISED = {
    "support": "with the statistics of the support set, so every query is answered as if it came alone",
    "query": "in training with the statistics of all queries of the task, in test with those of the support set, so every "
    "query is answered as if it came alone",
    "layer": "picture by picture, so every query is answered as if it came alone",
}


def scored_variants(metrics: Mapping[str, float]) -> list[str]:
    """Variants with a score, in the study's order."""
    study = load_study(STUDY)
    return [name for name in study.variants if f"{name}.{study.metric}" in metrics]


def best_variant(metrics: Mapping[str, float], metric: str) -> str:
    """The variant with the best value of a metric on test."""
    choose = max if metric.startswith("accuracy") else min
    return choose(scored_variants(metrics), key=lambda name: metrics[f"{name}.{metric}"])


def draw(
    metrics: dict[str, float],
    steps_table: pd.DataFrame,
    curves_table: pd.DataFrame,
    **histories: dict[str, Any],
) -> tuple[Any, ...]:
    """All figures, in the order of `FIGURES`."""
    from etudes.pipelines.meta_learning import drawing

    variants = load_study(STUDY).variants
    by_variant = {name: histories[f"{name}_history"] for name in variants}
    return (
        drawing.adaptation(
            steps_table,
            "sinusoids",
            variants,
            title="Sinusoids: error of the queries against gradient steps",
            axis="mean squared error (squared units)",
            logarithmic=True,
        ),
        drawing.adaptation(
            steps_table,
            "characters",
            variants,
            title="Characters: accuracy of the queries against gradient steps",
            axis="accuracy (fraction)",
            logarithmic=False,
        ),
        drawing.sinusoids(curves_table, scored_variants(metrics)),
        drawing.training(by_variant, variants),
    )


def draw_episodes(episode_samples: Examples, metrics: dict[str, float]) -> bytes:
    """The first test episodes: the support set, then queries with the answer of the best variant and of the baseline."""
    from etudes.reporting import image_grid

    baseline, best = load_study(STUDY).baseline, best_variant(metrics, "accuracy_1shot")
    rows = episode_samples.rows
    chosen = rows["number"] < SHOWN_EPISODES
    ways = int(rows["truth"].max()) + 1
    captions = []
    for row in rows[chosen].to_dict("records"):
        if row["role"] == "support":
            captions.append(f"support {row['truth'] + 1}")
            continue
        lines = [f"query, is {row['truth'] + 1}"]
        for name in dict.fromkeys((best, baseline)):
            if f"answer_{name}" in row:
                lines.append(f"{name}: {row[f'answer_{name}'] + 1}")
        captions.append("\n".join(lines))
    return image_grid(list(episode_samples["pixels"][chosen.to_numpy()]), captions, columns=ways, tile=112)


def choose_predictor(data_card: dict[str, Any], split_card: dict[str, Any], **inputs: Any) -> Any:
    """The start that is best on the dev sinusoids with five points, because a user may have few."""
    from etudes.pipelines.meta_learning.model import SinusoidPredictor

    study = load_study(STUDY)
    models = selected({name: inputs[name] for name in study.variants})
    scores = {name: inputs[f"{name}_history"]["dev"][study.dev_metric] for name in models}
    best = study.best_on_dev(scores)
    card = study.predictor_card(best, scores[best], split_card["dev_fingerprint"], data_card)
    return SinusoidPredictor(models[best].sinusoids, card)


def write_report(
    data_card: dict[str, Any],
    split_card: dict[str, Any],
    metrics: dict[str, float],
    many_ways_history: dict[str, Any],
    alphabets_table: pd.DataFrame,
    differences_table: pd.DataFrame,
    inference: dict[str, Any],
    episode_image: bytes,
    sinusoids: SinusoidParameters,
    characters: CharacterParameters,
    **inputs: Any,
) -> str:
    """The study's page."""
    from etudes.reporting import Report, lead_table

    study, variants = load_study(STUDY), scored_variants(metrics)
    page = Report(
        study.title,
        _summary(data_card, metrics, characters),
        ["embedded sample"] if data_card["embedded_sample"] else [],
        _facts(data_card, split_card, sinusoids, characters),
    )
    page.section("What came out")
    page.table(
        lead_table(
            metrics,
            variants,
            study.metrics,
            study.baseline,
            study.references,
            study.metric,
            caption="Every variant on the same test tasks",
            interval="95 % bootstrap interval over tasks",
        )
    )
    page.text(_reading(characters, "anil" in variants))
    page.section("How fast each start learns")
    page.figure(
        inputs["errors_figure"], "Mean over test tasks, with 95 % bootstrap bands; logarithmic scale."
    )
    page.figure(
        inputs["accuracies_figure"],
        f"Mean over test tasks of {characters.ways} characters each, with 95 % bootstrap bands; guessing gives "
        f"{1 / characters.ways:.2f}.",
    )
    if len(alphabets_table):
        page.table(_alphabets(alphabets_table, variants), "Accuracy inside one alphabet", note=ALPHABET_NOTE)
    if many_ways_history["ways"]:
        ways = many_ways_history["ways"]
        page.table(
            _many_ways(metrics, many_ways_history, variants),
            f"Accuracy among {ways} characters",
            note=f"One drawing of each character, ten steps, from starts trained on {characters.ways}; guessing gives "
            f"{1 / ways:.3g}. {MANY_WAYS_NOTE}",
        )
    page.table(_differences(differences_table), "First minus second, task by task", note=DIFFERENCE_NOTE)
    page.section("What adapting looks like", "The first tasks of the test set, not chosen.")
    page.figure(
        inputs["sinusoids_figure"],
        "Ten support points, and the network before, after one and after ten gradient steps; choose a variant from "
        "the list.",
    )
    best = best_variant(metrics, "accuracy_1shot")
    page.image(
        episode_image,
        f"Two episodes. The support set is all that `{best}` (and the baseline) learn the characters from.",
        f"Drawings of {characters.ways} characters, one support drawing each, then queries with the answers of two "
        "variants after ten steps.",
    )
    page.section("How the starts were learned")
    page.figure(inputs["training_figure"], "Scores on the dev tasks, which choose the start that is kept.")
    page.table(_costs(variants, inputs, inference), "What each variant costs", note=COST_NOTE, digits=4)
    return page.render()


TOGETHER = (
    " Papers on few-shot learning often normalise the queries of a task together (transductive), so that each profits from "
    "the others; unless each picture is normalised by itself, that score stands beside as `queries together`."
)
ALPHABET_NOTE = (
    "One drawing of each character, ten steps, with 95 % bootstrap intervals over tasks whose characters all come from "
    "the named test alphabet."
)
MANY_WAYS_NOTE = (
    "The outputs of a task begin alike, at the mean of those that were learned, which the training did not ask for; the "
    "step size is the best of a few multiples of the start's own on dev tasks of as many characters. 95 % bootstrap "
    "intervals over tasks."
)
DIFFERENCE_NOTE = (
    "Both variants adapt to the same tasks, so what makes a task hard cancels. A difference whose interval holds 0 is "
    "not to be told from none. Sinusoids: mean squared error, below 0 the first is better; characters: accuracy, "
    "above 0 the first is better."
)
COST_NOTE = (
    "Training is of both families of tasks together, on this machine. Step sizes are those of the gradient steps in dev "
    "and test tasks, the best of a list on dev; tasks of more characters have their own."
)


def _facts(
    data_card: dict[str, Any],
    split_card: dict[str, Any],
    sinusoids: SinusoidParameters,
    characters: CharacterParameters,
) -> dict[str, Any]:
    parts = {
        name: f"{split_card[f'{name}_characters']} characters of {', '.join(split_card[f'{name}_alphabets'])}"
        for name in ("train", "dev", "test")
    }
    low, high = sinusoids.phase
    return {
        "drawings": f"{data_card['source']}: {data_card['drawings']:,} of {data_card['characters']} characters",
        "left out because they occur twice": f"{data_card['repeated_drawings']:,} drawings",
        **{f"{name} alphabets": text for name, text in parts.items()},
        "training classes": f"{split_card['training_classes']:,}, rotations included",
        "sinusoids": f"a sin(x + b), a in {sinusoids.amplitude[0]:g} to {sinusoids.amplitude[1]:g}, b in {low:.3g} to "
        f"{high:.3g}, x in {sinusoids.range[0]:g} to {sinusoids.range[1]:g}; fresh tasks at every update",
        "test tasks": f"{sinusoids.test_tasks:,} sinusoids, {characters.test_tasks:,} episodes of {characters.ways} "
        "characters",
        "fingerprint of the drawings": data_card["fingerprint"],
    }


def _summary(data_card: dict[str, Any], metrics: dict[str, float], characters: CharacterParameters) -> str:
    baseline = load_study(STUDY).baseline
    lines = []
    for metric, what in (
        ("mse_after_10", "sinusoids from ten points: mean squared error after ten gradient steps"),
        (
            "accuracy_1shot",
            f"{characters.ways} new characters from one drawing each: accuracy after ten gradient steps",
        ),
    ):
        best = best_variant(metrics, metric)
        value, low, high = (metrics[f"{best}.{metric}{end}"] for end in ("", ".low", ".high"))
        line = f"- {what} **{value:.3f}** (95 % interval {low:.3f} to {high:.3f}) from the start of `{best}`"
        if f"{baseline}.{metric}" in metrics and best != baseline:
            line += f", {metrics[f'{baseline}.{metric}']:.3f} from `{baseline}` weights"
        lines.append(line)
    text = "The same gradient steps, from different starts.\n\n" + "\n".join(lines)
    if data_card["embedded_sample"]:
        text += (
            "\n\nThe characters are an **embedded sample**: strokes drawn by a seeded generator, so that the study runs "
            "at once. The numbers say how the starts compare on it and nothing of real scripts; `--env=full` runs on "
            "Omniglot. The sinusoids are the same in both, the trainings here shorter."
        )
    return text


def _reading(characters: CharacterParameters, anil: bool) -> str:
    outputs = (
        " A task of `anil` changes the output layer alone; in the others it changes all weights."
        if anil
        else ""
    )
    return (
        f"**What a query may see.** The filters are normalised {NORMALISED[characters.normalisation]}.{TOGETHER}\n\n"
        "**What is compared.** All variants have the same networks and initial weights, adapt by plain gradient steps on "
        "the support set, and are scored on queries that it does not hold. `pretrained` fits all training tasks at "
        "once: with phases all around the circle their mean is zero everywhere, so its best sinusoid is a flat line."
        f"{outputs} "
        "Intervals come from resampling test tasks; they do not show what another seed would change."
    )


def _alphabets(table: pd.DataFrame, variants: list[str]) -> list[dict[str, Any]]:
    rows = []
    for variant in variants:
        of_variant = table[table["variant"] == variant].to_dict("records")
        cells = {
            row["alphabet"]: f"{row['value']:.3f} ({row['low']:.3f} to {row['high']:.3f})"
            for row in of_variant
        }
        rows.append({"variant": variant, **cells})
    return rows


def _many_ways(
    metrics: Mapping[str, float], card: Mapping[str, Any], variants: list[str]
) -> list[dict[str, Any]]:
    rows = []
    for variant in variants:
        value, low, high = (metrics[f"{variant}.many_ways_1shot{end}"] for end in ("", ".low", ".high"))
        rows.append(
            {
                "variant": variant,
                "accuracy": f"{value:.3f} ({low:.3f} to {high:.3f})",
                "step size": f"{card['rates'][variant]:g}",
            }
        )
    return rows


def _differences(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {
            "pair": f"{row['first']} − {row['second']}",
            "tasks": f"{row['task']}, {row['shots']}-shot",
            "after steps": row["step"],
            "difference": f"{row['difference']:+.3f}",
            "95 % interval": f"{row['low']:+.3f} to {row['high']:+.3f}",
        }
        for row in table.to_dict("records")
    ]


def _costs(variants: list[str], inputs: Mapping[str, Any], inference: Mapping[str, Any]) -> pd.DataFrame:
    rows = []
    for name in variants:
        cost, rates = inputs[f"{name}_resources"], inputs[f"{name}_history"]["rates"]
        rows.append(
            {
                "variant": name,
                "training (s)": cost["seconds"],
                "added memory (MiB)": round(cost["added_memory_mib"]),
                "GPU memory (MiB)": round(cost["gpu_peak_memory_mib"]),
                "step size, sinusoids": rates["sinusoids"],
                "step size, characters": rates["characters"],
                "test tasks a second": inference[name]["tasks_per_second"],
            }
        )
    return pd.DataFrame(rows)
