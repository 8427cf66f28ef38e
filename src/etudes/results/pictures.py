"""The picture of a study that a fresh clone has: ``docs/results/<study>.webp``, of a run on the embedded sample."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from etudes.atomic import atomic_file
from etudes.config import outputs_root
from etudes.reporting.document import Document
from etudes.study import load_study

if TYPE_CHECKING:
    from PIL import Image

LARGEST = 40_000  # bytes
WIDTH, HEIGHT = 720, 800  # pixels: twice the width of a card, and more than a page shows
QUALITIES = (85, 70, 55, 40, 25, 10)
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
SECONDS = 120.0


def picture_path(project: Path, study: str) -> Path:
    """Where the recorded picture of a study is."""
    return project / "docs" / "results" / f"{study}.webp"


def record_picture(project: Path, study: str, env: str) -> Path:
    """Make the recorded picture of a study from the outputs of its latest run: what its page shows first.

    Args:
        project: the project's folder.
        study: its name.
        env: environment of the run.

    Raises:
        RuntimeError: there was no such run, it was not on the embedded sample, whose pictures alone may be passed on, or
            there is no browser to draw a figure.
    """
    outputs = outputs_root(project)
    cards = sorted((outputs / "02_intermediate" / env / study).glob("*data_card.json"))
    name, _, kind = Document(load_study(study)).picture.rpartition("_")
    path = outputs / "08_reporting" / env / study / f"{name}.{'png' if kind == 'image' else 'json'}"
    if not cards or not path.is_file():
        raise RuntimeError(
            f"{path} is not there; run the study first: kedro run --pipelines={study} --env={env}"
        )
    if not all(json.loads(card.read_text(encoding="utf-8"))["embedded_sample"] for card in cards):
        raise RuntimeError(
            f"{path} shows other data than the embedded sample, which may not be passed on; expected a run of it, --env=base"
        )
    content = path.read_bytes() if kind == "image" else drawn(path.read_text(encoding="utf-8"))
    recorded = picture_path(project, study)
    with atomic_file(recorded) as temporary:
        temporary.write_bytes(small(content))
    return recorded


def small(content: bytes) -> bytes:
    """The upper part of a picture, on white, as WebP of at most `WIDTH` pixels across, `HEIGHT` down and `LARGEST` bytes: less
    sharp, then less high, until it is."""
    from PIL import Image

    with Image.open(io.BytesIO(content)) as found:
        drawing = found.convert("RGBA")
    # Noise in a transparency, which is packed without loss, would take minutes.
    image = Image.alpha_composite(Image.new("RGBA", drawing.size, "white"), drawing).convert("RGB")
    if image.width > WIDTH:
        image = image.resize(
            (WIDTH, max(1, round(image.height * WIDTH / image.width))), Image.Resampling.LANCZOS
        )
    image = image.crop((0, 0, image.width, min(image.height, HEIGHT)))
    while True:
        for quality in QUALITIES:
            if len(packed := _webp(image, quality)) <= LARGEST:
                return packed
        image = image.crop((0, 0, image.width, image.height * 3 // 4))


def _webp(image: Image.Image, quality: int) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "WEBP", quality=quality, method=6)
    return stream.getvalue()


def drawn(figure: str) -> bytes:
    """A plotly figure, given as JSON, as PNG: what a browser without a window shows.

    Raises:
        RuntimeError: there is no browser, or it draws nothing.
    """
    import plotly.io as pio

    from etudes.reporting.standalone import figure_page

    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise RuntimeError(
            f"A figure is drawn by a browser, and none of {', '.join(BROWSERS)} is there; install one (Debian: chromium)"
        )
    found = pio.from_json(figure)
    with tempfile.TemporaryDirectory() as temporary:
        page, picture = Path(temporary) / "figure.html", Path(temporary) / "figure.png"
        html = figure_page(found).replace("</style>", ".modebar { display: none }</style>", 1)
        page.write_text(html, encoding="utf-8")
        done = subprocess.run(
            [
                browser,
                *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),  # the page is ours
                f"--user-data-dir={temporary}/profile",
                f"--window-size={WIDTH},{found.layout.height or 450}",
                "--virtual-time-budget=20000",  # until all is drawn
                f"--screenshot={picture}",
                page.as_uri(),
            ],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        if done.returncode or not picture.is_file():
            raise RuntimeError(f"{browser} drew no figure: {done.stderr.strip()[-300:]}")
        return picture.read_bytes()
