"""Tables of the evaluation against what they are made of."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from digit_toys import settings, splits
from etudes.evaluation import classification_metrics, roc_auc
from etudes.evaluation.uncertainty import entropy
from etudes.pipelines.mc_dropout.evaluation import (
    of_kind,
    passes_table,
    rotated,
    strangers_table,
    surest_table,
    sweeps,
    turned,
)
from etudes.pipelines.mc_dropout.model import Ensemble, Network, Swept
from etudes.pipelines.mc_dropout.networks import DropoutNetwork
from etudes.pipelines.mc_dropout.pictures import draw_strangers
from etudes.pipelines.mc_dropout.report import rates

_, _, TEST, CARD = splits()
LABELS = TEST.rows["label"].to_numpy()
STRANGERS = draw_strangers(CARD, settings("mc_dropout", "strangers"))
LETTERS, DIGITS = of_kind(STRANGERS, "letter"), of_kind(STRANGERS, "digit")


def network(rate: float, passes: int = 0, everywhere: bool = False) -> Network:
    """First weights, made surer so that there is something to see."""
    torch.manual_seed(1)
    config = {"side": 8, "width": 3, "hidden": 16, "outputs": 10, "rate": rate, "everywhere": everywhere}
    net = DropoutNetwork(**config)
    with torch.no_grad():
        net.stages[3].weight *= 20
    return Network(net, config, passes=passes, seed=0)


MANY = network(0.4, passes=10)


def test_few_passes_are_a_mean_over_groups() -> None:
    evaluation = settings("mc_dropout", "evaluation", passes=[1, 4, 10, 20], repeats=3)
    table = passes_table(TEST, LETTERS, {"mc_dropout": MANY}, evaluation).set_index("passes")
    assert list(table.index) == [1, 4, 10]  # there are no 20
    draws = MANY.draws(TEST).astype(np.float64)
    of_one = [classification_metrics(LABELS, p)["log_loss"] for p in draws[:3]]
    assert table.loc[1, "log_loss"] == pytest.approx(np.mean(of_one), rel=1e-5)
    whole = classification_metrics(LABELS, MANY.predict_proba(TEST))
    assert table.loc[10, "log_loss"] == pytest.approx(whole["log_loss"], rel=1e-5)
    assert table.loc[10, "log_loss"] < table.loc[1, "log_loss"]  # the logarithm is concave
    assert passes_table(TEST, LETTERS, {}, evaluation).empty


def test_one_set_of_weights_is_asked_in_every_way() -> None:
    swept = Swept([network(0.4)], [2.0], 0, passes=10, pictures=70)
    few = Swept([network(0.0), network(0.4, everywhere=True)], [1.0, 1.0], 1, passes=4, pictures=30)
    table = sweeps(TEST, STRANGERS, {"dropout": swept}, few)
    keys = list(zip(table["pictures"], table["place"], table["rate"], table["way"], strict=True))
    assert keys[:5] == [
        (70, "dense", 0.4, "off"),
        (70, "dense", 0.4, "tempered"),
        (70, "dense", 0.4, "passes"),
        (30, "-", 0.0, "off"),
        (30, "-", 0.0, "tempered"),
    ]
    assert {place for _, place, *_ in keys[5:]} == {"everywhere"} and len(keys) == len(set(keys)) == 8
    losses = table["log_loss"]
    assert losses[3] == pytest.approx(losses[4])  # a temperature of 1
    assert losses[2] == pytest.approx(
        classification_metrics(LABELS, MANY.predict_proba(TEST))["log_loss"], rel=1e-5
    )
    assert set(sweeps(TEST, STRANGERS, {}, few)["pictures"]) == {30}


def test_strangers_are_told_by_entropy_and_by_disagreement() -> None:
    models = {"plain": network(0.0), "mc_dropout": MANY, "ensemble": Ensemble([network(0.0), network(0.0)])}
    table = strangers_table(TEST, LETTERS, DIGITS, models).set_index(["variant", "measure", "against"])
    assert len(table) == 2 + 4 + 4
    usual, strange = (entropy(MANY.predict_proba(part)) for part in (DIGITS, LETTERS))
    area = roc_auc(np.r_[usual, strange], np.arange(len(usual) + len(strange)) >= len(usual))
    row = table.loc[("mc_dropout", "entropy", "drawn digits")]
    assert row["ood_auroc"] == pytest.approx(area, abs=1e-6)
    assert row["ood_auroc.low"] <= row["ood_auroc"] <= row["ood_auroc.high"]
    # Networks that are one do not disagree.
    assert table.loc[("ensemble", "mutual information", "test pictures"), "ood_auroc"] == pytest.approx(
        0.5, abs=0.1
    )


def test_the_surest_letters_are_those_of_the_best_variant() -> None:
    strange = {"a": MANY.predict_proba(LETTERS), "b": network(0.0).predict_proba(LETTERS)}
    table = surest_table(LETTERS, strange, {"a.log_loss": 2.0, "b.log_loss": 1.0})
    assert set(table["variant"]) == {"b"} and table["confidence"].is_monotonic_decreasing
    best = int(strange["b"].max(axis=1).argmax())
    assert table.loc[0, "id"] == LETTERS.rows["id"].iloc[best]
    assert table.loc[0, "read"] == strange["b"][best].argmax()


def test_a_quarter_turn_is_exact_and_against_the_clock() -> None:
    pixels = np.asarray(TEST["pixels"][:3])
    np.testing.assert_array_equal(turned(pixels, 90.0), np.rot90(pixels, axes=(1, 2)))
    np.testing.assert_array_equal(turned(pixels, 0.0), pixels)


def test_turned_pictures_are_scored_at_every_angle() -> None:
    rotation = settings("mc_dropout", "rotation", pictures=20, angles=[0, 90], shown=4)
    table, spread = rotated(TEST, {"mc_dropout": MANY}, rotation)
    upright = classification_metrics(LABELS[:20], MANY.predict_proba(TEST.take(np.arange(20))))
    assert table["angle"].tolist() == [0, 90]
    assert table.loc[0, "log_loss"] == pytest.approx(upright["log_loss"], rel=1e-5)
    one = TEST.take(np.flatnonzero(LABELS == 1)[:1])
    first = spread[(spread["angle"] == 0) & (spread["draw"] == 2)].set_index("digit")["probability"]
    draws = MANY.draws(one)[2, 0]
    assert all(first[digit] == pytest.approx(draws[digit], abs=1e-6) for digit in first.index)
    nothing = rotated(TEST, {"majority": network(0.0)}, rotation)[1]
    assert nothing.empty


def test_words_name_the_rate_that_dev_chose() -> None:
    rows = [
        {"place": "dense", "rate": 0.1, "temperature": 1.1, "off": 0.3, "tempered": 0.2, "passes": 0.25},
        {"place": "dense", "rate": 0.3, "temperature": 1.0, "off": 0.2, "tempered": 0.2, "passes": 0.22},
    ]
    assert rates({"tried": rows}).endswith("Chosen by the last of them is **0.3**.")
    assert "left out" in rates({"skipped": True})
