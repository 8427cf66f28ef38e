"""The bench for detectors: made maps with known scores, categories averaged, intervals around the values."""

from __future__ import annotations

import io
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from etudes.benches import detector_pages, detectors
from etudes.benches.detectors import ALL, HALF, METRICS
from etudes.evaluation.localisation import localisation_metrics
from etudes.examples import Examples

SETTINGS = SimpleNamespace(resamples=100, fpr_limit=0.3)
SIZE = 24


def made(category: str, noise: float, seed: int) -> tuple[Examples, np.ndarray]:
    """Twelve pictures, every second with a defect, and maps that show it through noise."""
    generator = np.random.default_rng(seed)
    masks = np.zeros((12, SIZE, SIZE), dtype=bool)
    masks[::2, 5:11, 8:15] = True
    rows = pd.DataFrame(
        {
            "id": [f"{category}/{number}" for number in range(12)],
            "category": category,
            "kind": ["spot", "good"] * 6,
            "defective": [True, False] * 6,
        }
    )
    pixels = np.full((12, SIZE, SIZE, 3), 100, dtype=np.uint8)
    return Examples(rows, {"masks": masks, "pixels": pixels}), masks + generator.normal(0, noise, masks.shape)


def joined() -> tuple[Examples, dict[str, np.ndarray]]:
    (first, easy), (second, hard) = made("cup", 0.1, 0), made("bolt", 2.0, 1)
    rows = pd.concat([first.rows, second.rows], ignore_index=True)
    arrays = {name: np.concatenate([first[name], second[name]]) for name in ("masks", "pixels")}
    return Examples(rows, arrays), {"cup": easy, "bolt": hard}


@pytest.fixture(scope="module")
def results() -> dict[tuple[str, str, str], detectors.Scored]:
    test, maps = joined()
    found = {}
    for category, heat in maps.items():
        truth = detectors.truth_of(category, test)
        found["sharp", category, HALF] = detectors.score([heat], truth, SETTINGS, category)
        noisy = [heat + np.random.default_rng(draw).normal(0, 1, heat.shape) for draw in range(3)]
        found["noisy", category, HALF] = detectors.score(noisy, truth, SETTINGS, category)
        found["sharp", category, ALL] = detectors.score([heat], truth, SETTINGS, category)
    return found


def test_scores_are_those_of_the_metrics_and_draws_are_averaged(
    results: dict[tuple[str, str, str], detectors.Scored],
) -> None:
    test, maps = joined()
    metrics = detectors.flat_metrics(results)
    _, masks = detectors.truth_of("bolt", test)
    for name, value in localisation_metrics(maps["bolt"], masks, SETTINGS.fpr_limit).items():
        assert metrics[f"sharp.{name}_bolt"] == value == metrics[f"sharp.{name}_bolt_all"]
    assert metrics["sharp.image_auroc_cup"] == metrics["sharp.pixel_auroc_cup"] == 1.0
    for metric in METRICS:
        own = results["noisy", "bolt", HALF]
        assert metrics[f"noisy.{metric}_bolt"] == pytest.approx(np.mean([d[metric] for d in own.draws]))
        parts = [metrics[f"noisy.{metric}_{category}"] for category in maps]
        assert metrics[f"noisy.{metric}"] == pytest.approx(np.mean(parts))
        assert metrics[f"noisy.{metric}.low"] <= metrics[f"noisy.{metric}.high"]
    assert not any(key.startswith("noisy.") and "_all" in key for key in metrics)
    table = detectors.category_table(results)
    row = table[(table["variant"] == "sharp") & (table["images"] == ALL) & (table["metric"] == "pro")].iloc[1]
    assert (row["category"], row["number"], row["value"]) == ("bolt", 12, metrics["sharp.pro_bolt_all"])
    assert detector_pages.on_half(table).shape == (4, 8) and detector_pages.on_all(table).shape == (2, 8)


def test_differences_are_first_minus_second_of_pairs_that_ran_on_the_same_resamples(
    results: dict[tuple[str, str, str], detectors.Scored],
) -> None:
    pairs = [("sharp", "noisy"), ("sharp", "sharp"), ("sharp", "absent")]
    table = detectors.difference_table(results, pairs).set_index(["second", "metric"])
    metrics = detectors.flat_metrics(results)
    assert set(table.index.get_level_values("second")) == {"noisy", "sharp"}
    for metric in detectors.METRICS:
        row = table.loc[("noisy", metric)]
        assert row["difference"] == pytest.approx(metrics[f"sharp.{metric}"] - metrics[f"noisy.{metric}"])
        assert row["low"] <= row["difference"] <= row["high"]
        alike = table.loc[("sharp", metric), ["difference", "low", "high"]]
        assert alike.eq(0).all(), "what both share cancels resample by resample"


def test_a_resample_draws_pictures_of_its_category_alone() -> None:
    """Pictures that are all alike have no spread; those of which one differs have."""
    test, heat = made("cup", 0.0, 0)
    truth = detectors.truth_of("cup", test)
    assert np.ptp(detectors.score([heat], truth, SETTINGS, "cup").resampled["pixel_auroc"]) == 0
    heat[0] = 0
    assert np.ptp(detectors.score([heat], truth, SETTINGS, "cup").resampled["pixel_auroc"]) > 0.01


def test_dev_scores_are_means_over_draws_then_categories() -> None:
    scores = {"a": [{"x": 0.2}, {"x": 0.4}], "b": [{"x": 0.9}]}
    assert detectors.on_dev(scores)["dev"]["x"] == pytest.approx(0.6)


def test_predictions_and_maps_tell_the_same_story_on_the_page() -> None:
    test, maps = joined()
    tables = [detectors.prediction_rows("sharp", test, name, heat, 0.7) for name, heat in maps.items()]
    predictions = pd.concat(tables, ignore_index=True)
    assert (predictions["anomalous"] == (predictions["score"] > 0.7)).all()
    samples = detectors.map_samples(test, predictions, maps)
    largest = samples["maps"].astype(float).max((1, 2))
    np.testing.assert_allclose(largest, samples.rows["score"], rtol=2e-3)
    assert samples.rows["defective"].tolist() == test.rows["defective"].tolist()
    said = detector_pages.verdicts(samples)
    alarms = int((predictions["anomalous"] & ~predictions["truth"]).sum())
    assert f"calls {alarms} of 12 good ones" in said and "misses 0 of 12" in said
    sizes = [
        Image.open(io.BytesIO(picture(test, samples))).size
        for picture in (detector_pages.gallery, detector_pages.failures)
    ]
    assert sizes[0][0] == sizes[1][0] and sizes[0][1] * 6 == sizes[1][1] * 4, "four kinds, six failures"


def test_parts_have_the_speed_of_all_their_pictures() -> None:
    speeds = detectors.Speeds()
    for _ in range(2):
        with speeds.of("network", 50):
            sum(range(10_000))
    assert speeds.spent["network"][1] == 100
    assert speeds.card()["network"]["pictures_per_second"] > 0
