"""What `report.md` shows, and the model to register. Nothing here changes a number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from etudes.benches import attack_pages
from etudes.cards import fingerprint
from etudes.examples import Examples
from etudes.pipelines.adversarial_strip.evaluation import best_on_dev
from etudes.pipelines.adversarial_strip.model import StripPredictor
from etudes.pipelines.adversarial_strip.parameters import EvaluationParameters, PhotoParameters
from etudes.pipelines.adversarial_strip.strip import Strips, paste
from etudes.reporting import image_grid, learning_curves
from etudes.reporting.charts import heat, lines
from etudes.study import Study
from etudes.vision.victims import Victims

SUCCESS = "success (fraction of photos)"


def iterations(study: Study, histories: dict[str, Any]) -> go.Figure:
    """Loss and success on the batches since the last look, and success on dev."""
    found = {name: history.get("epochs", []) for name, history in histories.items()}
    unit, title = "nats; of margin logits", "Success by iteration"
    return learning_curves(found, study.metric, variants=study.variants, loss_unit=unit, title=title)


def heights(heights_table: pd.DataFrame) -> go.Figure:
    """Success by height, held out and fitted, with intervals."""
    held_out = heights_table.assign(height=100 * heights_table["height"], by="held out")
    learned = held_out.drop(columns=["success", "low", "high"]).assign(by="photos it was learned on")
    learned.columns = learned.columns.str.removeprefix("fitted_")
    table, title = pd.concat([held_out, learned]), "Success by height of the strip"
    x = "height of the strip (% of the photo)"
    return lines(table, title, x, SUCCESS, x="height", y="success", by="by", low="low", high="high")


def transfer(transfer_table: pd.DataFrame) -> go.Figure:
    """Strips learned on one network (rows) against all networks (columns)."""
    title, shown_to, made_on = "Transfer between networks", "shown to (network)", "learned on (network)"
    table = transfer_table.rename(columns={"scored_on": "x", "learned_on": "y", "success": "value"})
    return heat(table, title, shown_to, made_on, SUCCESS, digits=3)


def strips(models: dict[str, Strips], sweep_model: Strips, test_split: Examples) -> bytes:
    """The first held-out photo under the first strip of each variant and those of the sweep."""
    named = {name: model.draws[0] for name, model in models.items()}
    named |= {f"{100 * float(height):g} %": draws[0] for height, draws in sweep_model.pixels.items()}
    photo = np.asarray(test_split["pixels"][:1])
    captions = [f"{name}: {len(strip)} rows" for name, strip in named.items()]
    return image_grid([paste(photo, strip)[0] for strip in named.values()], captions, 6, tile=160)


def gallery(
    test_split: Examples,
    predictions: pd.DataFrame,
    models: dict[str, Strips],
    histories: dict[str, Any],
    evaluation: EvaluationParameters,
    failures: bool = False,
) -> bytes:
    """Photos that the best strip turned, before and after; or those that withstood that of `failing_variant`."""
    name = failing_variant(predictions, histories) if failures else best_on_dev(histories)
    rows = predictions[(predictions["variant"] == name) & (predictions["draw"] == 0)].reset_index(drop=True)
    photos = np.asarray(test_split["pixels"])
    shown = attack_pages.withstood if failures else attack_pages.turned
    return shown(photos, models[name].attacked(photos), rows, evaluation.shown)


def failing_variant(predictions: pd.DataFrame, histories: dict[str, Any]) -> str:
    """The variant whose failures are shown: the best on dev, or, if it turned every photo, a learned one that did not."""
    best = best_on_dev(histories)
    learned = [name for name, history in histories.items() if history.get("iterations")]
    share = predictions.groupby("variant")["success"].mean()
    return next((name for name in (best, *learned) if share[name] < 1), best)


def choose_predictor(
    study: Study,
    models: dict[str, Strips],
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
    made_for = [strip.card["network_fingerprint"], str(strip.draws.shape[1]), strip.card["network"]]
    task = fingerprint("/".join([split_card["dev_fingerprint"], *made_for]))
    card = study.predictor_card(best, score, task, data_card)
    parts = {"names": split_card["names"], "size": photos.size, "crop": photos.crop}
    return StripPredictor(strip, card, networks=networks_model.only(networks_model.victim), **parts)
