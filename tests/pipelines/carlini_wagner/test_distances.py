"""What dev chooses, what is scored at which distance, and what saving a picture undoes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from attack_toys import StubVictims, photos, untrained_victims
from etudes.benches.attack_splits import at_most
from etudes.benches.attacks import answers
from etudes.benches.boards import Board
from etudes.examples import Examples
from etudes.pipelines.carlini_wagner import evaluation as scoring
from etudes.pipelines.carlini_wagner import pictures, report
from etudes.pipelines.carlini_wagner.model import Deepfool, Margin, SmallestBall, kinds, predicted, train
from etudes.pipelines.carlini_wagner.parameters import AimParameters, Parameters
from etudes.vision.parameters import PhotoParameters
from etudes.vision.victims import Victims
from study_settings import run_parameters, settings_of

settings = settings_of("carlini_wagner", Parameters)
HOW = settings("evaluation", radii=[0.5, 2.0, 30.0], main=2.0, some=4)
VARIANTS = ("noise", "fgm", "pgd", "deepfool", "carlini_wagner", "carlini_wagner_8bit")


def groups(**margin: Any) -> tuple[Any, Any, Any]:
    return (
        settings("balls"),
        settings("fooling", steps=20),
        settings("margin", **{"constant": 10.0, **margin}),
    )


def known(count: int = 10) -> tuple[Examples, Victims]:
    """Pictures labelled by what the untrained network answers to them, but for the first, which it gets wrong."""
    examples, victims = photos(count), untrained_victims("cnn")
    labels = answers(victims.view("cnn"), examples["pixels"], 0, count).predicted
    labels[0] = (labels[0] + 1) % 4
    return Examples(examples.rows.assign(label=labels), examples.arrays), victims


@pytest.fixture
def board() -> Board:
    examples, victims = known()
    return Board("pictures", examples, victims, 0.95, 5, "cpu")


def model(variant: str) -> Any:
    return next(iter(kinds(variant, *groups(), 0).values()))


def test_variants_are_three_searches_and_their_settings() -> None:
    found = {name: model(name) for name in VARIANTS}
    assert [type(one) for one in found.values()] == [SmallestBall] * 3 + [Deepfool] + [Margin] * 2
    assert not found["carlini_wagner"].rounded and found["carlini_wagner_8bit"].rounded
    assert [found[name].how.steps for name in ("noise", "fgm")] == [0, 1]


def test_dev_keeps_the_setting_with_the_smallest_distance() -> None:
    examples, victims = known(16)
    arguments = (*groups(rates=[1e-5, 0.05]), HOW, run_parameters())
    chosen, history = train(examples, victims, *arguments, variant="carlini_wagner")
    tried = {row["setting"]: row["distance"] for row in history["trials"]}
    assert tried[0.05] < tried[1e-5] == pytest.approx(settings("balls").widest), (
        "what withstands counts the widest"
    )
    assert chosen.rate == 0.05 and set(history["dev"]) == {"success"}
    wrong = Examples(examples.rows.assign(label=(examples.rows["label"] + 1) % 4), examples.arrays)
    wrong.rows.loc[0, "label"] = (wrong.rows["label"][0] + 1) % 4
    with pytest.raises(ValueError, match="answers none of 16 dev pictures rightly"):
        train(wrong, victims, *arguments, variant="pgd")


class Bright(nn.Module):
    """Answers 1 where the mean intensity is above that of the level 100.4, which no even picture of 8 bits has."""

    def forward(self, some: Tensor) -> Tensor:
        above = 1000 * (some.mean((1, 2, 3)) - 100.4 / 255)
        return torch.stack([0 * above, above], 1)


def test_scores_tell_what_was_found_from_what_a_file_holds() -> None:
    pixels = np.full((3, 16, 16, 3), 100, dtype=np.uint8)
    rows = pd.DataFrame({"id": list("abc"), "label": np.zeros(3, np.int64), "name": "x"})
    victims: Any = StubVictims(bright=Bright())
    board = Board("pictures", Examples(rows, {"pixels": pixels}), victims, 0.95, 5, "cpu")
    moved = np.stack([np.full((16, 16, 3), level / 255, np.float32) for level in (100, 100.45, 101)])
    found = scoring.Found(board, moved, board.right, None)
    scores, length = found.scores(HOW), np.sqrt(768) / 255
    assert found.turned.tolist() == [False, True, True] and found.turned_saved.tolist() == [
        False,
        False,
        True,
    ]
    assert scores["turned"] == scores["success"] == pytest.approx(2 / 3)
    assert scores["rounded_success"] == pytest.approx(1 / 3)
    assert scores["l2"] == pytest.approx(length * (0.45 + 1) / 2, rel=1e-4)
    assert scores["linf"] == pytest.approx(0.725, rel=1e-4)
    assert scoring.share_within(found, 0.9 * length, 0.95)["success"] == pytest.approx(1 / 3)
    row = found.row(0.95)
    assert row["l2_rounded"] == pytest.approx(length) and row["rounded_low"] < row["rounded_success"]
    nothing = scoring.Found(board, moved[[0, 0, 0]], board.right, None)
    assert "l2" not in nothing.scores(HOW) and np.isnan(nothing.row(0.95)["l2"])


def test_mistakes_are_not_attacked(board: Board) -> None:
    found = scoring.Found.of(model("carlini_wagner"), board)
    assert len(found.moved) == 9 and found.turned.all()
    told = found.told("carlini_wagner", {str(n): f"class{n}" for n in range(4)})
    assert len(told) == 9 and "0_class0_0.png" not in set(told["id"])
    assert np.allclose(told["distance"], found.l2) and told["success"].tolist() == found.turned_saved.tolist()
    assert (told["success"] == (told["predicted"] != told["truth"])).all()


def test_the_search_for_saved_pictures_loses_none_by_saving(board: Board) -> None:
    found = scoring.Found.of(model("carlini_wagner_8bit"), board)
    assert (
        found.turned.all() and found.turned_saved.all() and np.allclose(found.l2, found.l2_saved, atol=1e-5)
    )


def test_equal_norm_gives_each_picture_the_radius_of_the_method(board: Board) -> None:
    models = {name: model(name) for name in VARIANTS}
    found = {name: scoring.Found.of(one, board) for name, one in models.items()}
    rows = {row["variant"]: row["success"] for row in scoring.equal_norm(models, found, board)}
    assert rows["carlini_wagner"] == 1 and set(rows) == set(VARIANTS) - {"carlini_wagner_8bit"}
    assert rows["noise"] == 0
    assert rows["deepfool"] == np.mean(
        found["deepfool"].turned & (found["deepfool"].l2 <= found["carlini_wagner"].l2)
    )
    radius = found["carlini_wagner"].l2
    inside = scoring.in_balls(models["pgd"], board, found["pgd"].before, board.labels[board.right], radius)
    assert (scoring.distance(found["pgd"].before, inside) <= radius + 1e-4).all()
    assert list(scoring.equal_norm({}, {}, board)) == []


def test_gains_are_of_pictures_that_both_turned(board: Board) -> None:
    found = {name: scoring.Found.of(model(name), board) for name in VARIANTS[2:]}
    found["deepfool"].turned[:4] = False
    rows = {row[2]: row for row in scoring.gains(found) if row[1] == "carlini_wagner"}
    assert len(rows["deepfool"][3]) == 5 and len(rows["pgd"][3]) == 9
    assert np.allclose(rows["pgd"][3], found["carlini_wagner"].l2 - found["pgd"].l2)
    saved = scoring.gains(found)[-1]
    assert saved[0] == "success after rounding" and (saved[3] >= 0).all()
    assert scoring.gains({}) == []


def test_more_confidence_costs_distance(board: Board) -> None:
    found = kinds("carlini_wagner_8bit", *groups(searches=5, steps=40), 0)
    models = {"pgd": model("pgd"), "carlini_wagner_8bit": next(iter(found.values()))}
    how = HOW.model_copy(update={"confidences": (0.2,)})
    rows = pd.DataFrame(scoring.confidence(models, board, how))
    assert set(rows["variant"]) == set(models) and set(rows["shown_to"]) == {"cnn"}
    cells = rows.set_index(["variant", "confidence"])
    assert cells.loc[("carlini_wagner_8bit", 0.2), "l2"] > cells.loc[("carlini_wagner_8bit", 0.0), "l2"]
    assert cells.loc[("carlini_wagner_8bit", 0.2), "success"] == 1
    # PGD has the same radius, and its pictures are rounded too.
    assert np.allclose(cells.loc["pgd", "l2"], cells.loc["carlini_wagner_8bit", "l2"], rtol=0.1)
    assert list(scoring.confidence({}, board, how)) == []


def test_farther_targets_need_longer_ways(board: Board) -> None:
    found = kinds("carlini_wagner", *groups(searches=6, steps=40), 0)
    rows = pd.DataFrame(scoring.targets({"carlini_wagner": next(iter(found.values()))}, board, HOW))
    ways = rows.set_index("target")["l2"]
    assert list(ways.index) == ["likeliest", "random", "least likely"]
    assert ways["likeliest"] < ways["least likely"]


def test_each_seed_has_test_pictures_of_its_own() -> None:
    parts = [set(at_most(photos(40), 10, 0, fold).rows["id"]) for fold in (0, 1, 2)]
    assert all(len(part) == 10 for part in parts) and not set.intersection(*parts[:2]) | parts[1] & parts[2]


def test_the_photo_that_is_shown_is_among_the_attacked_ones() -> None:
    group, size = settings("split", photos=4), PhotoParameters(size=16, crop=16)
    for seed in range(4):
        asked = group.model_copy(update={"seed": seed})
        aim = AimParameters(of="class2", to="class0")
        attacked, rest, card = pictures.split_photos(photos(40), asked, size, aim)
        assert "class2" in set(attacked.rows["name"]) and card["target"] == 0 and len(attacked) == 4
        assert len(rest) == 36
    with pytest.raises(ValueError, match="no photo of the class 'dodo'"):
        pictures.split_photos(photos(40), group, size, AimParameters(of="class2", to="dodo"))
    with pytest.raises(ValueError, match="expected two classes"):
        AimParameters(of="a", to="a")


def test_pictures_of_the_page(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Any] = []
    for module in ("etudes.pipelines.carlini_wagner.report", "etudes.benches.attack_pages"):
        monkeypatch.setattr(
            f"{module}.image_grid", lambda some, said, *_, **__: shown.append((some, said)) or b""
        )
    target = np.full(10, 2)
    found = scoring.Found.of(model("carlini_wagner_8bit"), board, target)
    samples = found.samples({str(n): f"class{n}" for n in range(4)})
    report.panels(samples, HOW)
    report.failures(samples, HOW)
    (triplets, _), (longest, said) = shown
    row = samples.rows[samples.rows["success"]].iloc[0]
    assert (samples.rows.loc[samples.rows["success"], "predicted"] == "class2").all()
    change = (triplets[2].astype(float) - triplets[0]) * 10
    assert np.abs(triplets[1] - (127.5 + change.clip(-127.5, 127.5))).max() <= 0.51
    assert f"{row['saved_distance']:.2f}" in "".join(said) and len(longest) == min(HOW.shown, len(samples))


def test_predicted_takes_bytes_and_intensities_alike() -> None:
    examples, victims = known()
    view, pixels = victims.view("cnn"), examples["pixels"]
    first, second = (predicted(view, some, 4, "cpu") for some in (pixels, pixels.astype(np.float32) / 255))
    assert np.array_equal(first, second) and len(first) == 10
