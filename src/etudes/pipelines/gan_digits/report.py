"""What `report.md` shows: figures, and the words that must be computed. Nothing here changes a number."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from etudes.assembly import left_out
from etudes.digits.pictures import misread_of
from etudes.examples import Examples
from etudes.reporting import metric_bars
from etudes.reporting.charts import lines
from etudes.reporting.tables import Table, lead_table
from etudes.study import Study

GONE = "gan was left out of this run"


def scores(study: Study, metrics: dict[str, float]) -> go.Figure:
    """The distance; beside the trivial baseline, which is hundreds off, the others would be one line at zero."""
    close = {key: value for key, value in metrics.items() if not key.startswith(f"{study.baseline}.")}
    return metric_bars(close, "fid", study.variants)


def labels(study: Study, metrics: dict[str, float]) -> go.Figure:
    """Pictures that are read as the class asked for."""
    return metric_bars(metrics, "label_accuracy", study.variants, baseline=study.baseline)


def distance(gan_history: dict[str, Any], vae_history: dict[str, Any]) -> go.Figure:
    """FID on dev by epoch, in the features of the judge that chooses."""
    table = pd.concat([by_epoch(gan_history, dev_fid="gan"), by_epoch(vae_history, dev_fid="vae")])
    unit = "FID (squared feature distance)"
    return lines(table, "Distance on dev", EPOCH, unit, by="by", log_y=True, empty="Neither gan nor vae ran.")


def losses(gan_history: dict[str, Any]) -> go.Figure:
    """Losses of both players by epoch."""
    table = by_epoch(gan_history, discriminator_loss="discriminator", generator_loss="generator")
    return lines(table, "Losses of both players", EPOCH, "loss (nats)", by="by", empty=GONE)


def answers(gan_history: dict[str, Any]) -> go.Figure:
    """What the discriminator says of both kinds of pictures."""
    names = {"real_score": "D(x), real pictures", "fake_score": "D(G(z)), generated pictures"}
    unit, even = "chance of being real (fraction)", {"an even game": 0.5}
    table = by_epoch(gan_history, **names)
    return lines(table, "Answers of the discriminator", EPOCH, unit, by="by", levels=even, empty=GONE)


EPOCH = "epoch (count)"


def by_epoch(history: dict[str, Any], **names: str) -> pd.DataFrame:
    """Columns of a history as series of a tidy table."""
    rows = [
        {"x": row["epoch"], "y": row[column], "by": name}
        for column, name in names.items()
        for row in history.get("epochs", [])
    ]
    return pd.DataFrame(rows, columns=["x", "y", "by"])


def claim(claim_table: pd.DataFrame) -> str:
    """The answer for the two networks of this run, measure by measure."""
    if claim_table.empty:
        return "One of the two was left out of this run."
    table = claim_table.assign(measure=claim_table["measure"].str.replace("_", " ")).set_index("measure")
    parts = []
    for name, said in (("gan", "the GAN is better on"), ("vae", "the VAE on"), ("neither", "cannot tell:")):
        if measures := list(table.index[table["better"] == name]):
            parts.append(f"{said} {', '.join(measures)}")
    fid = table.loc["fid"]
    reach = f"{fid['advantage']:+.2f} [{fid['low']:.2f}, {fid['high']:.2f}]"
    return f"**{verdict(set(table['better']))}**: {'; '.join(parts)}. The GAN's FID is better by {reach}."


def verdict(better: set[str]) -> str:
    """Yes or no if one of the two is better on whatever measure can be told."""
    found = better - {"neither"}
    if len(found) == 2:
        return "It depends on the measure"
    return {"gan": "Yes", "vae": "No"}[found.pop()] if found else "Cannot tell"


def sizes(models: dict[str, Any]) -> pd.DataFrame:
    """What draws the pictures."""
    rows = [
        {"variant": n, "dimensions of the noise": model.latent, "weights that draw": model.drawing_weights}
        for n, model in models.items()
        if hasattr(model, "latent")
    ]
    return pd.DataFrame(rows, columns=["variant", "dimensions of the noise", "weights that draw"])


def last_answers(study: Study, gan_history: dict[str, Any]) -> Table | pd.DataFrame:
    """The discriminator's answers in the last epoch beside the original's."""
    if left_out(gan_history):
        return pd.DataFrame()
    shown = ["real_score", "fake_score"]
    last = {f"gan.{name}": gan_history["epochs"][-1][name] for name in shown}
    caption = "The discriminator at the end of training: means of the last epoch, 0.5 is an even game"
    return lead_table(last, ["gan"], shown, references=study.references, caption=caption)


def misread(drawn_samples: Examples) -> str:
    """How many pictures of the GAN are read wrongly."""
    return misread_of(drawn_samples, "gan")
