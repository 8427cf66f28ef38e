"""What is measured of networks: the grid, the costs, the words."""

from __future__ import annotations

import pytest

from distillation_toys import CARD, TEST, group
from etudes.benches.classifiers import Majority
from etudes.pipelines.knowledge_distillation.evaluation import COUNTED, counted, evaluate, grid_table
from etudes.pipelines.knowledge_distillation.model import Grid, Network
from etudes.pipelines.knowledge_distillation.report import chosen, cost, grid, told
from etudes.study import load_study
from etudes.vision.cifar_networks import CifarResNet
from etudes.vision.costs import cost_table

CONFIG = {"blocks": 1, "classes": 4, "width": 4, "channels": 3, "stride": 2}
SCORING = group("evaluation", resamples=100, rounds=1, batch=10, shown=4)


def network(**more) -> Network:
    config = {**CONFIG, **more}
    return Network(CifarResNet(**config), config, temperature=1.0, share=0.0)


@pytest.fixture(scope="module")
def models() -> dict:
    labels = TEST.rows["label"].to_numpy()
    return {
        "majority": Majority.fit(labels, 4),
        "teacher": network(width=8, stride=1),
        "student": network(),
        "distilled": network(),
    }


def test_the_grid_is_scored_in_its_order(models) -> None:
    settings = [{"temperature": 1.0, "share": 0.9}, {"temperature": 4.0, "share": 0.5}]
    tried = {"tried": [{**row, "dev": {"accuracy": 0.5 + n}} for n, row in enumerate(settings)]}
    students = Grid([models["student"], models["teacher"]], settings)
    table = grid_table(TEST, students, tried)
    labels = TEST.rows["label"].to_numpy()
    expected = [(m.predict_proba(TEST).argmax(1) == labels).mean() for m in students.networks]
    assert table["accuracy"].tolist() == pytest.approx(expected)
    assert table["dev_accuracy"].tolist() == [0.5, 1.5] and table["temperature"].tolist() == [1.0, 4.0]
    assert "temperature 4 and share 0.5" in chosen(table)
    assert len(grid(table).data) == 1
    empty = grid_table(TEST, Grid([], []), {"tried": []})
    assert chosen(empty) == "No teacher was trained." and not grid(empty).data


def test_costs_are_those_of_networks_alone(models) -> None:
    table = cost_table(TEST, models, COUNTED, counted, SCORING.batch, SCORING.rounds).set_index("variant")
    assert list(table.index) == ["teacher", "student", "distilled"]
    student = table.loc["student"]
    assert student["weights"] == sum(p.numel() for p in models["student"].network.parameters())
    assert student["kilobytes"] > 4 * student["weights"] / 1000  # the running means of batches are stored too
    assert table.loc["teacher", "megaflops"] > 4 * student["megaflops"]
    assert (table[["latency", "batch_latency"]] > 0).all().all()


def test_scores_hold_differences_on_the_same_pictures(models) -> None:
    found = evaluate(TEST, CARD, models, Grid([], []), {"tried": []}, SCORING)
    metrics, pairs = found[0], found[5]
    row = pairs[(pairs["first"] == "distilled") & (pairs["measure"] == "accuracy")].iloc[0]
    expected = metrics["distilled.accuracy"] - metrics["student.accuracy"]
    assert row["second"] == "student" and row["difference"] == pytest.approx(expected)
    assert {"student.multiclass_brier", "student.ece", "student.log_loss.low"} <= metrics.keys()
    figure = cost(load_study("knowledge_distillation"), found[7], metrics)
    assert len(figure.data) == 3


def test_the_page_shows_what_the_teacher_says(models) -> None:
    assert told(TEST, CARD, models, SCORING)[:4] == b"\x89PNG"
    without = told(TEST, CARD, {"student": models["student"]}, SCORING)
    assert without[:4] == b"\x89PNG" and without != told(TEST, CARD, models, SCORING)
