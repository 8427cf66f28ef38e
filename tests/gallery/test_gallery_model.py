"""What the gallery says of a study, and what it finds of one in a project."""

from __future__ import annotations

import json
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from gallery_parts import entry, graph, picture, record, study

from etudes.gallery import ReportFile, lineage
from etudes.gallery.collect import find_picture, find_report, read_record
from etudes.gallery.drawing import ROWS, _ticks, score_plot, shape
from etudes.gallery.model import duration, read_recorded, signed
from etudes.reporting import Metric
from etudes.results.pictures import picture_path
from etudes.study import Headline, Reference, load_study

PAPER = Reference("A paper", "accuracy", 0.8, "Journal", True)
BLOG = Reference("A blog", "accuracy", 0.9, "a page", False)
OTHER = Reference("A paper", "log_loss", 0.1, "Journal", True)


def test_the_gap_is_that_to_the_reference_of_the_headline_not_to_the_largest() -> None:
    made = entry("a", {"guess": 0.5, "line": 0.7, "curve": 0.81}, references=(PAPER, BLOG, OTHER))
    assert made.best == "curve" and made.reference == PAPER
    assert made.gap == pytest.approx(0.01)
    assert made.relative_gap == pytest.approx(0.0125)


def test_there_is_no_gap_to_a_reference_of_other_data() -> None:
    made = entry("a", {"guess": 0.5, "line": 0.7}, references=(replace(BLOG, differs="other data"),))
    assert made.gap is None and made.relative_gap is None
    assert made.headline == "accuracy: best line 0.700, guess 0.500, reference 0.900 (other data)"


def test_a_reference_is_put_beside_the_variant_that_it_names() -> None:
    made = entry(
        "a", {"guess": 0.5, "line": 0.7, "curve": 0.81}, references=(replace(PAPER, variant="line"),)
    )
    assert (made.best, made.compared) == ("curve", "line") and made.gap == pytest.approx(-0.1)


def test_the_variant_that_dev_chose_stands_in_the_card() -> None:
    scores = {"guess": 0.5, "line": 0.7, "curve": 0.81}
    made = entry("a", scores, chosen=["line", "curve", "line"])
    assert made.best == "line" and made.gap == pytest.approx(-0.1)
    assert entry("a", scores, chosen=["forgotten"]).best == "curve"


def test_gap_is_positive_where_a_lower_value_is_better() -> None:
    made = entry(
        "a",
        {"guess": 2.0, "line": 1.0, "curve": 1.1},
        metric="log_loss",
        maximise=False,
        references=(replace(OTHER, value=1.2),),
    )
    assert made.best == "line" and made.gap == pytest.approx(0.2)


def test_the_trivial_baseline_is_never_the_best_variant() -> None:
    made = entry("a", {"guess": 0.9, "line": 0.7}, references=(PAPER,))
    assert made.best == "line" and made.gap == pytest.approx(-0.1)


@pytest.mark.parametrize(
    ("scores", "references"),
    [(None, (PAPER,)), ({"guess": 0.1, "line": 0.2}, (OTHER,)), ({"guess": 0.1}, (PAPER,))],
)
def test_no_gap_without_record_reference_or_variant(scores: Any, references: Any) -> None:
    made = entry("a", scores, references=references)
    assert made.gap is None and made.relative_gap is None


def test_a_reference_of_zero_gives_a_gap_but_no_place_in_the_order() -> None:
    made = entry("a", {"guess": 0.1, "line": 0.2}, references=(replace(PAPER, value=0.0),))
    assert made.gap == pytest.approx(0.2) and made.relative_gap is None


def test_a_record_says_what_a_run_costs_and_which_command_makes_it() -> None:
    found = read_recorded(record({"guess": 0.5}, wall_seconds=[560.0, 580.0]), study("alpha"))
    assert found.cost == "9.5 min on a CPU" and found.command == "kedro record alpha --env=full --seeds=3"
    assert (
        read_recorded(record({"guess": 0.5}, device="NVIDIA H200"), study("a")).cost == "60 s on NVIDIA H200"
    )


def test_a_metric_that_is_not_known_has_no_unit() -> None:
    made = entry("a", {"guess": 1.0, "line": 3.0}, metric="furlongs", references=())
    assert made.metric == Metric("furlongs", unit="") and made.best == "line"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "under 1 s"), (48.4, "48 s"), (89, "89 s"), (567.6, "9.5 min"), (8280, "2.3 h")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_signs() -> None:
    accuracy = Metric("accuracy")
    assert [signed(v, accuracy) for v in (0.0123, -0.0184, 0.0001, -0.0001)] == [
        "+0.012",
        "−0.018",
        "0.000",
        "0.000",
    ]


def test_intervals_and_rows_are_those_of_the_record() -> None:
    raw = record({"guess": 0.5, "line": 0.8}, wall_seconds=[50.0, None, 70.0])
    found = read_recorded(raw, study("a"))
    assert found.scores["line"].low == pytest.approx(0.78) and found.scores["line"].high == pytest.approx(
        0.82
    )
    assert found.seconds == 60.0 and found.seeds == 3 and found.rows == "1,200 + 200 + 600 rows"


def test_a_headline_of_other_data_than_the_split_says_so() -> None:
    headline = Headline("accuracy", data="drawn curves", unit="curves", rows={"kind": "curve"})
    found = read_recorded(
        record({"guess": 0.5}, test_rows={"accuracy": 44}), study("a", headlines=(headline,))
    )
    assert (found.data, found.rows) == ("drawn curves", "44 test curves")


def test_parts_that_change_with_the_seed_give_the_least_and_the_largest() -> None:
    split = {
        "train_rows": [3140, 3400, 2900],
        "dev_rows": 520,
        "test_rows": [1180, 920, 1420],
        "unit": "drawings",
    }
    found = read_recorded(record({"guess": 0.5}, split=split), study("a"))
    assert found.rows == "2,900 to 3,400 + 520 + 920 to 1,420 drawings"


def test_one_seed_without_an_interval_of_test_rows_has_none() -> None:
    raw = record({"guess": 0.5}, seeds=[0])
    raw["metrics"] = {"guess.accuracy": {"mean": 0.5, "n": 1.0}, "line.accuracy": {"mean": 0.6, "n": 1.0}}
    score = read_recorded(raw, study("a")).scores["line"]
    assert (score.low, score.high) == (None, None)


def test_variants_that_the_study_has_no_more_are_left_out() -> None:
    found = read_recorded(record({"old": 0.99, "line": 0.6, "guess": 0.5}), study("a"))
    assert list(found.scores) == ["guess", "line"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is damaged"),
        ("[]", "it is no record"),
        (json.dumps(record({"guess": 0.5}) | {"seeds": None}), "it is no record"),
        (
            json.dumps({k: v for k, v in record({"guess": 0.5}).items() if k != "device"}),
            "it has no 'device'",
        ),
        (json.dumps(record({"guess": 0.5}, "log_loss")), "the primary metric 'accuracy'"),
        (json.dumps(record({"guess": math.nan})), "guess: nan where a finite number is expected"),
        (json.dumps(record({"guess": 0.5}, wall_seconds=[])), "it is no record"),
    ],
)
def test_a_damaged_record_is_named_with_what_to_do(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "docs" / "results" / "alpha.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(ValueError) as error:
        read_record(tmp_path, study("alpha"))
    assert message in str(error.value) and str(path) in str(error.value)
    assert "kedro record alpha" in str(error.value)


def write_report(outputs: Path, environment: str, time: int) -> Path:
    path = outputs / "08_reporting" / environment / "alpha" / "report.html"
    path.parent.mkdir(parents=True)
    path.write_text("<!doctype html>")
    os.utime(path, (time, time))
    return path


def test_the_report_of_full_is_chosen_before_base_and_the_newest_of_several(tmp_path: Path) -> None:
    usual, recorded = tmp_path / "data", tmp_path / "seed_0"
    assert find_report([usual, recorded], "alpha") is None
    write_report(usual, "mine", 9_000)
    assert find_report([usual, recorded], "alpha") is None, "one's own data is not shown unasked"
    base = write_report(usual, "base", 8_000)
    found = find_report([usual, recorded], "alpha")
    assert found is not None and found.path == base
    write_report(usual, "full", 1_000)
    newer = write_report(recorded, "full", 2_000)
    found = find_report([usual, recorded], "alpha")
    assert found is not None and (found.path, found.environment, found.day) == (newer, "full", "1970-01-01")
    found = find_report([usual, recorded], "alpha", ["mine"])
    assert found is not None and found.environment == "mine"


def test_an_empty_report_is_none(tmp_path: Path) -> None:
    write_report(tmp_path, "base", 1_000).write_text("")
    assert find_report([tmp_path], "alpha") is None


def test_the_picture_is_the_first_of_the_report_else_the_recorded_one(tmp_path: Path) -> None:
    digits, words = load_study("gan_digits"), load_study("genre_classification")
    assert find_picture(tmp_path, digits, None) is None
    of_digits, of_words = (picture_path(tmp_path, made.name) for made in (digits, words))
    of_digits.parent.mkdir(parents=True)
    for path in (of_digits, of_words):
        path.write_bytes(b"a picture")
    report = ReportFile(tmp_path / "report.html", "base", "2026-01-31")
    assert find_picture(tmp_path, digits, report) == of_digits, "the report has no pictures yet"
    for name in ("failures", "samples"):
        picture(tmp_path / f"{name}.png")
    assert find_picture(tmp_path, digits, report) == tmp_path / "samples.png"
    assert find_picture(tmp_path, words, report) == of_words, "its report shows figures alone"


def test_the_plot_keeps_the_baseline_and_stays_inside_its_frame() -> None:
    variants = ("guess", *(f"a_very_long_name_of_variant_{i}" for i in range(12)))
    scores = {variant: 0.1 * i - 0.5 for i, variant in enumerate(variants)}
    plot = score_plot(entry("a", scores, variants=variants, references=(replace(PAPER, value=3.0),)))
    assert len(plot["rows"]) == ROWS
    assert [row["kind"] for row in plot["rows"]] == ["best", *["plain"] * (ROWS - 2), "baseline"]
    for row in plot["rows"]:
        assert plot["left"] <= row["whisker"][0] < row["x"] < row["whisker"][1] <= plot["right"]
        assert plot["top"] < row["y"] < plot["bottom"] and len(row["name"]) <= 16
    assert plot["left"] < plot["reference"] < plot["right"]


@pytest.mark.parametrize(
    "scores", [{"guess": 0.5}, {"guess": 0.0, "line": 0.0}, {"guess": -5e6, "line": 1e-9}]
)
def test_the_plot_of_few_or_equal_values(scores: dict[str, float]) -> None:
    plot = score_plot(entry("a", scores, references=()))
    assert plot["ticks"] and all(math.isfinite(row["x"]) for row in plot["rows"])


@pytest.mark.parametrize(
    ("low", "high", "ticks", "digits"),
    [
        (0.23, 0.61, [0.3, 0.4, 0.5, 0.6], 1),
        (-130.0, 20.0, [-100, -50, 0], 0),
        (0.981, 0.998, [0.985, 0.99, 0.995], 3),
    ],
)
def test_ticks_are_round(low: float, high: float, ticks: list[float], digits: int) -> None:
    found, places = _ticks(low, high)
    assert found == pytest.approx(ticks) and places == digits


@pytest.mark.parametrize("count", [1, 2, 12])
def test_the_shape_of_a_study_that_is_not_recorded(count: int) -> None:
    drawn = shape(entry("a", None, variants=tuple(f"v{i}" for i in range(count))))
    assert len(drawn["ys"]) == count and len(set(drawn["ys"])) == count


def test_lineage_flows_from_left_to_right_without_overlap() -> None:
    variants = ("guess", *(f"variant_{i}" for i in range(8)))
    made = study("alpha", variants=variants)
    drawn = lineage.draw(graph(made, pretrained=True), made)
    boxes = {box.title: box for box in drawn["boxes"]}
    assert set(variants) <= set(boxes) and boxes["network"].kind == "raw" and boxes["variant_0"].gpu
    order = ["raw_train", "ingest", "split", "guess", "variant_7", "evaluate", "draw", "write_report"]
    assert [boxes[name].x for name in order] == sorted(boxes[name].x for name in order)
    assert len({boxes[name].x for name in variants[:-1]}) == 1, "variants stand above one another"
    for a in drawn["boxes"]:
        assert a.x >= 0 and a.x + a.width <= drawn["width"] and a.y + a.height <= drawn["height"]
        assert a.width >= 7.2 * len(a.title), "the name fits"
        for b in drawn["boxes"]:
            apart = a.x + a.width < b.x or b.x + b.width < a.x or a.y + a.height < b.y or b.y + b.height < a.y
            assert a is b or apart, f"{a.title} covers {b.title}"


def test_lineage_draws_no_arrow_that_a_longer_way_implies() -> None:
    edges = lineage._reduced({"a": set(), "b": {"a"}, "c": {"a", "b"}, "d": {"a", "c"}})
    assert edges == [("a", "b"), ("b", "c"), ("c", "d")]


def test_arrows_that_pass_a_column_share_a_lane_with_those_that_end_where_they_end() -> None:
    boxes = {key: lineage.Box(key, column=column) for key, column in (("a", 0), ("b", 0), ("c", 1), ("d", 2))}
    chains = lineage._lanes(boxes, [("a", "c"), ("a", "d"), ("b", "d")])
    assert chains == [["a", "c"], ["a", "to d 1", "d"], ["b", "to d 1", "d"]]


def test_lineage_names_every_input_and_output_in_its_table() -> None:
    made = study("alpha")
    drawn = lineage.draw(graph(made), made)
    (evaluate,) = [row for row in drawn["rows"] if row["node"] == "evaluate"]
    assert evaluate["reads"] == "test_split, guess_model, line_model, curve_model"
    assert [row["stage"] for row in drawn["rows"]][:2] == ["ingest", "preprocess"]
    assert {row["parameters"] for row in drawn["rows"]} >= {"split", "curve"}
