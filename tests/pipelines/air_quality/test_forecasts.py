"""The methods against references: closed forms of scikit-learn, descent against both, trees, and what a user is answered."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from etudes.benches.forecasts import of_place, plain
from etudes.benches.hour_predictor import HoursPredictor
from etudes.benches.hours import Windows, cut, month_folds
from etudes.benches.regressors import BOOSTER, Trees
from etudes.models import ModelState
from etudes.pipelines.air_quality import evaluation, hours, model
from etudes.pipelines.air_quality.boosting import Boosting, columns, grow
from etudes.pipelines.air_quality.linear import (
    Linear,
    Persistence,
    Problem,
    closed_form,
    descend,
    ridge_path,
)
from etudes.pipelines.air_quality.parameters import Parameters
from etudes.pipelines.air_quality.windows import SCHEMES, Layout
from etudes.samples.air import raw_file
from study_settings import run_parameters, whole_settings

SETTINGS = whole_settings("air_quality", Parameters)


@pytest.fixture(scope="module")
def splits() -> Any:
    frames = hours.ingest(raw_file("station", 1, 6, 3), raw_file("city", 3, 2, 3))
    return hours.split(*frames, SETTINGS.split, SETTINGS.windows)


@pytest.fixture(scope="module")
def windows(splits: Any) -> tuple[Windows, Windows]:
    """Training and test windows of the station, one hour ahead."""
    return tuple(cut(of_place(splits[n], "station"), 9, 1) for n in (0, 2))  # type: ignore[return-value]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_descent_is_the_closed_form_to_a_millionth(windows: Any, scheme: str) -> None:
    problem = Problem.of(windows[0], scheme)
    exact, found = closed_form(problem), descend(problem, 1e-11, 50_000)
    answers = [problem.model(weights).predict(windows[1]) for weights in (exact, found.weights)]
    np.testing.assert_allclose(found.weights, exact, atol=1e-6)
    np.testing.assert_allclose(*answers, atol=1e-6)
    losses = [loss for _, loss in found.path]
    assert losses[-1] <= losses[0] and losses[-1] == pytest.approx(problem.loss(exact), rel=1e-9)


@pytest.mark.parametrize("scheme", ["history", "all"])
def test_the_closed_form_is_that_of_scikit_learn(windows: Any, scheme: str) -> None:
    from sklearn.linear_model import LinearRegression

    problem = Problem.of(windows[0], scheme)
    theirs = LinearRegression().fit(problem.layout.raw(windows[0]), windows[0].target)
    ours = problem.model(closed_form(problem)).predict(windows[1])
    np.testing.assert_allclose(ours, theirs.predict(problem.layout.raw(windows[1])), atol=1e-6)


@pytest.mark.parametrize("start", ["mean", "persistence"])
def test_ridge_is_that_of_scikit_learn_around_its_start(windows: Any, start: str) -> None:
    from sklearn.linear_model import Ridge

    train, test = windows
    problem = Problem.of(train, "quadratic", start)
    before = [rows.last if start == "persistence" else np.zeros(len(rows)) for rows in windows]
    for penalty, weights in zip((1.0, 300.0), ridge_path(problem, (1.0, 300.0)), strict=True):
        theirs = Ridge(alpha=penalty).fit(problem.matrix, train.target - before[0])
        expected = before[1] + theirs.predict(problem.layout.matrix(test))
        np.testing.assert_allclose(problem.model(weights).predict(test), expected, atol=1e-6)
    (strong,) = ridge_path(problem, [1e12])
    np.testing.assert_allclose(
        problem.model(strong).predict(test), before[1] + (train.target - before[0]).mean(), atol=1e-3
    )


def test_momentum_needs_fewer_steps_and_dependent_columns_end_at_the_shortest_minimum(windows: Any) -> None:
    train = windows[0]
    few = train.take(np.arange(12))  # fewer windows than columns: many minima
    problem = Problem.of(few, "history")
    twice = np.concatenate([problem.matrix, problem.matrix], axis=1)
    doubled = Problem(
        problem.layout,
        "mean",
        problem.bias,
        twice,
        problem.residual,
        twice.T @ twice / 12,
        twice.T @ problem.residual / 12,
    )
    np.testing.assert_allclose(descend(doubled, 1e-12, 200_000).weights, closed_form(doubled), atol=1e-6)
    whole = Problem.of(train, "history")
    with_it, without = (descend(whole, 1e-8, 100_000, momentum=way) for way in (True, False))
    assert 5 * with_it.steps < without.steps
    assert descend(whole, 1e-8, 7).steps == 7


def test_columns_are_standardised_and_the_products_are_what_they_are_called(windows: Any) -> None:
    train = windows[0]
    layout = Layout.fit("quadratic", train)
    matrix, raw = layout.matrix(train), layout.raw(train)
    width, dust = len(train.names), train.names.index("PM2.5")
    assert matrix.shape[1] == 9 * width + 2 + 3 * width
    np.testing.assert_allclose(matrix.mean(axis=0), 0, atol=1e-9)
    assert set(np.round(matrix.std(axis=0), 9)) <= {0.0, 1.0}
    z = (train.values[:, -1] - train.values[:, -1].mean(axis=0)) / train.values[:, -1].std(axis=0)
    first = 9 * width + 2
    np.testing.assert_allclose(raw[:, first + dust], z[:, dust] ** 2, atol=1e-9)
    np.testing.assert_allclose(
        raw[:, first + width], np.sin(2 * np.pi * train.hour / 24) * z[:, 0], atol=1e-9
    )
    with pytest.raises(ValueError, match="scheme = 'cubic', expected one of history, all, quadratic"):
        Layout.fit("cubic", train)


def test_trees_correct_their_start_and_files_run_nothing(windows: Any) -> None:
    from skops.io.exceptions import UntrustedTypesFoundException

    train, test = windows
    problem = Problem.of(train, "all", "persistence")
    start = problem.model(ridge_path(problem, [100.0])[0])
    grown = grow(train, start, 12, SETTINGS.boosting, 0)
    expected = start.predict(test) + grown.trees.predict(columns(test))
    np.testing.assert_allclose(grown.predict(test), expected)
    errors = list(grown.stages(test))
    assert len(errors) == 12 and errors[-1] == pytest.approx(np.sqrt(np.mean((test.target - expected) ** 2)))
    for model_ in (grown, grow(train, None, 3, SETTINGS.boosting, 0)):
        again = Boosting.from_state(model_.state())
        np.testing.assert_array_equal(again.predict(test), model_.predict(test))
    import skops.io
    from sklearn.dummy import DummyRegressor

    state = ModelState(blobs={BOOSTER: skops.io.dumps({"run": DummyRegressor})})
    with pytest.raises(UntrustedTypesFoundException):
        Trees.from_state(state)


def test_folds_are_whole_months_and_each_is_held_out_once(splits: Any) -> None:
    parts = [of_place(part, "station") for part in splits[:2]]
    whole = pd.concat(parts, ignore_index=True)
    found = month_folds(whole, parts[1])
    held = [set(rows["time"].dt.month) for _, rows in found]
    assert held == [{1, 4, 7}, {2, 5, 8}, {3, 6, 9}]
    assert all(len(rest) + len(out) == len(whole) for rest, out in found)
    assert not any(set(rest["time"]) & set(out["time"]) for rest, out in found)


def test_errors_of_folds_are_pooled_over_their_windows(windows: Any) -> None:
    train, test = windows
    halves = [train.take(np.arange(100)), test.take(np.arange(30))]
    pairs = [(train, half) for half in halves]
    ((found, setting),) = plain(lambda rows: Persistence())(pairs)
    apart = np.concatenate([half.target - half.last for half in halves])
    assert found == pytest.approx(np.sqrt((apart**2).mean())) and setting == {}


def test_ridge_is_chosen_by_its_error_and_refitted_to_train_and_dev(splits: Any) -> None:
    train, dev, _, _ = splits
    made, history = model.train_ridge(train, dev, SETTINGS.windows, SETTINGS.ridge)
    setting = history["chosen"]["city/1"]
    parts = [of_place(part, "city") for part in (train, dev)]
    rows = [cut(part, 9, 1) for part in parts]
    scored = model.score_ridge(*rows, SETTINGS.ridge)
    assert min(scored, key=lambda found: found[0]) == (history["dev"]["city/1"], setting)
    both = cut(pd.concat(parts, ignore_index=True), 9, 1)
    np.testing.assert_allclose(
        made.rules["city/1"].predict(rows[1]), model.fit_ridge(both, **setting).predict(rows[1])
    )
    assert history["dev"]["pm25_rmse"] == history["dev"]["station/1"]
    assert set(made.rules) == {f"{p}/{h}" for p in ("station", "city") for h in (1, 6, 24)} | {"untreated/1"}


def test_with_as_many_windows_as_columns_least_squares_is_worst(windows: Any) -> None:
    train, test = windows
    width = train.values[0].size
    how = SETTINGS.evaluation.model_copy(update={"few": (15, width + 1, 400), "draws": 5})
    table = evaluation.few_windows(train, test, how, None, 0).set_index("windows")["ols"]
    assert table[width + 1] > table[15] > table[400]


def test_shuffled_hours_flatter_a_memory_and_not_the_rows_of_another_month() -> None:
    """Readings whose every day is another one: neighbours give the answer away, other months say nothing."""
    rng = np.random.default_rng(0)
    time = np.concatenate([pd.date_range(f"2014-{m:02}-01", periods=120, freq="h") for m in range(1, 13)])
    level = np.repeat(rng.normal(size=len(time) // 24), 24) * 50
    values = rng.normal(size=(len(time), 9, 2))
    values[:, :, 1] = np.round(rng.permutation(len(level) // 24).repeat(24))[:, None]
    whole = Windows(values, ("PM2.5", "day"), np.zeros(len(time), dtype=np.int64), level, time)
    boosting = SETTINGS.boosting.model_copy(update={"min_leaf": 5, "feature_share": 1.0})
    found = evaluation.flattered(
        whole,
        time.astype("datetime64[M]").astype(int) % 2,
        lambda rows: grow(rows, None, 60, boosting, 0),
        SETTINGS.evaluation,
        0,
    )
    assert found["flattered"] == pytest.approx(found["by_months"] - found["shuffled"])
    assert found["flattered.low"] > 0


@pytest.fixture(scope="module")
def predictor(splits: Any) -> HoursPredictor:
    train, dev, _, card = splits
    made, _ = model.train_ridge(train, dev, SETTINGS.windows, SETTINGS.ridge)
    return HoursPredictor(made, {"variant": "ridge"}, split_card=card)


def test_a_table_of_hours_is_answered_as_the_model_answers_its_window(
    predictor: HoursPredictor, splits: Any, tmp_path: Any
) -> None:
    rows = of_place(splits[2], "station").dropna().head(12)
    table = rows.drop(columns="time").assign(hour=rows["time"].dt.hour)
    path = tmp_path / "hours.csv"
    table.to_csv(path, index=False)
    answer = predictor.predict(predictor.parse(str(path)))
    assert list(answer.columns) == ["pm25_in_1_h", "pm25_in_6_h", "pm25_in_24_h"] and len(answer) == 12
    assert answer.iloc[:8].isna().all(axis=None) and answer.iloc[8:].notna().all(axis=None)
    window = cut(rows.reset_index(drop=True), 9, 1)
    expected = predictor.model.predict(window, "station", 1)
    np.testing.assert_allclose(answer["pm25_in_1_h"].iloc[8:11], np.maximum(expected, 0))
    said = predictor.describe(answer)
    assert said.startswith("pm25 in 1 h: ") and len(said.splitlines()) == 3


def test_hours_that_are_not_consecutive_or_too_few_are_refused(predictor: HoursPredictor) -> None:
    table = predictor.example()
    with pytest.raises(ValueError, match="found 8 hours; expected 9 consecutive ones"):
        predictor.predict(table.head(8))
    with pytest.raises(ValueError, match="hour in row 4 is 9 after 3; expected consecutive hours"):
        predictor.predict(table.assign(hour=[0, 1, 2, 3, 9, 10, 11, 12, 13]))
    with pytest.raises(ValueError, match=r"PM2\.5 in row 0 is -1\.0; expected a number of 0 or more"):
        predictor.predict(table.assign(**{"PM2.5": -1.0}))


def test_boosting_starts_where_held_out_windows_say(splits: Any) -> None:
    train, dev, _, _ = splits
    args = (train, dev, SETTINGS.windows, SETTINGS.ridge, SETTINGS.boosting, run_parameters())
    made, history = model.train_boosting(*args)
    chosen = history["chosen"]["station/1"]
    assert chosen["start"] in SETTINGS.boosting.starts and 1 <= chosen["trees"] <= SETTINGS.boosting.trees
    rule = made.rules["station/1"]
    assert isinstance(rule, Boosting) and rule.trees.booster.n_iter_ == chosen["trees"]
    kinds = {"ridge": Linear, "persistence": Persistence, "mean": type(None)}
    assert isinstance(rule.start, kinds[chosen["start"]])
