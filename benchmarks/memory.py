"""Peak memory of each variant's training, a fresh process for each.

``python -m benchmarks.memory VARIANT FOLDER`` trains one and prints two numbers: resident MiB once its module and the
data are loaded, and the peak while it trains. FOLDER keeps the models, which the combination reads.
"""

# ruff: noqa: T201
from __future__ import annotations

import importlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.sample import changed, load_sample
from benchmarks.table import Row
from benchmarks.timing import ROOT, python

# Where a variant's method is, if not in a module of its name.
MODULES = {
    "majority": "linear",
    "tfidf": "linear",
    "spacy": "spacy_textcat",
    "bilstm": "model",
    "encoder_probe": "model",
    "encoder": "model",
}
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
                    f"peak memory of train_{variant}, at most {EPOCHS} epochs (bare: module and data, before training)",
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
    """Train one variant on the embedded sample, by its node; resident MiB before, and the peak."""
    import psutil

    from etudes.models import load_model, save_model
    from etudes.pipelines.genre_classification import create_pipeline
    from etudes.text.vectors import WordVectors
    from etudes.training.resources import measure

    sample, prefix = load_sample(), "genre_classification."
    (node,) = [node for node in create_pipeline().nodes if node.name == f"{prefix}train_{variant}"]
    groups = {name: short(value) for name, value in dict(sample.parameters).items()}
    inputs: dict[str, Any] = {f"params:{prefix}{name}": value for name, value in groups.items()}
    inputs |= {"params:run": sample.run, f"{prefix}vectors": WordVectors(Path("no such file"))}
    for name, value in (
        ("train_split", sample.train),
        ("dev_split", sample.dev),
        ("split_card", sample.card),
    ):
        inputs[prefix + name] = value
    for name in node.inputs:
        if name.endswith("_model"):
            inputs[name] = load_model(models / name.removeprefix(prefix).removesuffix("_model"))
    importlib.import_module(f"etudes.pipelines.genre_classification.{MODULES.get(variant, variant)}")
    loaded = psutil.Process().memory_info().rss / MIB
    with measure() as resources:
        outputs = node.run({name: inputs[name] for name in node.inputs})
    save_model(outputs[f"{prefix}{variant}_model"], models / variant)
    return loaded, resources.peak_memory_mib


if __name__ == "__main__":
    print(json.dumps(train(sys.argv[1], Path(sys.argv[2]))))
