"""The page in a browser, opened from a file without a network."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest

from etudes.reporting import Report
from etudes.reporting.bundle import USUAL, shared

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DRAWN = "[...document.querySelectorAll('.plot')].map(plot => plot.dataset.drawn || '')"
MARKS = """[...document.querySelectorAll('.plot')].map(plot => Boolean(plot.querySelector(
    '.scatterlayer .point, .barlayer .point, .boxlayer .box, .violinlayer .violin, .contourlayer path, .heatmaplayer image, .pielayer path')))"""
DATA = {
    "contour": {"z": [[1, 2], [3, 4]]},
    "heatmap": {"z": [[1, 2], [3, 4]]},
    "histogram": {"x": [1, 2, 2]},
    "pie": {"values": [1, 2]},
    "box": {"y": [1, 2, 3]},
    "violin": {"y": [1, 2, 3]},
    "scatter": {"x": [1, 2], "y": [2, 3], "mode": "markers"},
}
FONT = "document.querySelector('.plot').layout.font.color"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium at /usr/bin/chromium"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield found
        found.close()


@pytest.fixture
def opened(browser, report, tmp_path) -> Iterator[tuple[Any, list[str]]]:
    """The page at 1200 px in a light system theme, and what went wrong in it."""
    path = tmp_path / "report.html"
    path.write_text(report.render(), encoding="utf-8")
    page = browser.new_context(viewport={"width": 1200, "height": 800}, color_scheme="light").new_page()
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda r: wrong.append(r.url) if r.url.startswith(("http", "ws", "//")) else None)
    page.goto(path.as_uri())
    page.wait_for_load_state("load")
    yield page, wrong
    page.context.close()


def wait_for(page: Any, condition: str, seconds: float = 30.0) -> None:
    """Until a condition holds. The page's policy forbids what Playwright's own waiting does, to evaluate a text in the page again
    and again: it works where the condition holds at once."""
    end = time.monotonic() + seconds
    while not page.evaluate(condition):
        assert time.monotonic() < end, f"after {seconds:g} s it is not so: {condition}"
        page.wait_for_timeout(50)


def scroll_through(page: Any) -> None:
    for plot in page.query_selector_all(".plot"):
        plot.scroll_into_view_if_needed()
        page.wait_for_timeout(50)
    wait_for(page, f"{DRAWN}.every(state => state === 'done' || state === 'failed')")


def test_figures_are_drawn_when_scrolled_into_view_without_errors(opened) -> None:
    page, wrong = opened
    assert "" in page.evaluate(DRAWN), "those far below wait"
    scroll_through(page)
    assert set(page.evaluate(DRAWN)) == {"done"}
    assert page.evaluate("document.querySelectorAll('.plot svg.main-svg').length") >= 9
    assert page.evaluate("window.hacked") is None
    assert wrong == []


def test_the_theme_can_be_changed_and_figures_follow(opened) -> None:
    page, wrong = opened
    scroll_through(page)
    background = "getComputedStyle(document.body).backgroundColor"
    light, font = page.evaluate(background), page.evaluate(FONT)
    button = page.locator("#theme")
    assert button.inner_text() == "Dark theme"
    button.focus()
    page.keyboard.press("Enter")
    wait_for(page, f"{FONT} !== '{font}'")
    assert page.evaluate(background) != light
    assert button.inner_text() == "Light theme"
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark", "kept for the next visit"
    assert wrong == []


def test_a_phone_scrolls_tables_and_not_the_page(opened) -> None:
    page, wrong = opened
    page.set_viewport_size({"width": 360, "height": 740})
    page.reload()
    scroll_through(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate("document.body.scrollWidth") <= 360
    assert wrong == []


def test_on_a_phone_tables_that_are_cut_say_that_they_scroll(opened) -> None:
    page, _ = opened
    hint = "[...document.querySelectorAll('.scroll:has(table)')].map(box => getComputedStyle(box, '::before').content)"
    assert set(page.evaluate(hint)) == {"none"}, "at 1,200 pixels every table fits"
    page.set_viewport_size({"width": 390, "height": 844})
    wait_for(page, f"{hint}.some(text => text.includes('scrolls sideways'))")
    box = "document.querySelector('.scroll.wide')"
    assert page.evaluate(f"{box}.classList.contains('cut')")
    page.evaluate(f"{box}.scrollLeft = 10000")
    wait_for(page, f"!{box}.classList.contains('cut')")


def test_at_1200_pixels_text_and_figures_take_the_width(opened) -> None:
    page, _ = opened
    scroll_through(page)
    reach = "(what) => Math.max(...[...document.querySelectorAll(what)].map(e => e.getBoundingClientRect().right))"
    assert page.evaluate(reach, ".plot") > 1100
    assert page.evaluate(reach, "main p") > 1000
    assert page.evaluate("document.querySelector('nav').getBoundingClientRect().right") < 260


def test_every_usual_trace_is_in_the_part_that_pages_hold(browser, tmp_path) -> None:
    figures = [
        go.Figure({"data": [{"type": kind, **DATA.get(kind, {"x": [1, 2], "y": [2, 3]})}]})
        for kind in sorted(USUAL)
    ]
    page = Report("T", "s")
    for figure in figures:
        page.figure(figure, figure.data[0].type)
    path = tmp_path / "report.html"
    path.write_text(page.render(), encoding="utf-8")
    text, name, script = shared(page.render())
    (tmp_path / "beside.html").write_text(text, encoding="utf-8")
    (tmp_path / name).write_text(script, encoding="utf-8")
    for file in (path, tmp_path / "beside.html"):
        tab = browser.new_page()
        wrong: list[str] = []
        tab.on("console", lambda message, wrong=wrong: wrong.append(message.text))
        tab.on("pageerror", lambda error, wrong=wrong: wrong.append(str(error)))
        tab.goto(file.as_uri())
        scroll_through(tab)
        assert set(tab.evaluate(DRAWN)) == {"done"} and wrong == []
        assert tab.evaluate(MARKS) == [True] * len(USUAL)
        tab.close()


def test_the_page_draws_in_a_sandboxed_frame(browser, report) -> None:
    tab = browser.new_page()
    tab.set_content("<iframe sandbox='allow-scripts' width=1000 height=800></iframe>")
    tab.eval_on_selector("iframe", "(frame, page) => { frame.srcdoc = page; }", report.render())
    frame = tab.frame_locator("iframe")
    frame.locator(".plot").first.scroll_into_view_if_needed()
    frame.locator(".plot[data-drawn=done] svg.main-svg").first.wait_for()
    tab.close()


def test_the_class_of_the_terms_is_chosen_from_a_list_of_the_page(opened) -> None:
    page, wrong = opened
    scroll_through(page)
    choice = page.locator("select")
    assert choice.locator("option").all_inner_texts() == ["drama", "war & <peace>", "1984"]
    choice.select_option("1")
    plot = "document.querySelector('select').closest('figure').querySelector('.plot')"
    wait_for(page, f"{plot}.data.map(trace => trace.visible).join() === 'false,true,false'")
    assert wrong == []


def test_print_draws_every_figure_on_white_and_puts_the_theme_back(opened) -> None:
    page, wrong = opened
    page.emulate_media(color_scheme="dark")
    assert page.pdf()[:5] == b"%PDF-"
    wait_for(page, f"{DRAWN}.every(state => state === 'done')")
    assert page.evaluate("document.documentElement.dataset.theme") is None
    assert page.evaluate("document.querySelectorAll('details[open]').length") == 0
    assert wrong == []


def test_single_figure_page_draws_without_a_network(browser, figures, tmp_path) -> None:
    from etudes.reporting.standalone import figure_page

    path = tmp_path / "figure.html"
    path.write_text(figure_page(figures["terms"]), encoding="utf-8")  # its terms contain markup
    page = browser.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda r: wrong.append(r.url) if r.url.startswith(("http", "ws", "//")) else None)
    page.goto(path.as_uri())
    page.wait_for_selector("#figure .main-svg")
    assert wrong == []
    assert path.stat().st_size < 650_000
    page.close()
