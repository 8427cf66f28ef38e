"""The pages as files: sizes, links, escaping, and what becomes of missing and damaged things."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest
from gallery_parts import EVIL, README, entries, entry, fifty, graph, picture, study

from etudes.gallery import ReportFile, build_site, write_gallery
from etudes.gallery.markdown import sections
from etudes.reporting.page import Report
from etudes.study import Reference, study_names
from projects import ROOT, STUDY, kedro

LIMIT = 300_000  # bytes of a page without its figures


class Page(HTMLParser):
    """The addresses, anchors, text and scripts of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.tags: list[tuple[str, dict[str, Any]]] = []
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        found = dict(attrs)
        self.tags.append((tag, found))
        if "id" in found:
            self.ids.append(found["id"])
        self.links += [found[name] for name in ("href", "src") if name in found]


def pages(folder: Path) -> dict[Path, Page]:
    found = [folder / "index.html", *sorted((folder / "studies").glob("*.html"))]
    return {path: Page(path) for path in found}


def check_links(folder: Path) -> None:
    """Every address leads to a file of the site, every anchor to an element."""
    known = pages(folder)
    for path, page in known.items():
        assert len(set(page.ids)) == len(page.ids), f"{path.name}: an id occurs twice"
        for link in page.links:
            if link.startswith(("https://", "data:")):
                continue
            file, _, anchor = link.partition("#")
            target = (path.parent / file).resolve() if file else path
            assert target.is_file(), f"{path.name}: {link}"
            assert target.is_relative_to(folder.resolve())
            assert not anchor or anchor in known[target].ids, f"{path.name}: {link}"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gallery")
    return build_site(entries(folder), folder / "site").index.parent


def test_every_link_leads_somewhere(site: Path) -> None:
    check_links(site)


def test_cards_say_the_headline_the_baseline_the_reference_and_the_gap(site: Path) -> None:
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", (site / "index.html").read_text("utf-8")))
    assert "trivial baseline 0.500 best variant 0.810 [0.790, 0.830] reference 0.800" in text
    assert "+0.010 to the reference A paper, like for like" in text
    assert "The reference is A blog, other split; it stands beside line" in text and "0.200" not in text
    assert (
        "log loss in nats, lower is better; curve is best on test (the choice on dev is not recorded)" in text
    )
    assert "−0.100 to the reference A paper" in text
    assert "2.2 h on NVIDIA H200" in text and "NVIDIA H200 3 seeds made_up" in text
    assert "not recorded yet" in text and "no device, time or seeds recorded" in text
    assert "no reference for this metric" in text
    assert "5 studies, 4 recorded" in text


def test_a_study_page_holds_report_lineage_command_own_data_and_details(site: Path) -> None:
    page = Page(site / "studies" / "alpha.html")
    assert [tag for tag, _ in page.tags].count("h1") == 1
    anchors = ["run-it", "results", "report", "lineage", "details-that-matter", "your-own-data", "sources"]
    assert [name for name in page.ids if name in anchors] == anchors
    assert "kedro run <span>--pipelines=alpha</span>" in page.text
    told = re.sub("</?span>", "", page.text)
    assert "These numbers: <code>kedro record alpha --env=full --seeds=3 </code>" in told
    (frame,) = [attrs for tag, attrs in page.tags if tag == "iframe"]
    assert frame["loading"] == "lazy" and frame["title"] == "Report of Alpha"
    assert "the recorded numbers above are of <code>full</code>" in page.text
    assert "<desc" in page.text and "A paper" in page.text


def test_what_is_missing_is_said(site: Path) -> None:
    text = (site / "studies" / "delta.html").read_text("utf-8")
    for told in (
        "Not recorded yet: device, time and seeds are unknown.",
        "There is no report yet",
        "The graph of this study could not be read",
        "Not written yet: Run it, Results, Details that matter, Your own data.",
    ):
        assert told in text


def test_pictures_load_lazily_in_two_sizes(site: Path) -> None:
    for path, kind in (("index.html", "card"), ("studies/beta.html", "page")):
        (image,) = [attrs for tag, attrs in Page(site / path).tags if tag == "img"]
        assert image["loading"] == "lazy" and image["alt"] and image["src"].endswith(f"beta_{kind}.webp")


def test_nothing_is_loaded_from_a_network_and_no_style_is_inline(site: Path) -> None:
    for path, page in pages(site).items():
        policy = next(attrs["content"] for tag, attrs in page.tags if "http-equiv" in attrs)
        assert "default-src 'none'" in policy and "unsafe" not in policy
        for tag, attrs in page.tags:
            assert "style" not in attrs and not any(name.startswith("on") for name in attrs), path
            assert tag not in ("script", "img", "iframe") or not attrs.get("src", "").startswith("http")


def test_a_page_of_fifty_studies_stays_light(tmp_path: Path) -> None:
    site = build_site(fifty(tmp_path), tmp_path / "site").index.parent
    sizes = {path.name: path.stat().st_size for path in site.rglob("*.html")}
    assert len(sizes) == 51 and max(sizes.values()) < LIMIT, max(sizes.items(), key=lambda item: item[1])
    check_links(site)


def test_the_reports_of_fifty_studies_share_one_plotly(tmp_path: Path) -> None:
    page = Report("A report", "A summary").figure(go.Figure(go.Bar(y=[1, 2])), "Two bars").render()
    report = ReportFile(tmp_path / "report.html", "base", "2026-01-31")
    report.path.write_text(page, encoding="utf-8")
    shown = picture(tmp_path / "gallery.png", (720, 500))
    made = [replace(each, report=report, picture=shown) for each in fifty(tmp_path)]
    written = build_site(made, tmp_path / "site")
    reports = list((tmp_path / "site" / "reports").iterdir())
    assert sorted(path.suffix for path in reports) == [*[".html"] * 50, ".js"]
    own = len(page) - sum(path.stat().st_size for path in reports if path.suffix == ".html") / 50
    assert own > 300_000, "plotly is no longer in each of them"
    assert written.size < 10_000_000, (
        "a report's own figures and pictures, 0.4 MB on average, come on top: 40 MB"
    )
    check_links(tmp_path / "site")


def test_texts_of_studies_and_records_are_escaped(tmp_path: Path) -> None:
    evil = f"{EVIL}\"'&"
    made = study(
        "alpha",
        title=evil,
        summary=evil,
        data=(evil,),
        variants=("guess", EVIL),
        references=(Reference(evil, "accuracy", 0.5, evil, False, evil),),
    )
    dangerous = entry(
        "alpha",
        {"guess": 0.1, EVIL: 0.5},
        title=evil,
        summary=evil,
        data=(evil,),
        variants=made.variants,
        references=made.references,
        device=f"CPU {evil}",
        readme=f"# x\n\n{EVIL}\n\n## {EVIL}\n\n`{EVIL}` <b>x</b> ![{EVIL}](x.png)\n\n```\n{EVIL}\n```\n\n|{EVIL}|\n|--|\n|{EVIL}|\n",
        graph=graph(study("alpha", variants=("guess", "line"))),
        picture=picture(tmp_path / "gallery.png"),
    )
    plain = entry("beta", {"guess": 0.1, EVIL: 0.5}, variants=made.variants)
    site = build_site([dangerous, plain], tmp_path / "site").index.parent
    for page in pages(site).values():
        assert EVIL not in page.text
        assert [tag for tag, _ in page.tags].count("b") == 0


def test_the_readme_keeps_tables_and_code_and_drops_what_leads_nowhere() -> None:
    found = {part.title: part.html for part in sections(README, lambda href: None)}
    results = found["Results"]
    assert "results:alpha" not in results and "&lt;!--" not in results
    assert '<td class="number">0.812 [0.804, 0.820]</td>' in results and '<th scope="row">' in results
    assert '<a href="#details-that-matter">details</a>' in results
    assert 'href="https://example.org/paper"' in results and 'rel="noopener noreferrer"' in results
    assert "../" not in results and "the house" in results
    assert "<a" not in results.partition("nothing")[2] and 'href="javascript' not in results
    assert "# conf/mine/catalog/alpha.yml" in found["Your own data"]
    assert "<em>briefly</em>" in found[""]


def test_comments_in_code_stay_and_headings_have_anchors_of_their_own() -> None:
    text = "## Report\n\n```html\n<!-- kept -->\n```\n\n<!-- dropped -->\n\n## Report\n"
    first, second = sections(text, lambda href: None, ["report"])
    assert (first.anchor, second.anchor) == ("report-2", "report-3")
    assert "kept" in first.html and "dropped" not in first.html


def test_a_link_to_another_study_leads_to_its_page(site: Path) -> None:
    assert '<a href="beta.html">another study</a>' in (site / "studies" / "alpha.html").read_text("utf-8")


def test_a_picture_that_cannot_be_read_leaves_a_drawing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bad = tmp_path / "gallery.png"
    bad.write_bytes(b"\x89PNG no more")
    site = build_site([entry("alpha", {"guess": 0.1, "line": 0.2}, picture=bad)], tmp_path / "site")
    page = Page(site.index)
    assert "img" not in [tag for tag, _ in page.tags] and "svg" in [tag for tag, _ in page.tags]
    assert str(bad) in caplog.text


def test_a_folder_that_is_no_gallery_is_left_alone(tmp_path: Path) -> None:
    made = [entry("alpha", {"guess": 0.1, "line": 0.2})]
    output = tmp_path / "site"
    output.mkdir()
    build_site(made, output)
    build_site(made, output)  # a gallery is replaced
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "index.html").write_text("my own page")
    with pytest.raises(ValueError, match="is no gallery"):
        build_site(made, tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["index.html"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "site"], "nothing is left beside"


def test_a_build_that_fails_leaves_the_old_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [entry("alpha", {"guess": 0.1, "line": 0.2})]
    index = build_site(made, tmp_path / "site").index
    before = index.read_text("utf-8")
    monkeypatch.setattr("etudes.gallery.site._study_page", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        build_site([*made, entry("beta", None)], tmp_path / "site")
    assert index.read_text("utf-8") == before
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_no_studies_make_an_empty_gallery(tmp_path: Path) -> None:
    assert "0 studies, 0 recorded" in build_site([], tmp_path / "site").index.read_text("utf-8")


def test_the_repository_has_a_gallery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETUDES_OUTPUTS", str(tmp_path / "none"))
    written = write_gallery(ROOT, tmp_path / "site")
    assert written.studies == len(study_names()) and written.recorded >= 1
    check_links(tmp_path / "site")
    assert len(list((tmp_path / "site" / "pictures").glob("*_card.webp"))) == written.recorded
    for path in (tmp_path / "site").rglob("*.html"):
        assert path.parent.name == "reports" or path.stat().st_size < LIMIT, path
    text = (tmp_path / "site" / "studies" / f"{STUDY}.html").read_text("utf-8")
    for told in ("Lineage of genre_classification", "Labels travel with their films", "encoder_probe"):
        assert told in text


@pytest.mark.slow
def test_the_command_says_where_the_site_is_and_names_a_damaged_record(project: Path) -> None:
    done = kedro(project, "gallery")
    assert done.returncode == 0, done.stdout + done.stderr
    assert str(project / "site" / "index.html") in done.stdout and " MB" in done.stdout
    record = project / "docs" / "results" / f"{STUDY}.json"
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"metrics": {}}))
    done = kedro(project, "gallery")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert f"{STUDY}.json" in done.stderr.replace("\n", "") and "is damaged" in done.stderr
    assert (project / "site" / "index.html").is_file()
