"""What training brings back, how variants are chosen, and what is told of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from compression_toys import CARD, DEV, RUN, TEST, TRAIN, group
from etudes.benches.classifiers import Majority
from etudes.pipelines.network_compression import model as methods
from etudes.pipelines.network_compression import report
from etudes.pipelines.network_compression.evaluation import evaluate, within
from etudes.pipelines.network_compression.model import Original, PrunedNetworks
from etudes.study import load_study
from etudes.vision.cifar_networks import resnet20_cifar10
from etudes.vision.compact import layers_of
from etudes.vision.packing import kilobytes
from etudes.vision.pretrained import Pretrained
from etudes.vision.teaching import asked, views_of

VIEWS, TUNING = group("views", count=2), group("tuning")
LABELS = TEST.rows["label"].to_numpy()
ROOM = group("file", limit=1000.0)


def right(model) -> float:
    return float((model.predict_proba(TEST).argmax(1) == LABELS).mean())


@pytest.fixture(scope="module")
def original() -> Original:
    return methods.train_network(TRAIN, DEV, CARD, None, VIEWS, group("network"), RUN)[0]  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def pruning(original) -> tuple[PrunedNetworks, dict]:
    rates = group("pruning", magnitude=[0.5, 0.8], channels=[0.5, 0.75])
    return methods.train_pruning(TRAIN, DEV, original, VIEWS, TUNING, rates, RUN)


@pytest.fixture(scope="module")
def variants(original, pruning) -> dict:
    found, history = pruning
    args = (DEV, found, history, group("pruning"), ROOM)
    return {
        "majority": Majority.fit(LABELS, 4),
        "uncompressed": methods.train_packed(DEV, original, ROOM, bits=32)[0],
        "int4": methods.train_packed(DEV, original, ROOM, bits=4)[0],
        "pruned": methods.choose_pruned(*args)[0],
        "slimmed": methods.choose_pruned(*args, kind="channels")[0],
    }


def test_the_original_says_of_each_view_what_students_are_told(original) -> None:
    views = views_of(np.asarray(TRAIN["pixels"]), VIEWS, methods.derive_seed(RUN.seed, "views"))
    said = asked(original.network.network, views[:, 1], torch.device("cpu"))[0]
    np.testing.assert_allclose(original.answers[:, 1], said, atol=1e-4)
    assert original.answers.shape == (len(TRAIN), 2, 4)


def test_weights_that_went_stay_away_and_training_brings_back_what_they_knew(pruning) -> None:
    found, history = pruning
    assert found.kinds == ["magnitude"] * 2 + ["channels"] * 2 and found.rates == [0.5, 0.8, 0.5, 0.75]
    for place in (0, 1):
        before, after = (dict(layers_of(part[place].network)) for part in (found.before, found.after))
        gone = [(before[name].weight == 0) for name in before if "." in name]
        share = sum(int(g.sum()) for g in gone) / sum(g.numel() for g in gone)
        assert share == pytest.approx(found.rates[place], abs=0.01)
        for name in before:
            assert (after[name].weight[before[name].weight == 0] == 0).all()
        assert any((after[n].weight != before[n].weight).any() for n in before)
    worst = 3
    scores = [right(part[worst]) for part in map(_answering, (found.before, found.after))]
    assert scores[1] >= scores[0] and scores[1] > 0.8
    assert [row["rate"] for row in history["tried"]] == found.rates


def _answering(networks: list) -> list:
    return [methods.packed(one.network, one.config, 32) for one in networks]


def test_the_first_file_that_fits_is_chosen_and_larger_ones_have_no_dev_score(pruning) -> None:
    found, history = pruning
    parameters = group("pruning")
    mild, strong = (
        kilobytes(methods.packed(found.after[p].network, found.after[p].config, 16, sparse=True))
        for p in (0, 1)
    )
    assert strong < mild
    for limit, size, judged in ((mild, mild, True), (strong, strong, True), (1.0, strong, False)):
        model, said = methods.choose_pruned(DEV, found, history, parameters, group("file", limit=limit))
        assert kilobytes(model) == size and bool(said["dev"]) is judged


def test_learning_with_few_bits_ends_on_the_grid(original) -> None:
    model, history = methods.train_rounded(TRAIN, DEV, original, VIEWS, TUNING, RUN, ROOM, bits=4)
    assert len(history["epochs"]) == 3 and model.bits == 4 and right(model) > 0.8
    for name, layer in layers_of(model.network):
        if "." in name:
            assert all(len(row.unique()) <= 15 for row in layer.weight.flatten(1))
    # The last epoch's dev accuracy was that of rounded weights: the file's own.
    best = max(row["dev_accuracy"] for row in history["epochs"])
    assert history["dev"]["accuracy"] == pytest.approx(best, abs=0.026)


def test_slim_and_few_bits_together_are_the_smallest_file(original, pruning) -> None:
    args = (VIEWS, TUNING, group("pruning"), RUN)
    both, _ = methods.train_combined(TRAIN, DEV, original, pruning[0], *args, ROOM)
    assert both.config["inner"] == pruning[0].after[2].config["inner"] and both.bits == 4
    alone, _ = methods.train_packed(DEV, original, ROOM, bits=4)
    assert kilobytes(both) < kilobytes(alone) and right(both) > 0.7


def test_small_networks_differ_in_what_they_are_told_alone(original) -> None:
    small = group("small", dense=6, fit={"epochs": 1})

    def trained(told: bool, share: float = 0.9):
        tuning = group("tuning", share=share)
        return methods.train_small(TRAIN, DEV, CARD, original, VIEWS, tuning, small, RUN, ROOM, told=told)[0]

    alone = trained(False).predict_proba(TEST)
    np.testing.assert_allclose(trained(True, share=1e-7).predict_proba(TEST), alone, atol=5e-3)
    assert np.abs(trained(True).predict_proba(TEST) - alone).max() > 0.01


def test_pretrained_weights_know_ten_classes() -> None:
    class Files(Pretrained):
        def network(self, name: str) -> torch.nn.Module:
            return resnet20_cifar10().eval()

    how = group("network", weights="resnet20_cifar10")
    with pytest.raises(ValueError, match="knows 10 classes, these pictures show 4; expected null"):
        methods.train_network(TRAIN, DEV, CARD, Files(Path()), VIEWS, how, RUN)


def test_scores_hold_what_each_file_costs(original, pruning, variants) -> None:
    scoring = group("evaluation", resamples=100, rounds=1, batch=10, bits=[16, 4], shown=4)
    found = evaluate(TEST, CARD, variants, original, pruning[0], scoring)
    metrics, predictions = found[0], found[1]
    claims, cost, pruned, frontier = found[5:]
    assert (
        metrics["uncompressed.kilobytes"] == kilobytes(variants["uncompressed"]) > metrics["int4.kilobytes"]
    )
    row = claims[claims["first"] == "slimmed"].iloc[0]
    assert row["difference"] == pytest.approx(metrics["slimmed.accuracy"] - metrics["uncompressed.accuracy"])
    table = cost.set_index("variant")
    assert list(table.index) == ["uncompressed", "int4", "pruned", "slimmed"]
    assert table.loc["pruned", "megaflops"] == table.loc["uncompressed", "megaflops"]
    assert table.loc["slimmed", "megaflops"] < 0.7 * table.loc["uncompressed", "megaflops"]
    assert table.loc["pruned", "weights"] < 0.6 * table.loc["uncompressed", "weights"]
    assert len(frontier) == 5 * 2 and (frontier["accuracy"] <= 1).all()
    of_original = frontier[(frontier["network"] == "all weights") & (frontier["bits"] == 4)].iloc[0]
    assert of_original["accuracy"] == metrics["int4.accuracy"]
    assert pruned["accuracy"].iloc[0] == pytest.approx(metrics["pruned.accuracy"])
    study, small = load_study("network_compression"), group("file", limit=0.1)
    for figure in (
        report.size(study, cost, metrics, small),
        report.frontier(frontier, small),
        report.lost(pruned),
        report.speed(study, cost),
    ):
        assert figure.data
    assert report.mistaken(TEST, CARD, predictions, cost, scoring)[:4] == b"\x89PNG"
    assert "Within two points of the uncompressed network below 1000 kB: `int4`" in report.within(
        claims, cost, ROOM
    )
    assert "none ran" in report.within(claims, cost, small)


def test_within_two_points_goes_by_the_interval() -> None:
    claims = pd.DataFrame({"difference.low": [-0.019, -0.03, -0.05], "difference.high": [0.01, 0.0, -0.021]})
    assert within(claims) == ["yes", "cannot tell", "no"]
