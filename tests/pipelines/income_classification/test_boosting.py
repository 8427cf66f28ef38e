"""The trees: their codes, how many are kept, and files that run nothing."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from skops.io.exceptions import UntrustedTypesFoundException

from etudes.pipelines.income_classification.boosting import BOOSTER, Boosting, Codes, train_boosting
from study_settings import run_parameters

Settings = Callable[..., Any]


@pytest.fixture(scope="module")
def fitted(splits: Any, settings: Settings) -> tuple[Boosting, dict[str, Any]]:
    return train_boosting(
        *splits[:2], settings("features", min_count=60), settings("boosting", trees=40), run_parameters()
    )


def test_rare_answers_share_a_code(settings: Settings, splits: Any) -> None:
    train = splits[0]
    codes = Codes.fit(train, settings("features", min_count=60))
    assert "native-country" in codes.rare and "sex" not in codes.rare
    place = list(codes.levels).index("native-country")
    column = codes.transform(train)[:, place]
    common = train["native-country"].isin(codes.levels["native-country"])
    assert (column[~common] == len(codes.levels["native-country"])).all() and (~common).any()
    assert sorted(set(column)) == list(range(len(codes.levels["native-country"]) + 1))


def test_an_answer_that_train_never_gave_is_missing_where_there_are_no_rare_ones(
    fitted: Any, splits: Any
) -> None:
    codes = fitted[0].codes
    strange = codes.transform(splits[2].assign(sex="unknown", **{"native-country": "Atlantis"}))
    assert np.isnan(strange[:, list(codes.levels).index("sex")]).all()
    assert (
        strange[:, list(codes.levels).index("native-country")] == len(codes.levels["native-country"])
    ).all()


def test_dev_chooses_how_many_trees_are_kept(fitted: Any, splits: Any) -> None:
    model, history = fitted
    losses = [row["dev_loss"] for row in history["epochs"]]
    assert len(losses) == 40 and history["trees"] == int(np.argmin(losses)) + 1 == model.booster.n_iter_
    kept = model.predict_proba(splits[1])[np.arange(len(splits[1])), splits[1]["label"]]
    assert -np.log(kept).mean() == pytest.approx(min(losses)), (
        "the trees grown again are those that were scored"
    )


def test_stored_trees_answer_the_same_and_one_person_as_among_many(fitted: Any, splits: Any) -> None:
    model, test = fitted[0], splits[2]
    again = Boosting.from_state(model.state())
    np.testing.assert_array_equal(again.predict_proba(test), model.predict_proba(test))
    np.testing.assert_array_equal(again.predict_proba(test.iloc[[7]])[0], model.predict_proba(test)[7])


@pytest.mark.parametrize("strange", [os.system, functools.partial(os.system, "true"), np.load])
def test_a_file_that_would_run_something_else_is_refused(fitted: Any, strange: Any) -> None:
    import skops.io

    state = fitted[0].state()
    state.blobs[BOOSTER] = skops.io.dumps(strange)
    with pytest.raises(UntrustedTypesFoundException):
        Boosting.from_state(state)
