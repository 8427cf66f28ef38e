"""Training and evaluation: what is learned from train alone, what effects mean, what evaluation gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from etudes.benches.classifiers import train_majority
from etudes.pipelines.income_classification import boosting, classifiers, evaluation
from etudes.study import load_study
from study_settings import run_parameters

LINEAR = ("naive_bayes", "gaussian", "logistic")


@pytest.fixture(scope="module")
def trained(splits: Any, settings: Any) -> dict[str, tuple[Any, dict[str, Any]]]:
    """Every variant, by its node."""
    parts, features, run = splits[:2], settings("features"), run_parameters()
    return {
        "majority": train_majority(*parts, splits[3]),
        "naive_bayes": classifiers.train_generative(*parts, features, settings("generative"), "naive_bayes"),
        "gaussian": classifiers.train_generative(*parts, features, settings("generative")),
        "logistic": classifiers.train_logistic(*parts, features, settings("logistic"), run),
        "boosting": boosting.train_boosting(*parts, features, settings("boosting"), run),
    }


def test_another_dev_changes_nothing_that_was_learned_for_one_penalty(splits: Any, settings: Any) -> None:
    train, dev = splits[:2]
    one = settings("generative", penalties=[30.0])
    model, _ = classifiers.train_generative(train, dev, settings("features"), one)
    other, _ = classifiers.train_generative(train, dev.head(20), settings("features"), one)
    np.testing.assert_array_equal(model.linear.weights, other.linear.weights)
    np.testing.assert_array_equal(model.features.mean, other.features.mean)


def test_dev_chooses_the_penalty_and_of_equals_the_strongest(trained: Any, splits: Any) -> None:
    dev = splits[1]
    for name in LINEAR:
        model, history = trained[name]
        p = model.predict_proba(dev)[np.arange(len(dev)), dev["label"]]
        assert history["dev"]["log_loss"] == pytest.approx(-np.log(p).mean())
    equal = [classifiers.Linear(np.zeros(1), 0.0)] * 2
    rows = (np.zeros((4, 1)), np.array([0, 1, 0, 1]))
    assert classifiers.best_on_dev(equal, [1.0, 9.0], rows)[1] == 9.0


def test_the_learned_variants_beat_the_baseline(trained: Any, splits: Any) -> None:
    test = splits[2]
    labels = test["label"].to_numpy()
    accuracy = {
        name: (model.predict_proba(test).argmax(1) == labels).mean() for name, (model, _) in trained.items()
    }
    assert min(accuracy["logistic"], accuracy["boosting"], accuracy["gaussian"]) > accuracy["majority"] + 0.02


def test_effects_explain_the_log_odds(trained: Any, splits: Any) -> None:
    """Effects times raw columns and a constant are the log-odds: effects are per unit of what they name."""
    model = trained["logistic"][0]
    effects = model.effects()
    units = np.where(effects["unit"] == "standard deviation", model.features.scale, 1.0)
    raw_odds = model.features.raw(splits[2]) @ (effects["effect"].to_numpy() / units)
    rest = model.linear.log_odds(model.features.transform(splits[2])) - raw_odds
    np.testing.assert_allclose(rest, rest[0], atol=1e-9)


def test_evaluation_measures_every_variant_with_intervals(trained: Any, splits: Any, settings: Any) -> None:
    models = {name: model for name, (model, _) in trained.items() if name != "gaussian"}
    metrics, predictions, groups, gaps, effects, comparison, costs = evaluation.evaluate(
        splits[2], models, settings("evaluation")
    )
    for name in models:
        for metric in load_study("income_classification").metrics:
            value, low, high = (metrics[f"{name}.{metric}{end}"] for end in ("", ".low", ".high"))
            assert low <= high and np.isfinite([value, low, high]).all(), f"{name}.{metric}"
    assert sorted(predictions["variant"].unique()) == sorted(models) == sorted(costs)
    for name, part in predictions.groupby("variant"):
        assert part["id"].tolist() == splits[2]["id"].tolist()
        assert ((part["p_above"] > 0.5) == (part["predicted"] == ">50K")).all()
        assert (part["truth"] == part["predicted"]).mean() == pytest.approx(metrics[f"{name}.accuracy"])
    assert set(groups["variant"]) == set(gaps["variant"]) == set(models)
    assert effects[["effect", "error"]].notna().all(axis=None)
    assert len(effects) == len(trained["logistic"][0].features.columns())
    assert {comparison["first"], comparison["second"]} <= set(models)


def test_little_data_compares_the_linear_variants_that_ran(trained: Any, splits: Any, settings: Any) -> None:
    models = {name: trained[name][0] for name in ("majority", "gaussian", "logistic")}
    table, advantage, verdicts = evaluation.compare_on_little_data(
        splits[0],
        splits[2],
        models,
        settings("features"),
        settings("learning_curve", draws=2),
        run_parameters(),
    )
    assert set(table["name"]) == {"gaussian", "logistic"} and set(verdicts["method"]) == {"gaussian"}
    assert advantage["naive_bayes_accuracy"].isna().all() and advantage["gaussian_accuracy"].notna().all()
