"""What `report.md` shows. Nothing here changes a number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from etudes.examples import Examples
from etudes.pipelines.fgsm_attack import evaluation as scoring
from etudes.pipelines.fgsm_attack.parameters import EvaluationParameters
from etudes.reporting import image_grid
from etudes.reporting.charts import bars, heat, lines
from etudes.study import Study

SUCCESS = "success (fraction of known pictures)"
RADIUS = "largest change of a pixel (levels of 255)"
TILE = 160
# At which mean largest change the course gives its marks, levels of 255.
MARKS = {"course mark for a strong attack": 5.5, "course mark for a simple attack": 20.345}


def curve(curve_table: pd.DataFrame, study: Study, data: str = "pictures") -> go.Figure:
    """Success by radius."""
    rows = curve_table[curve_table["data"] == data]
    names = [name for name in study.variants if name in set(rows["variant"])]
    ends: dict[str, Any] = {"low": "low", "high": "high", "order": names}
    return lines(
        rows, f"Success by radius: {data}", RADIUS, SUCCESS, x="levels", y="success", by="variant", **ends
    )


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
    best = scoring.best_on_dev(histories)
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
    places = np.flatnonzero(rows["success"])
    places = places[np.linspace(0, len(places) - 1, min(len(places), evaluation.shown)).round().astype(int)]
    pictures, captions = [], []
    for place in places:
        row, photo, after = (
            rows.loc[place],
            photos_samples["photos"][place],
            photos_samples["attacked"][place],
        )
        change = after.astype(np.float64) - photo
        pictures += [photo, np.round(127.5 + 127.5 * change / row["levels"]).astype(np.uint8), after]
        captions += [
            f"{row['before']}\n{row['before_confidence']:.1%}",
            f"change of {row['levels']}/255\n",
            f"{row['predicted']}\n{row['confidence']:.1%}",
        ]
    return image_grid(
        pictures or [photos_samples["photos"][0]], captions or ["no photo was turned"], 6, tile=TILE
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


def answer(gains_table: pd.DataFrame) -> str:
    """Which of the claims hold in this run, in words."""
    if gains_table.empty:
        return "not asked in this run, which left the variants out"
    said = []
    for (first, second), rows in gains_table.groupby(["variant", "against"], sort=False):
        words = [
            f"{row['shown_to']} {row['difference']:+.3f}" + ("" if row["sure"] else " (cannot tell)")
            for row in rows.to_dict("records")
        ]
        said.append(f"{first} over {second}: {', '.join(words)}")
    return "; ".join(said)


def chosen(histories: dict[str, Any]) -> pd.DataFrame:
    """What dev said of each setting."""
    return pd.DataFrame(
        [{"variant": name, **trial} for name, history in histories.items() for trial in history["trials"]]
    )


def best_on_dev(histories: dict[str, Any]) -> str:
    """The variant that is registered."""
    return scoring.best_on_dev(histories)
