"""The stage report: figures, pictures, the page, and the model to register. Nothing here changes a number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from etudes.examples import Examples
from etudes.pipelines.anomaly_padim.parameters import ImagesParameters, SubsetsParameters
from etudes.study import Skipped, load_study, selected

STUDY = "anomaly_padim"
FIGURES = ("scores", "localisation", "roc", "subsets", "importance", "stages", "agreement", "worth", "curves")
METRICS = ("image_auroc", "pixel_auroc", "pro", "image_ap", "pixel_ap")
PER_KIND = 1  # gallery rows of each kind of a category
FAILURES = 3  # rows of each kind of failure
TILE = 150


def scored_variants(metrics: Mapping[str, float]) -> list[str]:
    """Variants with a score, in the study's order."""
    return [name for name in load_study(STUDY).variants if f"{name}.image_auroc" in metrics]


def draw(
    metrics: dict[str, float],
    predictions: pd.DataFrame,
    categories_table: pd.DataFrame,
    draws_table: pd.DataFrame,
    importance_table: pd.DataFrame,
    random_model: Any,
    backbone_history: dict[str, Any],
) -> tuple[Any, ...]:
    """All figures, in the order of `FIGURES`."""
    from etudes.pipelines.anomaly_padim import figures as own
    from etudes.reporting import figures, new_figure

    study, variants = load_study(STUDY), scored_variants(metrics)

    def bars(metric: str) -> Any:
        references = [r for r in study.references if r.metric == metric]
        return figures.metric_bars(metrics, metric, variants, baseline=study.baseline, references=references)

    epochs = backbone_history["epochs"]
    curves = (
        figures.learning_curves({"backbone": epochs}, "accuracy", title="The small network learns textures")
        if epochs
        else new_figure(f"{backbone_history['network']} is pretrained: nothing was learned here", height=120)
    )
    return (
        bars("image_auroc"),
        bars("pixel_auroc"),
        own.roc_curves(predictions, study.variants),
        own.subset_scores(categories_table, draws_table, study.variants, "pixel_auroc"),
        own.importance_bars(importance_table),
        own.importance_by_stage(importance_table),
        own.agreement(importance_table),
        own.worth(_worth(categories_table, draws_table, importance_table, random_model)),
        curves,
    )


def _worth(
    categories: pd.DataFrame, draws: pd.DataFrame, importance: pd.DataFrame, random_model: Any
) -> pd.DataFrame:
    """Every random draw and the best and worst subsets: summed importance on dev, pixel AUROC on test."""
    columns = ["category", "subset", "importance", "pixel_auroc"]
    if isinstance(random_model, Skipped) or draws.empty:
        return pd.DataFrame(columns=columns)
    rows = []
    for category, table in importance.groupby("category", sort=False):
        values = table.set_index("channel")["importance"]
        size = 0
        for draw in draws[draws["category"] == category].to_dict("records"):
            channels = [int(channel) for channel in str(draw["channels"]).split()]
            size = len(channels)
            rows.append(
                (category, f"draw {draw['draw']}", float(values[channels].sum()), draw["pixel_auroc"])
            )
        ordered = values.sort_values(ascending=False)
        for name, part in (("best", ordered.iloc[:size]), ("worst", ordered.iloc[-size:])):
            found = categories[
                (categories["variant"] == name)
                & (categories["category"] == category)
                & (categories["metric"] == "pixel_auroc")
                & (categories["images"] == "half")
            ]
            if len(found):
                rows.append((category, name, float(part.sum()), float(found["value"].iloc[0])))
    return pd.DataFrame(rows, columns=columns)


def show_pictures(test_split: Examples, maps_samples: Examples) -> tuple[bytes, bytes, dict[str, Any]]:
    """The gallery: for every kind of a category the picture with the median score; and the worst failures.

    Each row is the picture, the true outline, the heat map and what is above the threshold.
    """
    found = maps_samples.rows
    relative = found["score"] / found["threshold"]
    typical = []
    for _, rows in found.groupby(["category", "kind"], sort=True):
        order = relative[rows.index].sort_values().index
        typical += list(order[(len(order) - 1) // 2 :][:PER_KIND])
    defective = found["defective"].to_numpy(dtype=bool)
    missed = relative[defective].nsmallest(FAILURES).index
    alarms = relative[~defective].nlargest(FAILURES).index
    card = {
        "variant": str(found["variant"].iloc[0]),
        "missed": int((defective & (relative <= 1)).sum()),
        "defective": int(defective.sum()),
        "alarms": int((~defective & (relative > 1)).sum()),
        "good": int((~defective).sum()),
    }
    return (
        _grid(test_split, maps_samples, np.array(typical)),
        _grid(test_split, maps_samples, np.array([*missed, *alarms])),
        card,
    )


def _grid(test: Examples, samples: Examples, chosen: np.ndarray) -> bytes:
    from etudes.pipelines.anomaly_padim.pictures import cut_out, outlined, overlay
    from etudes.reporting import image_grid

    place = {identifier: index for index, identifier in enumerate(test.rows["id"])}
    tiles: list[Any] = []
    captions: list[str] = []
    for index in chosen:
        row = samples.rows.iloc[index]
        pixels = np.array(test["pixels"][place[row["id"]]])
        mask = np.array(test["masks"][place[row["id"]]])
        heat = np.asarray(samples["maps"][index], dtype=np.float64)
        share = row["score"] / row["threshold"]
        tiles += [
            pixels,
            outlined(pixels, mask),
            overlay(pixels, heat, row["threshold"]),
            cut_out(pixels, heat > row["threshold"]),
        ]
        captions += [
            f"{row['category']}\n{row['kind']}",
            "truth",
            f"heat map\nscore {share:.2f} of threshold",
            "above the threshold",
        ]
    return image_grid(tiles, captions, 4, tile=TILE)


def write_report(
    data_card: dict[str, Any],
    split_card: dict[str, Any],
    metrics: dict[str, float],
    categories_table: pd.DataFrame,
    draws_table: pd.DataFrame,
    swapped_table: pd.DataFrame,
    importance_table: pd.DataFrame,
    inference: dict[str, Any],
    shown: dict[str, Any],
    gallery: bytes,
    failures: bytes,
    backbone_history: dict[str, Any],
    statistics_history: dict[str, Any],
    settings: SubsetsParameters,
    **inputs: Any,
) -> str:
    """The study's page."""
    from etudes.reporting import Report, lead_table

    study, variants = load_study(STUDY), scored_variants(metrics)
    page = Report(
        study.title,
        _summary(data_card, split_card, metrics),
        ["embedded sample"] if data_card["embedded_sample"] else [],
        _facts(data_card, split_card, backbone_history, statistics_history),
    )
    page.section("What came out")
    page.table(
        lead_table(
            metrics,
            variants,
            METRICS,
            study.baseline,
            study.references,
            study.metric,
            caption="Every variant on the test half, mean over categories",
        )
    )
    page.text(HOW_TO_READ)
    page.figure(
        inputs["scores_figure"], "Image AUROC, mean over categories, with 95 % intervals over pictures."
    )
    page.figure(
        inputs["localisation_figure"], "Pixel AUROC, mean over categories, with 95 % intervals over pictures."
    )
    page.table(
        _by_category(categories_table, "half"),
        "Each category on the test half",
        note="Brackets are 95 % bootstrap intervals over pictures, drawn among good and defective ones apart.",
    )
    if (categories_table["images"] == "all").any():
        page.table(
            _by_category(categories_table, "all"),
            "Each category on all official test pictures",
            note="What references quote. Only of variants that chose nothing by the pictures they are scored on.",
        )
    page.figure(inputs["roc_figure"], "Each step is a picture.")
    page.section("What it looks like", f"Heat maps of `{shown['variant']}`.")
    page.image(
        gallery,
        "Of every kind the test picture with the median score. Colours begin at half the threshold and end at twice it, "
        "in all pictures alike.",
        "Rows of four pictures: test picture, true outline of the defect, heat map, region above the threshold.",
    )
    page.text(_failures(shown))
    page.image(
        failures,
        f"The {FAILURES} defective pictures with the lowest and the {FAILURES} good ones with the highest score.",
        "Rows of four pictures: test picture, true outline of the defect, heat map, region above the threshold.",
    )
    page.section("Which channels matter", _importance_lead(importance_table))
    page.figure(
        inputs["importance_figure"],
        "Mean over shuffles; the interval is over pictures. Where it crosses zero, other pictures might find no loss.",
    )
    page.figure(inputs["stages_figure"], "Stage 1 has the finest patches and the simplest features.")
    page.figure(inputs["agreement_figure"], "On the dashed line, test says what dev said.")
    page.section("A few channels", _subsets_lead(draws_table, settings))
    page.figure(inputs["subsets_figure"], "Random draws are the grey points; `random` is their mean.")
    page.figure(inputs["worth_figure"], "Each point is a subset of the same size.")
    page.table(
        swapped_table,
        "The choice repeated with the halves exchanged",
        note="Chosen by importance on one half and scored on the other. The last columns say how many channels both "
        "choices share, of how many.",
    )
    page.section("What it costs")
    page.table(_costs(study, inputs), "Training", note=COST_NOTE, digits=4)
    page.table(_speed(inference), "Answering", note=SPEED_NOTE, digits=4)
    if backbone_history["epochs"]:
        page.figure(inputs["curves_figure"], "Accuracy is of held-out generated textures.")
    return page.render()


HOW_TO_READ = (
    "`mean_image` is the trivial baseline: the same Gaussians on the mean colour of small patches, no network. `padim` has all "
    "channels of the pool, the others few: `best` and `worst` were chosen on dev, `random` is a mean over draws, `pca` "
    "has axes instead of channels. Dev and test are halves of the official test pictures; nothing was chosen on test. "
    "Intervals come from resampling pictures; they do not show what another seed would change."
)
COST_NOTE = (
    "Wall time on this machine. Added memory is what the process rose by while it trained. `statistics` streams "
    "the training pictures once for all variants that use the network; what it holds does not grow with their number."
)
SPEED_NOTE = (
    "`network` is the pass through the backbone, once for all variants; the others are what comes after it."
)


def _summary(data_card: dict[str, Any], split_card: dict[str, Any], metrics: dict[str, float]) -> str:
    best = max(scored_variants(metrics), key=lambda name: metrics[f"{name}.image_auroc"])
    value, low, high = (metrics[f"{best}.image_auroc{end}"] for end in ("", ".low", ".high"))
    text = (
        f"Having seen {split_card['train_rows']:,} good pictures of {len(split_card['categories'])} categories, the best "
        f"variant `{best}` ranks {split_card['test_rows']:,} test pictures with an image AUROC of **{value:.3f}** (95 % "
        f"interval {low:.3f} to {high:.3f}) and a pixel AUROC of {metrics[f'{best}.pixel_auroc']:.3f}."
    )
    if "mean_image.image_auroc" in metrics and best != "mean_image":
        text += f" Colours alone give {metrics['mean_image.image_auroc']:.3f}."
    if data_card["embedded_sample"]:
        text += (
            "\n\nThese pictures are an **embedded sample**, drawn by a seeded generator so that the study runs at once. "
            "The numbers compare the methods on it and say nothing of real parts; `--env=full` runs on MVTec AD."
        )
    return text


def _facts(
    data_card: dict[str, Any],
    split_card: dict[str, Any],
    backbone: dict[str, Any],
    statistics: dict[str, Any],
) -> dict[str, Any]:
    rows, columns = statistics["grid"]
    dropped = f"{split_card['dropped_because_in_test']} also in test, {split_card['dropped_because_repeated']} repeated"
    return {
        "data": data_card["source"],
        "categories": ", ".join(data_card["categories"]),
        "pictures": f"{split_card['train_rows']:,} train, {split_card['dev_rows']:,} dev, {split_card['test_rows']:,} test",
        "dropped from train": dropped,
        "size": f"{data_card['size']} x {data_card['size']} pixels, {rows} x {columns} patches",
        "network": f"{backbone['network']} ({backbone['fingerprint']})",
        "channels": f"{statistics['channels']} of {sum(backbone['channels'])} ({' + '.join(map(str, backbone['channels']))})",
        "held by the streaming statistics": f"{statistics['bytes_held'] / 2**20:.0f} MiB",
        "fingerprint of the data": data_card["fingerprint"],
    }


def _by_category(table: pd.DataFrame, images: str) -> pd.DataFrame:
    from etudes.reporting.metric import KNOWN

    rows = []
    part = table[table["images"] == images]
    for (variant, category), found in part.groupby(["variant", "category"], sort=False):
        values = found.set_index("metric")
        row = {"variant": variant, "category": category, "pictures": int(values["number"].iloc[0])}
        for metric in METRICS:
            value, low, high = values.loc[metric, ["value", "low", "high"]]
            row[KNOWN[metric].text] = f"{value:.3f} [{low:.3f}, {high:.3f}]"
        rows.append(row)
    return pd.DataFrame(rows)


def _failures(shown: dict[str, Any]) -> str:
    return (
        f"The threshold comes from good dev pictures. With it {shown['missed']} of {shown['defective']} defective test "
        f"pictures are missed and {shown['alarms']} of {shown['good']} good ones are called anomalous."
    )


def _importance_lead(table: pd.DataFrame) -> str:
    parts = [
        "A channel's importance is the pixel AUROC that is lost when its map comes from another picture, measured on dev "
        "on the grid of the patches."
    ]
    for category, rows in table.groupby("category", sort=False):
        clear, harmful = int((rows["low"] > 0).sum()), int((rows["high"] < 0).sum())
        rank = rows["importance"].corr(rows["on_test"], method="spearman")
        parts.append(
            f"`{category}`: of {len(rows)} channels {clear} have an interval above zero and {harmful} below, for "
            f"{len(rows) - clear - harmful} it covers zero. Importances run from {rows['importance'].min():.5f} to "
            f"{rows['importance'].max():.5f}; their rank correlation with those on test is {rank:.2f}."
        )
    return "\n\n".join(parts)


def _subsets_lead(draws: pd.DataFrame, settings: SubsetsParameters) -> str:
    if draws.empty:
        return f"Subsets of {settings.size} channels; `random` was left out of this run."
    parts = [f"Subsets of {settings.size} channels, {settings.draws} of them drawn at random."]
    for category, rows in draws.groupby("category", sort=False):
        image, pixel = rows["image_auroc"], rows["pixel_auroc"]
        parts.append(
            f"`{category}`: random draws reach a pixel AUROC of {pixel.mean():.3f} on average (standard deviation "
            f"{pixel.std():.3f}, {pixel.min():.3f} to {pixel.max():.3f}) and an image AUROC of {image.mean():.3f} "
            f"({image.min():.3f} to {image.max():.3f})."
        )
    return "\n\n".join(parts)


def _costs(study: Any, inputs: Mapping[str, Any]) -> pd.DataFrame:
    rows = []
    for name in (*study.support, *study.variants):
        cost = inputs[name]
        if cost.get("skipped"):
            continue
        rows.append(
            {
                "node": name,
                "wall time (s)": cost["seconds"],
                "added memory (MiB)": round(cost["added_memory_mib"]),
                "GPU memory (MiB)": round(cost["gpu_peak_memory_mib"]),
            }
        )
    return pd.DataFrame(rows)


def _speed(inference: Mapping[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(
        [{"part": name, "pictures a second": found["images_per_second"]} for name, found in inference.items()]
    )


def choose_predictor(
    data_card: dict[str, Any],
    split_card: dict[str, Any],
    backbone: Any,
    parameters: ImagesParameters,
    **inputs: Any,
) -> Any:
    """The variant with the best dev score, behind the user's picture."""
    from etudes.pipelines.anomaly_padim.model import AnomalyPredictor

    study = load_study(STUDY)
    models = selected({name: inputs[name] for name in study.variants})
    scores = {name: inputs[f"{name}_history"]["dev"][study.dev_metric] for name in models}
    best = study.best_on_dev(scores)
    card = study.predictor_card(best, scores[best], split_card["dev_fingerprint"], data_card)
    model = models[best]
    network = backbone if model.source == "network" else None
    return AnomalyPredictor(model, card, backbone=network, images=parameters)
