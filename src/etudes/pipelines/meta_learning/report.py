"""What `report.md` shows: figures, and the words that must be computed. Nothing here changes a number."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from etudes.examples import Examples
from etudes.pipelines.meta_learning.parameters import CharacterParameters, SinusoidParameters
from etudes.reporting import image_grid
from etudes.reporting.charts import lines
from etudes.reporting.style import NEUTRAL
from etudes.study import load_study

VARIANTS = load_study("meta_learning").variants
UNITS = {"sinusoids": "mean squared error (squared units)", "characters": "accuracy (fraction)"}
TRUTH = "the sinusoid"


def steps(steps_table: pd.DataFrame, task: str, shots: int) -> go.Figure:
    """Score of the queries against gradient steps, a line with its interval for each variant."""
    chosen = steps_table[(steps_table["task"] == task) & (steps_table["shots"] == shots)]
    return lines(
        chosen,
        f"Queries after gradient steps: {task}, {shots}-shot",
        "gradient steps (count)",
        UNITS[task],
        x="step",
        y="value",
        low="low",
        high="high",
        by="variant",
        order=VARIANTS,
        log_y=task == "sinusoids",
    )


def sinusoids(curves_table: pd.DataFrame) -> go.Figure:
    """The first test sinusoid, its support points, and what each variant makes of them."""
    first = curves_table[curves_table["number"] == 0].assign(by=curves_table["variant"])
    first.loc[first["series"] == "truth", "by"] = TRUTH
    title, order = "A test sinusoid after ten steps on ten points", [TRUTH, *VARIANTS]
    chosen = first[first["series"].isin(["truth", "10"])]
    figure = lines(chosen, title, "x (radians)", "y (units)", by="by", order=order, marks=False)
    support = first[first["series"] == "support"]
    marker = {"color": NEUTRAL, "symbol": "x", "size": 10}
    points = go.Scatter(x=support["x"], y=support["y"], mode="markers", marker=marker, name="support points")
    return figure.add_trace(points)


def training(histories: dict[str, Any], family: str, metric: str) -> go.Figure:
    """Dev score along the updates of the start; what is never updated is a level."""
    rows = {name: history["epochs"][family] for name, history in histories.items()}
    levels = {name: found[0][metric] for name, found in rows.items() if len(found) == 1}
    table = [
        {"x": row["step"] / found[-1]["step"], "y": row[metric], "by": name}
        for name, found in rows.items()
        for row in found
        if name not in levels
    ]
    return lines(
        pd.DataFrame(table, columns=["x", "y", "by"]),
        f"Dev {family} along the training of the start",
        "share of the updates (fraction)",
        UNITS[family],
        by="by",
        order=VARIANTS,
        levels=levels,
        log_y=family == "sinusoids",
        empty="No start was trained in this run.",
    )


def episodes(episode_samples: Examples) -> bytes:
    """Test episodes: the support set, then queries with the answers of all variants that are wrong."""
    answers = [name for name in VARIANTS if f"answer_{name}" in episode_samples.rows]
    captions = []
    for row in episode_samples.rows.to_dict("records"):
        given = {name: row[f"answer_{name}"] for name in answers} if row["role"] == "query" else {}
        wrong = [f"{name}: {answer + 1}" for name, answer in given.items() if answer != row["truth"]]
        captions.append("\n".join([f"{row['role']} {row['truth'] + 1}", *wrong]))
    ways = int(episode_samples.rows["truth"].max()) + 1
    return image_grid(list(episode_samples["pixels"]), captions, ways, tile=112)


def tasks(sinusoids: SinusoidParameters, characters: CharacterParameters) -> str:
    """What the test tasks are."""
    ends = (
        f"{low:.3g} to {high:.3g}" for low, high in (sinusoids.amplitude, sinusoids.phase, sinusoids.range)
    )
    named = ", ".join(f"{name} in {end}" for name, end in zip("abx", ends, strict=True))
    return (
        f"{sinusoids.test_tasks:,} sinusoids a sin(x + b), {named}; {characters.test_tasks:,} episodes of {characters.ways} "
        f"characters, where guessing gives {1 / characters.ways:.2f}"
    )


def verdict(differences_table: pd.DataFrame) -> str:
    """What second derivatives and adapting the features are worth after ten steps."""
    asked = {"maml_first_order": "Second derivatives", "anil": "Changing the features inside a task"}
    said = []
    for row in differences_table[differences_table["step"] == 10].to_dict("records"):
        if row["first"] == "maml" and row["second"] in asked:
            better = (row["difference"] < 0) is (row["task"] == "sinusoids")
            gain = "helps" if better else "harms"
            if row["low"] <= 0 <= row["high"]:
                gain = "changes nothing that these tests can show"
            said.append(
                f"- {asked[row['second']]}: {gain} on {row['task']}, {row['shots']}-shot ({row['difference']:+.3f}, "
                f"{row['low']:+.3f} to {row['high']:+.3f})."
            )
    return "\n".join(said) or "MAML, or both of its cheaper forms, were left out of this run."


def among(steps_table: pd.DataFrame, many_ways_history: dict[str, Any]) -> pd.DataFrame:
    """Accuracy after ten steps among more characters than in training; empty where there are no such tasks."""
    chosen = steps_table[steps_table["task"].str.endswith(" ways") & (steps_table["step"] == 10)]
    return chosen.assign(step_size=chosen["variant"].map(many_ways_history["rates"]))


def rates(histories: dict[str, Any]) -> pd.DataFrame:
    """Step sizes in dev and test tasks."""
    return pd.DataFrame([{"variant": name, **history["rates"]} for name, history in histories.items()])
