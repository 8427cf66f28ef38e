"""The columns: levels, bins and statistics of train alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from etudes.pipelines.income_classification.features import OTHER, Features, moments
from etudes.pipelines.income_classification.people import COLUMNS

Settings = Callable[..., Any]


def people(**columns: list[Any]) -> pd.DataFrame:
    """Rows with the given columns, all else alike."""
    alike: dict[str, Any] = dict.fromkeys(COLUMNS, "x")
    alike |= {"age": 40, "fnlwgt": 1, "education-num": 9, "capital-gain": 0, "capital-loss": 0}
    alike |= {"hours-per-week": 40}
    n = len(next(iter(columns.values())))
    given = {name.replace("_", "-"): values for name, values in columns.items()}
    return pd.DataFrame({name: given.get(name, [value] * n) for name, value in alike.items()})


@pytest.fixture
def layout(settings: Settings) -> Callable[..., Any]:
    def build(*columns: str, **changes: Any) -> Any:
        left_out = [name for name in COLUMNS if name not in columns]
        return settings("features", leave_out=left_out, **{"min_count": 1, "bins": 2, **changes})

    return build


def test_levels_count_against_the_commonest(layout: Callable[..., Any]) -> None:
    frame = people(race=["b", "a", "b", "c"])
    features = Features.fit(frame, layout("race"))
    assert features.columns()["feature"].tolist() == ["race: a", "race: c"]
    assert set(features.columns()["unit"]) == {"against b"}
    np.testing.assert_array_equal(features.raw(frame), [[0, 0], [1, 0], [0, 0], [0, 1]])


def test_rare_and_unknown_answers_share_a_level(layout: Callable[..., Any]) -> None:
    frame = people(race=["a"] * 3 + ["b"] * 3 + ["c"])
    features = Features.fit(frame, layout("race", min_count=2))
    assert features.blocks[0].levels == ("a", "b", OTHER)
    np.testing.assert_array_equal(features.raw(people(race=["c", "new", "a"])), [[0, 1], [0, 1], [0, 0]])


def test_an_unknown_answer_weighs_nothing_where_train_has_no_rare_ones(layout: Callable[..., Any]) -> None:
    features = Features.fit(people(race=["a", "a", "b", "c"]), layout("race"))
    np.testing.assert_allclose(features.transform(people(race=["new"])), 0, atol=1e-12)


def test_numbers_have_a_column_and_bins_of_train(layout: Callable[..., Any]) -> None:
    frame = people(age=[20, 30, 40, 50, 60, 70])
    features = Features.fit(frame, layout("age", bins=3))
    assert features.columns()["feature"].tolist() == ["age", "age: 40-59", "age: >= 60"]
    raw = features.raw(people(age=[0, 39, 40, 59, 60, 120]))
    np.testing.assert_array_equal(raw[:, 0], [0, 39, 40, 59, 60, 120])
    np.testing.assert_array_equal(raw[:, 1:], [[0, 0], [0, 0], [1, 0], [1, 0], [0, 1], [0, 1]])


def test_zero_is_a_level_of_its_own_of_an_amount(layout: Callable[..., Any]) -> None:
    frame = people(capital_gain=[0, 0, 0, 0, 100, 200, 5000, 9000])
    binned = Features.fit(frame, layout("capital-gain", amount_bins=2))
    assert binned.columns()["feature"].tolist() == ["capital-gain: 1-4999", "capital-gain: >= 5000"]
    assert binned.columns()["unit"][0] == "against 0"
    plain = Features.fit(frame, layout("capital-gain", amount_bins=1))
    assert plain.columns()["feature"].tolist() == ["log(1 + capital-gain)", "capital-gain: >= 1"]
    np.testing.assert_allclose(plain.raw(frame)[:, 0], np.log1p(frame["capital-gain"]))


def test_nobody_with_an_amount_leaves_no_level(layout: Callable[..., Any]) -> None:
    features = Features.fit(people(race=["a", "b"]), layout("race", "capital-loss", amount_bins=4))
    assert features.columns()["source"].tolist() == ["race"]


def test_train_is_standardised_and_constant_columns_are_zero(splits: Any, settings: Settings) -> None:
    train = splits[0].assign(**{"hours-per-week": 40})
    features = Features.fit(train, settings("features"))
    matrix = features.transform(train)
    assert matrix.shape == (len(train), len(features.columns()))
    np.testing.assert_allclose(matrix.mean(0), 0, atol=1e-9)
    hours = np.flatnonzero(features.columns()["source"] == "hours-per-week")
    np.testing.assert_allclose(np.delete(matrix.std(0), hours), 1)
    np.testing.assert_array_equal(matrix[:, hours], 0)


def test_nothing_is_learned_from_the_people_transformed(splits: Any, settings: Settings) -> None:
    train, dev, test, _ = splits
    features = Features.fit(train, settings("features"))
    together = features.transform(pd.concat([dev, test]))
    np.testing.assert_array_equal(together[: len(dev)], features.transform(dev))
    np.testing.assert_array_equal(together[-1:], features.transform(test.tail(1)))


def test_every_block_has_one_level_a_person(splits: Any, settings: Settings) -> None:
    train = splits[0]
    features = Features.fit(train, settings("features"))
    raw = features.raw(train)
    for part, block in zip(features.slices(), features.blocks, strict=True):
        assert part.stop - part.start == len(block.levels) - 1
        assert set(raw[:, part].sum(1)) == {0.0, 1.0}
        shares = raw[:, part].mean(0)
        named = [level for level in block.levels[1:] if level != OTHER]
        assert shares[: len(named)].max() <= 1 - shares.sum() + 1e-9, "the reference is the commonest"


def test_the_layout_is_the_same_after_saving(splits: Any, settings: Settings) -> None:
    features = Features.fit(splits[0], settings("features"))
    again = Features.from_state(features.state())
    np.testing.assert_array_equal(again.transform(splits[2]), features.transform(splits[2]))
    pd.testing.assert_frame_equal(again.columns(), features.columns())


def test_leaving_out_all_columns_is_refused(settings: Settings) -> None:
    with pytest.raises(ValueError, match="names all columns"):
        Features.fit(people(race=["a", "b"]), settings("features", leave_out=list(COLUMNS)))


def test_moments_of_a_constant_column() -> None:
    mean, scale = moments(np.array([[1.0, 2.0], [3.0, 2.0]]))
    np.testing.assert_array_equal(mean, [2, 2])
    np.testing.assert_array_equal(scale, [1, 1])
