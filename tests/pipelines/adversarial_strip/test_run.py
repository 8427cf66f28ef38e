"""The whole study through the real command; bad input ends in one message and loses nothing."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import Result
from PIL import Image

from etudes.samples.digits import raw_file
from projects import kedro, make_project

pytestmark = pytest.mark.slow
STUDY = "adversarial_strip"
Predict = Callable[..., Result]
LOOK = {
    "photos": {"size": 16, "crop": 16},
    "split": {"train": 40, "dev": 20, "test": 40},
    "networks": {"names": "mlp", "fit": {"epochs": 3, "batch_size": 32}},
    "attack": {"height": 0.2, "draws": 2, "learning": {"iterations": 10, "score_every": 5}},
    "sweep": {"heights": [0.2], "learning": {"iterations": 10, "score_every": 5}},
    "evaluation": {"jpeg": [75], "resize": [], "shifts": [1], "shown": 4},
}


def run_mine(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return kedro(project, "run", "--env=mine", f"--pipelines={STUDY}", "--params=run.track=false", *arguments)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a user's own folder of pictures that ran once to its end."""
    project = make_project(tmp_path_factory.mktemp("strip") / "project")
    raw = project / "raw" / "pictures"
    raw.mkdir(parents=True)
    sample = raw_file("pictures", n=250)
    for name in sample:
        (raw / name).write_bytes(sample.read(name).content)
    mine = project / "conf" / "mine"
    (mine / "catalog").mkdir(parents=True)
    (mine / "parameters").mkdir()
    catalog = {
        f"{STUDY}.raw_images": {
            "type": "etudes.datasets.RawFolderDataset",
            "source": None,
            "folder": "pictures",
            "raw": str(project / "raw"),
        }
    }
    (mine / "catalog" / f"{STUDY}.yml").write_text(yaml.safe_dump(catalog))
    (mine / "parameters" / f"{STUDY}.yml").write_text(yaml.safe_dump({STUDY: LOOK}))
    done = kedro(project, "run", "--env=mine", f"--pipelines={STUDY}")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return project


def outputs_of(project: Path) -> dict[str, str]:
    return {
        str(path.relative_to(project)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((project / "data").rglob("*"))
        if path.is_file()
    }


def read(project: Path, layer: str, name: str) -> object:
    return json.loads((project / "data" / layer / "mine" / STUDY / name).read_text())


def test_every_output_of_the_contract_is_written(own: Path) -> None:
    metrics = read(own, "07_model_output", "metrics.json")
    assert isinstance(metrics, dict)
    for variant in ("black", "random", "natural", "cross_entropy", "margin", "related"):
        low, value, high = (metrics[f"{variant}.success{end}"] for end in (".low", "", ".high"))
        assert 0 <= low <= value <= high <= 1
    assert "related.fitted_success" in metrics and "random.fitted_success" not in metrics
    assert "sweep.success_at_20_percent" in metrics
    split = read(own, "05_model_input", "split_card.json")
    assert isinstance(split, dict) and split["unit"] == "photos" and split["test_rows"] == 40
    reporting = own / "data" / "08_reporting" / "mine" / STUDY
    for name in ("strips", "gallery", "failures"):
        assert (reporting / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    page = (reporting / "report.html").read_text(encoding="utf-8")
    assert "embedded sample" not in page and "one network only" in page
    assert not list(own.rglob("*.tmp"))


def test_a_photo_is_answered_without_and_with_the_strip(own: Path, predict: Predict) -> None:
    photo = next((own / "raw" / "pictures").iterdir())
    done = predict(own, STUDY, str(photo), "--env=mine")
    assert done.exit_code == 0, done.output
    assert "without the strip:" in done.stdout and "with the strip:" in done.stdout
    path = own / "asked" / f"{STUDY}_{photo.stem.replace('_', '-')}.png"
    with Image.open(path) as patched:
        assert patched.size == (16, 16)


@pytest.mark.parametrize(
    ("content", "part"),
    [(None, "photo.png: no such file"), (b"no picture", "photo.png: no picture can be read")],
)
def test_what_is_no_photo_is_refused_by_name(
    own: Path, predict: Predict, tmp_path: Path, content: bytes | None, part: str
) -> None:
    if content is not None:
        (tmp_path / "photo.png").write_bytes(content)
    done = predict(own, STUDY, str(tmp_path / "photo.png"), "--env=mine")
    assert done.exit_code == 1 and part in " ".join(done.stderr.split()), done.output
    assert not (own / "asked" / f"{STUDY}_photo.png").exists()


def test_predictions_hold_each_held_out_photo_for_each_draw(own: Path) -> None:
    table = pd.read_parquet(own / "data" / "07_model_output" / "mine" / STUDY / "predictions.parquet")
    assert table.groupby(["variant", "draw"])["id"].nunique().unique().tolist() == [40]
    assert set(table.loc[table["variant"] == "random", "draw"]) == {0, 1}
    assert "three" not in set(table["truth"]), "photos of the target are not attacked"
    metrics = read(own, "07_model_output", "metrics.json")
    assert isinstance(metrics, dict)
    by_hand = table.groupby("variant")["success"].mean()
    for variant, share in by_hand.items():
        assert np.isclose(metrics[f"{variant}.success"], share)


def test_a_variant_that_is_left_out_changes_nothing_else(own: Path) -> None:
    before = read(own, "07_model_output", "metrics.json")
    assert isinstance(before, dict)
    path = own / "conf" / "mine" / "parameters" / f"{STUDY}.yml"
    text = path.read_text()
    path.write_text(yaml.safe_dump({STUDY: {**LOOK, "variants": ["black", "margin"]}}))
    try:
        done = run_mine(own)
    finally:
        path.write_text(text)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    few = read(own, "07_model_output", "metrics.json")
    assert isinstance(few, dict)
    kept = ("black", "margin", "sweep", "victim")
    assert few == {name: value for name, value in before.items() if name.split(".")[0] in kept}


@pytest.mark.parametrize("fault", ["undecodable", "stranger"])
def test_a_bad_folder_ends_in_one_message_and_keeps_earlier_outputs(own: Path, fault: str) -> None:
    raw = own / "raw" / "pictures"
    spoilt = raw / ("4_four_0004.png" if fault == "undecodable" else "holiday.png")
    content = spoilt.read_bytes() if spoilt.exists() else None
    before = outputs_of(own)
    spoilt.write_bytes(b"no picture" if content is None else content[:50])
    try:
        done = run_mine(own)
    finally:
        spoilt.unlink() if content is None else spoilt.write_bytes(content)
    screen = done.stdout + done.stderr
    assert done.returncode == 1 and "Traceback" not in screen, screen[-3000:]
    assert sum(line.startswith("Error:") for line in done.stderr.splitlines()) == 1
    expected = "no picture can be read" if fault == "undecodable" else "is not named as the others"
    assert spoilt.name in screen and expected in " ".join(screen.split())
    assert outputs_of(own) == before
