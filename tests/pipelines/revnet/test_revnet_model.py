"""How the variants are trained, and what is said of their differences."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from digit_toys import crisp_splits, run_settings, settings, splits
from etudes.pipelines.revnet.evaluation import claim_table, exactness_table
from etudes.pipelines.revnet.learning import Descent, as_rows
from etudes.pipelines.revnet.model import neighbour_counts, train_dense, train_neighbours
from etudes.pipelines.revnet.networks import network_of

CARD = splits()[3]
SMALL = {"width": 16, "blocks": 2, "epochs": 12, "batch_size": 16, "learning_rate": 0.05}


def descent(kind: str, **changes: object) -> Descent:
    train, dev, _ = crisp_splits()
    parameters = settings("revnet", "reversible", **{**SMALL, **changes})
    network = network_of(kind, inputs=64, width=parameters.width, blocks=2, outputs=10, seed=0)
    return Descent(network, train, dev, parameters, run_settings(), kind)


@pytest.mark.parametrize("kind", ["plain", "stored", "reversible"])
def test_every_network_learns(kind: str) -> None:
    found = descent(kind)
    epochs = found.run()
    assert epochs[-1]["dev_accuracy"] > 0.8 and epochs[-1]["train_loss"] < 0.3
    best = max(row["dev_accuracy"] for row in epochs)
    logits = found.network.logits(found.dev[0])
    assert (logits.argmax(1) == found.dev[1]).mean() == best


def test_one_step_is_the_equation() -> None:
    found = descent("reversible", batch_size=10_000, momentum=0.5, weight_decay=0.1)
    before = [weight.copy() for weight in found.weights]
    found.velocities = [np.full_like(weight, 0.01) for weight in before]
    rate = 0.05 * 0.01  # the first step of a rising rate
    share = len(found.labels) / 10_000
    order = np.random.default_rng([found.seed, 0]).permutation(len(found.labels))
    found.network.loss_and_gradient(as_rows(found.pixels[order]), found.labels[order])
    gradients = [gradient.copy() for gradient in found.network.gradients]
    found._epoch(0)
    for old, gradient, new in zip(before, gradients, found.weights, strict=True):
        decay = 1 - rate * share * 0.1 if old.ndim == 2 else 1
        np.testing.assert_allclose(new, decay * old + 0.5 * 0.01 - rate * share * gradient, atol=1e-7)


def test_a_loss_that_is_not_finite_ends_the_training() -> None:
    with (
        np.errstate(all="ignore"),
        pytest.raises(ValueError, match=r"reversible: the training loss is nan.*lower learning_rate"),
    ):
        descent("reversible", learning_rate=1e6).run()


def test_a_plain_network_needs_an_even_number_of_blocks() -> None:
    train, dev, _, card = splits()
    odd = settings("revnet", "plain", blocks=3)
    with pytest.raises(ValueError, match=r"plain\.blocks = 3; expected an even number"):
        train_dense(train, dev, card, odd, run_settings(), kind="plain")


@pytest.mark.parametrize("k", [1, 5])
def test_neighbours_are_those_of_scikit_learn(k: int) -> None:
    from sklearn.neighbors import KNeighborsClassifier

    generator = np.random.default_rng(0)
    points, labels = generator.normal(size=(300, 6)).astype(np.float32), generator.integers(3, size=300)
    asked = generator.normal(size=(700, 6)).astype(np.float32)
    theirs = KNeighborsClassifier(k).fit(points, labels).predict_proba(asked)
    (ours,) = neighbour_counts(asked, points, labels, [k], 3)
    np.testing.assert_allclose(ours / k, theirs, atol=1e-12)


def test_components_and_neighbours_are_the_best_pair_on_dev() -> None:
    train, dev, _, card = splits()
    parameters = settings("revnet", "neighbours", components=[2, 30], neighbours=[1, 25])
    model, history = train_neighbours(train, dev, card, parameters)
    best = max(history["tried"], key=lambda row: row["accuracy"])
    assert (model.axes.shape[1], model.k) == (best["components"], best["neighbours"])
    assert len(history["tried"]) == 4 and history["dev"]["accuracy"] == pytest.approx(best["accuracy"])
    with pytest.raises(ValueError, match="neighbours holds 1000; expected at most"):
        train_neighbours(train, dev, card, settings("revnet", "neighbours", neighbours=[1000]))


def test_differences_are_of_the_same_rows_and_corrected() -> None:
    truth = np.array(["0", "1"] * 100)

    def rows(name: str, wrong: int) -> pd.DataFrame:
        p = np.where(truth == "0", 0.9, 0.1)
        p[:wrong] = 1 - p[:wrong]
        return pd.DataFrame({"variant": name, "truth": truth, "p_0": p, "p_1": 1 - p})

    table = claim_table(
        pd.concat([rows("reversible", 10), rows("stored", 10), rows("plain", 80)]), ["0", "1"], 200
    )
    same, better = table.to_dict("records")
    assert (same["difference"], same["verdict"]) == (0, "cannot tell")
    assert better["difference"] == pytest.approx(0.35) and better["verdict"] == "better"
    assert better["difference.low"] < 0.35 < better["difference.high"]


def test_exactness_is_told_of_first_and_trained_weights() -> None:
    train, dev, test, card = splits()
    model, _ = train_dense(train, dev, card, settings("revnet", "reversible", **SMALL), run_settings())
    table = exactness_table(test, {"reversible": model}, settings("revnet", "memory"), 0)
    assert set(table["weights"]) == {"first", "trained"}
    wide = table.pivot(index=["weights", "blocks"], columns="dtype", values="error")
    assert (wide["float64"] < wide["float32"]).all()
