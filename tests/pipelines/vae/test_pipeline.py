"""The whole study from the command line, and what it says of bad input."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import Result
from PIL import Image

from digit_toys import PARTS, raw_files
from projects import kedro, make_project

pytestmark = pytest.mark.slow
SMALL = {"variants": ["pixels", "manifold"]}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a user's own files that ran once to its end, in seconds-size."""
    folder = make_project(tmp_path_factory.mktemp("vae") / "project")
    raw = folder / "raw"
    raw.mkdir()
    for part, file in raw_files(n_train=200, n_test=60).items():
        (raw / part).write_bytes(file.content)
    mine = folder / "conf" / "mine"
    (mine / "catalog").mkdir(parents=True)
    (mine / "parameters").mkdir()
    catalog = {
        f"vae.raw_{part}": {
            "type": "etudes.datasets.RawFileDataset",
            "source": None,
            "file": part,
            "raw": str(raw),
        }
        for part in PARTS
    }
    (mine / "catalog" / "vae.yml").write_text(yaml.safe_dump(catalog))
    seconds = yaml.safe_load((folder / "conf" / "test" / "parameters" / "vae.yml").read_text())
    seconds["vae"] |= SMALL
    (mine / "parameters" / "vae.yml").write_text(yaml.safe_dump(seconds))
    done = kedro(folder, "run", "--env=mine", "--pipelines=vae")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder


def outputs_of(project: Path) -> dict[str, str]:
    return {
        str(path.relative_to(project)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((project / "data").rglob("*"))
        if path.is_file()
    }


def test_own_files_give_metrics_a_page_and_a_predictor(project: Path) -> None:
    data = project / "data"
    metrics = json.loads((data / "07_model_output/mine/vae/metrics.json").read_text())
    assert {"pixels.elbo", "manifold.elbo", "manifold.fid"} <= set(metrics) and "mlp.elbo" not in metrics
    page = (data / "08_reporting/mine/vae/report.html").read_text()
    assert "conditional was left out of this run" in page and "These digits are an" not in page
    assert "embedded sample of drawn scenes" in page, "the photographs are still those of the sample"


def test_a_seed_draws_a_hundred_pictures(project: Path, predict: Callable[..., Result]) -> None:
    done = predict(project, "vae", "3", "--env=mine")
    assert done.exit_code == 0, done.output
    assert "100 pictures, 10 in a row" in done.stdout and "the judge reads" in done.stdout
    with Image.open(project / "asked" / "vae_3.png") as picture:
        assert picture.format == "PNG" and picture.width == picture.height


def test_exchanged_files_end_in_one_message_and_keep_earlier_outputs(project: Path) -> None:
    path, before = project / "raw" / "test_images", outputs_of(project)
    content = path.read_bytes()
    path.write_bytes((project / "raw" / "test_labels").read_bytes())
    try:
        done = kedro(project, "run", "--env=mine", "--pipelines=vae", "--params=run.track=false")
    finally:
        path.write_bytes(content)
    assert done.returncode == 1 and "Traceback" not in done.stdout + done.stderr
    assert sum(line.startswith("Error:") for line in done.stderr.splitlines()) == 1, done.stderr
    assert "Are the files of pictures and labels exchanged?" in " ".join(done.stderr.split()), done.stderr
    assert outputs_of(project) == before
