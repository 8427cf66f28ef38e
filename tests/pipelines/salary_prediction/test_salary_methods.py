"""What methods see, ridge regression, trees and the network, against references."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from etudes.benches.regressors import mae
from etudes.pipelines.salary_prediction.advertisements import CATEGORIES, ingest, split
from etudes.pipelines.salary_prediction.features import OF_FIELDS, Views
from etudes.pipelines.salary_prediction.methods import (
    Boosting,
    Ridge,
    dense_features,
    fit_ridge,
    learn_boosting,
    learn_ridge,
    ridge_answers,
)
from etudes.pipelines.salary_prediction.model import train
from etudes.pipelines.salary_prediction.network import Network
from etudes.pipelines.salary_prediction.parameters import Parameters
from etudes.samples.advertisements import raw_file
from study_settings import run_parameters, settings_of

SETTINGS = settings_of("salary_prediction", Parameters)
LEARNING = SETTINGS("learning")
TERMS, RIDGE = LEARNING.terms, LEARNING.ridge
RUN = run_parameters()


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    frame, _ = ingest(raw_file("advertisements", 120, seed=2), SETTINGS("form"))
    return split(frame, SETTINGS("split", folds=3), RUN)[0]


def test_views_know_training_rows_alone_and_few_terms_of_descriptions(rows: pd.DataFrame) -> None:
    views = Views.fit(rows, {"words": 1.0, "title": 1.0}, TERMS)
    strange = rows.head(1).assign(FullDescription="Спасибо zzyzx", Title="Zzyzx")
    assert views.matrix(strange).nnz == 0
    seen = views.matrices(rows)
    assert (
        np.diff(seen["words"].tocsc().indptr).min()
        >= TERMS.fewest
        > np.diff(seen["title"].tocsc().indptr).min()
    )
    np.testing.assert_array_equal(
        Views.from_state(views.state()).matrix(rows).toarray(), views.matrix(rows).toarray()
    )


def test_categories_are_there_or_not_and_every_view_weighs_what_it_is_given(rows: pd.DataFrame) -> None:
    views = Views.fit(rows, OF_FIELDS, TERMS)
    row = rows.head(1).assign(LocationRaw="The Shire, The Shire", Company="Nobody knows", Category="")
    own = views.matrices(row)
    found = dict(zip(views.bags["categories"].terms, own["categories"].toarray()[0], strict=True))
    assert found["LocationRaw=The Shire"] == pytest.approx(np.sqrt(0.5 / 7)) and max(found.values()) < 0.5
    lengths = {view: np.square(own[view].toarray()).sum() for view in OF_FIELDS if view != "categories"}
    assert lengths == pytest.approx({view: OF_FIELDS[view] for view in lengths})
    assert views.matrix(row).shape[1] == sum(matrix.shape[1] for matrix in own.values())


def test_ridge_regression_is_that_of_its_equation_and_answers_without_the_row(rows: pd.DataFrame) -> None:
    x, y = Views.fit(rows, OF_FIELDS, TERMS).matrix(rows).toarray(), np.log(rows["salary"].to_numpy())
    a, bias = fit_ridge(x @ x.T, y, 0.3)
    # The gradient of |y - X w - b|^2 + penalty |w|^2 vanishes at w = X'a.
    np.testing.assert_allclose(x.T @ (y - bias - x @ (x.T @ a)), 0.3 * (x.T @ a), atol=1e-9)
    assert bias == pytest.approx(y.mean())
    out = np.arange(len(y)) % 3 == 1
    held = ridge_answers(x @ x.T, y, 0.3, ~out, out)
    w, b = fit_ridge(x[~out] @ x[~out].T, y[~out], 0.3)
    np.testing.assert_allclose(held, x[out] @ (x[~out].T @ w) + b, atol=1e-10)
    np.testing.assert_array_equal(held, ridge_answers(x @ x.T, np.where(out, y + 5, y), 0.3, ~out, out))


def test_trees_upon_ridge_answer_the_mean_of_both_and_survive_storage(rows: pd.DataFrame) -> None:
    linear, held, penalty = learn_ridge(rows, OF_FIELDS, TERMS, RIDGE, seed=0)
    assert penalty in RIDGE.penalties and held.shape == (len(rows),)
    model, _ = learn_boosting(rows, TERMS, RIDGE, LEARNING.boosting, 0, upon=(linear, held))
    other = Boosting.from_state(model.state())
    np.testing.assert_allclose(other.predict(rows), model.predict(rows))
    assert isinstance(other.ridge, Ridge) and other.ridge.margin == linear.margin
    alone = model.trees.predict(np.c_[dense_features(model.views, model.vectors, rows), linear.predict(rows)])
    np.testing.assert_allclose(model.predict(rows), (alone + linear.predict(rows)) / 2)
    assert mae(np.log(rows["salary"].to_numpy()), linear.predict(rows)) < mae(
        np.log(rows["salary"].to_numpy()), held
    )


def test_the_network_learns_and_survives_storage(rows: pd.DataFrame) -> None:
    fit = {"epochs": 8, "batch_size": 16, "learning_rate": 0.02, "patience": 8}
    learning = SETTINGS("learning", network={"fit": fit})
    model, history = train(rows, learning, RUN, variant="network")
    assert (
        isinstance(model, Network)
        and min(e["dev_salary_mae"] for e in history["epochs"]) < history["epochs"][0]["dev_salary_mae"]
    )
    constant, of_constant = train(rows, learning, RUN, variant="median")
    assert (
        history["dev"]["salary_mae"] < of_constant["dev"]["salary_mae"] and constant.margin > model.margin > 0
    )
    other = Network.from_state(model.state())
    np.testing.assert_allclose(other.predict(rows), model.predict(rows), atol=1e-6)
    assert other.margin == model.margin == history["margin"]


@pytest.mark.parametrize(
    "changes", [{"terms": {"characters": [5, 3]}}, {"network": {"filters": 9}}, {"ridge": {"penalties": [0]}}]
)
def test_settings_that_fit_no_method_are_refused(changes: dict) -> None:
    with pytest.raises(ValidationError, match=r"characters|filters|penalties"):
        SETTINGS("learning", **changes)


def test_advertisements_without_categories_are_learned_from(rows: pd.DataFrame) -> None:
    """A file may have the columns and nothing in them."""
    bare = rows.assign(**dict.fromkeys(CATEGORIES, ""))
    for variant in ("ridge_fields", "boosting"):
        model, _ = train(bare, LEARNING, RUN, variant=variant)
        assert np.isfinite(model.predict(bare)).all()


def test_margins_shrink_as_coverage_does(rows: pd.DataFrame) -> None:
    margins = []
    for coverage in (0.95, 0.8, 0.6):
        model, _ = train(rows, SETTINGS("learning", coverage=coverage), RUN, variant="ridge")
        margins.append(model.margin)
    assert all(a > b for a, b in pairwise(margins))
