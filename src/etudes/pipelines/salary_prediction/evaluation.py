"""Scores on test: every advertisement is answered once, by models of the folds it is not in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from etudes.benches.regressors import mae, out_of_fold
from etudes.evaluation.paired import flat_means, saved_table
from etudes.pipelines.salary_prediction.advertisements import dev_rows, texts_of
from etudes.pipelines.salary_prediction.features import EVERYTHING, Views
from etudes.pipelines.salary_prediction.methods import FloatArray, Rows, ridge_answers
from etudes.pipelines.salary_prediction.model import train
from etudes.pipelines.salary_prediction.parameters import (
    EvaluationParameters,
    LearningParameters,
    SplitParameters,
)
from etudes.splits import dealt
from etudes.text.duplicates import near_duplicates
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed

Frame = pd.DataFrame
# What a variant saves beside another: each head, the reader of descriptions, each step of the methods without a network.
PAIRS = (
    ("network", "without_title"),
    ("network", "without_description"),
    ("network", "without_categories"),
    ("network", "network_lstm"),
    ("ridge_fields", "ridge"),
    ("combination", "ridge_fields"),
    ("combination", "boosting"),
    ("combination", "network"),
)
SHOWN = ("median", "ridge", "combination", "network")  # variants whose errors are told by category and place
KINDS = {"category": "Category", "place": "LocationNormalized"}


def evaluate(
    train_split: Frame,
    test_split: Frame,
    models: dict[str, Any],
    learning: LearningParameters,
    split: SplitParameters,
    evaluation: EvaluationParameters,
    run: RunParameters,
) -> tuple[dict[str, float], Frame, Frame, Frame]:
    """Cross-validate every trained variant: the models of the first fold are those that were trained, all others are trained here.

    Returns:
        metrics (flat; intervals over groups of near-duplicates), predictions, what variants save beside others, errors by category
        and place.
    """
    rows = pd.concat([test_split, train_split], ignore_index=True)
    logs, margins = {n: np.empty(len(rows)) for n in models}, {n: np.empty(len(rows)) for n in models}
    for number in range(int(rows["fold"].max()) + 1):
        out = (rows["fold"] == number).to_numpy()
        seed = derive_seed(run.seed, "fold", number)
        kept = rows[~out].reset_index(drop=True)
        kept["is_dev"] = dev_rows(kept["group"].to_numpy(), split.dev_fraction, seed)
        for name, of_first in models.items():
            model = of_first
            if number:
                own = run.model_copy(update={"seed": seed})
                model, _ = train(kept, learning, own, variant=name)
            logs[name][out], margins[name][out] = model.predict(rows[out]), model.margin
    truth, group, count = rows["salary"], rows["group"].to_numpy(), evaluation.resamples
    metrics: dict[str, float] = {}
    predictions, apart = [], pd.DataFrame(index=rows.index)
    for name, log in logs.items():
        answer, low, high = (np.exp(log + side * margins[name]) for side in (0, -1, 1))
        told = {"id": rows["id"], "truth": truth, "predicted": answer, "low": low, "high": high}
        predictions.append(pd.DataFrame({"variant": name, **told}))
        apart[name] = (truth - answer).abs()
        columns = pd.DataFrame(
            {
                "salary_mae": apart[name],
                "interval_coverage": ((low <= truth) & (truth <= high)).astype(float),
                "interval_width": high - low,
            }
        )
        metrics |= flat_means(columns.add_prefix(f"{name}."), count, groups=group)
    return (
        metrics,
        pd.concat(predictions, ignore_index=True),
        saved_table(apart, PAIRS, count, group),
        by_kind(rows, apart, evaluation.fewest),
    )


def by_kind(rows: Frame, apart: Frame, fewest: int) -> Frame:
    """Mean absolute errors of some variants by category and by place; those with few advertisements are one."""
    found = []
    for what, column in KINDS.items():
        counts = rows[column].value_counts()
        kept = counts.index[counts >= fewest]
        entry = rows[column].where(rows[column].isin(kept), "all others").replace("", "not said")
        for variant in (name for name in SHOWN if name in apart):
            means = apart[variant].groupby(entry).agg(["mean", "size"]).sort_values("size", ascending=False)
            found += [[what, name, variant, mean, size] for name, mean, size in means.itertuples()]
    return pd.DataFrame(found, columns=["what", "entry", "variant", "salary_mae", "advertisements"])


def question(
    train_split: Frame,
    test_split: Frame,
    learning: LearningParameters,
    histories: dict[str, Any],
    split: SplitParameters,
    evaluation: EvaluationParameters,
    run: RunParameters,
) -> Frame:
    """What near-duplicates on both sides of a split, and a target in GBP, do to the error of ``ridge``.

    Returns:
        ``salary_mae`` over all folds by ``split`` and ``target``, with the penalty that ``ridge`` chose in the study's own split, or the
        middle one.
    """
    rows = pd.concat([test_split, train_split], ignore_index=True).sort_values("id", ignore_index=True)
    penalties = learning.ridge.penalties
    penalty = histories.get("ridge", {}).get("penalty", penalties[len(penalties) // 2])
    salary = rows["salary"].to_numpy()

    def answers(kept: Rows, out: Rows) -> FloatArray:
        x = Views.fit(rows[kept], EVERYTHING, learning.terms).matrix(rows)
        gram = (x @ x.T).toarray()
        log = np.exp(ridge_answers(gram, np.log(salary), penalty, kept, out))
        return np.stack([log, ridge_answers(gram, salary, penalty, kept, out)], axis=1)

    ways = {"rows at random": np.arange(len(rows))}
    for least in sorted({split.resemblance, *evaluation.resemblances}, reverse=True):
        ways[f"together from {least:g}"] = near_duplicates(texts_of(rows), split.shingle, least)
    found = []
    for way, group in ways.items():
        told = out_of_fold(dealt(group, split.folds, derive_seed(run.seed, "folds")), answers)
        found += [[way, target, mae(salary, told[:, k])] for k, target in enumerate(("log", "GBP"))]
    return pd.DataFrame(found, columns=["split", "target", "salary_mae"])
