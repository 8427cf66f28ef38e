"""The stages: what they refuse, how train is cut, resume, what evaluation gives."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from etudes.forms.raw import RawFile
from etudes.pipelines.income_classification import logistic, nodes, report
from etudes.pipelines.income_classification.classifiers import Majority
from etudes.pipelines.income_classification.people import COLUMNS
from etudes.samples.census import raw_file
from etudes.study import Skipped, load_study
from etudes.training.session import training_session

Settings = Callable[..., Any]
STUDY = "income_classification"


@pytest.fixture(scope="module")
def trained(splits: Any, settings: Settings, run_settings: Any) -> dict[str, tuple[Any, dict[str, Any]]]:
    """Every variant, by its node."""
    train, dev = splits[:2]
    features = settings("features")
    return {
        "majority": nodes.train_majority(train, dev),
        "naive_bayes": nodes.train_naive_bayes(train, dev, features, settings("generative")),
        "gaussian": nodes.train_gaussian(train, dev, features, settings("generative")),
        "logistic": nodes.train_logistic(train, dev, features, settings("logistic"), run_settings()),
        "boosting": nodes.train_boosting(train, dev, features, settings("boosting"), run_settings()),
    }


def raw(part: str, change: Callable[[list[str]], list[str]] = lambda lines: lines) -> RawFile:
    sample = raw_file(part, n_train=60, n_test=40, seed=0)
    lines = change(sample.content.decode().splitlines())
    return RawFile(f"adult.{part}", "\n".join(lines).encode(), {"source": "own data"})


def test_ingest_counts_people_and_positives() -> None:
    train, test, card = nodes.ingest(raw("train"), raw("test"))
    assert (card["train_rows"], card["test_rows"], card["classes"]) == (60, 40, 2)
    assert card["train_positives"] == (train["income"] == ">50K").sum()
    assert card["test_positives"] == (test["income"] == ">50K").sum()
    assert card["embedded_sample"] is False and json.dumps(card)


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_file_with_one_class_is_refused(part: str) -> None:
    def poor(lines: list[str]) -> list[str]:
        return [line.replace(">50K", "<=50K") for line in lines]

    files = {name: raw(name, poor) if name == part else raw(name) for name in ("train", "test")}
    with pytest.raises(
        ValueError, match=rf"adult\.{part}: found \d+ of <=50K and 0 of >50K; expected at least"
    ):
        nodes.ingest(files["train"], files["test"])


def test_dev_is_cut_from_train_in_the_shares_of_the_classes(settings: Settings) -> None:
    train_frame, test_frame, _ = nodes.ingest(*(raw_file(p, 2000, 300, seed=5) for p in ("train", "test")))
    train, dev, test, card = nodes.split(train_frame, test_frame, settings("split"))
    assert sorted([*train["id"], *dev["id"]]) == train_frame["id"].tolist()
    assert test["id"].tolist() == test_frame["id"].tolist()
    assert dev["label"].mean() == pytest.approx(train["label"].mean(), abs=0.002)
    assert len(dev) == pytest.approx(300, abs=1)
    assert (card["train_rows"], card["dev_rows"], card["test_rows"]) == (len(train), len(dev), len(test))
    assert card["unit"] == "people" and json.dumps(card)
    other = nodes.split(train_frame, test_frame, settings("split", seed=1))[3]
    assert other["dev_fingerprint"] != card["dev_fingerprint"]


def test_the_cut_does_not_depend_on_test(settings: Settings) -> None:
    train_frame, test_frame, _ = nodes.ingest(*(raw_file(p, 300, 100, seed=5) for p in ("train", "test")))
    whole = nodes.split(train_frame, test_frame, settings("split"))
    part = nodes.split(train_frame, test_frame.head(10), settings("split"))
    for one, other in zip(whole[:2], part[:2], strict=True):
        pd.testing.assert_frame_equal(one, other)
    assert whole[3]["dev_fingerprint"] == part[3]["dev_fingerprint"]


def test_equal_people_are_kept_and_counted(settings: Settings) -> None:
    train_frame, test_frame, _ = nodes.ingest(raw("train"), raw("test"))
    twice = pd.concat([train_frame, train_frame.head(2).assign(id=[901, 902])], ignore_index=True)
    copied = train_frame.head(3).assign(id=[801, 802, 803], fnlwgt=[1, 2, train_frame["fnlwgt"].iloc[2]])
    test = pd.concat([test_frame, copied], ignore_index=True)
    train, dev, marked, card = nodes.split(twice, test, settings("split"))
    assert len(train) + len(dev) == 62 and len(marked) == 43
    assert card["repeated_rows_in_train"] == 2
    assert card["test_rows_that_stand_in_train"] == 1
    assert card["test_with_equal_answers_in_train"] == marked["twin"].sum() == 3
    assert marked["id"][marked["twin"]].tolist() == [801, 802, 803]


def test_training_never_sees_test_and_statistics_come_from_train(
    splits: Any, trained: Any, settings: Settings
) -> None:
    """Another dev changes which penalty is chosen, and nothing that was learned for one penalty."""
    train, dev = splits[:2]
    one = settings("generative", penalties=[30.0])
    model, _ = nodes.train_gaussian(train, dev, settings("features"), one)
    other, _ = nodes.train_gaussian(train, dev.head(20), settings("features"), one)
    np.testing.assert_array_equal(model.linear.weights, other.linear.weights)
    np.testing.assert_array_equal(model.features.mean, other.features.mean)


def test_histories_hold_dev_scores_and_paths(trained: Any) -> None:
    study = load_study(STUDY)
    for name, (_, history) in trained.items():
        assert 0 < history["dev"][study.dev_metric] < 1
        assert json.dumps(history), f"{name}: must be plain numbers"
    for name in nodes.LINEAR:
        history = trained[name][1]
        best = min(history["path"], key=lambda row: row["dev_log_loss"])
        assert history["penalty"] == best["penalty"]


def test_boosting_and_logistic_beat_the_baseline(trained: Any, splits: Any) -> None:
    test = splits[2]
    labels = test["label"].to_numpy()
    accuracy = {
        name: (model.predict_proba(test).argmax(1) == labels).mean() for name, (model, _) in trained.items()
    }
    assert min(accuracy["logistic"], accuracy["boosting"], accuracy["gaussian"]) > accuracy["majority"] + 0.02


def test_models_are_the_same_after_saving(trained: Any, splits: Any, reloaded: Callable[[Any], Any]) -> None:
    for model, _ in trained.values():
        again = reloaded(model)
        np.testing.assert_array_equal(again.predict_proba(splits[2]), model.predict_proba(splits[2]))
        if hasattr(model, "effects"):
            pd.testing.assert_frame_equal(again.effects(), model.effects())


def test_effects_explain_the_log_odds(trained: Any, splits: Any) -> None:
    """Effects times raw columns and a constant are the log-odds: effects are per unit of what they name."""
    model = trained["logistic"][0]
    effects = model.effects()
    units = np.where(effects["unit"] == "standard deviation", model.features.scale, 1.0)
    raw_odds = model.features.raw(splits[2]) @ (effects["effect"].to_numpy() / units)
    rest = model.log_odds(splits[2]) - raw_odds
    np.testing.assert_allclose(rest, rest[0], atol=1e-9)


def test_a_killed_training_resumes_to_the_same_numbers(
    splits: Any, settings: Settings, run_settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, dev = splits[:2]
    features, parameters = settings("features"), settings("logistic", epochs=12, checkpoint_epochs=5)
    seen: list[int] = []

    def sink(step: int, metrics: dict[str, float]) -> None:
        seen.append(step)
        assert {"train_loss", "dev_loss", "dev_accuracy", "excess_loss"} <= set(metrics)

    with training_session("logistic", tmp_path / "whole", sink):
        whole, history = nodes.train_logistic(train, dev, features, parameters, run_settings())
    assert seen == list(range(1, 13))

    true_objective, calls = logistic.objective, iter(range(10_000))

    def dies(*arguments: Any) -> float:
        if len(seen) >= 7 and next(calls) == 0:
            raise KeyboardInterrupt
        return true_objective(*arguments)

    seen.clear()
    monkeypatch.setattr(logistic, "objective", dies)
    with pytest.raises(KeyboardInterrupt), training_session("logistic", tmp_path / "killed", sink):
        nodes.train_logistic(train, dev, features, parameters, run_settings())
    monkeypatch.setattr(logistic, "objective", true_objective)
    seen.clear()
    with training_session("logistic", tmp_path / "killed", sink):
        resumed, again = nodes.train_logistic(train, dev, features, parameters, run_settings(resume=True))
    assert seen == list(range(1, 13)), "the curve of the killed run is sent again"
    np.testing.assert_array_equal(resumed.linear.weights, whole.linear.weights)
    assert again["epochs"] == history["epochs"]


def test_a_checkpoint_of_other_settings_is_not_resumed(
    splits: Any, settings: Settings, run_settings: Any, tmp_path: Path
) -> None:
    train, dev = splits[:2]
    features = settings("features")
    with training_session("logistic", tmp_path, lambda step, metrics: None):
        nodes.train_logistic(
            train, dev, features, settings("logistic", epochs=5, checkpoint_epochs=5), run_settings()
        )
        changed = settings("logistic", epochs=5, checkpoint_epochs=5, learning_rate=0.01)
        resumed, _ = nodes.train_logistic(train, dev, features, changed, run_settings(resume=True))
    fresh, _ = nodes.train_logistic(train, dev, features, changed, run_settings())
    np.testing.assert_array_equal(resumed.linear.weights, fresh.linear.weights)


def test_evaluation_measures_every_variant_with_intervals(
    trained: Any, splits: Any, settings: Settings
) -> None:
    models = {name: model for name, (model, _) in trained.items()}
    models["gaussian"] = Skipped("gaussian")
    metrics, predictions, groups, gaps, comparison, costs = nodes.evaluate(
        splits[2], settings("evaluation"), **models
    )
    study = load_study(STUDY)
    variants = [name for name in study.variants if name != "gaussian"]
    for name in variants:
        for metric in study.metrics:
            value, low, high = (metrics[f"{name}.{metric}{end}"] for end in ("", ".low", ".high"))
            assert low <= high and np.isfinite([value, low, high]).all()
            assert low <= value <= high
    assert not any("gaussian" in key or "top3" in key for key in metrics)
    assert sorted(predictions["variant"].unique()) == sorted(variants) == sorted(costs)
    for name, part in predictions.groupby("variant"):
        assert part["id"].tolist() == splits[2]["id"].tolist()
        assert ((part["p_above"] > 0.5) == (part["predicted"] == ">50K")).all()
        assert (part["truth"] == part["predicted"]).mean() == pytest.approx(metrics[f"{name}.accuracy"])
    assert {"first", "second", "mcnemar_p"} <= set(comparison)
    assert set(groups["variant"]) == set(gaps["variant"]) == set(variants)


def test_one_variant_alone_has_nothing_to_compare_with(splits: Any, settings: Settings) -> None:
    model = Majority.fit(splits[0]["label"].to_numpy())
    assert nodes.evaluate(splits[2], settings("evaluation"), majority=model)[4] == {}


def tables_of(trained: Any, skipped: set[str]) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    inputs: dict[str, Any] = {}
    for name in nodes.LINEAR:
        model, history = trained[name]
        inputs[f"{name}_model"] = Skipped(name) if name in skipped else model
        inputs[f"{name}_history"] = {"skipped": True} if name in skipped else history
    return nodes.tabulate(**inputs)


def test_tables_hold_effects_and_paths(trained: Any) -> None:
    effects, path, weights = tables_of(trained, set())
    assert {"feature", "source", "unit", "logistic", "logistic.error", "gaussian", "naive_bayes"} == set(
        effects
    )
    assert len(effects) == trained["logistic"][0].features.width
    assert set(path["variant"]) == set(nodes.LINEAR)
    assert set(weights["feature"]) == set(effects["feature"])


@pytest.mark.parametrize("skipped", [{"logistic"}, {"gaussian", "naive_bayes"}, set(nodes.LINEAR)])
def test_figures_and_tables_live_without_variants_that_were_left_out(
    trained: Any, splits: Any, settings: Settings, run_settings: Any, skipped: set[str]
) -> None:
    effects, path, weights = tables_of(trained, skipped)
    models = {name: Skipped(name) if name in skipped else model for name, (model, _) in trained.items()}
    metrics, predictions, groups, _, _, _ = nodes.evaluate(splits[2], settings("evaluation"), **models)
    linear = {name: models[name] for name in nodes.LINEAR}
    table, advantage, card = nodes.compare_on_little_data(
        splits[0],
        splits[2],
        settings("features"),
        settings("learning_curve", draws=2),
        run_settings(),
        **linear,
    )
    assert json.dumps(card)
    assert [*advantage] == [
        "people",
        *(f"{name}_{metric}" for metric in ("accuracy", "log_loss") for name in ("gaussian", "naive_bayes")),
    ]
    assert len(advantage) == (0 if "logistic" in skipped or len(skipped) > 1 else table["size"].nunique())
    figures = report.draw(
        metrics,
        predictions,
        settings("evaluation"),
        table,
        effects,
        path,
        weights,
        groups,
        {"skipped": True} if "logistic" in skipped else trained["logistic"][1],
        trained["boosting"][1],
    )
    assert len(figures) == len(report.FIGURES)
    assert all(figure.layout.height for figure in figures)
    assert report.read_verdicts(card["verdicts"])


def test_the_best_dev_score_is_chosen(trained: Any, splits: Any) -> None:
    inputs: dict[str, Any] = {}
    for name, (model, history) in trained.items():
        inputs[name], inputs[f"{name}_history"] = model, history
    inputs["boosting"], inputs["boosting_history"] = Skipped("boosting"), {"skipped": True}
    predictor = report.choose_predictor({"embedded_sample": True}, splits[3], **inputs)
    scores = {
        name: history["dev"]["log_loss"] for name, (_, history) in trained.items() if name != "boosting"
    }
    assert predictor.card["variant"] == min(scores, key=lambda name: scores[name])
    assert predictor.card["dev_score"] == min(scores.values()) and not predictor.card["maximise"]


@pytest.mark.real_data
def test_the_public_files_are_read_and_logistic_regression_reaches_its_mark(
    adult: Path, settings: Settings, run_settings: Any
) -> None:
    files = [RawFile(name, (adult / name).read_bytes()) for name in ("adult.data", "adult.test")]
    train_frame, test_frame, card = nodes.ingest(*files)
    assert (card["train_rows"], card["test_rows"]) == (32_561, 16_281)
    assert (card["train_positives"], card["test_positives"]) == (7_841, 3_846)
    train, dev, test, split_card = nodes.split(train_frame, test_frame, settings("split"))
    assert split_card["train_rows"] + split_card["dev_rows"] == 32_561
    assert split_card["test_rows_that_stand_in_train"] == 23
    assert set(train.columns) == {"id", *COLUMNS, "income", "label"}
    parameters = settings("logistic", epochs=40, batch_size=256, penalties=[3.0])
    layout = settings("features", min_count=30, bins=10, amount_bins=16)
    model, _ = nodes.train_logistic(train, dev, layout, parameters, run_settings())
    assert (model.predict_proba(test).argmax(1) == test["label"].to_numpy()).mean() >= 0.85
