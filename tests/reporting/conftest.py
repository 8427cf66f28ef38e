"""A realistic report and its parts, small."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from report_parts import EVIL, LABELS, VARIANTS

from etudes.reporting import (
    Report,
    confusion_matrix,
    lead_table,
    learning_curves,
    metric_bars,
    per_class_bars,
    reliability_diagram,
    term_weights,
)
from etudes.study import Reference


@pytest.fixture
def metrics() -> dict[str, float]:
    """Three of the four variants; the best log loss is the lowest."""
    found: dict[str, float] = {}
    for variant, accuracy, loss in (("majority", 0.25, 2.4), ("tfidf", 0.512, 1.5), ("encoder", 0.6, 1.7)):
        for name, value in (("accuracy", accuracy), ("log_loss", loss)):
            key = f"{variant}.{name}"
            found |= {key: value, f"{key}.low": value - 0.018, f"{key}.high": value + 0.018}
    return found


@pytest.fixture
def references() -> list[Reference]:
    return [
        Reference(
            "notebook <b>", "accuracy", 0.41, "README", False, "the split is not stated", "other split"
        ),
        Reference("paper", "accuracy", 0.58, "arXiv", True),
    ]


@pytest.fixture
def classes() -> pd.DataFrame:
    scores = {"precision": [0.5, 0.25, 0.1], "recall": [0.4, 0.5, 0.2], "f1": [0.444, 0.333, 0.133]}
    return pd.DataFrame({"label": LABELS, **scores, "support": [1200, 30, 5]})


@pytest.fixture
def histories() -> dict[str, Any]:
    rows = [
        {"epoch": float(e), "train_loss": 2 / e, "dev_loss": 2.2 / e, "dev_accuracy": 0.6 - 0.3 / e}
        for e in range(1, 6)
    ]
    return {"majority": [], "tfidf": rows[:1], "skipped": {"skipped": True}, "encoder": pd.DataFrame(rows)}


@pytest.fixture
def bins() -> dict[str, pd.DataFrame]:
    table = {"confidence": [0.2, 0.5, 0.9], "accuracy": [0.1, 0.55, 0.8], "count": [10, 100, 1000]}
    return {"tfidf": pd.DataFrame(table), "encoder": pd.DataFrame(table)}


@pytest.fixture
def terms() -> pd.DataFrame:
    words = ["<br />", "1984", "love"]
    rows = [(label, word, float(i)) for label in LABELS for i, word in enumerate(words, start=-1)]
    return pd.DataFrame(rows, columns=["label", "term", "weight"])


@pytest.fixture
def figures(metrics, references, classes, histories, bins, terms) -> dict[str, Any]:
    """One figure of each kind."""
    return {
        "bars": metric_bars(metrics, "accuracy", VARIANTS, "majority", references),
        "curves": learning_curves(histories, "accuracy", variants=VARIANTS),
        "confusion": confusion_matrix(np.array([[8, 2, 0], [3, 5, 1], [0, 0, 0]]), LABELS),
        "classes": per_class_bars(classes),
        "reliability": reliability_diagram(bins, variants=VARIANTS),
        "terms": term_weights(terms, LABELS),
        "no bars": metric_bars({}, "accuracy", VARIANTS),
        "no curves": learning_curves({}, "accuracy"),
        "no bins": reliability_diagram({}),
    }


@pytest.fixture
def report(metrics, references, figures, classes) -> Report:
    """A page with every kind of block and a hostile text in every place that takes one."""
    page = Report(
        f"Films {EVIL}", f"Summary {EVIL}", ["embedded sample"], {f"fact {EVIL}": EVIL, "rows": 5415}
    )
    page.section("Results", "What was found.")
    page.table(lead_table(metrics, VARIANTS, ["accuracy", "log_loss"], "majority", references, "accuracy"))
    for name, figure in figures.items():
        figure.update_layout(meta={**(figure.layout.meta or {}), "evil": EVIL})
        figure.data and figure.update_traces(name=EVIL, selector=0)
        page.figure(figure, f"{name} {EVIL}", EVIL)
    page.section(f"Errors {EVIL}").text(f"**bold** and `code` {EVIL}\n\n- one\n- two {EVIL}")
    page.table(classes, f"All classes {EVIL}")
    row = {"truth": "drama", "predicted": EVIL, "probability": 0.97, "film": EVIL}
    return page.examples([{**row, "text": EVIL}, {**row, "text": f"{EVIL} very long " * 30}])
