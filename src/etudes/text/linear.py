"""Linear classifiers of texts of two classes: blocks of features side by side, settings chosen within the training rows.

Naive Bayes and logistic regression, each with log-odds that Platt's scale turns into probabilities.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import hstack, issparse
from scipy.special import expit

from etudes.benches.classifiers import rows_of
from etudes.benches.few_labels import folds_of
from etudes.evaluation import classification_metrics, roc_auc
from etudes.examples import Examples
from etudes.models import register_model
from etudes.stored import Stored
from etudes.text.features import Block, Corpus, FloatArray, IntArray, Part, Terms, fit_block, log_count_ratio
from etudes.text.logistic import fit_dual, fit_primal, platt_scale
from etudes.text.parameters import FrozenParameters, LinearParameters

Parts = tuple[Part, ...]
BAG: Part = ("terms", "words", "counts")
NAIVE_BAYES: Parts = (
    ("naive bayes",),
)  # multinomial, on the bag of words; all other parts are for logistic regression


@dataclass(kw_only=True)
class Scorer(Stored, ABC):
    """A model with log-odds for each text, and Platt's scale that makes probabilities of them."""

    slope: float = 1.0
    offset: float = 0.0

    @abstractmethod
    def scores(self, texts: Sequence[str] | Corpus, rows: IntArray | None = None) -> FloatArray:
        """Log-odds (R,) before the scale, of all texts or some rows."""

    def probabilities(self, scores: FloatArray) -> FloatArray:
        """(R, 2): fine and toxic."""
        toxic = expit(self.slope * scores + self.offset)
        return np.stack([1 - toxic, toxic], axis=1)

    def predict_proba(self, frame: pd.DataFrame | Examples) -> FloatArray:
        """Probabilities (N, 2) of rows with a ``text``."""
        return self.probabilities(self.scores(rows_of(frame)["text"].tolist()))


@register_model("texts.linear")
@dataclass(kw_only=True)
class LinearText(Scorer):
    """f = sum over blocks of X_b w_b + bias."""

    blocks: list[Block]
    weights: list[FloatArray]
    bias: float
    frozen: FrozenParameters
    characters: tuple[int, int]

    def scores(self, texts: Sequence[str] | Corpus, rows: IntArray | None = None) -> FloatArray:
        corpus = texts
        if not isinstance(corpus, Corpus):
            corpus = Corpus(corpus, self.frozen, (self.characters[0], self.characters[1]))
        rows = np.arange(len(corpus)) if rows is None else rows
        parts = (block.matrix(corpus, rows) @ w for block, w in zip(self.blocks, self.weights, strict=True))
        return self.bias + np.sum(list(parts), axis=0)

    def strongest(self, count: int) -> list[tuple[str, float]]:
        """Words that speak most for toxic and for fine, ``count`` of each, with what one of them adds to the log-odds of a text that
        is nothing else; empty where the model sees no words."""
        for block, weights in zip(self.blocks, self.weights, strict=True):
            if isinstance(block, Terms) and block.view == "words":
                # Rows of length one keep of a factor only its sign.
                unit = np.sign(block.factors) if block.weighting == "ratio" else np.ones(len(weights))
                added = weights * unit * block.scale
                order = np.argsort(added, kind="stable")
                return [(block.terms[k], float(added[k])) for k in (*order[:count], *order[::-1][:count])]
        return []


class Training:
    """Rows to learn from: their blocks, features and Gram matrices, each made once for all methods that ask."""

    def __init__(self, corpus: Corpus, rows: IntArray, labels: IntArray, methods: LinearParameters) -> None:
        self.corpus, self.rows, self.labels, self.methods = corpus, rows, labels, methods
        self._made: dict[Any, Any] = {}

    def block(self, part: Part) -> tuple[Block, Any, FloatArray]:
        """Block, features X (R, D) and X X' (R, R)."""
        if part not in self._made:
            block = fit_block(part, self.corpus, self.rows, self.labels, self.methods.ratio_smoothing)
            x = block.matrix(self.corpus, self.rows)
            gram = x @ x.T
            self._made[part] = block, x, np.asarray(gram.todense() if hasattr(gram, "todense") else gram)
        return self._made[part]

    def settings(self, parts: Parts) -> Sequence[float]:
        """What a method chooses from: smoothings or penalties, as many of either."""
        return self.methods.smoothings if parts == NAIVE_BAYES else self.methods.penalties

    def fit(self, parts: Parts, settings: Sequence[float]) -> Iterator[LinearText]:
        """A model for each setting of a method: logistic regression on ``parts`` side by side, or `NAIVE_BAYES`."""
        own: dict[str, Any] = {"frozen": self.corpus.frozen, "characters": self.corpus.characters}
        if parts == NAIVE_BAYES:
            yield from (self.naive_bayes(smoothing, own) for smoothing in settings)
            return
        blocks, xs, grams = zip(*map(self.block, parts), strict=True)
        for a, bias in fit_dual(np.sum(grams, axis=0), self.labels, settings):
            yield LinearText(blocks=list(blocks), weights=[x.T @ a for x in xs], bias=bias, **own)

    def naive_bayes(self, smoothing: float, own: Mapping[str, Any]) -> LinearText:
        """Multinomial naive Bayes: log-odds ln P(1) / P(0) + sum_t c_t ln P(t | 1) / P(t | 0), P(t | y) with ``smoothing`` added."""
        bag = self.block(BAG)[0]
        assert isinstance(bag, Terms)
        ratio = log_count_ratio(bag.counts(self.corpus, self.rows), self.labels, smoothing)
        bias = float(np.log(self.labels.sum() / (1 - self.labels).sum()))
        return LinearText(blocks=[bag], weights=[ratio / bag.scale], bias=bias, **own)


@dataclass(frozen=True)
class Learned:
    """A model, the setting chosen for it, and the log-odds (R,) of the training rows by models that did not see them."""

    model: Any
    setting: float
    held_out: FloatArray


def learn(
    methods: Mapping[str, Parts],
    corpus: Corpus,
    rows: IntArray,
    labels: IntArray,
    parameters: LinearParameters,
    seed: int,
) -> dict[str, Learned]:
    """Each method with the setting whose held-out rows have the largest area under the ROC curve.

    Everything that is fitted is fitted anew without each inner fold: terms, document frequencies, ratios, means, weights. The
    held-out log-odds of the chosen setting fit Platt's scale.

    Args:
        methods: what stands side by side in each, by name.
        corpus: texts.
        rows: (R,) those to learn from.
        labels: (R,) 0 or 1.
        parameters: what is chosen from.
        seed: of the inner folds.
    """
    fold = folds_of(labels, parameters.folds, seed)
    held: dict[str, FloatArray] = {}
    for inner in range(fold.max() + 1):
        kept, out = fold != inner, fold == inner
        training = Training(corpus, rows[kept], labels[kept], parameters)
        for name, parts in methods.items():
            settings = training.settings(parts)
            scores = held.setdefault(name, np.empty((len(settings), len(rows))))
            for place, model in enumerate(training.fit(parts, settings)):
                scores[place, out] = model.scores(corpus, rows[out])
    training, found = Training(corpus, rows, labels, parameters), {}
    for name, parts in methods.items():
        best = int(np.argmax([roc_auc(scores, labels) for scores in held[name]]))
        setting = training.settings(parts)[best]
        (model,) = training.fit(parts, [setting])
        model.slope, model.offset = platt_scale(held[name][best], labels)
        found[name] = Learned(model, setting, held[name][best])
    return found


def learn_on_dev(
    parts: Parts,
    corpus: Corpus,
    rows: IntArray,
    dev: IntArray,
    labels: IntArray,
    penalties: Sequence[float],
) -> Learned:
    """Logistic regression on ``parts`` side by side with the penalty whose dev rows have the least log-loss after Platt's scale.

    For rows of any number: what `learn` needs grows with their square.

    Args:
        parts: what stands side by side.
        corpus: texts.
        rows: (R,) those to learn from.
        dev: (D,) those to choose by.
        labels: of all texts of the corpus, 0 or 1.
        penalties: what is chosen from.

    Returns:
        The model, the penalty, and the log-odds (D,) of the dev rows.
    """
    blocks = [fit_block(part, corpus, rows, labels[rows], 1.0) for part in parts]

    def side_by_side(chosen: IntArray) -> Any:
        found = [block.matrix(corpus, chosen) for block in blocks]
        return hstack(found, format="csr") if all(map(issparse, found)) else np.hstack(found)

    x, held_out = side_by_side(rows), side_by_side(dev)
    ends = np.cumsum([block.matrix(corpus, rows[:1]).shape[1] for block in blocks])[:-1]
    found: list[tuple[float, Learned]] = []
    for penalty, (w, bias) in zip(penalties, fit_primal(x, labels[rows], penalties), strict=True):
        model = LinearText(
            blocks=blocks,
            weights=np.split(w, ends),
            bias=bias,
            frozen=corpus.frozen,
            characters=corpus.characters,
        )
        scores = held_out @ w + bias
        model.slope, model.offset = platt_scale(scores, labels[dev])
        loss = classification_metrics(labels[dev], model.probabilities(scores))["log_loss"]
        found.append((loss, Learned(model, penalty, scores)))
    return min(found, key=lambda pair: pair[0])[1]


def dev_scores(labels: IntArray, probabilities: FloatArray) -> dict[str, float]:
    """Metrics of held-out rows."""
    return {**classification_metrics(labels, probabilities), "roc_auc": roc_auc(probabilities[:, 1], labels)}
