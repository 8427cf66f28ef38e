"""Peak memory of each variant's training, a fresh process for each.

``python -m benchmarks.memory VARIANT FOLDER`` trains one and prints two numbers: resident MiB once its libraries and
data are loaded, and the peak of the process. FOLDER keeps the models, which the combination reads.
"""

# ruff: noqa: T201
from __future__ import annotations

import json
import resource
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.sample import changed, load_sample
from benchmarks.table import Row
from benchmarks.timing import ROOT, python

EPOCHS = 2  # memory does not grow with epochs; accuracy is not looked at
MIB = 2**20


def memory_of_variants() -> list[Row]:
    """One row for each variant; the combination comes last because it reads the others."""
    from etudes.study import load_study

    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for variant in load_study("genre_classification").variants:
            printed = python("-m", "benchmarks.memory", variant, folder, folder=ROOT)
            loaded, peak = json.loads(printed.splitlines()[-1])
            rows.append(
                Row(
                    f"peak memory of train_{variant} (bare: libraries and data, before training)",
                    f"{peak:,.0f} MiB",
                    f"{loaded:,.0f} MiB",
                    f"{peak / loaded:.2f}x",
                )
            )
    return rows


def short(parameters: Any) -> Any:
    """A variant's parameters with at most `EPOCHS` epochs of its training loop."""
    if hasattr(parameters, "fit"):
        return changed(parameters, fit=changed(parameters.fit, epochs=min(EPOCHS, parameters.fit.epochs)))
    if hasattr(parameters, "epochs"):
        return changed(parameters, epochs=min(EPOCHS, parameters.epochs))
    return parameters


def train(variant: str, models: Path) -> tuple[float, float]:
    """Train one variant on the embedded sample; resident MiB before, and the peak."""
    import psutil

    from etudes.models import load_model, save_model
    from etudes.pipelines.genre_classification import model, nodes, pipeline  # noqa: F401 - all libraries

    sample = load_sample()
    members = {}
    if variant == "combination":
        members = {name: load_model(models / name) for name in pipeline.MEMBERS}
    loaded = psutil.Process().memory_info().rss / MIB
    splits = (sample.train, sample.dev, sample.card)
    if variant == "majority":
        trained, _ = nodes.train_majority(*splits)
    elif variant == "tfidf":
        trained, _ = nodes.train_tfidf(*splits, sample.parameters.tfidf)
    elif variant == "combination":
        trained, _ = nodes.combine(
            sample.dev, sample.card, sample.parameters.combination, sample.run, **members
        )
    elif variant == "bilstm":
        trained, _ = nodes.train_bilstm(*splits, None, short(sample.parameters.bilstm), sample.run)  # type: ignore[arg-type]
    else:
        function = getattr(nodes, f"train_{variant}")
        trained, _ = function(*splits, short(getattr(sample.parameters, variant)), sample.run)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    save_model(trained, models / variant)
    return loaded, peak


if __name__ == "__main__":
    print(json.dumps(train(sys.argv[1], Path(sys.argv[2]))))
