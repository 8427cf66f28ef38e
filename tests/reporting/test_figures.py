"""Figures: axes with names and units, stable colours, order, escaping, refusals."""

from __future__ import annotations

import io
import re

import numpy as np
import pandas as pd
import plotly.io as pio
import pytest
from PIL import Image
from report_parts import LABELS, VARIANTS

from etudes.reporting import (
    Metric,
    confusion_matrix,
    image_grid,
    learning_curves,
    metric_bars,
    per_class_bars,
    reliability_diagram,
    similarity_order,
    term_weights,
    variant_colours,
)
from etudes.reporting.style import PALETTE, add_band, new_figure


def test_axes_of_numbers_have_a_name_and_a_unit_and_no_axis_says_what_names_are(figures) -> None:
    for name, figure in figures.items():
        axes = [*figure.select_xaxes(), *figure.select_yaxes()]
        assert len(axes) >= 2, name
        for axis in axes:
            title = axis.title.text or ""
            assert axis.type == "category" or re.search(r"\(.+\)", title), (name, title)
            assert "(name)" not in title and title != "variant", (name, title)
        assert figure.layout.title.text, name
        assert figure.layout.template.layout.paper_bgcolor == "rgba(0,0,0,0)", name
        assert figure.to_json()


def test_drawn_traces_have_hover_text(figures) -> None:
    for name, figure in figures.items():
        for trace in figure.data:
            assert trace.hovertemplate or trace.hoverinfo == "skip", name


def test_colours_follow_the_position_in_the_list_alone(metrics, histories, bins) -> None:
    colours = variant_colours(VARIANTS)
    assert list(colours.values()) == list(PALETTE[:4])
    bars = metric_bars(metrics, "accuracy", VARIANTS).data[0]
    assert dict(zip(bars.y, bars.marker.line.color, strict=True))["encoder"] == PALETTE[3]
    curves = learning_curves(histories, "accuracy", variants=VARIANTS)
    points = reliability_diagram(bins, variants=VARIANTS)
    for figure in (curves, points):
        assert {t.line.color for t in figure.data if t.name == "encoder"} == {PALETTE[3]}


def test_band_outlines_low_and_high_without_marks() -> None:
    """Marks at the corners would read as points that were measured."""
    figure = new_figure("A band", 300)
    add_band(figure, [0, 1, 5], [1.0, 2.0, 3.0], [4.0, 5.0, 6.0], PALETTE[0], "maml", yaxis="y2")
    (band,) = figure.data
    assert list(zip(band.x, band.y, strict=True)) == [(0, 4), (1, 5), (5, 6), (5, 3), (1, 2), (0, 1)]
    assert (band.mode, band.fill, band.legendgroup, band.yaxis) == ("lines", "toself", "maml", "y2")
    assert not band.showlegend


def test_plotlys_default_template_is_left_alone(figures) -> None:
    assert "etudes" in pio.templates
    assert pio.templates.default != "etudes"


def test_bars_are_sorted_by_the_metrics_direction_with_their_intervals(metrics) -> None:
    assert list(metric_bars(metrics, "accuracy", VARIANTS).data[0].y) == ["encoder", "tfidf", "majority"]
    bars = metric_bars(metrics, "log_loss", VARIANTS).data[0]
    assert list(bars.y) == ["tfidf", "encoder", "majority"]
    assert bars.error_x.array == pytest.approx([0.018] * 3)
    assert bars.error_x.arrayminus == pytest.approx([0.018] * 3)
    assert bars.customdata[0] == "log loss 1.500 [1.482, 1.518]"


def test_bars_draw_the_baseline_and_the_references_of_the_same_metric(metrics, references) -> None:
    figure = metric_bars(metrics, "accuracy", VARIANTS, "majority", references)
    (line,) = figure.layout.shapes
    assert (line.x0, line.line.dash, line.name) == (0.25, "dash", "baseline majority 0.250")
    assert [t.marker.symbol for t in figure.data[2:]] == ["diamond-open", "diamond"]
    assert figure.layout.yaxis.ticktext[3:] == ("notebook &lt;b&gt;", "paper")
    assert len(metric_bars(metrics, "log_loss", VARIANTS, "skipped", references).data) == 2


def test_an_unknown_metric_is_not_given_a_guessed_unit(metrics) -> None:
    with pytest.raises(ValueError, match=r"unit and direction of 'surprise' are not known"):
        metric_bars(metrics, "surprise", VARIANTS)
    figure = metric_bars({"a.fid": 3.0, "b.fid": 2.0}, Metric("fid", "FID", "no unit", False), ["a", "b"])
    assert list(figure.data[0].y) == ["b", "a"]
    assert figure.layout.xaxis.title.text == "FID (no unit)<br>lower is better"


@pytest.mark.parametrize("broken", [{"tfidf.accuracy.low": 0.9}, {"tfidf.accuracy.low": None}])
def test_broken_intervals_are_refused(metrics, broken) -> None:
    found = {key: value for key, value in (metrics | broken).items() if value is not None}
    with pytest.raises(ValueError, match=r"tfidf\.accuracy"):
        metric_bars(found, "accuracy", VARIANTS)


def test_curves_leave_out_variants_without_history_and_mark_the_best_epoch(histories) -> None:
    figure = learning_curves(histories, "accuracy", variants=VARIANTS)
    assert {trace.name for trace in figure.data} == {"train", "dev", "tfidf", "encoder"}
    lower = [t for t in figure.data if t.yaxis == "y2" and t.name == "encoder"]
    assert list(lower[0].marker.size) == [6, 6, 6, 6, 13]


def test_curves_refuse_histories_they_cannot_draw() -> None:
    with pytest.raises(ValueError, match="all have 'epoch' or all have 'step'"):
        learning_curves(
            {"a": [{"epoch": 1, "dev_loss": 1.0}], "b": [{"step": 1, "dev_loss": 1.0}]}, "accuracy"
        )
    with pytest.raises(
        ValueError, match="history of a has no train_loss, dev_loss or dev_accuracy; it has epoch"
    ):
        learning_curves({"a": [{"epoch": 1}]}, "accuracy")
    with pytest.raises(ValueError, match="must be a list of dicts, found float"):
        learning_curves({"a": 0.5}, "accuracy")
    with pytest.raises(ValueError, match="not in the list: a"):
        learning_curves({"a": []}, "accuracy", variants=["b"])


def test_classes_mistaken_for_each_other_stand_side_by_side() -> None:
    matrix = np.eye(6) * 50 + 1
    for a, b in ((0, 4), (1, 5), (2, 3)):
        matrix[a, b] = matrix[b, a] = 40
    order = similarity_order(matrix)
    assert sorted(order) == list(range(6))
    for a, b in ((0, 4), (1, 5), (2, 3)):
        assert abs(order.index(a) - order.index(b)) == 1


def test_confusion_is_normalised_by_row_and_counts_stay_in_the_hover_text() -> None:
    heat = confusion_matrix(np.array([[8, 2, 0], [3, 5, 1], [0, 0, 0]]), LABELS).data[0]
    rows = {label: i for i, label in enumerate(heat.y)}
    assert list(heat.x) == list(heat.y)
    drama, war, empty = rows["drama"], rows["war &amp; &lt;peace&gt;"], rows["1984"]
    assert heat.z[drama][war] == pytest.approx(0.2)
    assert list(heat.customdata[drama][war]) == [2, 10]
    assert np.isnan(heat.z[empty]).all()


@pytest.mark.parametrize(
    ("matrix", "labels", "message"),
    [
        (np.ones((2, 3)), ["a", "b"], r"must be square, found the shape \(2, 3\)"),
        (np.ones((2, 2)), ["a", "b", "c"], "each of the 2 classes, found 3"),
        (np.ones((2, 2)), ["a", "a"], "must differ"),
        (-np.ones((2, 2)), ["a", "b"], "negative"),
        (np.full((2, 2), np.nan), ["a", "b"], "finite"),
    ],
)
def test_confusion_refuses_what_does_not_fit(matrix, labels, message) -> None:
    with pytest.raises(ValueError, match=message):
        confusion_matrix(matrix, labels)


def test_one_class_and_no_mistakes_have_an_order_too() -> None:
    assert similarity_order([[3]]) == [0]
    assert similarity_order(np.eye(4)) == [0, 1, 2, 3]


def test_class_bars_show_support_and_refuse_tables_that_do_not_fit(classes) -> None:
    figure = per_class_bars(classes)
    assert list(figure.layout.yaxis.ticktext) == ["1984 (5)", "war &amp; &lt;peace&gt; (30)", "drama (1,200)"]
    with pytest.raises(ValueError, match="lacks the columns support"):
        per_class_bars(classes.drop(columns="support"))
    with pytest.raises(ValueError, match="classes occur twice: drama"):
        per_class_bars(pd.concat([classes, classes[:1]]))


def test_classes_without_test_rows_say_so_and_have_no_score(classes) -> None:
    classes.loc[2, "support"] = 0
    figure = per_class_bars(classes)
    names = dict(zip(figure.layout.yaxis.tickvals, figure.layout.yaxis.ticktext, strict=True))
    assert names == {
        "drama": "drama (1,200)",
        "war &amp; &lt;peace&gt;": "war &amp; &lt;peace&gt; (30)",
        "1984": "1984 (no test rows)",
    }
    assert [dict(zip(trace.y, trace.x, strict=True))["1984"] for trace in figure.data] == [None] * 3
    matrix = confusion_matrix([[8, 2, 0], [3, 5, 1], [0, 0, 0]], LABELS)
    assert "1984 (no test rows)" in matrix.layout.yaxis.ticktext and "1984" in matrix.data[0].x


def test_reliability_markers_grow_with_the_count_and_shares_are_shares(bins) -> None:
    sizes = reliability_diagram(bins).data[1].marker.size
    assert sizes[0] < sizes[1] < sizes[2]
    bins["tfidf"].loc[0, "confidence"] = 1.2
    with pytest.raises(ValueError, match=r"bins of tfidf hold 1\.2"):
        reliability_diagram(bins)


def test_terms_are_words_even_where_they_look_like_numbers_or_markup(terms) -> None:
    figure = term_weights(terms, LABELS)
    assert list(figure.data[0].y) == ["&lt;br /&gt;", "1984", "love"]
    assert figure.layout.yaxis.type == "category"
    (menu,) = figure.layout.updatemenus
    assert [button.label for button in menu.buttons] == ["drama", "war &amp; &lt;peace&gt;", "1984"]
    assert menu.buttons[1].args[0] == {"visible": [False, True, False]}
    with pytest.raises(ValueError, match="has none for comedy"):
        term_weights(terms, ["drama", "comedy"])
    with pytest.raises(ValueError, match="terms of drama occur twice: love"):
        term_weights(pd.concat([terms, terms[2:3]]), ["drama"])


def test_image_grid_is_a_small_png_of_the_right_size() -> None:
    images = [
        np.zeros((28, 28)),
        np.full((20, 40, 3), 255, np.uint8),
        np.ones((8, 8, 1)),
        Image.new("L", (9, 9)),
    ]
    png = image_grid(images, ["a", "b\nsecond line that is much too long", "c", ""], columns=3)
    picture = Image.open(io.BytesIO(png))
    assert picture.size == (3 * 96 + 2 * 8, 2 * (96 + 8 + 2 * 15))
    assert len(png) < 20_000
    assert picture.getpixel((48, 48)) == (0, 0, 0, 255)


@pytest.mark.parametrize(
    ("images", "captions", "message"),
    [
        ([], [], "one caption per image"),
        ([np.zeros((2, 2))], [], "one caption per image, found 1 and 0"),
        ([np.zeros((2, 2, 4))], ["a"], r"image 0 must have the shape"),
        ([np.full((2, 2), 7.0)], ["a"], r"must lie in 0\.\.1"),
        ([np.zeros((2, 2), np.int64)], ["a"], "uint8 or finite floats"),
    ],
)
def test_image_grid_refuses_what_is_no_picture(images, captions, message) -> None:
    with pytest.raises(ValueError, match=message):
        image_grid(images, captions, columns=2)
