"""Tables of the evaluation against what they are made of."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from etudes.benches.classifiers import Majority
from etudes.benches.uncertain import Ensemble, Tempered
from etudes.evaluation import classification_metrics
from etudes.evaluation.diversity import disagreement
from etudes.examples import Examples
from etudes.pipelines.mimo_ensemble.evaluation import (
    corrupted_scores,
    cost_table,
    evaluate,
    members_table,
    networks_of,
    sweeps,
)
from etudes.pipelines.mimo_ensemble.model import Network, Swept
from etudes.pipelines.mimo_ensemble.report import disagreed, gaps
from etudes.training.seeds import derive_seed
from etudes.vision.cifar_networks import CifarResNet
from etudes.vision.corruptions import AMOUNTS, corrupted
from mimo_toys import CARD, RUN, TEST, group

LABELS = TEST.rows["label"].to_numpy()
EVALUATION = group("evaluation", severities=[2, 4])


def made(members: int = 1, width: int = 4, seed: int = 0) -> Network:
    """First weights, made surer so that there is something to see."""
    torch.manual_seed(seed)
    config = {
        "blocks": 1,
        "classes": 4 * members,
        "width": width,
        "channels": 3 * members,
        "stride": 2,
        "rate": 0.0,
    }
    net = CifarResNet(**config)
    with torch.no_grad():
        net.linear.weight *= 10
    return Network(net, config, inputs=members, passes=0, seed=0)


PLAIN, THREE = made(), made(3)
MODELS = {
    "majority": Majority(np.full(4, 0.25)),
    "plain": PLAIN,
    "temperature": Tempered({"plain": PLAIN}, 2.0),
    "mimo_3": THREE,
    "ensemble": Ensemble([PLAIN, made(seed=1)]),
}


def test_members_and_their_mean() -> None:
    table = members_table(TEST, MODELS).set_index("variant")
    assert list(table.index) == ["mimo_3", "ensemble"] and table["members"].tolist() == [3, 2]
    draws = THREE.draws(TEST).astype(np.float64)
    row = table.loc["mimo_3"]
    assert row["member_accuracy"] == pytest.approx(np.mean([(d.argmax(1) == LABELS).mean() for d in draws]))
    assert row["log_loss"] == pytest.approx(classification_metrics(LABELS, draws.mean(0))["log_loss"])
    assert row["disagreement"] == pytest.approx(disagreement(draws).mean()) and row["disagreement"] > 0


def test_costs_are_of_all_networks_that_are_asked() -> None:
    table = cost_table(TEST, MODELS, EVALUATION).set_index("variant")
    assert table.loc["majority", ["megaflops", "weights"]].tolist() == [0, 0]
    one = table.loc["plain", ["megaflops", "weights"]]
    assert table.loc["temperature", ["megaflops", "weights"]].tolist() == one.tolist()
    assert table.loc["ensemble", ["megaflops", "weights"]].tolist() == pytest.approx((2 * one).tolist())
    assert (table[["latency", "batch_latency"]] > 0).all(axis=None)
    assert networks_of(MODELS["temperature"]) == [PLAIN]
    assert table.loc["plain", "kilobytes"] > 4 * one["weights"] / 1000, (
        "four bytes a weight, and what is said of it"
    )


def test_corrupted_pictures_are_asked_of_all() -> None:
    models = {name: MODELS[name] for name in ("majority", "plain", "temperature")}
    table, metrics = corrupted_scores(TEST, models, EVALUATION, RUN)
    assert len(table) == len(AMOUNTS) * 3
    expected = [
        classification_metrics(
            LABELS,
            PLAIN.predict_proba(
                Examples(
                    TEST.rows,
                    {"pixels": corrupted(TEST["pixels"], "noise", s, derive_seed(RUN.seed, "noise", s))},
                )
            ),
        )
        for s in (2, 4)
    ]
    row = table[(table["variant"] == "plain") & (table["corruption"] == "noise")].iloc[0]
    for name in ("accuracy", "log_loss"):
        assert row[name] == pytest.approx(np.mean([scores[name] for scores in expected]), rel=1e-5)
    of_plain = table[table["variant"] == "plain"]
    for metric, column in (("corrupted_accuracy", "accuracy"), ("corrupted_log_loss", "log_loss")):
        value, low, high = (metrics[f"plain.{metric}{end}"] for end in ("", ".low", ".high"))
        assert value == pytest.approx(of_plain[column].mean()) and low < value < high
    assert metrics["majority.corrupted_log_loss"] == pytest.approx(np.log(4))
    assert metrics["plain.corrupted_accuracy"] == metrics["temperature.corrupted_accuracy"]


def test_all_are_scored_and_pairs_compared() -> None:
    metrics, predictions, *_, claim, _, _, _, rejection = evaluate(TEST, CARD, MODELS, EVALUATION, RUN)
    assert set(predictions["variant"]) == set(MODELS) == set(rejection["variant"])
    assert set(zip(claim["first"], claim["second"], strict=True)) == {
        ("mimo_3", "plain"),
        ("ensemble", "plain"),
        ("ensemble", "mimo_3"),
    }
    assert set(claim["measure"]) == {"accuracy", "log_loss"}
    found = claim[(claim["first"] == "mimo_3") & (claim["measure"] == "log_loss")]["difference"].iloc[0]
    assert found == pytest.approx(metrics["mimo_3.log_loss"] - metrics["plain.log_loss"], abs=1e-6)
    assert "mimo_3.disagreement" in metrics and "plain.disagreement" not in metrics
    assert "plain.multiclass_brier.low" in metrics


def test_widths_and_ways_stand_beside_the_variants() -> None:
    widths = Swept([made(1, 2), made(3, 2)], [{"width": 2, "members": 1}, {"width": 2, "members": 3}])
    ways = Swept([made(3, seed=5)], [{"batch_repetition": 2, "input_repetition": 0.0}])
    mimo = group("mimo", input_repetition=0.5)
    width, gap, way = sweeps(TEST, MODELS, widths, ways, mimo, EVALUATION)
    assert list(zip(width["width"], width["members"], strict=True)) == [(2, 1), (2, 3), (4, 1), (4, 3)]
    losses = width.set_index(["width", "members"])["log_loss"]
    rows = gap[gap["measure"] == "log_loss"].set_index("first")["difference"]
    for size in (2, 4):
        expected = losses[(size, 3)] - losses[(size, 1)]
        assert rows[f"3 at width {size}"] == pytest.approx(expected)
    assert width.loc[0, "disagreement"] == 0 and width["megaflops"].is_monotonic_increasing
    assert way[["batch_repetition", "input_repetition"]].to_numpy().tolist() == [[1, 0.5], [2, 0.0]]
    assert way.loc[0, "log_loss"] == losses[(4, 3)]  # the variant itself
    assert len(sweeps(TEST, {}, widths, ways, mimo, EVALUATION)[0]) == 2
    none = Swept([], [])
    assert sweeps(TEST, MODELS, widths, none, mimo, EVALUATION)[2].empty
    assert "width 4" in gaps(gap, width)


def test_the_page_shows_what_members_disagree_about() -> None:
    shown = disagreed(TEST, CARD, MODELS, EVALUATION)
    assert shown.startswith(b"\x89PNG") and shown != disagreed(TEST, CARD, {"plain": PLAIN}, EVALUATION)
