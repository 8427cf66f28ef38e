"""Figures on the pages of studies of every kind. Nothing here changes a number."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from etudes.reporting import learning_curves, metric_bars
from etudes.study import Study


def scores(study: Study, metrics: dict[str, float], metric: str = "") -> go.Figure:
    """A metric (the primary one if empty) of every variant beside the references."""
    metric = metric or study.metric
    references = [reference for reference in study.references if reference.metric == metric]
    return metric_bars(metrics, metric, study.variants, study.baseline, references)


def curves(study: Study, histories: dict[str, Any], metric: str = "") -> go.Figure:
    """Loss, and a metric (the primary one if empty) on dev, by epoch."""
    found = {name: history["epochs"] for name, history in histories.items() if history["epochs"]}
    return learning_curves(found, metric or study.metric, variants=study.variants)
