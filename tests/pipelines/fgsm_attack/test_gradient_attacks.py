"""What dev chooses, what is scored, and what is told of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from attack_toys import Brightness, StubVictims, photos, untrained_victims
from etudes.benches import attack_pages
from etudes.benches.attacks import answers
from etudes.benches.boards import Board, gains_table
from etudes.examples import Examples
from etudes.pipelines.fgsm_attack import evaluation as scoring
from etudes.pipelines.fgsm_attack import report
from etudes.pipelines.fgsm_attack.model import Attack, kinds, train
from etudes.pipelines.fgsm_attack.parameters import Parameters
from etudes.vision.victims import Victims
from study_settings import run_parameters, settings_of

settings = settings_of("fgsm_attack", Parameters)
HOW = settings("evaluation")
RADII = settings("pictures_board", levels=[4, 40], main=40)


def known(count: int = 12) -> tuple[Examples, Victims]:
    """Pictures labelled by what the untrained network answers to them, but for the first, which it gets wrong."""
    examples, victims = photos(count), untrained_victims("cnn")
    labels = answers(victims.view("cnn"), examples["pixels"], 0, count).predicted
    labels[0] = (labels[0] + 1) % 4
    return Examples(examples.rows.assign(label=labels), examples.arrays), victims


def attack(variant: str = "ifgsm", place: int = 0) -> Attack:
    return Attack(kinds(variant, settings("attack", steps=5, many_steps=[0.5, 1.0]))[place], 40, 0)


@pytest.fixture
def board() -> Board:
    examples, victims = known()
    return Board("pictures", examples, victims, 0.95, 5, "cpu")


def test_variants_are_one_loop_with_other_settings() -> None:
    group = settings("attack", steps=7, one_step=[1.0], many_steps=[0.2])
    found = {name: kinds(name, group)[0] for name in ("noise", "fgsm", "ifgsm", "mifgsm", "pgd")}
    assert [how.steps for how in found.values()] == [0, 1, 7, 7, 7]
    assert [how.start for how in found.values()] == ["corner", "picture", "picture", "picture", "uniform"]
    assert [how.momentum for how in found.values()] == [0, 0, 0, 1, 0]
    assert all(how.rounded and how.norm == "linf" for how in found.values())


def test_dev_keeps_the_step_that_turns_most_of_what_the_victim_knows() -> None:
    examples, victims = known(24)
    group = settings("attack", steps=2, many_steps=[0.01, 0.5])
    model, history = train(examples, victims, group, RADII, RADII, run_parameters(), variant="ifgsm")
    tried = {row["step"]: row["success"] for row in history["trials"]}
    assert tried[0.5] > tried[0.01] and model.how.step == 0.5 and history["dev"]["success"] == tried[0.5]
    labels = examples.rows["label"].to_numpy()
    moved = model.attacked(victims.view("cnn"), examples["pixels"][1:], labels[1:])
    turned = answers(victims.view("cnn"), moved, 0, 24).predicted != labels[1:]
    assert turned.mean() == pytest.approx(tried[0.5], abs=1 / 23), (
        "the first, a mistake as it is, does not count"
    )


def test_a_victim_that_knows_nothing_is_refused() -> None:
    examples, victims = known()
    wrong = Examples(examples.rows.assign(label=(examples.rows["label"] + 1) % 4), examples.arrays)
    wrong.rows.loc[0, "label"] = (wrong.rows["label"][0] + 1) % 4
    with pytest.raises(ValueError, match="answers none of 12 dev pictures rightly"):
        train(wrong, victims, settings("attack"), RADII, RADII, run_parameters(), variant="fgsm")
    with pytest.raises(ValueError, match="answers none of 12 pictures rightly"):
        Board("pictures", wrong, victims, 0.95, 5, "cpu")


def test_mistakes_are_left_alone_and_counted_apart(board: Board) -> None:
    pictures = board.moved(attack(), 40)
    assert np.array_equal(pictures[0], board.pixels[0]) and not board.right[0] and board.right[1:].all()
    after, plain = board.after(pictures), board.answers(pictures)
    assert np.array_equal(after.predicted, plain.predicted) and np.allclose(
        after.confidence, plain.confidence
    )
    found = board.scores(pictures, after)
    turned = plain.predicted[1:] != board.labels[1:]
    assert turned.any()
    assert found["success"] == turned.mean() and found["fooled"] == (turned.sum() + 1) / 12
    assert found["success.low"] < found["success"] and found["linf"] <= 40


def test_full_strength_goes_on_and_stays_in_the_ball(board: Board) -> None:
    everything = np.ones(12, dtype=bool)
    early, full = board.moved(attack(), 40), board.moved(attack(), 40, among=everything, full=True)
    change = np.abs(full.astype(int) - board.pixels).max((1, 2, 3))
    assert (change == 40).all(), "the mistake is moved too"

    def of_class(pictures: np.ndarray) -> np.ndarray:
        return board.answers(pictures).of_target

    assert (of_class(full)[1:] <= of_class(early)[1:] + 1e-6).all()


def test_targets_are_reached_among_known_pictures(board: Board) -> None:
    rows = pd.DataFrame(scoring.targets({"ifgsm": attack()}, board, 40))
    assert rows["target"].tolist() == ["random", "least likely"] and set(rows["levels"]) == {40}
    wanted = (board.labels + 1) % 4
    moved = board.moved(attack(), 40, classes=wanted)
    before, after = (answers(board.view, some, wanted, 12).of_target for some in (board.pixels, moved))
    assert (after[1:] >= before[1:]).all() and (after[1:] > before[1:]).any()


class Mirror(nn.Module):
    """Answers as `Brightness`, of which it sees the bottom row."""

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return Brightness()(pictures.flip(2))


class Deaf(nn.Module):
    """Always answers class 0; its gradient is nothing."""

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return torch.tensor([[1.0, 0.0]]) + 0 * pictures.mean((1, 2, 3))[:, None]


def test_transfer_counts_what_the_shown_network_knows() -> None:
    pixels = np.full((6, 16, 16, 3), 90, dtype=np.uint8)
    pixels[:2] = 160
    rows = pd.DataFrame({"id": list("abcdef"), "label": np.array([1, 1, 0, 0, 0, 0]), "name": "x"})
    victims: Any = StubVictims(top=Brightness(), bottom=Mirror(), deaf=Deaf())
    board = Board("pictures", Examples(rows, {"pixels": pixels}), victims, 0.95, 5, "cpu")
    model = Attack(kinds("fgsm", settings("attack"))[0], 40, 0)
    table, elsewhere = scoring.transfers({"fgsm": model}, board, 60)
    cells = table.set_index(["made_on", "scored_on"])["success"]
    assert cells["top", "top"] == 1 and cells["bottom", "bottom"] == 1
    assert cells["top", "bottom"] == 0 and cells["deaf", "top"] == 0
    assert cells["top", "deaf"] == 0, "of the four that this network knows"
    assert not elsewhere["fgsm"].any() and len(elsewhere["fgsm"]) == 6


def test_gains_are_paired_and_sure_only_where_all_rows_allow_it() -> None:
    clear, even = np.ones(50), np.tile([1.0, -1.0], 25)
    table = gains_table([("here", "pgd", "fgsm", clear), ("there", "pgd", "fgsm", even)], 0.95, 200)
    assert table["difference"].tolist() == [1, 0] and table["sure"].tolist() == [True, False]
    assert table["low"][1] < 0 < table["high"][1]
    assert attack_pages.answer(table) == "pgd over fgsm: here +1.000, there +0.000 (cannot tell)"
    assert "left the variants out" in attack_pages.answer(gains_table([], 0.95, 200))
    wrong = {("p", "fgsm"): np.array([True, False]), ("p", "ifgsm"): np.array([True, True])}
    ((first, second, values),) = scoring._pairs(wrong, "p")
    assert (first, second, values.tolist()) == ("ifgsm", "fgsm", [0.0, 1.0])


def test_defences_are_scored_behind_the_defence(board: Board) -> None:
    hardened = untrained_victims("cnn")
    rows = pd.DataFrame(scoring.defences(attack(), board, hardened, HOW)).set_index("defence")
    assert rows.loc["none", "accuracy"] == pytest.approx(11 / 12)
    aware = [name for name in rows.index if name.endswith("attack knows")]
    assert len(aware) == len(HOW.blur) + 2
    assert (rows["attacked_low"] <= rows["attacked_accuracy"]).all()
    alone, same = (rows.loc[f"cnn{which}, attack knows"] for which in (" alone", ", hardened"))
    assert alone.equals(same) and same["attacked_accuracy"] == rows.loc["none", "attacked_accuracy"], (
        "equal weights"
    )


def test_panels_amplify_the_change_to_the_whole_range(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Any] = []
    for module in (report, attack_pages):
        grid = lambda pictures, *rest, **more: shown.append((pictures, rest)) or b""  # noqa: E731
        monkeypatch.setattr(module, "image_grid", grid)
    found = scoring.samples(attack(), board, 4, {str(n): f"class{n}" for n in range(4)})
    assert set(found.rows["levels"]) == {4}
    rows = found.rows.assign(success=found.rows["known"])
    report.panels(Examples(rows, found.arrays), settings("evaluation", shown=2))
    report.failures(Examples(rows.assign(success=False), found.arrays), settings("evaluation", shown=24))
    (triplets, _), (kept, _) = shown
    change = triplets[2].astype(int) - triplets[0]
    assert len(triplets) == 6 and np.abs(triplets[1] - (127.5 + 127.5 * change / 4)).max() <= 0.5
    assert len(kept) == 11, "mistakes are no failures of the attack"
