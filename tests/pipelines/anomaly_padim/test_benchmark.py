"""The benchmark against anomalib: what it says without anomalib, and that our contestant is the study's method."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from benchmarks import padim
from benchmarks.__main__ import BENCHMARKS

from etudes.models import save_model


def test_without_anomalib_the_row_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(padim.importlib.util, "find_spec", lambda name: None)
    rows = padim.padim_against_anomalib()
    assert len(rows) == 1 and rows[0].ok is None and "pip install -e .[bench]" in rows[0].ours
    assert BENCHMARKS["padim"] == ("benchmarks.padim", "padim_against_anomalib")


def test_times_are_the_best_and_memory_the_median_of_several_runs() -> None:
    runs = [{"fit": fit, "peak": peak} for fit, peak in ((3.0, 10.0), (2.0, 30.0), (4.0, 20.0))]
    assert padim.summary(runs) == {"fit": 2.0, "peak": 20.0}


def test_pictures_come_in_batches_as_often_as_asked() -> None:
    pixels = np.arange(11)
    found = list(padim.batches(pixels, 2))
    assert [len(batch) for batch in found] == [4, 4, 3, 4, 4, 3]
    assert np.concatenate(found).tolist() == [*range(11), *range(11)]


def test_our_contestant_is_the_method_of_the_study(fitted: Any, tmp_path: Path) -> None:
    from etudes.pipelines.anomaly_padim.gaussian import StreamingGaussian

    rows = (fitted.train.rows["category"] == "board").to_numpy()
    pixels = fitted.train["pixels"][rows]
    save_model(fitted.backbone, tmp_path / "backbone")
    for name, array in (
        ("train", pixels),
        ("test", fitted.test["pixels"]),
        ("masks", fitted.test["masks"]),
        ("defective", fitted.test.rows["defective"].to_numpy()),
    ):
        np.save(tmp_path / f"{name}.npy", array)
    found = padim.measured("ours", tmp_path, 1)
    assert found["fit"] >= found["gaussians"] > 0 and found["peak"] >= found["before"] > 0
    contestant = padim.Ours(fitted.backbone, 64)
    contestant.fit(pixels, 1)
    pool = padim.pool_of(fitted.backbone)
    vectors = torch.cat(list(fitted.backbone.embed(pixels, pool, 16, torch.device("cpu"))))
    whole = StreamingGaussian(vectors.shape[2] * vectors.shape[3], len(pool)).update(vectors).packed()
    np.testing.assert_allclose(
        contestant.gaussian.triangle, whole.gaussian(0.01).triangle, rtol=1e-3, atol=1e-4
    )
