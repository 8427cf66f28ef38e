"""The page: self-contained, escaped, honest in its opening table."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import itertools
import re
from datetime import datetime, timedelta, timezone
from html.parser import HTMLParser

import pandas as pd
import plotly.graph_objects as go
import pytest
from report_parts import EVIL, VARIANTS

from etudes.reporting import Metric, Report, lead_table
from etudes.reporting.bundle import part_of, shared
from etudes.reporting.page import stamped
from etudes.reporting.tables import frame_table
from etudes.study import Reference


class Elements(HTMLParser):
    """Start tags with their attributes, and the text of scripts, as a browser would see them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def rows(table) -> dict[str, list[tuple[str, str, bool]]]:
    return {row.head: [(c.text, c.small, c.best) for c in row.cells] for row in table.rows}


def test_no_text_breaks_out_of_its_place(report) -> None:
    page = report.render()
    found = Elements(page)
    figures = [a for a in found.all("script") if a.get("type") == "application/json"]
    assert len(figures) == 9
    assert len(found.all("script")) == 9 + 3, "theme, plotly and the page's own script, nothing injected"
    assert found.all("img") == []
    assert EVIL not in page
    assert page.count("window.hacked") == page.count("window.hacked = ")
    assert not any(key.startswith("on") for _, attributes in found.tags for key in attributes)


def test_nothing_is_loaded_from_outside(report) -> None:
    found = Elements(report.render())
    for tag, attributes in found.tags:
        for key in ("src", "href", "action", "data", "srcset", "poster"):
            value = attributes.get(key) or ""
            assert not re.match(r"(?i)\s*(https?:|//|ftp:)", value), (tag, key, value)
    (policy,) = [a["content"] for a in found.all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")
    assert "http" not in policy and "unsafe-eval" not in policy
    assert policy.count("sha256-") == 3


def test_plotly_is_there_once_and_only_with_figures(metrics) -> None:
    assert 'id="plotly"' not in Report("T", "s").table(lead_table(metrics, VARIANTS, ["accuracy"])).render()
    figure = go.Figure(go.Scatter(x=[1], y=[1]))
    page = Report("T", "s").figure(figure, "one").figure(figure, "two").render()
    assert page.count('id="plotly"') == 1


def test_a_page_holds_what_its_figures_need_and_its_policy_knows_that_script() -> None:
    usual = Report("T", "s").figure(go.Figure(go.Scatter(x=[1], y=[1])), "c").render()
    rare = Report("T", "s").figure(go.Figure(go.Sankey()), "c").render()
    assert len(usual) < 650_000 < len(rare) < 2_100_000
    for page in (usual, rare):
        (packed,) = re.findall(r'id="plotly">([^<]*)<', page)
        script = gzip.decompress(base64.b64decode(packed))
        assert b"Licensed under the MIT license" in script[:400]
        assert base64.b64encode(hashlib.sha256(script).digest()).decode() in html.unescape(page)


def test_a_bundle_of_another_make_is_left_whole() -> None:
    assert part_of("var Plotly=function(){}();", ["bar"]) == "var Plotly=function(){}();"


def test_pages_of_a_folder_share_one_script(report) -> None:
    page, name, text = shared(report.render())
    assert [a["src"] for a in Elements(page).all("script") if "src" in a] == [name]
    assert len(page) < len(report.render()) - 500_000 and "Plotly" in text
    (policy,) = [a["content"] for a in Elements(page).all("meta") if a.get("http-equiv")]
    assert "script-src 'self' file: 'sha256-" in policy
    assert shared(Report("T", "s").figure(go.Figure(go.Bar(y=[1])), "c").render())[1:] == (name, text)
    assert shared("<p>no figure</p>") == ("<p>no figure</p>", "", "")


def test_a_page_tells_the_run_it_is_of_once_it_is_stamped(report) -> None:
    page = report.render()
    assert 'class="run"' not in page and EVIL not in page
    when = datetime(2026, 3, 1, 12, 30, tzinfo=timezone(timedelta(hours=2)))
    told = stamped(page, when, "0123456789abcdef", "run7")
    (line,) = re.findall(r'<p class="run">(.*?)</p>', told)
    assert re.sub("<[^>]*>", "", line) == "2026-03-01 10:30 UTC · commit 0123456789 · MLflow run run7"
    assert told.index("</h1>") < told.index(line) < told.index("<p>Summary")
    assert "commit" not in re.findall(r'<p class="run">(.*?)</p>', stamped(page, when, None, "run7"))[0]


def test_fingerprints_are_folded_away() -> None:
    page = Report("T", "s", facts={"rows": 5}, fingerprints={"fingerprint of the data": "abc"}).render()
    (folded,) = re.findall(r"<details><summary>Fingerprints</summary>.*?</details>", page, re.S)
    assert "abc" in folded and "rows" not in folded


def test_a_number_with_its_interval_is_a_number_in_every_table() -> None:
    table = frame_table([{"group": "a", "rate": "0.25 [0.10, 0.40]"}, {"group": "b", "rate": "–"}], "c")
    assert [(c.text, c.small, c.number) for row in table.rows for c in row.cells] == [
        ("0.25", "[0.10, 0.40]", True),
        ("–", "", True),
    ]


def test_only_figures_that_need_webgl_may_build_functions() -> None:
    page = Report("T", "s").figure(go.Figure(go.Scattergl(x=[1], y=[1])), "c").render()
    assert "unsafe-eval&#39;;" in page


def test_the_headline_says_the_badge_and_headings_are_in_order(report) -> None:
    page = report.render()
    headline = re.search(r"<h1>.*?</h1>", page, re.S)
    assert headline and "embedded sample" in headline.group()
    assert "(embedded sample)</title>" in page
    levels = [int(tag[1]) for tag, _ in Elements(page).tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_figures_and_tables_can_be_read_out(report) -> None:
    found = Elements(report.render())
    plots = [a for a in found.all("div") if a.get("class") == "plot"]
    assert len(plots) == len(found.all("figcaption")) == 9
    assert all(a["role"] == "img" and a["aria-label"] for a in plots)
    assert len(found.all("caption")) == len(found.all("table")) == 2
    assert all(a.get("scope") in ("row", "col") for a in found.all("th"))
    assert len(found.all("main")) == 1
    assert found.all("a")[0] == {"class": "skip", "href": "#main"}


def test_a_figure_is_left_as_it_was(metrics) -> None:
    figure = go.Figure(go.Scatter(x=[1], y=[1]), layout={"title": "A <b>title</b><br>of two lines"})
    before = figure.to_json()
    page = Report("T", "s").figure(figure, "c").render()
    assert figure.to_json() == before
    assert "<h2>A title of two lines</h2>" in page


def test_the_best_of_each_column_is_bold_by_its_direction(metrics) -> None:
    table = lead_table(metrics, VARIANTS, ["accuracy", "log_loss"], "majority")
    found = rows(table)
    assert list(found) == ["encoder", "tfidf", "majority"], (
        "sorted by the first column, the skipped one left out"
    )
    assert [cell[2] for cell in found["encoder"]] == [True, False]
    assert [cell[2] for cell in found["tfidf"]] == [False, True]
    assert "<strong>1.500</strong>" in Report("T", "s").table(table).render()
    assert (
        next(iter(rows(lead_table(metrics, VARIANTS, ["accuracy", "log_loss"], primary="log_loss"))))
        == "tfidf"
    )


def test_equals_are_both_best_and_a_missing_value_is_a_dash() -> None:
    flat = {"a.accuracy": 0.5, "b.accuracy": 0.5, "c.log_loss": 1.0, "a.log_loss": float("nan")}
    found = rows(lead_table(flat, ["a", "b", "c"], ["accuracy", "log_loss"]))
    assert [found[name][0][2] for name in "abc"] == [True, True, False]
    assert found["a"][1] == ("–", "", False) == found["b"][1]
    assert found["c"] == [("–", "", False), ("1.000", "", True)]


def test_intervals_and_the_baseline_are_printed(metrics) -> None:
    table = lead_table(metrics, VARIANTS, ["accuracy"], "majority")
    page = Report("T", "s").table(table).render()
    assert re.search(r"0\.512\s*<small>\[0\.494, 0\.530\]</small>", page)
    assert [row.tag for row in table.rows] == ["", "", "trivial baseline"]
    assert "Brackets: 95 % interval." in table.note


def test_references_say_source_likeness_and_note(metrics, references) -> None:
    table = lead_table(metrics, VARIANTS, ["accuracy", "log_loss"], "majority", references)
    notebook, paper = table.rows[-2:]
    assert [cell.text for cell in notebook.cells] == ["0.410", "", "other split"]
    assert notebook.remark == "the split is not stated; source: README"
    assert [cell.text for cell in paper.cells] == ["0.580", "", "yes"]
    assert not any(cell.best for row in (notebook, paper) for cell in row.cells)
    assert {len(row.cells) for row in table.rows} == {len(table.headings) - 1}


def test_lead_table_refuses_what_it_would_have_to_drop(metrics) -> None:
    stranger = Reference("x", "macro_f1", 0.3, "s", True)
    with pytest.raises(ValueError, match="'x' measures 'macro_f1', which is no column"):
        lead_table(metrics, VARIANTS, ["accuracy"], references=[stranger])
    with pytest.raises(ValueError, match="primary = 'ece'"):
        lead_table(metrics, VARIANTS, ["accuracy"], primary="ece")
    with pytest.raises(ValueError, match="different metrics"):
        lead_table(metrics, VARIANTS, ["accuracy", Metric("accuracy")])
    with pytest.raises(ValueError, match="occur twice: a"):
        lead_table(metrics, ["a", "a"], ["accuracy"])


def test_frames_are_formatted_by_column() -> None:
    frame = pd.DataFrame(
        {"name": ["a", None], "share": [0.25, 0.1234], "n": [1234567, 2], "ok": [True, False]}
    )
    table = frame_table(frame, "c")
    assert [[row.head, *(c.text for c in row.cells)] for row in table.rows] == [
        ["a", "0.250", "1,234,567", "yes"],
        ["–", "0.123", "2", "no"],
    ]
    tiny = frame_table([{"name": "a", "p": 1.0}, {"name": "b", "p": 1e-7}], "c")
    assert [row.cells[0].text for row in tiny.rows] == ["1", "1e-07"]


def test_frames_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="lacks the columns b"):
        frame_table([{"a": 1}], "c", columns=["a", "b"])
    with pytest.raises(ValueError, match="row 1 lack"):
        frame_table([{"a": 1}, {}], "c")
    with pytest.raises(ValueError, match="none at all"):
        frame_table([], "c")
    with pytest.raises(ValueError, match="needs a caption"):
        Report("T", "s").table([{"a": 1}])


def test_long_examples_are_collapsed_and_broken_ones_refused() -> None:
    row = {"text": "word " * 200, "truth": "a", "predicted": "b", "probability": 0.987}
    page = Report("T", "s").examples([row, {**row, "text": "short"}]).render()
    assert page.count("<details>") == 1
    assert "98.7%" in page
    with pytest.raises(ValueError, match="example 0 lacks truth"):
        Report("T", "s").examples([{"text": "", "predicted": "", "probability": 1}])
    with pytest.raises(ValueError, match=r"probability = 98\.7"):
        Report("T", "s").examples([{**row, "probability": 98.7}])


def test_pictures_are_inside_and_described() -> None:
    png = b"\x89PNG\r\n\x1a\nrest"
    page = Report("T", "s").image(png, "caption", alt='eight "digits"').render()
    assert 'src="data:image/png;base64,' in page and "eight &#34;digits&#34;" in page
    with pytest.raises(ValueError, match="alternative text"):
        Report("T", "s").image(png, "caption", alt="")


def test_texts_are_markdown_without_markup_or_foreign_links() -> None:
    page = Report("T", "first\nline\n\nsecond").text("- **a**\n- `b` & c").render()
    assert "<p>first\nline</p>\n<p>second</p>" in page
    assert "<li><strong>a</strong></li>" in page and "<li><code>b</code> &amp; c</li>" in page
    page = (
        Report("T", "s")
        .text("<script>x</script> [go](javascript:alert(1)) ![p](https://example.org/p.png)")
        .render()
    )
    assert "<script>x" not in page and 'href="javascript' not in page and "<img" not in page
