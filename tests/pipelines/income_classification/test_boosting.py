"""The trees as arrays: the answers of scikit-learn, whatever the rows hold, and safe files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from etudes.models import ModelFileError, load_model, save_model
from etudes.pipelines.income_classification.boosting import Boosting, Codes, grow, trees_of

Settings = Callable[..., Any]


@pytest.fixture(scope="module")
def fitted(splits: Any, settings: Settings) -> tuple[Boosting, Any, dict[str, Any]]:
    """Our model, scikit-learn's with as many trees, and the history."""
    train, dev = splits[:2]
    features, parameters = settings("features", min_count=60), settings("boosting", trees=40)
    model, history = Boosting.fit(train, dev, features, parameters, 0)
    kept = settings("boosting", trees=history["trees"])
    matrix = model.codes.transform(train)
    return model, grow(matrix, train["label"].to_numpy(), len(model.codes.levels), kept, 0), history


def test_probabilities_equal_scikit_learn(fitted: Any, splits: Any) -> None:
    model, theirs, _ = fitted
    for frame in splits[:3]:
        expected = theirs.predict_proba(model.codes.transform(frame))
        np.testing.assert_allclose(model.predict_proba(frame), expected, atol=1e-12)


def test_unknown_answers_go_where_scikit_learn_sends_them(fitted: Any, splits: Any) -> None:
    model, theirs, _ = fitted
    strange = splits[2].assign(**{"sex": "unknown", "native-country": "Atlantis", "workclass": "Pirate"})
    codes = model.codes.transform(strange)
    assert np.isnan(codes).any(), "sex has no rare answers on train, so that a new one is missing"
    np.testing.assert_allclose(model.predict_proba(strange), theirs.predict_proba(codes), atol=1e-12)


def test_numbers_alone_and_categories_alone_are_learned(splits: Any, settings: Settings) -> None:
    train, _, test, _ = splits
    for columns in (["age", "hours-per-week"], ["occupation", "race"]):
        left_out = [name for name in train.columns if name not in [*columns, "id", "income", "label"]]
        codes = Codes.fit(train, settings("features", leave_out=left_out))
        matrix, labels = codes.transform(train), train["label"].to_numpy()
        theirs = grow(matrix, labels, len(codes.levels), settings("boosting"), 0)
        ours = theirs._baseline_prediction.item() + trees_of(theirs).scores(codes.transform(test))
        np.testing.assert_allclose(ours, theirs.decision_function(codes.transform(test)), atol=1e-12)


def test_rare_answers_share_a_code(settings: Settings, splits: Any) -> None:
    train = splits[0]
    codes = Codes.fit(train, settings("features", min_count=60))
    assert "native-country" in codes.rare and "sex" not in codes.rare
    place = list(codes.levels).index("native-country")
    column = codes.transform(train)[:, place]
    common = train["native-country"].isin(codes.levels["native-country"])
    assert (column[~common] == len(codes.levels["native-country"])).all() and (~common).any()
    assert sorted(set(column)) == list(range(len(codes.levels["native-country"]) + 1))


def test_dev_chooses_how_many_trees_are_kept(fitted: Any) -> None:
    model, _, history = fitted
    losses = [row["dev_loss"] for row in history["epochs"]]
    assert len(losses) == 40 and len(model.trees) == history["trees"] == int(np.argmin(losses)) + 1


def test_the_first_trees_are_those_of_a_shorter_training(fitted: Any, splits: Any) -> None:
    model, theirs, _ = fitted
    matrix = model.codes.transform(splits[2])
    for count, staged in enumerate(theirs.staged_decision_function(matrix), start=1):
        if count in (1, 3, len(model.trees)):
            ours = model.start + model.trees.first(count).scores(matrix)
            np.testing.assert_allclose(ours, staged, atol=1e-12)


def test_trees_are_the_same_after_saving_and_hold_no_pickle(fitted: Any, splits: Any, tmp_path: Path) -> None:
    model = fitted[0]
    save_model(model, tmp_path / "model")
    assert {path.name for path in (tmp_path / "model").iterdir()} == {"model.json", "weights.safetensors"}
    again = load_model(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_proba(splits[2]), model.predict_proba(splits[2]))


def test_a_file_that_names_a_strange_class_is_refused(fitted: Any, tmp_path: Path) -> None:
    save_model(fitted[0], tmp_path / "model")
    description = tmp_path / "model" / "model.json"
    for name in (
        "os.system",
        "income_classification.nonsense",
        "sklearn.ensemble.HistGradientBoostingClassifier",
    ):
        text = description.read_text()
        description.write_text(text.replace("income_classification.boosting", name))
        with pytest.raises(ModelFileError, match="is unknown"):
            load_model(tmp_path / "model")
        description.write_text(text)


def test_damaged_trees_are_refused(fitted: Any, tmp_path: Path) -> None:
    save_model(fitted[0], tmp_path / "model")
    weights = tmp_path / "model" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ModelFileError, match="train it again"):
        load_model(tmp_path / "model")


def test_another_form_of_trees_is_named() -> None:
    class Changed:
        _predictors = ([object()],)

    with pytest.raises(ValueError, match=r"trees of scikit-learn .* cannot be read"):
        trees_of(Changed())


def test_one_person_is_answered_as_among_many(fitted: Any, splits: Any) -> None:
    model, test = fitted[0], splits[2]
    alone = pd.concat([pd.DataFrame(model.predict_proba(test.iloc[[i]])) for i in range(5)])
    np.testing.assert_array_equal(alone.to_numpy(), model.predict_proba(test)[:5])
