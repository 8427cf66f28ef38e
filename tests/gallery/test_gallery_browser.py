"""The gallery in a browser, opened from files without a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from gallery_parts import entries

from etudes.gallery import build_site

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
TITLES = ["Alpha", "Café reviews", "Delta", "Epsilon", "Gamma"]
# Contrast of every text with what is behind it (WCAG 2.2, 1.4.3); the smallest, and whose it is.
CONTRAST = """() => {
  const parse = c => (c.match(/[\\d.]+/g) || []).map(Number);
  const light = c => { const [r, g, b] = c.map(v => { v /= 255; return v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; });
    return .2126 * r + .7152 * g + .0722 * b; };
  const behind = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
    if (c.length === 3 || c[3] === 1) return c.slice(0, 3); } return parse(getComputedStyle(document.body).backgroundColor); };
  let worst = [21, ""];
  document.querySelectorAll("body *").forEach(e => {
    if (!e.checkVisibility() || ![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) return;
    const style = getComputedStyle(e), svg = e instanceof SVGElement;
    const boxed = svg && e.closest(".graph g");
    const fill = boxed ? parse(getComputedStyle(boxed.querySelector("rect")).fill) : behind(e);
    const [a, b] = [light(parse(svg ? style.fill : style.color).slice(0, 3)), light(fill)].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05);
    if (ratio < worst[0]) worst = [ratio, e.outerHTML.slice(0, 90)];
  });
  return worst;
}"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium at /usr/bin/chromium"),
]
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield found
        found.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gallery")
    return build_site(entries(folder), folder / "site").index.parent


@pytest.fixture
def wrong() -> list[str]:
    """What went wrong in the page."""
    return []


@pytest.fixture
def opened(browser: Any, site: Path, wrong: list[str]) -> Iterator[Open]:
    """Opens a page of the site; a test that leaves anything in ``wrong`` fails."""
    contexts = []

    def open_page(path: str = "index.html", width: int = 1200, **options: Any) -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": 800}, **{"color_scheme": "light", **options}
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda m: wrong.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda r: wrong.append(r.url) if r.url.startswith(("http", "ws", "//")) else None)
        name, _, anchor = path.partition("#")
        page.goto((site / name).as_uri() + (f"#{anchor}" if anchor else ""))
        page.wait_for_load_state("load")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def shown(page: Any) -> list[str]:
    return page.locator(".study:visible h3").all_inner_texts()


def until(page: Any, condition: str) -> None:
    """Wait for a condition; playwright's own way evaluates text inside the page, which the policy forbids."""
    for _ in range(200):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(25)
    raise AssertionError(f"{condition} did not come true")


def hash_of(page: Any) -> str:
    return page.evaluate("window.location.hash")


def test_filters_by_field_and_time_together(opened: Open) -> None:
    page = opened()
    assert shown(page) == TITLES
    page.get_by_role("checkbox", name="vision").check()
    assert shown(page) == ["Alpha", "Epsilon"]
    page.get_by_role("checkbox", name="generative").check()
    assert shown(page) == ["Alpha", "Epsilon", "Gamma"]
    page.get_by_label("A run takes").select_option("5")
    assert shown(page) == ["Alpha", "Epsilon"], "the study of many hours is gone"
    assert page.get_by_role("status").inner_text() == "2 of 5 studies"
    assert hash_of(page) == "#field=vision,generative&minutes=5"
    page.get_by_role("button", name="Show all").click()
    assert shown(page) == TITLES and hash_of(page) == ""
    assert page.get_by_role("status").inner_text() == "5 studies, 4 recorded"


def test_search_finds_words_in_any_order_without_accents_and_says_when_there_are_none(opened: Open) -> None:
    page = opened()
    search = page.get_by_role("searchbox", name="Search")
    search.fill("reviews CAFE")
    assert shown(page) == ["Café reviews"]
    search.fill("log loss")
    assert shown(page) == ["Gamma"]
    search.press("Enter")  # no form is sent
    search.fill("nothing of the kind (")
    assert shown(page) == [] and page.locator("#none").is_visible()
    search.fill("")
    assert shown(page) == TITLES and not page.locator("#none").is_visible()


def test_sorts_by_gap_with_studies_without_one_last(opened: Open) -> None:
    page = opened()
    page.get_by_label("Sort by").select_option("gap")
    assert shown(page) == ["Alpha", "Gamma", "Café reviews", "Delta", "Epsilon"]
    assert hash_of(page) == "#sort=gap"
    page.get_by_label("Sort by").select_option("name")
    assert shown(page) == TITLES


def test_a_view_is_restored_from_its_address(opened: Open) -> None:
    page = opened("index.html#q=made%20things&field=vision,nonsense&minutes=15&sort=gap")
    assert shown(page) == ["Alpha", "Epsilon"]
    assert page.get_by_role("searchbox").input_value() == "made things"
    assert page.get_by_label("A run takes").input_value() == "15"
    page.locator(".study:visible h3 a").first.click()
    page.wait_for_url("**/alpha.html")
    page.go_back()
    page.wait_for_load_state("load")
    assert shown(page) == ["Alpha", "Epsilon"], "and when one comes back from a study"
    page.evaluate("window.location.hash = '#q=gamma'")
    until(page, "document.getElementById('search').value === 'gamma'")
    assert shown(page) == ["Gamma"]


def test_the_skip_link_leaves_the_view_as_it_is(opened: Open) -> None:
    page = opened("index.html#q=gamma")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    until(page, "window.location.hash === '#main'")
    assert shown(page) == ["Gamma"]


def test_tab_goes_through_the_page_in_the_order_of_reading(opened: Open) -> None:
    page = opened()
    order = []
    for _ in range(11):
        page.keyboard.press("Tab")
        order.append(
            page.evaluate(
                "document.activeElement.id || document.activeElement.value || document.activeElement.textContent"
            )
        )
        outline = page.evaluate(
            """(() => { const e = document.activeElement;
              const seen = e.matches('.pill input') ? getComputedStyle(e.nextElementSibling)
                : e.matches('h3 a') ? getComputedStyle(e, '::after') : getComputedStyle(e);
              return seen.outlineStyle + parseInt(seen.outlineWidth); })()"""
        )
        assert outline == "solid3", f"no focus ring on {order[-1]}"
    fields = ["language", "vision", "generative", "reinforcement"]
    assert order[1:] == ["theme", "search", "time", "sort", *fields, "Alpha", "Café reviews"]
    page.locator("#fields input").first.focus()
    page.keyboard.press("Space")
    assert shown(page) == ["Café reviews"]


@pytest.mark.parametrize("path", ["index.html", "studies/alpha.html"])
def test_the_theme_is_kept_and_every_text_is_readable_in_both(opened: Open, path: str) -> None:
    page = opened(path)
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    assert page.evaluate(CONTRAST)[0] >= 4.5, page.evaluate(CONTRAST)
    page.get_by_role("button", name="Dark theme").click()
    assert page.evaluate(background) != light
    assert page.evaluate(CONTRAST)[0] >= 4.5, page.evaluate(CONTRAST)
    assert page.locator("#theme").inner_text() == "Light theme"
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark", "kept for the next visit"


def test_the_system_theme_is_followed(opened: Open) -> None:
    page = opened(color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
    assert page.locator("#theme").inner_text() == "Light theme"


def test_a_browser_without_storage_keeps_the_theme_for_the_page(
    browser: Any, site: Path, wrong: list[str]
) -> None:
    context = browser.new_context(color_scheme="light")
    context.add_init_script(
        "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('refused'); }})"
    )
    page = context.new_page()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto((site / "index.html").as_uri())
    page.locator("#theme").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    context.close()
    assert wrong == []


def test_a_broken_picture_leaves_a_readable_card(browser: Any, tmp_path: Path) -> None:
    site = build_site(entries(tmp_path), tmp_path / "site").index.parent
    (site / "pictures" / "beta_card.webp").write_bytes(b"no picture")
    page = browser.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto((site / "index.html").as_uri())
    page.locator(".broken").wait_for()
    told = page.locator(".study", has_text="Café reviews")
    assert "The picture could not be loaded. Café reviews: what the report" in told.inner_text()
    assert "0.700" in told.inner_text()
    assert wrong == []
    page.close()


@pytest.mark.parametrize(
    "path", ["index.html", "studies/alpha.html", "studies/beta.html", "studies/delta.html"]
)
def test_a_phone_never_scrolls_the_page_sideways(opened: Open, path: str) -> None:
    page = opened(path, width=360)
    for part in ("documentElement", "body"):
        assert page.evaluate(f"document.{part}.scrollWidth") <= 360
    assert page.evaluate(
        "[...document.querySelectorAll('button, select, input[type=search], .pill')]"
        ".every(e => !e.checkVisibility() || e.getBoundingClientRect().height >= 24)"
    ), "targets of at least 24 pixels (WCAG 2.2, 2.5.8)"


def test_a_page_without_scripts_shows_every_study_and_no_dead_control(opened: Open) -> None:
    page = opened(java_script_enabled=False)
    assert shown(page) == TITLES
    assert not page.locator("#filters").is_visible() and not page.locator("#theme").is_visible()


def test_the_report_is_loaded_when_it_comes_into_view(opened: Open) -> None:
    page = opened("studies/alpha.html")
    frame = page.frame_locator("iframe.report")
    page.locator("iframe.report").scroll_into_view_if_needed()
    frame.locator("#told").wait_for()
    page.get_by_role("button", name="Dark theme").click()
    frame.locator("#told").wait_for()
    page.locator("a", has_text="Open the report alone").click()
    page.wait_for_url("**/reports/alpha.html")
    page.go_back()
    assert page.locator("h1").inner_text() == "Alpha"


def test_the_graph_can_be_scrolled_and_read_without_seeing_it(opened: Open) -> None:
    page = opened("studies/alpha.html", width=360)
    region = page.get_by_role("region", name="Lineage of alpha (scrolls sideways)")
    region.focus()
    page.keyboard.press("ArrowRight")
    until(page, "document.activeElement.scrollLeft > 0")
    assert page.get_by_role("img", name="Lineage of alpha").count() == 1
    page.get_by_text("Every node, input and output as a table").click()
    assert page.get_by_role("row", name="evaluate").first.is_visible()


def test_print_shows_the_table_of_nodes_and_no_controls(opened: Open) -> None:
    assert opened("studies/alpha.html").pdf()[:5] == b"%PDF-"
    page = opened()
    page.emulate_media(media="print")
    assert not page.locator("#filters").is_visible() and shown(page) == TITLES
