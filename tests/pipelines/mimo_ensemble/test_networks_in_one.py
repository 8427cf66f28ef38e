"""How the variants are trained, and which weights they share."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from etudes.benches.uncertain import Ensemble
from etudes.pipelines.mimo_ensemble.model import (
    Network,
    Swept,
    train_dropout,
    train_ensemble,
    train_mimo,
    train_narrow,
    train_plain,
    train_repetitions,
    train_widths,
)
from etudes.pipelines.mimo_ensemble.pairing import by_slot, side_by_side
from mimo_toys import CARD, DEV, RUN, TEST, TRAIN, group, network

SPLITS = (TRAIN, DEV, CARD)
ONE = network(fit={"epochs": 1})


@pytest.fixture(scope="module")
def plain() -> tuple[Network, dict]:
    return train_plain(*SPLITS, network(), RUN)


@pytest.fixture(scope="module")
def two() -> tuple[Network, dict]:
    return train_mimo(*SPLITS, network(fit={"epochs": 20}), group("mimo"), RUN, members=2)


def test_one_and_two_networks_in_one_learn(plain, two) -> None:
    for model, history in (plain, two):
        assert history["dev"]["accuracy"] > 0.8
        best = min(row["dev_loss"] for row in history["epochs"])
        assert best == pytest.approx(history["dev"]["log_loss"], abs=1e-5)
        again = Network.from_state(model.state())
        np.testing.assert_array_equal(again.predict_proba(TEST), model.predict_proba(TEST))


def test_the_answer_is_the_mean_of_members_that_differ(two) -> None:
    draws = two[0].draws(TEST)
    assert draws.shape == (2, len(TEST), 4) and np.abs(draws[0] - draws[1]).max() > 1e-4
    np.testing.assert_allclose(two[0].predict_proba(TEST), draws.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(draws.sum(axis=2), 1.0, atol=1e-5)
    alone = two[0].predict_proba(TEST.take([5]))
    np.testing.assert_allclose(alone[0], two[0].predict_proba(TEST)[5], atol=1e-5)


def test_each_output_reads_the_input_of_its_own_slot(two) -> None:
    labels = TEST.rows["label"].to_numpy()
    first, second = np.flatnonzero(labels == 0), np.flatnonzero(labels == 3)
    pixels = torch.from_numpy(np.stack([TEST["pixels"][first], TEST["pixels"][second]], axis=1))
    with torch.inference_mode():
        said = by_slot(two[0].network(side_by_side(pixels)), 2).argmax(-1)
    assert (said[:, 0] == 0).float().mean() > 0.6 and (said[:, 1] == 3).float().mean() > 0.6


def test_costs_are_counted(plain, two) -> None:
    (operations, count), (of_two, more) = plain[0].cost(16), two[0].cost(16)
    width, classes = 6, 4
    # Two more slots' worth of channels in the first convolution (stride 2), twice as many outputs.
    assert of_two - operations == pytest.approx(2 * (64 * width * 27 + 4 * width * classes) / 1e6)
    assert more - count == width * 27 + 4 * width * classes + classes


def test_dropout_stays_on_and_answers_the_same_every_time() -> None:
    model, history = train_dropout(*SPLITS, network(), group("mc_dropout", rate=0.2, passes=4), RUN)
    draws = model.draws(TEST)
    assert draws.shape == (4, len(TEST), 4) and draws.std(axis=0).max() > 1e-5
    np.testing.assert_array_equal(draws, model.draws(TEST))
    alone = model.draws(TEST.take([7]))
    np.testing.assert_allclose(alone[:, 0], draws[:, 7], atol=1e-5)
    assert history["dev"]["accuracy"] > 0.7
    assert model.cost(16)[0] == pytest.approx(4 * train_plain(*SPLITS, ONE, RUN)[0].cost(16)[0])


def test_an_ensemble_begins_with_the_plain_network(plain) -> None:
    asked = group("ensemble", networks=3)
    model, _ = train_ensemble(*SPLITS, {"plain": plain[0]}, ONE, asked, RUN)
    assert isinstance(model, Ensemble) and model.networks[0] is plain[0] and len(model.networks) == 3
    firsts = [net.network.conv1.weight.detach().numpy() for net in model.networks]
    assert all(np.abs(firsts[a] - firsts[b]).max() > 0.01 for a, b in ((0, 1), (1, 2)))
    narrow, _ = train_narrow(*SPLITS, ONE, group("narrow_ensemble", networks=2, width=3), RUN)
    assert [net.network.conv1.out_channels for net in narrow.networks] == [3, 3]


def test_repeated_batches_take_as_many_steps_at_the_same_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def count(problem, settings, run) -> list:
        epochs = [problem.batches(np.random.default_rng(0)) for _ in range(settings.epochs)]
        seen.append([len(step) for steps in epochs for step in steps])
        return []

    monkeypatch.setattr("etudes.pipelines.mimo_ensemble.model.fit", count)
    for times in (1, 2):
        train_mimo(*SPLITS, network(), group("mimo", batch_repetition=times), RUN, members=3)
    assert seen[0] == seen[1] == [16] * 100


def test_swept_networks_know_their_setting() -> None:
    asked = group("widths", widths=[3, 5], members=2)
    model, history = train_widths(*SPLITS, ONE, group("mimo"), asked, RUN)
    expected = [{"width": w, "members": m} for w in (3, 5) for m in (1, 2)]
    assert model.settings == expected and [net.inputs for net in model.networks] == [1, 2, 1, 2]
    assert [net.network.conv1.out_channels for net in model.networks] == [3, 3, 5, 5]
    assert history["dev"]["log_loss"] == min(row["log_loss"] for row in history["tried"])
    again = Swept.from_state(model.state())
    np.testing.assert_array_equal(again.networks[3].draws(TEST), model.networks[3].draws(TEST))
    asked = group("repetitions", members=2, input=[1.0], batch=[2])
    ways, _ = train_repetitions(*SPLITS, ONE, group("mimo", input_repetition=0.25), asked, RUN)
    assert ways.settings == [
        {"batch_repetition": 1, "input_repetition": 1.0},
        {"batch_repetition": 2, "input_repetition": 0.25},
    ]


@pytest.mark.parametrize("severities", [[0], [6], []])
def test_severities_that_are_none_are_refused(severities: list[int]) -> None:
    with pytest.raises(ValidationError, match="severities"):
        group("evaluation", severities=severities)


def test_what_the_variants_have_already_is_not_trained_again() -> None:
    mimo = group("mimo", batch_repetition=1, input_repetition=0.5)
    ways = group("repetitions", members=2, input=[0.5, 0.5], batch=[1])
    assert train_repetitions(*SPLITS, ONE, mimo, ways, RUN)[0].networks == []
    found, _ = train_widths(*SPLITS, ONE, mimo, group("widths", widths=[6, 2, 2], members=2), RUN)
    assert found.settings == [{"width": 2, "members": 1}, {"width": 2, "members": 2}]


@pytest.mark.parametrize("kept", [[0.0], [1.5]])
def test_shares_that_are_none_are_refused_before_anything_is_trained(kept: list[float]) -> None:
    with pytest.raises(ValidationError, match="kept"):
        group("evaluation", kept=kept)
