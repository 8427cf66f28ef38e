"""What `report.md` shows: figures, and the words and tables that must be computed. Nothing here changes a number."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from etudes.digits.pictures import misread_of
from etudes.examples import Examples
from etudes.reporting.charts import lines, points
from etudes.study import load_study

STUDY = load_study("vae")
WIDE = ("convolutional", "mlp", "conditional")  # of these the first that ran has its codes shown


def rate_distortion(beta_table: pd.DataFrame) -> go.Figure:
    """One point for each beta, and the line on which the bound is that of the best."""
    best = float((beta_table["rate"] + beta_table["distortion"]).min())
    ends = beta_table["rate"].agg(["min", "max"])
    line = pd.DataFrame({"rate": ends, "distortion": best - ends}).assign(by=f"bound of {-best:.1f} nats")
    table = pd.concat([beta_table.assign(by="networks of the sweep"), line])
    x, y = "rate: KL of the code (nats)", "distortion: negative log-likelihood (nats)"
    return lines(table, "Rate and distortion", x, y, x="rate", y="distortion", by="by")


def units(units_table: pd.DataFrame) -> go.Figure:
    """KL of each latent dimension, the busiest first."""
    title, empty = "What the dimensions of the code are used for", "No variant with a code ran."
    axes = ("latent dimension (rank by KL)", "KL to the prior (nats)")
    return lines(units_table, title, *axes, x="unit", y="kl", by="variant", order=STUDY.variants, empty=empty)


def codes(latent_table: pd.DataFrame, of: tuple[str, ...] = WIDE) -> go.Figure:
    """Codes of test pictures in a plane, by digit; of wide codes on two principal components."""
    there = set(latent_table["variant"])
    name = next((name for name in of if name in there), "")
    rows = latent_table[latent_table["variant"] == name].sort_values("label")
    share = float(rows["explained"].iloc[0]) if len(rows) else 1.0
    axis = "principal component" if share < 1 else "dimension"
    explained = f"; both explain {share:.0%}" if share < 1 else ""
    axes = f"first {axis} (standard deviations of the prior{explained})", f"second {axis} (the same)"
    rows, gone = rows.assign(label=rows["label"].astype(str)), f"{' and '.join(of)} did not run."
    return points(rows, f"Codes of {name or of[0]}", *axes, by="label", size=5, height=600, empty=gone)


def parts(metrics: dict[str, float]) -> pd.DataFrame:
    """The two parts of the bound."""
    names = {"reconstruction": "log-likelihood given the code", "kl": "KL of the code", "elbo": "bound"}
    rows = [
        {"variant": name, **{text: metrics[f"{name}.{metric}"] for metric, text in names.items()}}
        for name in STUDY.variants
        if f"{name}.elbo" in metrics
    ]
    return pd.DataFrame(rows, columns=["variant", *names.values()])


def votes(metrics: dict[str, float]) -> pd.DataFrame:
    """Classes read from the codes of their neighbours."""
    found = {n: metrics[f"{n}.knn_accuracy"] for n in STUDY.variants if f"{n}.knn_accuracy" in metrics}
    return pd.DataFrame({"variant": list(found), "accuracy (fraction)": list(found.values())})


def misread(drawn_samples: Examples) -> str:
    """How many pictures of the conditional variant are read wrongly."""
    return misread_of(drawn_samples, "conditional")
