"""Scores of attacks, by hand on a network whose answers are known."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from attack_toys import Blind, Brightness, StubVictims, photos, untrained_victims
from etudes.benches.attack_pages import turned, withstood
from etudes.benches.attack_predictor import AttackPredictor, PerturbationPredictor
from etudes.benches.attacks import (
    Bench,
    Pixels,
    answers,
    attacked,
    blurred,
    compressed,
    distances,
    rescaled,
    share_with_interval,
)
from etudes.examples import Examples
from etudes.forms.pictures import png_bytes, read_picture
from etudes.forms.raw import RawFile
from etudes.vision.parameters import StepsParameters

NAMES = {"0": "dark", "1": "bright"}


@pytest.fixture
def bench() -> Bench:
    """Dark photos, of which the first is taken for the target as it is."""
    pixels = np.random.default_rng(0).integers(0, 40, size=(6, 16, 16, 3), dtype=np.uint8)
    pixels[0, 0] = 255
    rows = pd.DataFrame(
        {"id": [f"{n}.png" for n in range(6)], "label": np.zeros(6, np.int64), "name": "dark"}
    )
    victims: Any = StubVictims(top=Brightness(), blind=Blind())
    return Bench(Examples(rows, {"pixels": pixels}), 1, NAMES, victims, 0.95, 4, "cpu")


def bright(pixels: Pixels, share: float = 1.0) -> Pixels:
    """Photos whose top row has this mean brightness."""
    patched = np.array(pixels)
    patched[:, 0] = 0
    patched[:, 0, : round(share * 16)] = 255
    return patched


def test_success_by_hand(bench: Bench) -> None:
    before = bench.answers(bench.pixels)
    found = [bench.answers(bright(bench.pixels, share)) for share in (1.0, 0.75, 0.25, 0.0)]
    assert [float(answer.success(1).mean()) for answer in found] == [1.0, 1.0, 0.0, 0.0]
    metrics = bench.score("random", found, before)
    assert metrics["random.success"] == 0.5 and metrics["random.confident_success"] == 0.5
    logits = 10 * (np.array([1.0, 0.75, 0.25, 0.0]) - 0.5)
    assert metrics["random.target_log_probability"] == pytest.approx(
        np.mean(-np.log1p(np.exp(-logits))), rel=1e-5
    )
    assert metrics["random.success.low"] < 0.5 < metrics["random.success.high"]


def test_success_where_the_network_was_right_leaves_its_mistakes_out(bench: Bench) -> None:
    before = bench.answers(bench.pixels)
    metrics = bench.score("none", [before], before)
    assert metrics["none.success"] == pytest.approx(1 / 6)
    assert metrics["none.right_success"] == 0.0, "the network took the first photo for the target before"
    table = bench.networks().set_index("network")
    assert table.loc["top", "accuracy"] == pytest.approx(5 / 6)
    assert table.loc["top", "already_target"] == pytest.approx(1 / 6)
    assert table["weights"].tolist() == ["weights of t", "weights of b"]


def test_predictions_tell_before_and_after(bench: Bench) -> None:
    found = [bench.answers(bright(bench.pixels)), bench.answers(bright(bench.pixels, 0))]
    table = bench.predictions("margin", found, bench.answers(bench.pixels))
    assert table["before"].tolist() == 2 * ["bright", *["dark"] * 5]
    assert table["predicted"].tolist() == ["bright"] * 6 + ["dark"] * 6
    assert (
        table["success"].tolist() == [True] * 6 + [False] * 6 and table["draw"].tolist() == [0] * 6 + [1] * 6
    )
    assert table["id"].tolist() == 2 * bench.photos.rows["id"].tolist() and set(table["truth"]) == {"dark"}


def test_attacks_transfer_to_the_network_that_looks_at_them_alone(bench: Bench) -> None:
    table = bench.transfer({"top": bright(bench.pixels), "blind": bright(bench.pixels, 0)})
    cells = table.set_index(["learned_on", "scored_on"])["success"]
    assert cells["top", "top"] == 1.0 and cells["top", "blind"] == 0.0
    assert cells["blind", "top"] == 0.0 and cells["blind", "blind"] == 0.0
    assert {"low", "high"} < set(table)


def test_pictures_show_what_was_turned_and_what_withstood(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Any] = []

    def grid(images: Any, captions: Any, columns: int, tile: int) -> bytes:
        shown.append((list(images), list(captions)))
        return b""

    monkeypatch.setattr("etudes.benches.attack_pages.image_grid", grid)
    attacked = bench.pixels.copy()
    attacked[[1, 4], 0] = 255
    rows = bench.predictions("v", [bench.answers(attacked)], bench.answers(bench.pixels))
    turned(bench.pixels, attacked, rows, 2)
    withstood(bench.pixels, attacked, rows, 2)
    (pairs, pair_captions), (failed, _) = shown
    expected = [bench.pixels[0], attacked[0], bench.pixels[4], attacked[4]]
    assert all(map(np.array_equal, pairs, expected)) and len(pairs) == 4
    assert pair_captions[2].startswith("dark") and pair_captions[3].startswith("bright")
    assert len(failed) == 2 and all(picture[0].mean() < 200 for picture in failed)
    turned(bench.pixels, attacked, rows[~rows["success"]].reset_index(drop=True), 2)
    assert shown[-1][1] == ["no photo was turned"]


def test_only_pictures_of_8_bits_are_scored() -> None:
    with pytest.raises(ValueError, match="round to 8 bits before scoring"):
        answers(Brightness(), np.zeros((2, 16, 16, 3)), 1, 2)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"expected \(N, H, W, 3\)"):
        answers(Brightness(), np.zeros((16, 16, 3), dtype=np.uint8), 1, 2)
    # 0.5 + 0.4/255 of brightness would be the target, but no picture file can hold it.
    rounded = np.full((1, 16, 16, 3), int(0.5 * 255 + 0.4), dtype=np.uint8)
    assert not answers(Brightness(), rounded, 1, 1).success(1).any()


def test_batches_change_no_answer(bench: Bench) -> None:
    one, all_at_once = (answers(Brightness(), bench.pixels, 1, size) for size in (1, 6))
    assert np.allclose(one.of_target, all_at_once.of_target)
    assert np.array_equal(one.predicted, all_at_once.predicted)


def test_every_photo_may_have_a_target_of_its_own(bench: Bench) -> None:
    targets = np.array([1, 0, 1, 0, 1, 0])
    found = answers(Brightness(), bench.pixels, targets, 4)
    apart = [answers(Brightness(), bench.pixels, target, 4).of_target for target in (0, 1)]
    assert np.array_equal(found.of_target, np.where(targets == 1, apart[1], apart[0]))
    assert found.success(targets).tolist() == [True, True, False, True, False, True]


STEPS = StepsParameters(
    norm="linf", steps=3, step=0.4, momentum=0, start="uniform", loss="lead", rounded=False, enough=None
)


def test_attacked_photos_are_8_bits_in_their_ball_however_they_are_batched() -> None:
    examples, view = photos(7), untrained_victims().view("cnn")
    pixels, labels = examples["pixels"], examples.rows["label"].to_numpy()
    found, again = (attacked(view, pixels, labels, 5, STEPS, 3, size) for size in (7, 2))
    assert found.dtype == np.uint8 and np.abs(found.astype(int) - pixels).max() == 5
    assert (found == again).mean() > 0.99, "gradients near zero may be rounded to either side"
    other = attacked(view, pixels, labels, 5, STEPS, 4, 7)
    assert not np.array_equal(found, other)
    radii = np.arange(7.0)
    moved = attacked(view, pixels, labels, radii, STEPS, 3, 3)
    assert (np.abs(moved.astype(int) - pixels).max((1, 2, 3)) <= radii).all()


def test_distances_by_hand() -> None:
    before = np.full((2, 12, 12, 3), 100, dtype=np.uint8)
    after = before.copy()
    after[1, 0, 0] = 151
    found = distances(before, after)
    assert found["linf"].tolist() == [0, 51]
    assert found["l2"].tolist() == pytest.approx([0, 0.2 * np.sqrt(3)])
    assert found["psnr"].tolist() == pytest.approx([np.inf, 10 * np.log10(12 * 12 / 0.04)])
    assert found["ssim"][0] == pytest.approx(1) and found["ssim"][1] < 1


def test_a_blur_keeps_what_is_even_and_smooths_the_rest() -> None:
    even = np.full((1, 16, 16, 3), 77, dtype=np.uint8)
    noise = np.random.default_rng(1).integers(0, 256, size=(1, 16, 16, 3), dtype=np.uint8)
    assert np.array_equal(blurred(even, 1.0), even)
    assert blurred(noise, 1.5).std() < blurred(noise, 0.5).std() < noise.std()


class Whitens:
    """An attack that paints the photo white, and notes which classes it was told to leave."""

    registered_name = "toy"

    def attacked(self, view: Any, photos: Pixels, classes: Any) -> Pixels:
        self.classes = classes.tolist()
        return np.full_like(photos, 255)


def test_a_perturbed_photo_is_answered_with_how_far_it_went(bench: Bench) -> None:
    victims, model = untrained_victims("cnn"), Whitens()
    parts = {"names": {str(n): f"class{n}" for n in range(4)}, "size": 16, "crop": 16}
    predictor = PerturbationPredictor(model, {}, networks=victims, **parts)
    picture = np.full((16, 16, 3), 100, dtype=np.uint8)
    answer = predictor.predict(pd.DataFrame({"image": [base64.b64encode(png_bytes(picture)).decode()]}))
    assert answer["linf"][0] == 155 and answer["l2"][0] == pytest.approx(155 / 255 * np.sqrt(768))
    assert answer["before"][0] == f"class{model.classes[0]}"
    assert answer["succeeded"][0] == (answer["before"][0] != answer["after"][0])
    assert "155 of 255 levels" in predictor.describe(answer)
    drawn = read_picture(RawFile("drawn.png", predictor.draw(answer)))
    assert (drawn == 255).all()


def test_a_share_of_no_photos_is_refused() -> None:
    with pytest.raises(ValueError, match="no photos"):
        share_with_interval("success", np.zeros((1, 0)), 0.95)


def test_stronger_compression_changes_more() -> None:
    noise = np.random.default_rng(1).integers(0, 256, size=(2, 16, 16, 3), dtype=np.uint8)

    def change(pictures: np.ndarray) -> float:
        return float(np.abs(pictures.astype(float) - noise).mean())

    assert change(compressed(noise, 95)) < change(compressed(noise, 50)) < change(compressed(noise, 10))
    assert change(rescaled(noise, 1.0)) == 0.0 < change(rescaled(noise, 0.5))


class WhiteTop:
    """An attack that paints the top row white."""

    registered_name = "toy"

    def __init__(self) -> None:
        self.card = {"target": 3}

    def attacked(self, pictures: Pixels) -> Pixels:
        return bright(pictures)


def test_a_users_photo_is_answered_before_and_after(tmp_path: Path) -> None:
    torch.manual_seed(0)
    names = {"0": "cat", "1": "dog", "2": "fish"}
    parts = {"networks": untrained_victims("cnn"), "names": names, "size": 20, "crop": 16}
    predictor = AttackPredictor(WhiteTop(), {"variant": "toy"}, **parts)
    content = png_bytes(np.random.default_rng(1).integers(0, 256, size=(30, 24, 3), dtype=np.uint8))
    (tmp_path / "photo.png").write_bytes(content)
    answer = predictor.predict(predictor.parse(str(tmp_path / "photo.png")))
    row = answer.iloc[0]
    assert row["before"] in {*names.values(), "class 3"}
    assert row["target_probability"] <= row["after_probability"] <= 1
    assert row["succeeded"] == (row["after"] == "class 3")
    attacked = read_picture(RawFile("answer", base64.b64decode(row["picture"])))
    assert np.array_equal(attacked, bright(read_picture(RawFile("photo", content), 20, 16)[None])[0])
    assert predictor.draw(answer) == base64.b64decode(row["picture"])
    before, after = predictor.describe(predictor.predict(predictor.example())).splitlines()
    assert before.startswith("without the attack: ") and after.startswith("with the attack:    ")
