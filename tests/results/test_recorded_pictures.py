"""The recorded pictures: small, of the embedded sample alone, one for every recorded study."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from etudes.reporting.style import new_figure
from etudes.results import pictures
from etudes.results.pictures import LARGEST, WIDTH, drawn, picture_path, record_picture, small
from etudes.study import study_names
from projects import ROOT

BROWSER = next(filter(None, map(shutil.which, pictures.BROWSERS)), None)


def png(shape: tuple[int, ...], seed: int = 0) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def outputs_of(project: Path, study: str, env: str = "base", embedded: bool = True) -> Path:
    """What a run of a study leaves, as far as its picture goes; the folder of its report."""
    cards, report = (project / "data" / layer / env / study for layer in ("02_intermediate", "08_reporting"))
    cards.mkdir(parents=True)
    report.mkdir(parents=True)
    (cards / "data_card.json").write_text(json.dumps({"embedded_sample": embedded}))
    return report


@pytest.fixture(autouse=True)
def usual_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ETUDES_OUTPUTS", raising=False)


@pytest.mark.parametrize("study", study_names())
def test_every_recorded_study_has_a_small_picture(study: str) -> None:
    path = picture_path(ROOT, study)
    assert path.is_file() == path.with_suffix(".json").is_file(), (
        f"kedro record {study} --picture makes {path}"
    )
    if path.is_file():
        assert path.stat().st_size <= LARGEST
        with Image.open(path) as image:
            assert image.format == "WEBP" and 100 <= image.width <= WIDTH


@pytest.mark.parametrize("shape", [(400, 300, 3), (500, 1600, 4), (6000, 400, 3)])
def test_any_picture_becomes_small_without_being_stretched(shape: tuple[int, ...]) -> None:
    packed = small(png(shape))  # noise, which no format makes small
    assert len(packed) <= LARGEST
    with Image.open(io.BytesIO(packed)) as image:
        assert image.width == min(WIDTH, shape[1])
        assert image.height <= shape[0] * image.width / shape[1] + 1


def test_the_first_image_of_the_page_is_recorded(tmp_path: Path) -> None:
    report = outputs_of(tmp_path, "gan_digits")
    for name, seed in (("failures", 1), ("samples", 2)):
        (report / f"{name}.png").write_bytes(png((40, 60, 3), seed))
    path = record_picture(tmp_path, "gan_digits", "base")
    assert path == tmp_path / "docs" / "results" / "gan_digits.webp"
    assert path.read_bytes() == small(png((40, 60, 3), 2))


def test_what_was_not_made_of_the_embedded_sample_is_never_kept(tmp_path: Path) -> None:
    report = outputs_of(tmp_path, "vae", "full")
    (report / "samples.png").write_bytes(png((40, 60, 3)))
    card = tmp_path / "data" / "02_intermediate" / "full" / "vae" / "photographs_data_card.json"
    card.write_text('{"embedded_sample": false}')  # one of several data sets is enough
    with pytest.raises(RuntimeError, match=r"may not be passed on; expected a run of it, --env=base"):
        record_picture(tmp_path, "vae", "full")
    with pytest.raises(RuntimeError, match=r"kedro run --pipelines=vae --env=base"):
        record_picture(tmp_path, "vae", "base")
    assert not picture_path(tmp_path, "vae").exists()


def test_a_figure_without_a_browser_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "BROWSERS", ("no-such-browser",))
    with pytest.raises(RuntimeError, match=r"no-such-browser.*install one"):
        drawn(new_figure("Nothing", 200).to_json())


@pytest.mark.browser
@pytest.mark.skipif(BROWSER is None, reason="needs a browser")
def test_a_figure_is_drawn_as_the_page_shows_it(tmp_path: Path) -> None:
    figure = new_figure("Two points", 260)
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="markers", marker={"color": "#ff0000", "size": 20})
    report = outputs_of(tmp_path, "genre_classification")
    (report / "scores.json").write_text(figure.to_json())
    with Image.open(record_picture(tmp_path, "genre_classification", "base")) as image:
        assert image.size == (WIDTH, 260)
        red, green, blue = (band.astype(int) for band in np.moveaxis(np.asarray(image.convert("RGB")), 2, 0))
    marked = (red > 200) & (green < 80) & (blue < 80)
    assert 400 < marked.sum() < 900, "two discs of 20 pixels"
    rows, columns = np.nonzero(marked)
    assert np.corrcoef(rows, columns)[0, 1] < -0.9, "the second is right of and above the first"
