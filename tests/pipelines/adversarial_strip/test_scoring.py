"""Scores of a strip, by hand on a network whose answers are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from etudes.pipelines.adversarial_strip.bench import Bench, score_robustness, score_transfer
from etudes.pipelines.adversarial_strip.scoring import (
    answers,
    compressed,
    disturbances,
    rescaled,
    share_with_interval,
    wilson,
)

from etudes.examples import Examples
from etudes.pipelines.adversarial_strip.strip import Strip, paste

CARD = {"target": 1, "names": {"0": "dark", "1": "bright"}}
WHITE = np.full((2, 16, 3), 255, dtype=np.uint8)
BLACK = np.zeros((2, 16, 3), dtype=np.uint8)


@pytest.fixture
def dark_photos() -> Examples:
    pixels = np.random.default_rng(0).integers(0, 40, size=(6, 16, 16, 3), dtype=np.uint8)
    pixels[0, 0] = 255  # this one is taken for the target as it is
    rows = pd.DataFrame(
        {
            "id": [f"{n}.png" for n in range(6)],
            "label": np.zeros(6, dtype=np.int64),
            "name": "dark",
            "related": [True, True, False, False, False, False],
        }
    )
    return Examples(rows, {"pixels": pixels})


@pytest.fixture
def bench(
    dark_photos: Examples,
    bright_networks: Any,
    settings: Callable[..., Any],
    run_settings: Callable[..., Any],
) -> Bench:
    return Bench(dark_photos, CARD, bright_networks, settings("evaluation"), run_settings())


def test_success_by_hand(bench: Bench) -> None:
    half = WHITE.copy()
    half[0, :4] = 0  # the mean of the top row is 0.75: still the target
    quarter = WHITE.copy()
    quarter[0, :12] = 0  # 0.25: not any more
    found = [bench.scored(strip) for strip in (WHITE, half, quarter, BLACK)]
    assert [float(answer.success(1).mean()) for answer in found] == [1.0, 1.0, 0.0, 0.0]
    metrics = bench.metrics("random", found)
    assert metrics["random.success"] == 0.5 and metrics["random.confident_success"] == 0.5
    logits = 10 * (np.array([1.0, 0.75, 0.25, 0.0]) - 0.5)
    expected = np.mean(-np.log1p(np.exp(-logits)))
    assert metrics["random.target_log_probability"] == pytest.approx(expected, rel=1e-5)
    assert metrics["random.success.low"] < 0.5 < metrics["random.success.high"]


def test_success_where_the_network_was_right_leaves_its_mistakes_out(bench: Bench) -> None:
    only_the_first = paste(bench.pixels, BLACK)
    only_the_first[0] = bench.pixels[0]
    found = [bench.answers(only_the_first)]
    metrics = bench.metrics("black", found)
    assert metrics["black.success"] == pytest.approx(1 / 6)
    assert metrics["black.right_success"] == 0.0, "the network took the first photo for the target before"
    assert bench.network("top")["accuracy"] == pytest.approx(5 / 6)
    assert bench.network("top")["already_target"] == pytest.approx(1 / 6)


def test_predictions_tell_before_and_after(bench: Bench) -> None:
    table = bench.predictions("margin", 0, bench.scored(WHITE))
    assert table["before"].tolist() == ["bright", *["dark"] * 5]
    assert table["predicted"].tolist() == ["bright"] * 6 and table["success"].all()
    assert (table["id"] == bench.photos.rows["id"]).all()


def test_groups_split_related_classes_from_others(bench: Bench) -> None:
    rows = bench.groups("related", [bench.scored(WHITE)])
    assert [(row["group"], row["photos"], row["success"]) for row in rows] == [
        ("related classes", 2, 1.0),
        ("other classes", 4, 1.0),
    ]


def test_a_strip_transfers_to_the_network_that_looks_at_it_alone(bench: Bench, bright_networks: Any) -> None:
    card = {"target": 1}
    strips = {"top": Strip(WHITE[None], card), "blind": Strip(BLACK[None], card)}
    table = score_transfer(strips, bench, bright_networks)
    cells = table.set_index(["learned_on", "scored_on"])["success"]
    assert cells["top", "top"] == 1.0 and cells["top", "blind"] == 0.0
    assert cells["blind", "top"] == 0.0 and cells["blind", "blind"] == 0.0


def test_a_strip_elsewhere_is_not_seen(bench: Bench, settings: Callable[..., Any]) -> None:
    table = score_robustness(WHITE, bench, settings("evaluation", shifts=[2], jpeg=[75], resize=[0.5]))
    success = table.set_index("disturbance")["success"]
    assert success["as learned"] == 1.0 and success["JPEG, quality 75"] == 1.0
    assert success["2 pixels lower"] == pytest.approx(1 / 6)
    assert success["at the bottom"] == pytest.approx(1 / 6)
    assert success["2 pixels to the right"] == 1.0


def test_disturbances_change_no_shape_and_stay_8_bits(
    dark_photos: Examples, settings: Callable[..., Any]
) -> None:
    strip = np.random.default_rng(1).integers(0, 256, size=(2, 16, 3), dtype=np.uint8)
    pixels = np.asarray(dark_photos["pixels"])
    parameters = settings("evaluation", jpeg=[90, 50], resize=[0.9, 2.0], shifts=[1, 15])
    names = []
    for name, patched in disturbances(pixels, strip, parameters):
        photos = patched()
        names.append(name)
        assert photos.shape == pixels.shape and photos.dtype == np.uint8
        assert name == "as learned" or not np.array_equal(photos, paste(pixels, strip)), name
    assert "15 pixels lower" not in names, "the strip would leave the photo"
    assert len(names) == len(set(names)) == 9


def test_stronger_compression_changes_more(dark_photos: Examples) -> None:
    noise = np.random.default_rng(1).integers(0, 256, size=(2, 16, 16, 3), dtype=np.uint8)

    def change(photos: np.ndarray) -> float:
        return float(np.abs(photos.astype(float) - noise).mean())

    assert change(compressed(noise, 95)) < change(compressed(noise, 50)) < change(compressed(noise, 10))
    assert change(rescaled(noise, 1.0)) == 0.0


def test_only_pictures_of_8_bits_are_scored(bright_networks: Any) -> None:
    view = bright_networks.view("top")
    with pytest.raises(ValueError, match="round to 8 bits before scoring"):
        answers(view, np.zeros((2, 16, 16, 3)), 1, 2)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"expected \(N, H, W, 3\)"):
        answers(view, np.zeros((16, 16, 3), dtype=np.uint8), 1, 2)


def test_a_success_that_rounding_takes_away_is_none(bright_networks: Any) -> None:
    """0.5 + 0.4/255 of brightness is the target, but no picture file can hold it."""
    level = 0.5 + 0.4 / 255
    rounded = np.full((1, 16, 16, 3), int(level * 255), dtype=np.uint8)
    assert level > 0.5 and not answers(bright_networks.view("top"), rounded, 1, 1).success(1).any()


def test_batches_change_no_answer(bench: Bench) -> None:
    view = bench.networks.view("top")
    one, all_at_once = (answers(view, bench.pixels, 1, size) for size in (1, 6))
    assert np.allclose(one.of_target, all_at_once.of_target)
    assert np.array_equal(one.predicted, all_at_once.predicted)


@pytest.mark.parametrize(("share", "count"), [(0.0, 20), (0.3, 20), (0.97, 300), (1.0, 300)])
def test_wilson_ends_solve_the_equation_that_defines_them(share: float, count: int) -> None:
    low, high = wilson(share, count, 0.95)
    assert 0 <= low <= share <= high <= 1 and high - low > 0.005
    for end in (low, high):
        z = 1.959964  # of a normal distribution, for 95 %
        assert abs(share - end) == pytest.approx(z * np.sqrt(end * (1 - end) / count), abs=1e-6)


def test_a_share_of_no_photos_is_refused() -> None:
    with pytest.raises(ValueError, match="no photos"):
        share_with_interval("success", np.zeros((1, 0)), 0.95)
