"""Forms of figures: what of a table they draw, and what they say of one that does not fit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from etudes.reporting.charts import bars, heat, lines, points

TABLE = pd.DataFrame(
    {
        "x": [1, 2, 1, 2],
        "y": [0.5, 0.4, 0.7, 0.6],
        "low": [0.4, 0.3, 0.6, 0.5],
        "high": [0.6, 0.5, 0.8, 0.7],
        "name": ["<a>", "<a>", "b", "b"],
    }
)


def test_lines_have_a_series_each_with_its_band_and_an_axis_with_its_unit() -> None:
    figure = lines(
        TABLE, "Loss", "epoch (count)", "loss (nats)", by="name", low="low", high="high", levels={"zero": 0.0}
    )
    names = [trace.name for trace in figure.data if trace.mode and "markers" in trace.mode]
    assert names == ["&lt;a&gt;", "b"], "texts are escaped, series in the order of the table"
    assert (
        figure.layout.xaxis.title.text == "epoch (count)" and figure.layout.yaxis.title.text == "loss (nats)"
    )
    drawn = next(
        trace for trace in figure.data if trace.name == "b" and trace.mode and "markers" in trace.mode
    )
    assert list(drawn.y) == [0.7, 0.6]
    assert any(trace.name == "zero" and list(trace.y) == [0.0, 0.0] for trace in figure.data)
    assert any(trace.fill for trace in figure.data), "there is a band"


def test_a_colour_belongs_to_a_name_whatever_else_is_shown() -> None:
    order = ["<a>", "b", "c"]
    both = lines(TABLE, "t", "x", "y", by="name", order=order)
    alone = lines(TABLE[TABLE["name"] == "b"], "t", "x", "y", by="name", order=order)
    colour = {trace.name: trace.line.color for trace in both.data}["b"]
    assert [trace.line.color for trace in alone.data if trace.name == "b"] == [colour]


def test_a_series_that_is_not_in_the_order_is_named() -> None:
    with pytest.raises(ValueError, match="the table of 't' has series that are not in the order: b"):
        lines(TABLE, "t", "x", "y", by="name", order=["<a>"])


def test_points_carry_texts_and_a_diagonal() -> None:
    figure = points(TABLE, "t", "x", "y", by="name", text="name", diagonal="equal")
    line, first, second = figure.data
    assert line.name == "equal" and list(line.x) == list(line.y) == [0.4, 2]
    assert list(first.text) == ["&lt;a&gt;"] * 2 and list(second.y) == [0.7, 0.6]


def test_bars_run_from_the_first_row_at_the_top_with_their_intervals() -> None:
    table = pd.DataFrame({"x": [0.7, 0.2], "y": ["best", "worst"], "low": [0.6, 0.1], "high": [0.75, 0.4]})
    figure = bars(
        table, "t", "accuracy (fraction)", "variant", low="low", high="high", levels={"chance": 0.5}
    )
    (drawn,) = figure.data
    assert list(drawn.x) == [0.7, 0.2] and list(figure.layout.yaxis.categoryarray) == ["worst", "best"]
    np.testing.assert_allclose(drawn.error_x.array, [0.05, 0.2])
    np.testing.assert_allclose(drawn.error_x.arrayminus, [0.1, 0.1])
    assert [shape.x0 for shape in figure.layout.shapes] == [0.5]


def test_names_of_bars_are_escaped_once() -> None:
    figure = bars(pd.DataFrame({"x": [1.0], "y": ["age: <= 27"]}), "t", "effect (nats)", "")
    assert list(figure.layout.yaxis.ticktext) == ["age: &lt;= 27"] == list(figure.data[0].y)


def test_heat_puts_each_value_in_its_cell_and_leaves_gaps() -> None:
    table = pd.DataFrame({"x": ["p", "q", "p"], "y": ["r", "r", "s"], "value": [1.0, -2.0, 3.0]})
    (drawn,) = heat(table, "t", "x", "y", "unit", diverging=True, digits=1).data
    np.testing.assert_array_equal(drawn.z, [[1.0, -2.0], [3.0, np.nan]])
    assert drawn.text[0][1] == "-2.0" and drawn.text[1][1] == "" and (drawn.zmin, drawn.zmax) == (-3.0, 3.0)


@pytest.mark.parametrize("form", [lines, points, bars])
def test_an_empty_table_says_so(form: object) -> None:
    figure = form(TABLE.head(0), "t", "x", "y", empty="nothing ran")  # type: ignore[operator]
    assert not figure.data and any("nothing ran" in note.text for note in figure.layout.annotations)


def test_a_column_that_is_missing_is_named() -> None:
    with pytest.raises(ValueError, match=r"the table of 't'.*size"):
        lines(TABLE, "t", "x", "y", x="size")
