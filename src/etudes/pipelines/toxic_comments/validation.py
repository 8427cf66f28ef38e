"""Cross-validation: every text is answered once, by models of the folds it is not in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.evaluation import roc_auc
from etudes.pipelines.toxic_comments import identity as check
from etudes.pipelines.toxic_comments.model import PARTS, dev_rows, fine_tune
from etudes.pipelines.toxic_comments.parameters import IdentityParameters, SplitParameters
from etudes.text.features import Corpus, FloatArray, IntArray
from etudes.text.linear import Training, learn
from etudes.text.parameters import EncoderParameters, FrozenParameters, LinearParameters
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed

TUNED = "encoder"


@dataclass
class Answers:
    """What the models of all folds said.

    ``raw`` are log-odds (N,) of each text before Platt's scale, ``toxic`` probabilities (N,), ``asked`` probabilities (folds, S) of
    the sentences of the identity check, each by variant and treatment; ``chosen`` (N,) the probabilities by the variant that
    was best among the training rows of the fold, and ``choices`` which that was.
    """

    raw: dict[str, FloatArray] = field(default_factory=dict)
    toxic: dict[tuple[str, str], FloatArray] = field(default_factory=dict)
    asked: dict[tuple[str, str], list[FloatArray]] = field(default_factory=dict)
    chosen: FloatArray = field(default_factory=lambda: np.empty(0))
    choices: list[str] = field(default_factory=list)


def cross_validate(
    rows: pd.DataFrame,
    known: Mapping[str, NDArray],
    models: Mapping[str, Any],
    histories: Mapping[str, Any],
    frozen: FrozenParameters,
    methods: LinearParameters,
    split: SplitParameters,
    encoder: EncoderParameters,
    identity: IdentityParameters,
    run: RunParameters,
) -> Answers:
    """The answers of the models of each fold to its texts and to the sentences of the identity check."""
    labels, fold = rows["label"].to_numpy(), rows["fold"].to_numpy()
    taught = check.taught(identity)
    texts = [*rows["text"], *check.sentences(identity)["text"], *taught]
    corpus = Corpus(texts, frozen, methods.characters, known)
    size, asked = len(rows), np.arange(len(rows), len(texts) - len(taught))
    lessons = np.arange(len(texts) - len(taught), len(texts))
    linear = {name: PARTS[name] for name in models if name in PARTS}
    treatable = [name for name in linear if name in identity.treated]
    veiled = Corpus(check.masked(texts, identity), frozen, methods.characters, known)
    found = Answers(chosen=np.empty(size))

    def note(name: str, treatment: str, model: Any, source: Corpus, out: IntArray) -> None:
        scores = model.scores(source, np.concatenate([out, asked]))
        p = model.probabilities(scores)[:, 1]
        if treatment == check.NONE:
            found.raw.setdefault(name, np.empty(size))[out] = scores[: len(out)]
        found.toxic.setdefault((name, treatment), np.empty(size))[out] = p[: len(out)]
        found.asked.setdefault((name, treatment), []).append(p[len(out) :])

    for number in range(int(fold.max()) + 1):
        out, kept_rows = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
        dev = {name: history["dev"]["roc_auc"] for name, history in histories.items()}
        fitted, settings = dict(models), {name: histories[name].get("setting") for name in models}
        if number:
            seed = derive_seed(run.seed, "fold", number)
            learned = learn(linear, corpus, kept_rows, labels[kept_rows], methods, seed)
            fitted |= {name: one.model for name, one in learned.items()}
            settings |= {name: one.setting for name, one in learned.items()}
            is_dev = dev_rows(labels[kept_rows], split.dev_fraction, seed)
            dev_labels = labels[kept_rows][is_dev]
            dev |= {name: roc_auc(one.held_out[is_dev], dev_labels) for name, one in learned.items()}
            if TUNED in models:
                again = rows.iloc[kept_rows].reset_index(drop=True).assign(is_dev=is_dev)
                tuned, history = fine_tune(again, encoder, run.model_copy(update={"seed": seed}))
                fitted[TUNED], dev[TUNED] = tuned, history["dev"]["roc_auc"]
        for name, model in fitted.items():
            if hasattr(model, "scores"):
                note(name, check.NONE, model, corpus, out)
            else:  # the baseline
                share = model.predict_proba(rows.iloc[:1])[0, 1]
                found.toxic.setdefault((name, check.NONE), np.empty(size))[out] = share
                found.asked.setdefault((name, check.NONE), []).append(np.full(len(asked), share))
        best = max(fitted, key=lambda name: dev[name])
        found.choices.append(best)
        found.chosen[out] = found.toxic[best, check.NONE][out]
        for treatment, source, extra in (
            (check.MASKED, veiled, lessons[:0]),
            (check.LEARNED, corpus, lessons),
        ):
            own = np.concatenate([kept_rows, extra])
            of_own = np.concatenate([labels[kept_rows], np.zeros(len(extra), dtype=np.int64)])
            training = Training(source, own, of_own, methods)
            for name in treatable:
                (model,) = training.fit(PARTS[name], [settings[name]])
                # The scale is that of the untreated model: the threshold is what is compared.
                model.slope, model.offset = fitted[name].slope, fitted[name].offset
                note(name, treatment, model, source, out)
    return found
