"""PaDiM's fit against anomalib's, with the same network, weights, channels and pictures.

``python -m benchmarks.padim CONTESTANT FOLDER COPIES`` fits one of them in a fresh process, on ``COPIES`` times the
training pictures in FOLDER, and prints one line of JSON. anomalib's is its public torch model, given the same network
in the same memory format and the same batches; nothing of it is replaced but the random choice of channels.
"""

# ruff: noqa: T201
from __future__ import annotations

import importlib.util
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.table import Row, at_most
from benchmarks.timing import ROOT, python

REPEATS = 3
COPIES = 4
CHANNELS, EPSILON, SIGMA, BATCH = 100, 0.01, 4.0, 4
NETWORK = "squeezenet1_1_caffe"
STAGES = ["stages.0", "stages.1", "stages.2"]
MIB = 2**20


def padim_against_anomalib() -> list[Row]:
    """Equal scores, time of the fit, peak memory, and what four times the pictures do to it."""
    if importlib.util.find_spec("anomalib") is None:
        return [Row("PaDiM against anomalib", "anomalib is not installed: pip install -e .[bench]")]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        what = prepare(folder)
        runs: dict[str, list[dict[str, float]]] = {"ours": [], "anomalib": []}
        for _ in range(REPEATS):
            for name, found in runs.items():
                found.append(contest(name, folder, 1))
        large = {name: summary([contest(name, folder, COPIES) for _ in range(REPEATS)]) for name in runs}
    ours, peer = (summary(found) for found in runs.values())
    rows = [_equal(metric, ours, peer, what) for metric in ("image_auroc", "pixel_auroc")]
    note = f"PaDiM fit, the network included (best of {REPEATS})"
    return [
        *rows,
        at_most(note, ours["fit"], peer["fit"], 0.5),
        _share("  of it: the Gaussians alone", ours["gaussians"], peer["gaussians"], "s"),
        at_most(f"peak memory of the process (median of {REPEATS})", ours["peak"], peer["peak"], 0.5, "MiB"),
        _share(
            "  the same before the fit: imports, network, pictures mapped",
            ours["before"],
            peer["before"],
            "MiB",
        ),
        _share(
            f"peak memory with {COPIES} times the pictures",
            large["ours"]["peak"],
            large["anomalib"]["peak"],
            "MiB",
        ),
        at_most(
            f"  ours with {COPIES} times the pictures against ours with one",
            large["ours"]["peak"],
            ours["peak"],
            1.05,
            "MiB",
        ),
    ]


def summary(runs: list[dict[str, float]]) -> dict[str, float]:
    """The best time of several runs, which the machine disturbed least, and the median of all else."""
    return {
        key: (min if key in ("fit", "gaussians") else median)(run[key] for run in runs) for key in runs[0]
    }


def _equal(metric: str, ours: dict[str, float], peer: dict[str, float], what: str) -> Row:
    gap = abs(ours[metric] - peer[metric])
    name = metric.replace("_", " ").replace("auroc", "AUROC")
    return Row(
        f"PaDiM, {name} on {what}",
        f"{ours[metric]:.4f}",
        f"{peer[metric]:.4f}",
        f"{gap:.4f}",
        "<= 0.005",
        gap <= 0.005,
    )


def _share(what: str, ours: float, peer: float, unit: str) -> Row:
    form = ",.0f" if unit == "MiB" else ".2f"
    return Row(what, f"{ours:{form}} {unit}", f"{peer:{form}} {unit}", f"{ours / peer:.2f}x")


def contest(name: str, folder: Path, copies: int) -> dict[str, float]:
    """One contestant in a fresh process."""
    printed = python("-m", "benchmarks.padim", name, str(folder), str(copies), folder=ROOT, timeout=900)
    return json.loads(printed.splitlines()[-1])


def prepare(folder: Path) -> str:
    """Write pictures and network; MVTec's bottles and SqueezeNet where they are, else the embedded sample.

    Returns:
        What the pictures and the network are.
    """
    from etudes.datasets.raw import RawFolderDataset
    from etudes.forms.raw import RawFolder
    from etudes.models import save_model
    from etudes.pipelines.anomaly_padim.backbone import Backbone
    from etudes.pipelines.anomaly_padim.images import ingest
    from etudes.pipelines.anomaly_padim.parameters import ImagesParameters
    from etudes.vision.pretrained import NETWORKS, Pretrained

    raw = Path(os.environ.get("ETUDES_RAW", "/nonexistent"))
    weights = raw / NETWORKS[NETWORK].source / NETWORKS[NETWORK].file
    if (raw / "mvtec_ad" / "bottle").is_dir() and weights.exists():
        what, category, sizes = "MVTec's bottle with SqueezeNet", "bottle", (256, 224)
        dataset = RawFolderDataset(
            source="mvtec_ad", raw=str(raw), suffixes=[".png", ".jpg"], needs=["bottle"]
        )
        pictures: RawFolder = dataset.load()
        backbone = Backbone.pretrained(Pretrained(raw), NETWORK)
    else:
        from etudes.samples.textures import raw_file

        what, category, sizes = "the embedded boards with the small network", "board", (96, 96)
        pictures = raw_file("images", size=96, train=200, good=28, defective=12, seed=7)
        backbone = _small_network()
    images = ImagesParameters(categories=[category], resize=sizes[0], crop=sizes[1])
    train, test, _ = ingest(pictures, images)
    save_model(backbone, folder / "backbone")
    np.save(folder / "train.npy", train["pixels"])
    np.save(folder / "test.npy", test["pixels"])
    np.save(folder / "masks.npy", test["masks"])
    np.save(folder / "defective.npy", test.rows["defective"].to_numpy())
    return what


def _small_network() -> Any:
    from etudes.config import EtudesConfigLoader
    from etudes.pipelines.anomaly_padim.backbone import train_backbone
    from etudes.pipelines.anomaly_padim.parameters import Parameters
    from etudes.settings import CONFIG_LOADER_ARGS
    from etudes.training.parameters import RunParameters

    arguments: dict[str, Any] = CONFIG_LOADER_ARGS
    values = EtudesConfigLoader(str(ROOT / "conf"), env="base", **arguments)["parameters"]
    run = RunParameters.model_validate({**values["run"], "device": "cpu"})
    return train_backbone(None, Parameters.model_validate(values["anomaly_padim"]).backbone, run)[0]


def pool_of(backbone: Any) -> np.ndarray:
    """The channels both contestants look at."""
    count = min(CHANNELS, backbone.channels)
    return np.sort(np.random.default_rng(0).permutation(backbone.channels)[:count])


def batches(pixels: np.ndarray, copies: int) -> Iterator[np.ndarray]:
    """The pictures, ``copies`` times over, in batches; read when they are asked for."""
    for _ in range(copies):
        for start in range(0, len(pixels), BATCH):
            yield pixels[start : start + BATCH]


class Ours:
    """`StreamingGaussian` and Cholesky factors."""

    def __init__(self, backbone: Any, size: int) -> None:
        from etudes.pipelines.anomaly_padim import gaussian

        self.backbone, self.size, self.pool = backbone, size, pool_of(backbone)
        self.module, self.seconds = gaussian, 0.0

    def fit(self, pixels: np.ndarray, copies: int) -> None:
        stream = None
        for batch in batches(pixels, copies):
            vectors = next(self._vectors(batch))
            start = time.perf_counter()
            if stream is None:
                stream = self.module.StreamingGaussian(vectors.shape[2] * vectors.shape[3], len(self.pool))
            stream.update(vectors)
            self.seconds += time.perf_counter() - start
        assert stream is not None
        start = time.perf_counter()
        statistics = stream.packed()
        del stream
        self.gaussian = statistics.gaussian(EPSILON)
        self.seconds += time.perf_counter() - start

    def maps(self, pixels: np.ndarray) -> np.ndarray:
        from etudes.pipelines.anomaly_padim.detector import Detector

        detector = Detector("network", self.pool, self.size, SIGMA, {"only": [self.gaussian]}, {})
        return np.concatenate([detector.maps(vectors, "only") for vectors in self._vectors(pixels)])

    def _vectors(self, pixels: np.ndarray) -> Iterator[Any]:
        import torch

        return self.backbone.embed(pixels, self.pool, BATCH, torch.device("cpu"))


class Anomalib:
    """anomalib's torch model of PaDiM, with the same network in the place of its own."""

    def __init__(self, backbone: Any, size: int) -> None:
        import torch
        from anomalib.models.image.padim.torch_model import PadimModel

        pool = pool_of(backbone)
        self.model = PadimModel(
            backbone=backbone.network, layers=STAGES, pre_trained=False, n_features=len(pool)
        )
        self.model.idx = torch.from_numpy(pool)
        self.seconds = 0.0

    def fit(self, pixels: np.ndarray, copies: int) -> None:
        self.model.train()
        self.model.feature_extractor.eval()
        for batch in batches(pixels, copies):
            self.model(self._pictures(batch))
        start = time.perf_counter()
        self.model.fit()
        self.seconds = time.perf_counter() - start

    def maps(self, pixels: np.ndarray) -> np.ndarray:
        import torch

        self.model.eval()
        with torch.inference_mode():
            found = [self.model(self._pictures(batch)).anomaly_map for batch in batches(pixels, 1)]
        return torch.cat(found)[:, 0].numpy()

    def _pictures(self, batch: np.ndarray) -> Any:
        import torch

        from etudes.vision.imagenet import normalised

        return normalised(batch).contiguous(memory_format=torch.channels_last)


def measured(name: str, folder: Path, copies: int) -> dict[str, float]:
    """Fit one contestant: seconds, resident MiB before, peak MiB while it fits, AUROC of the test pictures."""
    import psutil

    from etudes.benches.detectors import image_scores
    from etudes.evaluation import roc_auc
    from etudes.models import load_model
    from etudes.training.resources import measure

    train, test, masks, defective = (
        np.load(folder / f"{part}.npy", mmap_mode="r") for part in ("train", "test", "masks", "defective")
    )
    contestant = (Ours if name == "ours" else Anomalib)(load_model(folder / "backbone"), int(train.shape[1]))
    before = psutil.Process().memory_info().rss / MIB
    with measure() as resources:
        contestant.fit(train, copies)
    found = {
        "fit": resources.seconds,
        "gaussians": contestant.seconds,
        "before": before,
        "peak": resources.peak_memory_mib,
    }
    if copies == 1:
        maps = contestant.maps(test)
        found["image_auroc"] = roc_auc(image_scores(maps), np.asarray(defective))
        found["pixel_auroc"] = roc_auc(maps.reshape(-1), np.asarray(masks).reshape(-1))
    return found


if __name__ == "__main__":
    print(json.dumps(measured(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))))
