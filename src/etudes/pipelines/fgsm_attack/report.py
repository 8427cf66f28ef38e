"""What `report.md` shows. Nothing here changes a number."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from etudes.benches.attack_pages import TILE, triplets
from etudes.benches.boards import best_on_dev
from etudes.examples import Examples
from etudes.pipelines.fgsm_attack.parameters import EvaluationParameters
from etudes.reporting import image_grid
from etudes.reporting.charts import bars, heat, lines
from etudes.study import Study

SUCCESS = "success (fraction of known pictures)"
# At which mean largest change the course gives its marks, levels of 255.
MARKS = {"course mark for a strong attack": 5.5, "course mark for a simple attack": 20.345}


def front(front_table: pd.DataFrame, study: Study) -> go.Figure:
    """Wrong answers on photos against the mean largest change, beside marks of others."""
    rows = front_table[front_table["data"] == "photos"].rename(
        columns={"linf": "x", "fooled": "y", "variant": "by"}
    )
    marks = [
        {"x": MARKS[reference.name], "y": reference.value, "by": reference.name}
        for reference in study.references
        if reference.name in MARKS
    ]
    x, y = "mean largest change of a pixel (levels of 255)", "wrong answers (fraction of all photos)"
    return lines(pd.concat([rows, pd.DataFrame(marks)]), "Wrong answers against change", x, y, by="by")


def transfer(transfer_table: pd.DataFrame, histories: dict[str, Any]) -> go.Figure:
    """The chosen attack made on one network (rows) and shown to all (columns)."""
    best = best_on_dev(histories)
    rows = transfer_table[transfer_table["variant"] == best]
    rows = rows.rename(columns={"scored_on": "x", "made_on": "y", "success": "value"})
    return heat(rows, f"Transfer of {best}", "shown to (network)", "made on (network)", SUCCESS, digits=3)


def defences(defences_table: pd.DataFrame) -> go.Figure:
    """Accuracy behind each defence, on pictures as they are and attacked."""
    plain = defences_table[["defence", "accuracy", "low", "high"]].assign(pictures="as they are")
    under = defences_table[["defence", "attacked_accuracy", "attacked_low", "attacked_high"]]
    under = under.set_axis(plain.columns[:4], axis=1).assign(pictures="attacked")
    title, x = "Accuracy behind defences", "accuracy (fraction of all test pictures)"
    return bars(
        pd.concat([plain, under]),
        title,
        x,
        "defence",
        x="accuracy",
        y="defence",
        by="pictures",
        low="low",
        high="high",
    )


def panels(photos_samples: Examples, evaluation: EvaluationParameters) -> bytes:
    """Photos, their change amplified to the whole range, and the photos with it; evenly spaced among the turned ones."""
    rows = photos_samples.rows
    return triplets(
        photos_samples, rows["levels"], "change of " + rows["levels"].astype(str) + "/255", evaluation.shown
    )


def failures(photos_samples: Examples, evaluation: EvaluationParameters) -> bytes:
    """Photos that withstood the chosen attack at the smallest radius, the most confident answers first."""
    rows = photos_samples.rows
    kept = rows[rows["known"] & ~rows["success"]].nlargest(evaluation.shown, "confidence")
    captions = [
        f"{row['truth']}\n{row['before_confidence']:.0%}, then {row['confidence']:.0%}"
        for row in kept.to_dict("records")
    ]
    pictures = list(photos_samples["attacked"][kept.index]) or [photos_samples["photos"][0]]
    return image_grid(pictures, captions or ["no photo withstood"], 6, tile=TILE)
