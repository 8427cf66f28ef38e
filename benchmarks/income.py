"""The income study's written-out methods against scikit-learn on the same matrix of the embedded sample."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.table import Row
from benchmarks.timing import interleaved

STUDY = "income_classification"
CONF = Path(__file__).parents[1] / "conf"
PENALTY = 3.0
TOLERANCE = 1e-4  # of the penalised loss, relative to its minimum
REPEATS = 5


@cache
def census() -> tuple[np.ndarray, np.ndarray, Any, Any]:
    """The standardised matrix (N, P) and labels (N,) of the training people, the study's parameters, the shared ones."""
    from kedro.io import DataCatalog

    from etudes.config import EtudesConfigLoader
    from etudes.pipelines.income_classification import people
    from etudes.pipelines.income_classification.features import Features
    from etudes.pipelines.income_classification.parameters import Parameters
    from etudes.settings import CONFIG_LOADER_ARGS
    from etudes.training.parameters import RunParameters

    arguments: dict[str, Any] = CONFIG_LOADER_ARGS
    loader = EtudesConfigLoader(str(CONF), env="base", **arguments)
    catalog = DataCatalog.from_config(loader["catalog"])
    parameters = Parameters.model_validate(loader["parameters"][STUDY])
    train, test, _ = people.ingest(*(catalog.load(f"{STUDY}.raw_{part}") for part in ("train", "test")))
    split, _, _, _ = people.split(train, test, parameters.split)
    features = Features.fit(split, parameters.features)
    run = RunParameters.model_validate({**loader["parameters"]["run"], "seed": 0})
    return features.transform(split), split["label"].to_numpy(), parameters, run


def excess(weights: np.ndarray, bias: float) -> float:
    """How far the penalised loss is above its minimum, as a share of it."""
    from etudes.pipelines.income_classification.linear import Linear
    from etudes.pipelines.income_classification.logistic import fit_newton, objective

    matrix, labels, *_ = census()
    least = objective(fit_newton(matrix, labels, PENALTY), matrix, labels, PENALTY)
    return objective(Linear(weights, bias), matrix, labels, PENALTY) / least - 1


def fewest(fit: Callable[[int], tuple[np.ndarray, float]], counts: list[int]) -> int:
    """The first of rising epochs or iterations that is near enough to the minimum.

    Raises:
        RuntimeError: none of them is.
    """
    for count in counts:
        if excess(*fit(count)) <= TOLERANCE:
            return count
    raise RuntimeError(f"none of {counts} epochs comes within {TOLERANCE:g} of the minimum")


def income_against_scikit_learn() -> list[Row]:
    """Seconds of a Gaussian fit, and of logistic regression until it is near the minimum."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.linear_model import LogisticRegression, SGDClassifier

    from etudes.pipelines.income_classification.generative import fit_gaussian
    from etudes.pipelines.income_classification.logistic import Descent, fit_newton

    matrix, labels, parameters, run = census()

    def ours(epochs: int) -> tuple[np.ndarray, float]:
        settings = parameters.logistic.model_copy(update={"epochs": epochs})
        unscored = (matrix[:1], labels[:1])  # the others look at nothing after an epoch
        model = Descent((matrix, labels), unscored, PENALTY, 1.0, settings, run).run()
        return model.weights, model.bias

    def theirs(epochs: int) -> tuple[np.ndarray, float]:
        # The schedule that got near the minimum soonest, of those tried: `optimal`, `constant` and `invscaling`, with
        # and without averaging, need several times as many epochs.
        model = SGDClassifier(
            loss="log_loss",
            alpha=PENALTY / len(labels),
            learning_rate="adaptive",
            eta0=0.01,
            max_iter=epochs,
            tol=1e-6,
            random_state=0,
        ).fit(matrix, labels)
        return model.coef_[0], float(model.intercept_[0])

    def lbfgs(iterations: int) -> tuple[np.ndarray, float]:
        model = LogisticRegression(C=1 / PENALTY, tol=1e-12, max_iter=iterations).fit(matrix, labels)
        return model.coef_[0], float(model.intercept_[0])

    near = {
        "ours": fewest(ours, [10, 15, 20, 30, 50, 75, 100, 200]),
        "SGDClassifier": fewest(theirs, [10, 20, 30, 40, 50, 60, 70, 80, 100, 200]),
        "lbfgs": fewest(lbfgs, [5, 10, 15, 20, 30, 50, 100]),
    }
    best = interleaved(
        {
            "gaussian": lambda: fit_gaussian(matrix, labels, 0.0),
            "LDA": lambda: LinearDiscriminantAnalysis(solver="lsqr").fit(matrix, labels),
            "ours": lambda: ours(near["ours"]),
            "SGDClassifier": lambda: theirs(near["SGDClassifier"]),
            "lbfgs": lambda: lbfgs(near["lbfgs"]),
            "newton": lambda: fit_newton(matrix, labels, PENALTY),
            "exact": lambda: LogisticRegression(C=1 / PENALTY, tol=1e-8, max_iter=10_000).fit(matrix, labels),
        },
        REPEATS,
    )
    rows, columns = matrix.shape
    where = f"{rows:,} x {columns}, best of {REPEATS}"

    def row(what: str, one: str, other: str) -> Row:
        ratio = best[one].wall / best[other].wall
        return Row(what, f"{best[one].wall:.3f} s", f"{best[other].wall:.3f} s", f"{ratio:.2f}x")

    close = f"loss within {TOLERANCE:g} of the minimum"
    return [
        row(f"income: Gaussian fit against LinearDiscriminantAnalysis ({where})", "gaussian", "LDA"),
        row(
            f"income: {close}, ours {near['ours']} epochs, SGDClassifier {near['SGDClassifier']} epochs",
            "ours",
            "SGDClassifier",
        ),
        row(f"income: {close}, ours against lbfgs ({near['lbfgs']} iterations)", "ours", "lbfgs"),
        row("income: the minimum itself, our Newton against LogisticRegression", "newton", "exact"),
    ]
