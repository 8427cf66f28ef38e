"""The study as a user runs it: a whole run, bad input through the real command, and the real pictures."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from etudes.forms.raw import RawFolder
from etudes.serving.predictor import load_predictor
from projects import kedro, make_project

STUDY = "anomaly_padim"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, folder: RawFolder) -> Path:
    """A project that ran once on a user's own pictures, which are those of the sample, as files."""
    project = make_project(tmp_path_factory.mktemp("padim") / "project")
    for name in folder:
        path = project / "raw" / "parts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(folder.read(name).content)
    mine = project / "conf" / "mine"
    for part in ("catalog", "parameters"):
        (mine / part).mkdir(parents=True)
    catalog = {
        f"{STUDY}.raw_images": {
            "type": "etudes.datasets.RawFolderDataset",
            "source": None,
            "folder": "parts",
            "raw": str(project / "raw"),
        }
    }
    (mine / "catalog" / f"{STUDY}.yml").write_text(yaml.safe_dump(catalog))
    parameters = (project / "conf" / "test" / "parameters" / f"{STUDY}.yml").read_text()
    (mine / "parameters" / f"{STUDY}.yml").write_text(parameters)
    done = kedro(
        project, "run", "--env=mine", f"--pipelines={STUDY}", "--params=run.track=false,run.device=cpu"
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return project


def outputs_of(project: Path) -> dict[str, str]:
    return {
        str(path.relative_to(project)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((project / "data").rglob("*"))
        if path.is_file()
    }


def test_a_run_leaves_metrics_pictures_a_page_and_a_predictor(finished: Path, folder: RawFolder) -> None:
    data = finished / "data"
    metrics = json.loads((data / "07_model_output" / "mine" / STUDY / "metrics.json").read_text())
    assert {"padim.image_auroc", "random.pro_board", "mean_image.pixel_ap.low"} <= set(metrics)
    reporting = data / "08_reporting" / "mine" / STUDY
    page = (reporting / "report.html").read_text()
    assert "What it looks like" in page and page.count('src="data:image/png;base64') == 2
    assert (reporting / "gallery.png").read_bytes().startswith(b"\x89PNG")
    predictor = load_predictor(reporting / "predictor")
    answer = predictor.predict(
        predictor.parse(str(finished / "raw" / "parts" / "board/test/misplaced/000.png"))
    )
    assert answer["category"].tolist() == ["board"] and not predictor.card["embedded_sample"]
    card = json.loads((data / "06_models" / "mine" / STUDY / "statistics_history.json").read_text())
    assert card["images"] == {"fabric": 16, "board": 16}


def remove_mask(raw: Path) -> None:
    (raw / "board" / "ground_truth" / "spot" / "002_mask.png").unlink()


def truncate_picture(raw: Path) -> None:
    path = raw / "fabric" / "train" / "good" / "004.png"
    path.write_bytes(path.read_bytes()[:1000])


CASES: dict[str, tuple[Callable[[Path], None], tuple[str, ...]]] = {
    "missing mask": (remove_mask, ("board/test/spot/002.png has no mask", "ground_truth/spot/002_mask.png")),
    "truncated picture": (
        truncate_picture,
        ("fabric/train/good/004.png", "1,000 bytes", "Copy or fetch it again"),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_ends_in_one_message_and_keeps_earlier_outputs(finished: Path, case: str) -> None:
    spoil, parts = CASES[case]
    raw = finished / "raw" / "parts"
    files = {path: path.read_bytes() for path in raw.rglob("*.png")}
    before = outputs_of(finished)
    try:
        spoil(raw)
        done = kedro(finished, "run", "--env=mine", f"--pipelines={STUDY}", "--params=run.track=false")
    finally:
        for path, content in files.items():
            path.write_bytes(content)
    screen = done.stdout + done.stderr
    assert done.returncode == 1, screen[-3000:]
    assert "Traceback" not in screen
    assert sum(line.startswith("Error:") for line in done.stderr.splitlines()) == 1, done.stderr
    flat = " ".join(done.stderr.split())
    for part in parts:
        assert part in flat, f"{part!r} is not in: {flat}"
    assert outputs_of(finished) == before


@pytest.mark.real_data
def test_bottles_of_the_public_data_set_are_told_apart(
    settings: Callable[..., Any], run_settings: Any
) -> None:
    """The official test set with SqueezeNet: image AUROC at least 0.99, pixel AUROC at least 0.96."""
    from etudes.datasets.raw import RawFolderDataset
    from etudes.evaluation import roc_auc
    from etudes.pipelines.anomaly_padim import fitting, nodes
    from etudes.pipelines.anomaly_padim.backbone import Backbone
    from etudes.pipelines.anomaly_padim.detector import Detector, image_scores
    from etudes.vision.pretrained import NETWORKS, Pretrained

    raw = Path(os.environ.get("ETUDES_RAW", "/nonexistent"))
    network = NETWORKS["squeezenet1_1_caffe"]
    if not (raw / "mvtec_ad" / "bottle").is_dir() or not (raw / network.source / network.file).exists():
        pytest.skip("needs mvtec_ad and weights/squeezenet1_1 under ETUDES_RAW")
    images = settings("images", categories=["bottle"], resize=256, crop=224)
    gaussian = settings("gaussian", channels=100)
    pictures = RawFolderDataset(source="mvtec_ad", raw=str(raw), suffixes=[".png", ".jpg"], needs=["bottle"])
    train, test, _ = nodes.ingest(pictures.load(), images)
    backbone = Backbone.pretrained(Pretrained(raw), "squeezenet1_1_caffe")
    statistics, _ = fitting.fit_statistics(train, ["bottle"], backbone, gaussian, run_settings)
    gaussians = {"bottle": [statistics.categories["bottle"].gaussian(gaussian.epsilon)]}
    detector = Detector("network", statistics.channels, 224, 4.0, gaussians, {})
    maps = np.concatenate(
        [
            detector.maps(batch, "bottle")
            for batch in backbone.embed(test["pixels"], statistics.channels, 8, fitting.torch.device("cpu"))
        ]
    )
    assert roc_auc(image_scores(maps), test.rows["defective"].to_numpy()) >= 0.99
    assert roc_auc(maps.reshape(-1), test["masks"].reshape(-1)) >= 0.96
