"""From functions to the nodes of a study.

A study's ``pipeline.py`` is a list that reads from raw data to page. A step is a line: the function and what it gives.
What it reads are the function's own argument names:

- a group of the study's `Parameters` arrives as that group's model, ``parameters`` as the group of the step itself,
  ``run`` as the shared parameters;
- ``study`` is what the study says of itself;
- ``models``, ``histories`` and ``resources`` arrive as mappings from the name of each variant that was trained;
- every other name is a dataset of the study.

Arguments with a default are settings of the function, not inputs: `partial`-like keywords of a step set them, or say
with `each` and `dataset` which datasets they are.

A function is given itself, or as ``"module.function"`` of the study's package where importing the module would load
torch: its arguments are then read from its source, and the module is imported when the node runs.
"""

from etudes.assembly.choice import best_on_dev, left_out, trained
from etudes.assembly.nodes import assemble
from etudes.assembly.steps import (
    Step,
    dataset,
    draw,
    each,
    evaluate,
    ingest,
    page,
    predictor,
    preprocess,
    report,
    set_to,
    show,
    train,
)

SPLITS = ("train_split", "dev_split", "test_split", "split_card")

__all__ = [
    "SPLITS",
    "Step",
    "assemble",
    "best_on_dev",
    "dataset",
    "draw",
    "each",
    "evaluate",
    "ingest",
    "left_out",
    "page",
    "predictor",
    "preprocess",
    "report",
    "set_to",
    "show",
    "train",
    "trained",
]
