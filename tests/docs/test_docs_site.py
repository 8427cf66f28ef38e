"""The documentation: the site builds, its links lead somewhere, it asks no other host, its commands exist."""

from __future__ import annotations

import re
import shlex
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import click
import pytest
import yaml

from etudes.study import study_names
from projects import ROOT

PAGES = sorted((ROOT / "docs").glob("*.md"))
TEXTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *PAGES,
    *sorted(ROOT.glob("src/etudes/pipelines/*/README.md")),
]
# What a browser fetches by itself, as opposed to what a reader may click.
FETCHED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}


class Page(HTMLParser):
    """Of one HTML file: the addresses it points to, those a browser fetches by itself, and the places to jump to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.anchors: set[str] = set()
        self.styles = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if values.get(name)}
        self.links += [values[name] for name in ("href", "src") if name in values]
        # A canonical address and the like are told, not fetched.
        if tag in FETCHED and values.get("rel") not in ("canonical", "prev", "next"):
            self.fetched.append(values.get(FETCHED[tag], ""))
        self.styles += values.get("style", "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; ``strict`` in ``mkdocs.yml`` makes every warning an error."""
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    folder = tmp_path_factory.mktemp("docs") / "site"
    config = load_config(str(ROOT / "mkdocs.yml"), site_dir=str(folder))
    assert config.strict
    build(config)
    return folder


def read_pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in sorted(site.rglob("*.html"))}


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return read_pages(site)


def broken_links(pages: dict[Path, Page], site: Path) -> list[str]:
    """Links inside the site that lead to no file, or to no place in it."""
    broken = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_relative_to(site) or not target.is_file():
                broken.append(f"{path.name}: {link}")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                broken.append(f"{path.name}: {link} (no such place)")
    return broken


def asked_elsewhere(pages: dict[Path, Page], site: Path) -> list[str]:
    """What a browser would fetch from another host when it shows a page."""
    elsewhere = re.compile(r"^(?:https?:)?//")
    asked = [
        f"{path.name}: {link}"
        for path, page in pages.items()
        for link in page.fetched
        if elsewhere.match(link)
    ]
    remote = re.compile(r"(?:@import\s+|url\()\s*[\"']?(?:https?:)?//")
    sheets = {path: path.read_text(encoding="utf-8") for path in [*site.rglob("*.css"), *site.rglob("*.svg")]}
    sheets |= {path: page.styles for path, page in pages.items()}
    asked += [f"{path.name}: a style" for path, text in sheets.items() if remote.search(text)]
    # The theme would fetch the drawing library of such a block.
    asked += [
        f"{path.name}: mermaid" for path in pages if 'class="mermaid"' in path.read_text(encoding="utf-8")
    ]
    return asked


def test_every_page_is_built(site: Path) -> None:
    assert {path.stem for path in PAGES} <= {path.stem for path in site.glob("*.html")}


def test_every_internal_link_leads_to_a_file_and_a_place_in_it(pages: dict[Path, Page], site: Path) -> None:
    # 404.html is served for any address, so its links are absolute.
    assert broken_links({path: page for path, page in pages.items() if path.name != "404.html"}, site) == []


def test_reading_a_page_asks_no_other_host(pages: dict[Path, Page], site: Path) -> None:
    assert asked_elsewhere(pages, site) == []


def test_broken_links_and_requests_to_other_hosts_are_found(tmp_path: Path) -> None:
    (tmp_path / "style.css").write_text("@import 'https://example.org/fonts.css';")
    (tmp_path / "b.html").write_text("<h1 id='here'>B</h1>")
    (tmp_path / "a.html").write_text(
        "<link rel='canonical' href='https://example.org/a'><script src='//example.org/x.js'></script>"
        "<a href='b.html#here'>1</a><a href='b.html#there'>2</a><a href='c.html'>3</a><a href='https://example.org'>4</a>"
        '<pre class="mermaid"></pre>'
    )
    pages = read_pages(tmp_path)
    assert broken_links(pages, tmp_path) == ["a.html: b.html#there (no such place)", "a.html: c.html"]
    assert asked_elsewhere(pages, tmp_path) == [
        "a.html: //example.org/x.js",
        "style.css: a style",
        "a.html: mermaid",
    ]


def blocks(path: Path, language: str) -> list[str]:
    """The fenced blocks of one language, also those inside a list."""
    text = path.read_text(encoding="utf-8")
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```", text, flags=re.DOTALL | re.MULTILINE)
    return [block for _, block in found]


def commands(path: Path) -> list[list[str]]:
    """The kedro commands in a file's shell blocks, as words, without what stands before ``kedro``."""
    lines = [line for block in blocks(path, "bash") for line in block.replace("\\\n", " ").splitlines()]
    words = [
        shlex.split(line, comments=True) for line in lines if re.search(r"\bkedro ", line.partition("#")[0])
    ]
    return [line[line.index("kedro") + 1 :] for line in words if "kedro" in line]


@pytest.fixture(scope="module")
def kedro_command() -> click.Group:
    from kedro.framework.cli.cli import KedroCLI

    return KedroCLI(project_path=ROOT)


def parse(group: click.Group, words: list[str]) -> dict[str, Any]:
    """The parameters of a command line, parsed by the command it names. Raises click.UsageError if it is wrong."""
    context = click.Context(group, info_name="kedro")
    command: click.Command = group
    while isinstance(command, click.Group):
        _, found, words = command.resolve_command(context, words)
        assert found is not None
        command = found
        context = click.Context(command, parent=context, info_name=command.name)
    with command.make_context(command.name, list(words), parent=context.parent) as made:
        return made.params


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_kedro_command_exists_with_its_options(kedro_command: click.Group, path: Path) -> None:
    wrong = []
    made = {words[2] for words in commands(path) if words[:2] == ["pipeline", "create"]}
    for words in commands(path):
        try:
            parameters = parse(kedro_command, words)
        except click.UsageError as error:
            wrong.append(f"kedro {shlex.join(words)}: {error.format_message()}")
            continue
        unknown = set(parameters.get("pipelines") or ()) - set(study_names()) - made
        wrong += [f"kedro {shlex.join(words)}: there is no study {name}" for name in sorted(unknown)]
    assert not wrong


def test_a_command_that_does_not_exist_is_found(kedro_command: click.Group) -> None:
    assert parse(kedro_command, ["data", "fetch", "glove"])["names"] == ("glove",)
    for words in (["dta", "list"], ["data", "show"], ["run", "--pipelnes=vae"], ["data", "fetch"]):
        with pytest.raises(click.UsageError):
            parse(kedro_command, words)


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_yaml_block_can_be_read(path: Path) -> None:
    for block in blocks(path, "yaml"):
        assert isinstance(yaml.safe_load(block), dict), block
