"""How the variants are trained, and which weights they share."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from digit_toys import crisp_splits, fit_settings, run_settings, settings, splits
from etudes.benches.uncertain import Ensemble
from etudes.pipelines.mc_dropout.model import (
    Network,
    Swept,
    train_ensemble,
    train_few,
    train_network,
    train_passes,
    train_plain,
    train_swept,
)

CARD = splits()[3]
FIT = {"width": 4, "hidden": 32, "fit": fit_settings(epochs=12, learning_rate=0.01)}
TRAIN, DEV, TEST = crisp_splits()


@pytest.fixture(scope="module")
def swept() -> tuple[Swept, dict]:
    parameters = settings("mc_dropout", "dropout", **FIT, rates=[0.2, 0.5], trial_passes=8)
    return train_swept(TRAIN, DEV, CARD, parameters, run_settings())


@pytest.fixture(scope="module")
def plain() -> tuple[Network, dict]:
    return train_plain(TRAIN, DEV, CARD, settings("mc_dropout", "plain", **FIT), run_settings())


def test_networks_learn_with_and_without_dropout(swept, plain) -> None:
    # Chance is 0.1; how far a few epochs come depends on the machine's arithmetic.
    assert plain[1]["dev"]["accuracy"] > 0.6 and swept[1]["dev"]["accuracy"] > 0.6
    assert min(row["dev_loss"] for row in plain[1]["epochs"]) == pytest.approx(
        plain[1]["dev"]["log_loss"], abs=1e-5
    )


def test_the_rate_is_the_best_of_passes_on_dev(swept) -> None:
    model, history = swept
    tried = history["tried"]
    assert [row["rate"] for row in tried] == [0.2, 0.5]
    assert tried[model.chosen]["passes"] == min(row["passes"] for row in tried)
    labels = DEV.rows["label"].to_numpy()
    for network, row in zip(model.networks, tried, strict=True):
        p = network.with_passes(8).predict_proba(DEV)
        assert -np.log(p[np.arange(len(p)), labels]).mean() == pytest.approx(row["passes"])
        assert row["tempered"] <= row["off"]
    np.testing.assert_array_equal(model.predict_proba(DEV), model.network.predict_proba(DEV))


def test_passes_have_the_weights_of_dropout_and_always_the_same_answer(swept) -> None:
    model, _ = train_passes(DEV, {"dropout": swept[0]}, settings("mc_dropout", "mc_dropout", passes=6))
    off = swept[0].network
    assert model.network is off.network and off.passes == 0
    draws = model.draws(TEST)
    assert draws.shape == (6, len(TEST), 10) and draws.std(axis=0).max() > 0.01
    np.testing.assert_allclose(model.predict_proba(TEST), draws.mean(axis=0), atol=1e-6)
    again = Network.from_state(model.state())
    np.testing.assert_array_equal(again.predict_proba(TEST), model.predict_proba(TEST))
    one = model.predict_proba(TEST.take([5]))
    np.testing.assert_allclose(one[0], model.predict_proba(TEST)[5], atol=1e-6)
    with pytest.raises(ValueError, match="mc_dropout asks the network of `dropout`"):
        train_passes(DEV, {}, settings("mc_dropout", "mc_dropout"))


def test_an_ensemble_begins_with_the_plain_network(plain) -> None:
    parameters = settings("mc_dropout", "ensemble", **FIT, networks=3)
    model, _ = train_ensemble(TRAIN, DEV, CARD, {"plain": plain[0]}, parameters, run_settings())
    assert isinstance(model, Ensemble) and model.networks[0] is plain[0] and len(model.networks) == 3
    draws = model.draws(TEST)
    np.testing.assert_allclose(draws[0], plain[0].predict_proba(TEST), atol=1e-6)
    np.testing.assert_allclose(model.predict_proba(TEST), draws.mean(axis=0), atol=1e-6)
    firsts = [network.network.stages[0][0].weight.detach().numpy() for network in model.networks]
    assert np.abs(firsts[1] - firsts[2]).max() > 0.01 and np.abs(firsts[0] - firsts[1]).max() > 0.01


def test_networks_of_one_name_are_one_network() -> None:
    parameters = settings("mc_dropout", "plain", **{**FIT, "fit": fit_settings(epochs=1)})
    found = [
        train_network(TRAIN, DEV, 10, parameters, run_settings(), name)[0].predict_proba(TEST)
        for name in ("one", "one", "two")
    ]
    np.testing.assert_array_equal(found[0], found[1])
    assert np.abs(found[0] - found[2]).max() > 0.01


def test_few_are_a_part_of_train_and_rate_zero_is_trained_once() -> None:
    parameters = settings(
        "mc_dropout",
        "few",
        **{**FIT, "fit": fit_settings(epochs=1)},
        rates=[0.0, 0.3],
        places=["dense", "everywhere"],
        trial_passes=2,
        pictures=60,
    )
    model, history = train_few(TRAIN, DEV, CARD, parameters, run_settings())
    assert [(row["place"], row["rate"]) for row in history["tried"]] == [
        ("dense", 0.0),
        ("dense", 0.3),
        ("everywhere", 0.3),
    ]
    assert abs(model.pictures - 60) <= 5 and "passes" not in history["tried"][0] and model.chosen > 0
    too_many = settings("mc_dropout", "few", pictures=len(TRAIN))
    with pytest.raises(ValueError, match=r"few\.pictures = \d+; expected fewer than the \d+ training"):
        train_few(TRAIN, DEV, CARD, too_many, run_settings())


@pytest.mark.parametrize("rates", [[0.0], [0.2, 0.2], [1.0], [-0.1]])
def test_rates_that_are_none_are_refused(rates: list[float]) -> None:
    with pytest.raises(ValidationError, match="expected different shares from 0 to below 1"):
        settings("mc_dropout", "dropout", rates=rates)


@pytest.mark.parametrize(
    ("group", "changes"),
    [
        ("few", {"places": ["dense", "dense"]}),
        ("evaluation", {"passes": [0, 5]}),
        ("evaluation", {"kept": [0.0, 1.0]}),
        ("rotation", {"angles": [0, float("inf")]}),
    ],
)
def test_settings_that_would_stop_the_evaluation_are_refused_before_it(group: str, changes: dict) -> None:
    with pytest.raises(ValidationError, match=next(iter(changes))):
        settings("mc_dropout", group, **changes)
