"""Scores on test: every advertisement is answered once, by models of the folds it is not in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from etudes.evaluation.paired import grouped_mean_intervals
from etudes.pipelines.salary_prediction.advertisements import deal, dev_rows, near_duplicates
from etudes.pipelines.salary_prediction.features import (
    EVERYTHING,
    FloatArray,
    IntArray,
    bags_of,
    side_by_side,
)
from etudes.pipelines.salary_prediction.methods import dual_ridge, mae
from etudes.pipelines.salary_prediction.model import train
from etudes.pipelines.salary_prediction.parameters import (
    BoostingParameters,
    EvaluationParameters,
    IntervalParameters,
    NetworkParameters,
    RidgeParameters,
    SplitParameters,
    TermsParameters,
)
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
OTHERS = "all others"
ENDS = {"": "value", ".low": "low", ".high": "high"}


def evaluate(
    train_split: Frame,
    test_split: Frame,
    models: dict[str, Any],
    terms: TermsParameters,
    ridge: RidgeParameters,
    boosting: BoostingParameters,
    network: NetworkParameters,
    intervals: IntervalParameters,
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
                model, _ = train(kept, terms, ridge, boosting, network, intervals, own, variant=name)
            logs[name][out], margins[name][out] = model.predict(rows[out]), model.margin
    answers = {
        name: pd.DataFrame(
            {
                "variant": name,
                "id": rows["id"],
                "truth": rows["salary"],
                "predicted": np.exp(logs[name]),
                "low": np.exp(logs[name] - margins[name]),
                "high": np.exp(logs[name] + margins[name]),
            }
        )
        for name in models
    }
    apart = {name: (own["predicted"] - own["truth"]).abs() for name, own in answers.items()}
    group = rows["group"].to_numpy()
    metrics: dict[str, float] = {}
    for name, told in answers.items():
        held = (told["low"] <= told["truth"]) & (told["truth"] <= told["high"])
        columns = pd.DataFrame(
            {
                "salary_mae": apart[name],
                "interval_coverage": held.astype(float),
                "interval_width": told["high"] - told["low"],
            }
        )
        ends = grouped_mean_intervals(columns, group, evaluation.resamples)
        for metric, row in zip(columns, ends.to_dict("records"), strict=True):
            metrics |= {f"{name}.{metric}{end}": float(row[at]) for end, at in ENDS.items()}
    predictions = pd.concat(answers.values(), ignore_index=True)
    return (
        metrics,
        predictions,
        saved(apart, group, evaluation.resamples),
        by_kind(rows, apart, evaluation.fewest),
    )


def saved(apart: dict[str, pd.Series], group: IntArray, resamples: int) -> Frame:
    """How much less (GBP) the mean absolute error of one variant is than that of another, on the same advertisements."""
    pairs = [pair for pair in PAIRS if {*pair} <= {*apart}]
    names = ["variant", "against", *(f"saved{end}" for end in ENDS)]
    if not pairs:
        return pd.DataFrame(columns=names)
    differences = pd.DataFrame({k: apart[b] - apart[a] for k, (a, b) in enumerate(pairs)})
    ends = grouped_mean_intervals(differences, group, resamples)
    rows = [[a, b, *ends.iloc[k][[*ENDS.values()]]] for k, (a, b) in enumerate(pairs)]
    return pd.DataFrame(rows, columns=names)


def by_kind(rows: Frame, apart: dict[str, pd.Series], fewest: int) -> Frame:
    """Mean absolute errors of some variants by category and by place; those with few advertisements are one."""
    found = []
    for what, column in (("category", "Category"), ("place", "LocationNormalized")):
        counts = rows[column].value_counts()
        kept = counts.index[counts >= fewest]
        entry = rows[column].where(rows[column].isin(kept), OTHERS).replace("", "not said")
        for variant in (name for name in SHOWN if name in apart):
            means = apart[variant].groupby(entry).agg(["mean", "size"]).sort_values("size", ascending=False)
            for name, mean, size in means.itertuples():
                found.append([what, name, variant, mean, size])
    return pd.DataFrame(found, columns=["what", "entry", "variant", "salary_mae", "advertisements"])


def question(
    train_split: Frame,
    test_split: Frame,
    ridge: RidgeParameters,
    terms: TermsParameters,
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
    penalty = histories.get("ridge", {}).get("penalty", ridge.penalties[len(ridge.penalties) // 2])
    salary = rows["salary"].to_numpy()
    ways = {"rows at random": np.arange(len(rows))}
    for least in sorted({split.resemblance, *evaluation.resemblances}, reverse=True):
        ways[f"together from {least:g}"] = near_duplicates(rows, split.shingle, least)
    found = []
    for way, group in ways.items():
        fold = deal(group, split.folds, derive_seed(run.seed, "folds"))
        answers = {"log": np.empty(len(rows)), "GBP": np.empty(len(rows))}
        for number in range(split.folds):
            out = fold == number
            bags = bags_of(rows[~out], EVERYTHING, terms)
            x, asked = side_by_side(bags, rows[~out]), side_by_side(bags, rows[out])
            gram, cross = (x @ x.T).toarray(), (asked @ x.T).toarray()
            answers["log"][out] = np.exp(_answer(gram, cross, np.log(salary[~out]), penalty))
            answers["GBP"][out] = _answer(gram, cross, salary[~out], penalty)
        found += [[way, target, mae(salary, answer)] for target, answer in answers.items()]
    return pd.DataFrame(found, columns=["split", "target", "salary_mae"])


def _answer(gram: FloatArray, cross: FloatArray, targets: FloatArray, penalty: float) -> FloatArray:
    a, bias = dual_ridge(gram, targets, penalty)
    return cross @ a + bias
