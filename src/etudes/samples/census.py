"""The embedded census sample in the form of UCI's Adult files, so that one parser serves both."""

from __future__ import annotations

import numpy as np
import pandas as pd

from etudes.forms.raw import RawFile
from etudes.samples.census_people import COLUMNS, FloatArray, draw_people, probability_above

PARTS = ("train", "test")
COMMENT = "|1x3 Cross validator"


def raw_file(part: str, n_train: int, n_test: int, seed: int) -> RawFile:
    """The training part as ``adult.data`` is written, or the test part as ``adult.test`` is.

    That is: fields apart by comma and space, no header, ``?`` for a missing answer; the test part begins with a
    comment and its labels end in a full stop. The test part carries the ceiling (`bayes_ceiling`).

    Raises:
        ValueError: an unknown part, or sizes below two.
    """
    if part not in PARTS:
        raise ValueError(f"part = '{part}', expected one of {', '.join(PARTS)}")
    people = census_people(n_train if part == "train" else n_test, seed, part)
    facts: dict[str, object] = {"embedded_sample": True, "source": "embedded sample"}
    stop = ""
    lines: list[str] = []
    if part == "test":
        facts["ceiling"] = bayes_ceiling(people)
        stop, lines = ".", [COMMENT]
    columns = [people[name].astype(str) for name in (*COLUMNS, "income")]
    lines += [", ".join(row) + stop for row in zip(*columns, strict=True)]
    name = f"embedded sample of {n_train + n_test} people (seed {seed}), {part}"
    return RawFile(name, ("\n".join(lines) + "\n").encode(), facts)


def census_people(n: int, seed: int, part: str = "train") -> pd.DataFrame:
    """``n`` people with their answers, ``income`` (``<=50K`` or ``>50K``) and ``p``, the known P(>50K | answers).

    Seed and part decide every draw: parts are independent, and one does not change with the size of the other.

    Raises:
        ValueError: fewer than two people, or an unknown part.
    """
    if n < 2 or part not in PARTS:
        raise ValueError(f"n = {n}, part = '{part}'; expected n >= 2 and one of {', '.join(PARTS)}")
    rng = np.random.default_rng([seed, PARTS.index(part)])
    people = draw_people(n, rng)
    p = probability_above(people)
    return people.assign(income=np.where(rng.random(n) < p, ">50K", "<=50K"), p=p)


def bayes_ceiling(people: pd.DataFrame) -> dict[str, float]:
    """What the best possible classifier, the one that answers ``p``, reaches on people of `census_people`.

    Returns:
        ``accuracy``: mean of max(p, 1 - p), the accuracy it expects; ``realised_accuracy``: the share it gets right;
        ``log_loss``: mean entropy of p (nats), the smallest log-loss to expect; ``realised_log_loss``; ``roc_auc``
        and ``realised_roc_auc`` alike; ``positive_share``: mean of p; ``n``: people.
    """
    from etudes.evaluation.ranking import roc_auc

    p = people["p"].to_numpy(dtype=np.float64)
    above = (people["income"] == ">50K").to_numpy()
    entropy = -(p * np.log(p) + (1 - p) * np.log1p(-p))
    # Each person counts as a positive with weight p and as a negative with weight 1 - p.
    both = np.concatenate([p, p]), np.repeat([True, False], len(p)), np.concatenate([p, 1 - p])
    return {
        "n": float(len(p)),
        "accuracy": float(np.maximum(p, 1 - p).mean()),
        "realised_accuracy": float(((p > 0.5) == above).mean()),
        "log_loss": float(entropy.mean()),
        "realised_log_loss": float(-np.log(np.where(above, p, 1 - p)).mean()),
        "roc_auc": roc_auc(*both),
        "realised_roc_auc": _auc_or_half(p, above),
        "positive_share": float(p.mean()),
    }


def _auc_or_half(scores: FloatArray, positive: np.ndarray) -> float:
    """The area under the ROC curve; one half where a tiny sample has one class only."""
    from etudes.evaluation.ranking import roc_auc

    return roc_auc(scores, positive) if 0 < positive.sum() < len(positive) else 0.5
