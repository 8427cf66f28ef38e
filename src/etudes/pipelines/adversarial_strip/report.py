"""What `report.md` shows, and the model to register. Nothing here changes a number."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from PIL import Image, ImageDraw, ImageFont

from etudes.cards import fingerprint
from etudes.examples import Examples
from etudes.pipelines.adversarial_strip.evaluation import best_on_dev
from etudes.pipelines.adversarial_strip.model import StripPredictor
from etudes.pipelines.adversarial_strip.parameters import EvaluationParameters, PhotoParameters
from etudes.pipelines.adversarial_strip.strip import Strip, Strips, paste
from etudes.reporting import image_grid, metric_bars
from etudes.reporting.charts import heat, lines
from etudes.reporting.images import TEXT
from etudes.study import Study
from etudes.vision.victims import Victims

SUCCESS = "success (fraction of photos)"
COLUMNS, TILE = 6, 160  # pictures in a row (three pairs, or six failures), pixels of their side
SHEET, LINE = 672, 28  # width of the sheet of strips, height of a caption, in pixels
BLANK = np.zeros((16, 16), dtype=np.uint8)


def scores(study: Study, metrics: dict[str, float]) -> go.Figure:
    """Success of every variant."""
    references = [r for r in study.references if r.metric == study.metric]
    return metric_bars(metrics, study.metric, study.variants, study.baseline, references)


def iterations(histories: dict[str, Any]) -> go.Figure:
    """Success on the batches since the last look, and on dev."""
    columns = {"train_success": "batches", "dev_success": "dev"}
    rows = [
        {"x": row["step"], "y": row[column], "by": f"{variant}, {name}"}
        for variant, history in histories.items()
        for column, name in columns.items()
        for row in history.get("epochs", [])
    ]
    table = pd.DataFrame(rows, columns=["x", "y", "by"])
    empty = "No learned variant ran."
    return lines(table, "Success by iteration", "iteration (count)", SUCCESS, by="by", empty=empty)


def heights(heights_table: pd.DataFrame) -> go.Figure:
    """Success by height, held out and fitted, with intervals."""
    shown = heights_table.assign(height=100 * heights_table["height"], by="held out")
    fitted = shown.assign(by="photos it was learned on", success=shown["fitted_success"])
    fitted = fitted.assign(low=shown["fitted_low"], high=shown["fitted_high"])
    title, x_title = "Success by height of the strip", "height of the strip (% of the photo)"
    ends = {"x": "height", "y": "success", "low": "low", "high": "high"}
    return lines(pd.concat([shown, fitted]), title, x_title, SUCCESS, by="by", **ends)


def transfer(transfer_table: pd.DataFrame) -> go.Figure:
    """Strips learned on one network (rows) against all networks (columns)."""
    axes = {"x": "scored_on", "y": "learned_on", "value": "success", "digits": 3}
    columns, rows = "shown to (network)", "learned on (network)"
    return heat(transfer_table, "Transfer between networks", columns, rows, SUCCESS, **axes)


def strips(models: dict[str, Strip], sweep_model: Strips) -> bytes:
    """The first strip of each variant and those of the sweep, one below the other, enlarged without smoothing: a PNG."""
    named = {f"{name}: {strip.rows} rows": strip.pixels[0] for name, strip in models.items()}
    for height, strip in sweep_model.strips.items():
        named[f"sweep, {100 * float(height):g} % of the height: {strip.rows} rows"] = strip.pixels[0]
    scale = max(1, SHEET // max(pixels.shape[1] for pixels in named.values()))
    width = scale * max(pixels.shape[1] for pixels in named.values())
    sheet = Image.new("RGBA", (width, sum(LINE + scale * len(pixels) for pixels in named.values())))
    draw, font, top = ImageDraw.Draw(sheet), ImageFont.load_default(size=12), 0
    for caption, pixels in named.items():
        draw.text((0, top + 8), caption, fill=TEXT, font=font)
        size = (scale * pixels.shape[1], scale * len(pixels))
        sheet.paste(Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST), (0, top + LINE))
        top += LINE + size[1]
    stream = io.BytesIO()
    sheet.save(stream, "PNG", optimize=True)
    return stream.getvalue()


def gallery(
    test_split: Examples,
    predictions: pd.DataFrame,
    models: dict[str, Strip],
    histories: dict[str, Any],
    evaluation: EvaluationParameters,
) -> bytes:
    """Photos that the best strip turned, before and after; evenly spaced, a choice that looks at no score."""
    best = best_on_dev(histories)
    rows, photos = _first_draw(predictions, best), np.asarray(test_split["pixels"])
    turned = np.flatnonzero(rows["success"])
    count = min(len(turned), evaluation.shown)
    pictures, captions = [], []
    for index in turned[np.linspace(0, len(turned) - 1, count).round().astype(int)]:
        row = rows.loc[index]
        pictures += [photos[index], paste(photos[[index]], models[best].pixels[0])[0]]
        captions += [f"{row['before']}\n{row['before_confidence']:.1%}"]
        captions += [f"{row['predicted']}\n{row['confidence']:.1%}"]
    return image_grid(pictures or [BLANK], captions or ["no photo was turned"], COLUMNS, tile=TILE)


def failures(
    test_split: Examples,
    predictions: pd.DataFrame,
    models: dict[str, Strip],
    histories: dict[str, Any],
    evaluation: EvaluationParameters,
) -> bytes:
    """Photos that withstood the strip of `failing_variant`, the most confident answers first."""
    failing = failing_variant(predictions, histories)
    rows = _first_draw(predictions, failing)
    rows = rows[~rows["success"]].nlargest(evaluation.shown, "confidence")
    pictures = list(paste(np.asarray(test_split["pixels"][rows.index]), models[failing].pixels[0]))
    captions = [
        f"{row['truth']}: {row['predicted']} {row['confidence']:.0%}\ntarget {row['target_probability']:.1%}"
        for row in rows.to_dict("records")
    ]
    return image_grid(pictures or [BLANK], captions or ["no photo withstood"], COLUMNS, tile=TILE)


def failing_variant(predictions: pd.DataFrame, histories: dict[str, Any]) -> str:
    """The variant whose failures are shown: the best on dev, or, if it turned every photo, a learned one that did not."""
    best = best_on_dev(histories)
    learned = [name for name, history in histories.items() if history.get("iterations")]
    share = predictions.groupby("variant")["success"].mean()
    return next((name for name in (best, *learned) if share[name] < 1), best)


def _first_draw(predictions: pd.DataFrame, variant: str) -> pd.DataFrame:
    rows = (predictions["variant"] == variant) & (predictions["draw"] == 0)
    return predictions[rows].reset_index(drop=True)


def chosen(histories: dict[str, Any]) -> str:
    """The variant that was best on dev."""
    return best_on_dev(histories)


def failing(predictions: pd.DataFrame, histories: dict[str, Any]) -> str:
    """What the pictures of failures show."""
    return (
        f"Held-out photos that kept another answer under the strip of {failing_variant(predictions, histories)}, the most "
        "confident ones first: true class, answer, and probability of the target."
    )


def summary(
    histories: dict[str, Any],
    metrics: dict[str, float],
    split_card: dict[str, Any],
    networks_table: pd.DataFrame,
) -> str:
    """What came out, in a sentence about the variant that was best on dev."""
    best = best_on_dev(histories)
    success, low, high = (metrics[f"{best}.success{end}"] for end in ("", ".low", ".high"))
    return (
        f"makes `{networks_table['network'][0]}` answer {split_card['target_name']} for **{success:.3f}** of them "
        f"({low:.3f} to {high:.3f}). The strip is the variant that was best on dev, `{best}`"
    )


def gaps(metrics: dict[str, float]) -> str:
    """Fitted minus held out."""
    ends = [name.partition(".")[0] for name in metrics if name.endswith(".fitted_success")]
    differences = {name: metrics[f"{name}.fitted_success"] - metrics[f"{name}.success"] for name in ends}
    return ", ".join(f"`{name}` {value:+.3f}" for name, value in differences.items()) or "nothing was learned"


def networks_are(networks_table: pd.DataFrame) -> str:
    """What the matrix compares."""
    if len(networks_table) == 1:
        return "There is one network only, so nothing to transfer to; name more in `networks.names`."
    if networks_table["network"].str.partition("@")[0].nunique() == 1:
        return (
            "All of these are one network with the same weights, shown photos resized to the number of pixels behind the "
            "@. This says how a strip transfers between resolutions, not between networks."
        )
    return "The strip of the first row is the one of the sweep; the others were learned in the same way."


def related(split_card: dict[str, Any]) -> str:
    """Names of the related classes."""
    return ", ".join(split_card["names"].get(str(label), f"class {label}") for label in split_card["related"])


def choose_predictor(
    study: Study,
    models: dict[str, Strip],
    histories: dict[str, Any],
    data_card: dict[str, Any],
    split_card: dict[str, Any],
    networks_model: Victims,
    photos: PhotoParameters,
) -> StripPredictor:
    """The strip with the best dev score, with its victim, behind a user's photo."""
    best = best_on_dev(histories)
    strip, score = models[best], histories[best]["dev"][study.dev_metric]
    # A score against another network, or of a strip of another height, is a score of another task.
    made_for = [strip.card["network_fingerprint"], str(strip.rows), strip.card["network"]]
    task = fingerprint("/".join([split_card["dev_fingerprint"], *made_for]))
    card = study.predictor_card(best, score, task, data_card)
    victim = networks_model.only(networks_model.victim)
    seen = {"size": photos.size, "crop": photos.crop}
    return StripPredictor(strip, card, networks=victim, names=split_card["names"], **seen)
