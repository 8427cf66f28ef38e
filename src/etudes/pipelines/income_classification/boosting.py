"""Gradient boosting: scikit-learn grows the trees, dev chooses how many of them are kept.

F(x) = F_0 + sum_m f_m(x),   P(> 50K | x) = sigmoid(F(x))   (Friedman 2001)
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd

from etudes.benches.classifiers import on_dev
from etudes.models import ModelState, register_model
from etudes.pipelines.income_classification.linear import FloatArray, IntArray, log_loss
from etudes.pipelines.income_classification.parameters import BoostingParameters, FeatureParameters
from etudes.pipelines.income_classification.people import COLUMNS, NUMBERS
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed

LEVELS = 254  # with the one for rare answers: scikit-learn keeps a category in a byte
BOOSTER = "booster.skops"
# What a stored booster may be made of, besides what skops trusts by itself; anything else in the file is refused.
TRUSTED = (
    "functools.partial",  # of `check_array` alone: a partial of anything else names a type that is not here
    "sklearn._loss._loss.CyHalfBinomialLoss",
    "sklearn._loss.loss.HalfBinomialLoss",
    "sklearn._loss.link.Interval",
    "sklearn._loss.link.LogitLink",
    "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.utils.validation.check_array",
)


class Codes:
    """The matrix of the trees: categories as whole numbers 0..L-1, then the columns of numbers as they are.

    Rare answers share the last code of their column; an answer that train never gave has that code too or, where train
    has no rare answers, is missing (NaN).
    """

    def __init__(self, levels: dict[str, list[str]], rare: list[str], numbers: list[str]) -> None:
        self.levels, self.rare, self.numbers = levels, rare, numbers

    @classmethod
    def fit(cls, frame: pd.DataFrame, parameters: FeatureParameters) -> Self:
        """The answers of ``min_count`` training people or more, column by column."""
        kept = [name for name in COLUMNS if name not in parameters.leave_out]
        levels, rare = {}, []
        for name in kept:
            if name not in NUMBERS:
                counts = frame[name].value_counts()
                levels[name] = sorted(counts.index[counts >= parameters.min_count][:LEVELS])
                if len(levels[name]) < len(counts):
                    rare.append(name)
        return cls(levels, rare, [name for name in kept if name in NUMBERS])

    def transform(self, frame: pd.DataFrame) -> FloatArray:
        """(N, C)."""
        columns = []
        for name, levels in self.levels.items():
            code = {level: float(number) for number, level in enumerate(levels)}
            unknown = float(len(levels)) if name in self.rare else np.nan
            columns.append(frame[name].map(code).fillna(unknown).to_numpy(dtype=np.float64))
        columns += [frame[name].to_numpy(dtype=np.float64) for name in self.numbers]
        return np.column_stack(columns)


@register_model("income_classification.boosting")
class Boosting:
    """Boosted trees; ``booster`` is a fitted `HistGradientBoostingClassifier`."""

    registered_name: str

    def __init__(self, codes: Codes, booster: Any) -> None:
        self.codes, self.booster = codes, booster

    def predict_proba(self, frame: pd.DataFrame) -> FloatArray:
        """Probabilities of both incomes (N, 2)."""
        return self.booster.predict_proba(self.codes.transform(frame))

    def state(self) -> ModelState:
        import skops.io

        return ModelState(vars(self.codes), blobs={BOOSTER: skops.io.dumps(self.booster)})

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        import skops.io

        booster = skops.io.loads(state.blobs[BOOSTER], trusted=list(TRUSTED))
        return cls(Codes(**state.config), booster)


def train_boosting(
    train_split: pd.DataFrame,
    dev_split: pd.DataFrame,
    features: FeatureParameters,
    parameters: BoostingParameters,
    run: RunParameters,
) -> tuple[Boosting, dict[str, Any]]:
    """Grow all trees, find how many have the smallest log-loss on dev, and grow so many again."""
    codes, seed = Codes.fit(train_split, features), derive_seed(run.seed, "boosting")
    matrix, labels = codes.transform(train_split), train_split["label"].to_numpy()
    dev, dev_labels = codes.transform(dev_split), dev_split["label"].to_numpy()
    whole = grow(matrix, labels, len(codes.levels), parameters, seed)
    stages = zip(whole.staged_decision_function(matrix), whole.staged_decision_function(dev), strict=True)
    epochs = [
        {
            "step": float(m),
            "train_loss": log_loss(of_train, labels),
            "dev_loss": log_loss(of_dev, dev_labels),
            "dev_accuracy": float(((of_dev > 0) == dev_labels).mean()),
        }
        for m, (of_train, of_dev) in enumerate(stages, start=1)
    ]
    trees = 1 + min(range(len(epochs)), key=lambda m: epochs[m]["dev_loss"])
    kept = grow(matrix, labels, len(codes.levels), parameters.model_copy(update={"trees": trees}), seed)
    model = Boosting(codes, kept)
    return model, {**on_dev(model, dev_split), "epochs": epochs, "trees": trees}


def grow(
    matrix: FloatArray, labels: IntArray, n_categorical: int, parameters: BoostingParameters, seed: int
) -> Any:
    """A fitted `HistGradientBoostingClassifier`; the first ``n_categorical`` columns of (N, C) are codes."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    booster = HistGradientBoostingClassifier(
        max_iter=parameters.trees,
        learning_rate=parameters.learning_rate,
        max_leaf_nodes=parameters.leaves,
        min_samples_leaf=parameters.min_leaf,
        l2_regularization=parameters.l2,
        max_features=parameters.feature_share,
        categorical_features=np.arange(n_categorical) if n_categorical else None,
        early_stopping=False,  # it would cut a part of its own from train; dev serves
        random_state=seed,
    )
    return booster.fit(matrix, labels)
