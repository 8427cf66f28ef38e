"""Scores on test, and what is asked beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from etudes.benches.classifiers import answers, binary_scores, prediction_rows
from etudes.benches.parameters import ScoringParameters
from etudes.evaluation import ranking_intervals, roc_auc
from etudes.evaluation.paired import mean_intervals
from etudes.evaluation.ranking import auc_difference
from etudes.examples import Examples
from etudes.pipelines.toxic_comments import identity as check
from etudes.pipelines.toxic_comments.parameters import IdentityParameters, QuestionParameters, SplitParameters
from etudes.pipelines.toxic_comments.validation import Answers, cross_validate
from etudes.text.encoders import piece_means
from etudes.text.features import FloatArray, IntArray, mean_vectors
from etudes.text.logistic import fit_dual
from etudes.text.parameters import EncoderParameters, FrozenParameters, LinearParameters
from etudes.text.terms import count_terms, inverse_frequency, word_terms
from etudes.text.vectors import WordVectors
from etudes.training.parameters import RunParameters

Frame = pd.DataFrame
METHOD, THRESHOLD = "combination", 0.5
TIMED = 40  # texts of which the time of answers is taken
ENDS = ("", ".low", ".high")


def evaluate(
    train_split: Examples,
    test_split: Examples,
    split_card: dict[str, Any],
    models: dict[str, Any],
    histories: dict[str, Any],
    frozen: FrozenParameters,
    methods: LinearParameters,
    split: SplitParameters,
    encoder: EncoderParameters,
    identity: IdentityParameters,
    evaluation: ScoringParameters,
    run: RunParameters,
) -> tuple[dict[str, float], Frame, Frame, Frame, Frame, Frame, Frame, dict[str, Any]]:
    """Cross-validate every trained variant: the models of the first fold are those that were trained, all others are trained here.

    Returns:
        metrics (flat), predictions, and tables: what the combination has more than each other variant, the choice among
        variants made within the training rows, scores before and after Platt's scale, false alarms by treatment, and by term;
        what answers cost.
    """
    rows = pd.concat([test_split.rows, train_split.rows], ignore_index=True)
    texts, states = rows["text"].tolist(), np.concatenate([test_split["states"], train_split["states"]])
    known = dict(zip(texts, states, strict=True))
    found = cross_validate(rows, known, models, histories, frozen, methods, split, encoder, identity, run)
    labels, count, bins = rows["label"].to_numpy(), evaluation.resamples, evaluation.bins
    plain = {name: p for (name, treatment), p in found.toxic.items() if treatment == check.NONE}
    both = {name: np.stack([1 - p, p], axis=1) for name, p in plain.items()}
    asked = check.sentences(identity)
    alarms = false_alarms(found, asked, count)
    metrics: dict[str, float] = {}
    for name, p in both.items():
        metrics |= binary_scores(name, labels, p, count, bins)
        own = alarms[(alarms["variant"] == name) & (alarms["treatment"] == check.NONE)].iloc[0]
        metrics |= {f"{name}.fpr_identity{end}": float(own[f"fpr_identity{end}"]) for end in ENDS}

    def columns(p: FloatArray) -> dict[str, NDArray]:
        return {f"p_{name}": p[:, k] for k, name in enumerate(split_card["classes"])}

    truth = rows.assign(truth=np.array(split_card["classes"])[labels])
    predictions = prediction_rows(truth, "truth", split_card["classes"], both, columns)
    sample = test_split.rows.head(TIMED)
    return (
        metrics,
        predictions,
        gains(plain, labels),
        nested(found, labels, count),
        scales(found.raw, plain, labels, evaluation),
        treated(alarms, found, labels, count),
        by_term(found, asked, identity),
        answers(models, sample, "rows")[1],
    )


def gains(toxic: Mapping[str, FloatArray], labels: IntArray) -> Frame:
    """How much more area under the ROC curve the combination has than each other variant, on the same texts."""
    others = [name for name in toxic if name != METHOD and METHOD in toxic]
    ends = [auc_difference(toxic[METHOD], toxic[name], labels) for name in others]
    rows = [{"against": name, **_named("gain", found)} for name, found in zip(others, ends, strict=True)]
    return pd.DataFrame(rows, columns=["against", *_columns("gain")])


def nested(found: Answers, labels: IntArray, resamples: int) -> Frame:
    """The area under the ROC curve where each fold's variant too was chosen among its training rows, and how many folds chose
    the combination."""
    low, high = ranking_intervals(found.chosen, labels, resamples)["roc_auc"]
    share = float(np.mean([name == METHOD for name in found.choices]))
    row = {"choice": "in each fold", **_named("roc_auc", (roc_auc(found.chosen, labels), low, high))}
    return pd.DataFrame([{**row, "chosen_share": share}])


def scales(
    raw: Mapping[str, FloatArray],
    toxic: Mapping[str, FloatArray],
    labels: IntArray,
    evaluation: ScoringParameters,
) -> Frame:
    """Log-loss, calibration error and Brier score of log-odds as they are, and after Platt's scale."""
    names, rows = ("log_loss", "ece", "brier"), []
    for name, scores in raw.items():
        for scale, p in (("as it is", expit(scores)), ("Platt", toxic[name])):
            both = np.stack([1 - p, p], axis=1)
            scored = binary_scores(name, labels, both, evaluation.resamples, evaluation.bins)
            own = {f"{metric}{end}": scored[f"{name}.{metric}{end}"] for metric in names for end in ENDS}
            rows.append({"variant": name, "scale": scale, **own})
    return pd.DataFrame(rows, columns=["variant", "scale", *_columns(*names)])


def false_alarms(found: Answers, asked: Frame, resamples: int) -> Frame:
    """Shares of the sentences called toxic, ``fpr_identity`` of those that name a group and ``fpr_control`` of all others, by variant
    and treatment; means over the models of the folds, intervals over sentences."""
    rows = []
    for (variant, treatment), p in found.asked.items():
        called = (np.stack(p) >= THRESHOLD).mean(axis=0)
        row: dict[str, Any] = {"variant": variant, "treatment": treatment}
        for name, kind in (("fpr_identity", asked["named"]), ("fpr_control", ~asked["named"])):
            ends = mean_intervals(pd.DataFrame({name: called[kind.to_numpy()]}), resamples).iloc[0]
            row |= _named(name, (ends["value"], ends["low"], ends["high"]))
        rows.append(row)
    return pd.DataFrame(rows)


def treated(alarms: Frame, found: Answers, labels: IntArray, resamples: int) -> Frame:
    """`false_alarms` of variants with every treatment, the area under the ROC curve on comments beside them, and what the
    treatment adds to it."""
    rows = []
    for told in alarms.to_dict("records"):
        variant, treatment = told["variant"], told["treatment"]
        if (variant, check.MASKED) not in found.toxic:
            continue
        p, plain = found.toxic[variant, treatment], found.toxic[variant, check.NONE]
        ends = ranking_intervals(p, labels, resamples)["roc_auc"]
        area = _named("roc_auc", (roc_auc(p, labels), *ends))
        gained = _named("roc_auc_difference", auc_difference(p, plain, labels))
        row: dict[Any, Any] = {**told, **area, **gained}
        rows.append(row)
    names = _columns("fpr_identity", "fpr_control", "roc_auc", "roc_auc_difference")
    return pd.DataFrame(rows, columns=["variant", "treatment", *names])


def by_term(found: Answers, asked: Frame, identity: IdentityParameters) -> Frame:
    """The share ``fpr`` of a term's sentences called toxic, of the variants that are treated, without a treatment."""
    tables = [
        asked.assign(variant=variant, fpr=(np.stack(p) >= THRESHOLD).mean(axis=0))
        for (variant, treatment), p in found.asked.items()
        if variant in identity.treated and treatment == check.NONE
    ]
    if not tables:
        return pd.DataFrame(columns=["term", "named", "variant", "fpr"])
    terms = pd.concat(tables).groupby(["term", "named", "variant"], sort=False)
    return terms["fpr"].mean().reset_index()


def question(
    train_split: Examples,
    test_split: Examples,
    histories: dict[str, Any],
    frozen: FrozenParameters,
    methods: LinearParameters,
    question: QuestionParameters,
    evaluation: ScoringParameters,
    vectors: WordVectors,
) -> Frame:
    """Averaged word vectors done right, and as the original did: it trained on means over words and tested on means over the
    single characters of texts that nobody had cut into words.

    Returns:
        ``roc_auc`` over all folds by ``vectors`` (encoder, glove), ``weights`` (mean, idf) and ``tested`` (words, characters), with the
        penalty that ``mean_vectors`` chose in the study's own split, or the first.
    """
    rows = pd.concat([test_split.rows, train_split.rows], ignore_index=True)
    labels, fold, found = rows["label"].to_numpy(), rows["fold"].to_numpy(), []
    penalty = histories.get("mean_vectors", {}).get("setting", methods.penalties[0])
    bags = {
        "words": count_terms(map(word_terms, rows["text"])),
        "characters": count_terms(list(text.lower()) for text in rows["text"]),
    }
    for source in ["encoder", *["glove"] * question.glove]:
        tables = {name: _table(source, terms, frozen.encoder, vectors) for name, (_, terms) in bags.items()}
        for weights, tested in (("mean", "words"), ("idf", "words"), ("mean", "characters")):
            scores = np.empty(len(rows))
            for number in range(int(fold.max()) + 1):
                kept, out = fold != number, fold == number
                seen = {}
                for name in {"words", tested}:
                    counts, (table, there) = bags[name][0], tables[name]
                    weight = there * (inverse_frequency(counts[kept]) if weights == "idf" else 1.0)
                    seen[name] = mean_vectors(counts, table, weight)
                mean, deviation = seen["words"][kept].mean(axis=0), seen["words"][kept].std(axis=0)
                x = {name: (one - mean) / np.maximum(deviation, 1e-6) for name, one in seen.items()}
                own = x["words"][kept] / np.sqrt(x["words"].shape[1])
                ((a, bias),) = fit_dual(own @ own.T, labels[kept], [penalty])
                scores[out] = x[tested][out] / np.sqrt(x["words"].shape[1]) @ (own.T @ a) + bias
            ends = ranking_intervals(scores, labels, evaluation.resamples)["roc_auc"]
            row = {"vectors": source, "weights": weights, "tested": tested}
            found.append(row | _named("roc_auc", (roc_auc(scores, labels), *ends)))
    return pd.DataFrame(found, columns=["vectors", "weights", "tested", *_columns("roc_auc")])


def _table(
    source: str, terms: list[str], encoder: str, vectors: WordVectors
) -> tuple[FloatArray, FloatArray]:
    """A vector (V, D) for each term, and whether there is one (V,); of GloVe zeros where the file has none."""
    if source == "encoder":
        return piece_means(encoder, terms).astype(np.float64), np.ones(len(terms))
    held = vectors.lookup(terms)
    if not held:
        raise ValueError("the file of word vectors has none of the words; expected vectors of English words")
    size = len(next(iter(held.values())))
    table = np.stack([held.get(term, np.zeros(size)) for term in terms]).astype(np.float64)
    return table, np.array([float(term in held) for term in terms])


def _columns(*names: str) -> list[str]:
    return [f"{name}{end}" for name in names for end in ENDS]


def _named(name: str, ends: tuple[float, float, float]) -> dict[str, float]:
    return dict(zip(_columns(name), ends, strict=True))
