"""Gradient boosting: scikit-learn grows the trees, arrays keep them.

    F(x) = F_0 + sum_m f_m(x),   P(> 50K | x) = sigmoid(F(x))   (Friedman 2001)

The fitted trees are copied into plain arrays, so that a stored model needs neither a pickle nor the version of
scikit-learn that grew it; a test holds both to equal answers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.models import ModelState, register_model
from etudes.pipelines.income_classification.classifiers import two_columns
from etudes.pipelines.income_classification.linear import FloatArray, IntArray, log_loss, sigmoid
from etudes.pipelines.income_classification.parameters import BoostingParameters, FeatureParameters
from etudes.pipelines.income_classification.people import COLUMNS, RANGES

LEVELS = 254  # with the one for rare answers: scikit-learn keeps a category in a byte


@dataclass(frozen=True)
class Trees:
    """M trees with K nodes in all, one behind the other; node ``roots[m]`` begins tree m.

    Of each node: the column it asks for, the ``threshold`` (go left at or below) or, if ``categorical``, its row of
    ``goes_left`` (S, 256), which says of every code whether it goes left; ``missing_left`` for NaN; ``left`` and
    ``right`` are nodes; a leaf has ``left`` = -1 and a ``value`` in nats.
    """

    roots: NDArray[np.int32]
    column: NDArray[np.int32]
    threshold: FloatArray
    categorical: NDArray[np.bool_]
    bitset: NDArray[np.int32]
    goes_left: NDArray[np.bool_]
    missing_left: NDArray[np.bool_]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    value: FloatArray

    def __len__(self) -> int:
        return len(self.roots)

    def first(self, count: int) -> Trees:
        """The first ``count`` trees."""
        if count >= len(self):
            return self
        nodes = int(self.roots[count])
        kept = {name: getattr(self, name)[:nodes] for name in NODE_ARRAYS}
        return Trees(roots=self.roots[:count], goes_left=self.goes_left, **kept)

    def scores(self, matrix: FloatArray) -> FloatArray:
        """sum_m f_m(x) (N,) of rows (N, C)."""
        total = np.zeros(len(matrix))
        for root in self.roots:
            total += self._tree(matrix, int(root))
        return total

    def _tree(self, matrix: FloatArray, root: int) -> FloatArray:
        node = np.full(len(matrix), root, dtype=np.int32)
        moving = np.arange(len(matrix))
        while len(moving):
            at = node[moving]
            inner = self.left[at] >= 0
            moving, at = moving[inner], at[inner]
            asked = matrix[moving, self.column[at]]
            missing = np.isnan(asked)
            left = np.where(missing, self.missing_left[at], asked <= self.threshold[at])
            by_code = self.categorical[at] & ~missing
            if by_code.any():
                left[by_code] = self.goes_left[self.bitset[at[by_code]], asked[by_code].astype(np.int64)]
            node[moving] = np.where(left, self.left[at], self.right[at])
        return self.value[node]


NODE_ARRAYS = tuple(field.name for field in fields(Trees) if field.name not in ("roots", "goes_left"))


def trees_of(booster: Any) -> Trees:
    """Copy the trees of a fitted binary `HistGradientBoostingClassifier` whose categories are coded 0..L-1.

    Raises:
        ValueError: this version of scikit-learn keeps them in another form.
    """
    try:
        grown = [predictors[0] for predictors in booster._predictors]
        nodes = [tree.nodes for tree in grown]
        sizes = [len(tree) for tree in nodes]
        bitsets = [np.asarray(tree.raw_left_cat_bitsets) for tree in grown]
        starts = np.cumsum([0, *sizes[:-1]])
        first_bitset = np.cumsum([0, *(len(rows) for rows in bitsets[:-1])])
        together = np.concatenate(nodes)
        start = np.repeat(starts, sizes)
        leaf = together["is_leaf"].astype(bool)
        categorical = together["is_categorical"].astype(bool) & ~leaf
        own_bitset = together["bitset_idx"].astype(np.int64) + np.repeat(first_bitset, sizes)
        return Trees(
            roots=starts.astype(np.int32),
            column=together["feature_idx"].astype(np.int32),
            threshold=together["num_threshold"].astype(np.float64),
            categorical=categorical,
            bitset=np.where(categorical, own_bitset, 0).astype(np.int32),
            goes_left=_unpacked(np.concatenate([np.zeros((0, 8), np.uint32), *bitsets])),
            missing_left=together["missing_go_to_left"].astype(bool),
            left=np.where(leaf, -1, together["left"].astype(np.int64) + start).astype(np.int32),
            right=np.where(leaf, -1, together["right"].astype(np.int64) + start).astype(np.int32),
            value=together["value"].astype(np.float64),
        )
    except (AttributeError, IndexError, ValueError) as error:
        import sklearn

        raise ValueError(
            f"boosting: the trees of scikit-learn {sklearn.__version__} cannot be read ({error}); expected "
            "HistGradientBoostingClassifier as in versions 1.6 to 1.9"
        ) from error


def _unpacked(bitsets: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """(S, 8) words of 32 bits, the lowest first, as (S, 256) booleans."""
    bits = (bitsets[:, :, None] >> np.arange(32, dtype=np.uint32)) & 1
    return bits.reshape(len(bitsets), 256).astype(bool)


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
            if name not in RANGES:
                counts = frame[name].value_counts()
                levels[name] = sorted(counts.index[counts >= parameters.min_count][:LEVELS])
                if len(levels[name]) < len(counts):
                    rare.append(name)
        return cls(levels, rare, [name for name in kept if name in RANGES])

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
    """Boosted trees; dev chooses how many of them are kept."""

    registered_name: str

    def __init__(self, codes: Codes, trees: Trees, start: float) -> None:
        self.codes, self.trees, self.start = codes, trees, start

    @classmethod
    def fit(
        cls,
        train: pd.DataFrame,
        dev: pd.DataFrame,
        layout: FeatureParameters,
        parameters: BoostingParameters,
        seed: int,
    ) -> tuple[Self, dict[str, Any]]:
        """Grow all trees, then keep as many as give the smallest log-loss on dev."""
        codes = Codes.fit(train, layout)
        matrix, labels = codes.transform(train), train["label"].to_numpy()
        booster = grow(matrix, labels, len(codes.levels), parameters, seed)
        trees, start = trees_of(booster), float(booster._baseline_prediction.item())
        stages = zip(
            booster.staged_decision_function(matrix),
            booster.staged_decision_function(codes.transform(dev)),
            strict=True,
        )
        epochs = _stages(stages, labels, dev["label"].to_numpy())
        best = min(range(len(epochs)), key=lambda m: epochs[m]["dev_loss"])
        history = {"epochs": epochs, "trees": best + 1}
        return cls(codes, trees.first(best + 1), start), history

    def predict_proba(self, frame: pd.DataFrame) -> FloatArray:
        return two_columns(sigmoid(self.start + self.trees.scores(self.codes.transform(frame))))

    def state(self) -> ModelState:
        arrays = {field.name: getattr(self.trees, field.name) for field in fields(Trees)}
        config = {"start": self.start, **vars(self.codes)}
        return ModelState(config, arrays)

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        codes = Codes(*(state.config[name] for name in ("levels", "rare", "numbers")))
        return cls(codes, Trees(**state.arrays), float(state.config["start"]))


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


def _stages(
    scores: Iterable[tuple[FloatArray, FloatArray]], train_labels: IntArray, dev_labels: IntArray
) -> list[dict[str, float]]:
    """One row for each number of trees: losses (nats) on train and dev, accuracy on dev; from scores of both."""
    return [
        {
            "step": float(m),
            "train_loss": log_loss(of_train, train_labels),
            "dev_loss": log_loss(of_dev, dev_labels),
            "dev_accuracy": float(((of_dev > 0) == dev_labels).mean()),
        }
        for m, (of_train, of_dev) in enumerate(scores, start=1)
    ]
