"""Writes the pages: an index of cards and a page for each study.

Style and scripts stand in each page under a policy that lets nothing else run: a page opened from a file has no
origin that could vouch for a file beside it. Pictures and reports are files, loaded when they come into view.
"""

from __future__ import annotations

import base64
import hashlib
import io
import logging
import posixpath
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from etudes import __version__
from etudes.atomic import atomic_folder, recover_folder
from etudes.gallery import drawing, lineage
from etudes.gallery.markdown import Section, sections
from etudes.gallery.model import Entry, signed
from etudes.reporting.bundle import shared
from etudes.reporting.page import TEMPLATES as REPORT_TEMPLATES
from etudes.study import FIELDS

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"
GENERATOR = "Etudes gallery"
CARD_WIDTH, PAGE_WIDTH = 720, 1800  # pixels of the pictures in a card and in a page
TIMES = (5, 15, 60)  # minutes of a recorded run that can be asked for
NEEDED = ("Run it", "Results", "Details that matter", "Your own data")
OWN_ANCHORS = ("main", "theme", "report", "lineage")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Picture:
    """A study's picture in the site: addresses relative to its root, the size of the large one in pixels, where it is from."""

    small: str
    large: str
    width: int
    height: int
    alt: str
    source: str


@dataclass(frozen=True)
class Written:
    """A finished site: where it is, its pages and bytes, and how much of the studies it could show."""

    index: Path
    studies: int
    recorded: int
    reports: int
    size: int


def write_gallery(project: Path, output: Path | None = None, env: str | None = None) -> Written:
    """Build the site of a project; ``output`` is ``site/`` in the project if not given."""
    from etudes.gallery.collect import collect

    return build_site(collect(project, env), output or project / "site")


def build_site(entries: Sequence[Entry], output: Path) -> Written:
    """Write the site of these studies. It is built beside ``output`` and then put in its place.

    Raises:
        ValueError: ``output`` holds something that is no gallery; nothing is changed.
    """
    output = output.resolve()
    recover_folder(output)
    _check_output(output)
    entries = sorted(entries, key=lambda entry: (entry.study.title.casefold(), entry.study.name))
    with atomic_folder(output) as folder:
        pictures = {entry.study.name: _copy_picture(entry, folder) for entry in entries}
        _write(folder / "index.html", _index(entries, pictures))
        for index, entry in enumerate(entries):
            name = entry.study.name
            if entry.report is not None:
                page, script, text = shared(entry.report.path.read_text("utf-8"))
                _write(folder / "reports" / f"{name}.html", page)
                if script:
                    _write(folder / "reports" / script, text)
            neighbours = (entries[index - 1] if index else None, *entries[index + 1 : index + 2])
            _write(
                folder / "studies" / f"{name}.html", _study_page(entry, entries, pictures[name], neighbours)
            )
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return Written(
        output / "index.html",
        len(entries),
        sum(entry.record is not None for entry in entries),
        sum(entry.report is not None for entry in entries),
        size,
    )


def _check_output(output: Path) -> None:
    """Refuse to replace a folder that is no gallery."""
    if output.is_dir() and not any(output.iterdir()):
        return
    index = output / "index.html"
    if output.exists() and not (
        index.is_file() and f'content="{GENERATOR}' in index.read_text("utf-8", "replace")
    ):
        raise ValueError(f"{output} is there and is no gallery; give another folder, or an empty one")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _copy_picture(entry: Entry, folder: Path) -> Picture | None:
    """Put a picture into the site in two sizes; one that cannot be read is left out with a warning."""
    if entry.picture is None:
        return None
    from PIL import Image

    name = entry.study.name
    place = folder / "pictures"
    place.mkdir(exist_ok=True)
    try:
        with Image.open(entry.picture) as found:
            image = found.convert("RGBA")
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        logger.warning("%s: %s is no picture that can be read: %s", name, entry.picture, error)
        return None
    addresses = {}
    for kind, width in (("card", CARD_WIDTH), ("page", PAGE_WIDTH)):
        scaled = image
        if image.width > width:
            height = max(1, round(image.height * width / image.width))
            scaled = image.resize((width, height), Image.Resampling.LANCZOS)
        addresses[kind] = f"pictures/{name}_{kind}.webp"
        if scaled is image and entry.picture.suffix == ".webp":
            shutil.copyfile(entry.picture, folder / addresses[kind])  # packing it again would blur it
            continue
        stream = io.BytesIO()
        scaled.save(stream, "WEBP", quality=82)
        (folder / addresses[kind]).write_bytes(stream.getvalue())
    if entry.report is not None and entry.picture.parent == entry.report.path.parent:
        what = entry.picture.stem.replace("_", " ")
        source = f"The picture “{what}” of the report ({entry.report.environment})"
    else:
        source = "What the report of a run on the embedded sample shows first"
    alt = f"{entry.study.title}: {source[0].lower()}{source[1:]}"
    return Picture(addresses["card"], addresses["page"], scaled.width, scaled.height, alt, source)


def _index(entries: Sequence[Entry], pictures: dict[str, Picture | None]) -> str:
    counts = {field: sum(entry.study.field == field for entry in entries) for field in FIELDS}
    return _render(
        "index.html.j2",
        scripts=("page.js", "index.js"),
        cards=[_facts(entry, pictures[entry.study.name]) for entry in entries],
        fields={field: count for field, count in counts.items() if count},
        times=TIMES,
        recorded=sum(entry.record is not None for entry in entries),
    )


def _study_page(
    entry: Entry, entries: Sequence[Entry], picture: Picture | None, neighbours: Iterable[Entry | None]
) -> str:
    intro, parts = _readme_parts(entry, {other.study.name for other in entries})
    previous, following = [*neighbours, None][:2]
    return _render(
        "study.html.j2",
        scripts=("page.js",),
        card=_facts(entry, picture),
        entry=entry,
        intro=intro,
        parts=parts,
        missing=[title for title in NEEDED if title not in {part.title for part in parts}],
        # The report and the graph follow the results, or what comes first if there are none.
        after=max((i for i, part in enumerate(parts) if part.title in ("Run it", "Results")), default=-1),
        lineage=lineage.draw(entry.graph, entry.study) if entry.graph is not None else None,
        references=sorted(entry.study.references, key=lambda r: r.metric != entry.study.metric),
        previous=previous,
        following=following,
    )


def _readme_parts(entry: Entry, names: set[str]) -> tuple[Markup, list[Section]]:
    """The README's introduction and its titled sections."""

    def resolve(href: str) -> str | None:
        path = re.split(r"[?#]", href)[0]
        other = posixpath.normpath(posixpath.join(entry.study.name, path)).removesuffix("/README.md")
        return f"{other}.html" if other in names else None

    found = sections(entry.readme, resolve, OWN_ANCHORS)
    intro = Markup("").join(section.html for section in found if not section.title)
    return intro, [section for section in found if section.title]


def _facts(entry: Entry, picture: Picture | None) -> dict[str, Any]:
    """What a card says, as texts."""
    study, record, metric = entry.study, entry.record, entry.metric
    best = record.scores[entry.best] if record is not None and entry.best is not None else None
    baseline = record.scores.get(study.baseline) if record is not None else None
    words = (study.title, study.name, study.field, study.summary, study.metric, metric.text, *study.data)
    return {
        "study": study,
        "metric": metric,
        "record": record,
        "best_name": entry.best,
        "best": "" if best is None else metric.format(best.mean),
        "interval": ""
        if best is None or best.low is None or best.high is None
        else f"[{metric.format(best.low)}, {metric.format(best.high)}]",
        "choice": "chosen on dev"
        if record is not None and entry.best == record.chosen
        else "best on test (the choice on dev is not recorded)",
        "baseline": "" if baseline is None else metric.format(baseline.mean),
        "direction": "higher is better" if study.maximise else "lower is better",
        "reference": entry.reference,
        "reference_text": "" if entry.reference is None else metric.format(entry.reference.value),
        "compared": entry.compared if entry.compared != entry.best else None,
        "gap": "" if entry.gap is None else signed(entry.gap, metric),
        "gap_key": "" if entry.relative_gap is None else f"{entry.relative_gap:.6f}",
        "ahead": entry.gap is not None and entry.gap > 0,
        "seconds": "" if record is None else f"{record.seconds:.0f}",
        "picture": picture,
        "drawing": None if picture else _drawing(entry),
        "search": " ".join([*words, *study.variants, *(r.name for r in study.references)]),
        "headline": entry.headline,
    }


def _drawing(entry: Entry) -> dict[str, Any]:
    if entry.record is None:
        return {"kind": "shape", **drawing.shape(entry)}
    return {"kind": "scores", **drawing.score_plot(entry)}


def _render(template: str, scripts: Sequence[str], **values: Any) -> str:
    style = "\n".join([(REPORT_TEMPLATES / "report.css").read_text("utf-8"), _asset("gallery.css")])
    first = [(REPORT_TEMPLATES / "theme.js").read_text("utf-8").strip(), _asset("broken.js")]
    last = [_asset(name) for name in scripts]
    return (
        _environment()
        .get_template(template)
        .render(
            policy=_policy([*first, *last], style),
            style=Markup(style),
            first=[Markup(text) for text in first],
            scripts=[Markup(text) for text in last],
            generator=f"{GENERATOR} {__version__}",
            version=__version__,
            **values,
        )
    )


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,  # the extension .j2 would switch it off
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _asset(name: str) -> str:
    return (TEMPLATES / name).read_text("utf-8").strip()


def _policy(scripts: Sequence[str], style: str) -> str:
    """Content security policy: no network, no script or style but ours; pictures and frames from beside the page."""

    def digest(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    # `file:` is for a page that is itself opened from a file: to a page from a server it allows nothing.
    return (
        f"default-src 'none'; script-src {' '.join(map(digest, scripts))}; style-src {digest(style)};"
        " img-src 'self' file: data:; frame-src 'self' file:; base-uri 'none'; form-action 'none'"
    )
