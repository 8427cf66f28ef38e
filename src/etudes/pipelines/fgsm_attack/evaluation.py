"""Every attack on the test pictures and the photos: success by radius, on other networks, against defences, with a target."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from etudes.benches.attacks import (
    Answers,
    Labels,
    Pixels,
    answers,
    attacked,
    blurred,
    class_names,
    compressed,
    distances,
    log_probabilities,
    share_with_interval,
    table,
)
from etudes.evaluation.paired import mean_intervals
from etudes.examples import Examples
from etudes.pipelines.fgsm_attack.model import Attack
from etudes.pipelines.fgsm_attack.parameters import BoardParameters, EvaluationParameters
from etudes.training.fit import resolve_device
from etudes.training.parameters import RunParameters
from etudes.vision.bounded import GaussianBlur
from etudes.vision.victims import Victims

# What is claimed to be better than what: more steps than one, momentum than none, a random start than the picture.
CLAIMS = (("ifgsm", "fgsm"), ("mifgsm", "ifgsm"), ("pgd", "ifgsm"))
Gain = tuple[str, str, str, NDArray[np.float64]]


@dataclass
class Board:
    """Pictures of one kind (columns ``id``, ``label``, ``name``; array ``pixels``) and the networks that see them.

    What the victim gets wrong as it is needs no attack: such pictures are left alone, and only ``fooled`` counts them.
    """

    name: str
    examples: Examples
    victims: Victims
    radii: BoardParameters
    how: EvaluationParameters
    device: torch.device | str

    def __post_init__(self) -> None:
        if not self.right.any():
            raise ValueError(
                f"{self.victims.victim} answers none of {len(self.labels)} {self.name} rightly, so there is nothing to attack; "
                "expected a network that knows them"
            )

    @cached_property
    def pixels(self) -> Pixels:
        return np.asarray(self.examples["pixels"])

    @cached_property
    def labels(self) -> Labels:
        return self.examples.rows["label"].to_numpy()

    @cached_property
    def view(self) -> nn.Module:
        return self.victims.view(self.victims.victim)

    @cached_property
    def before(self) -> Answers:
        return self.answers(self.pixels)

    @cached_property
    def right(self) -> NDArray[np.bool_]:
        """Which pictures (N,) the victim knows as they are."""
        return self.before.predicted == self.labels

    def answers(self, pictures: Pixels, view: nn.Module | None = None) -> Answers:
        return answers(view or self.view, pictures, self.labels, self.how.batch_size, self.device)

    def after(self, pictures: Pixels) -> Answers:
        """What the victim answers where only the pictures that it knew were moved: the others are not asked again."""
        known = answers(
            self.view, pictures[self.right], self.labels[self.right], self.how.batch_size, self.device
        )
        columns = {
            name: getattr(self.before, name).copy() for name in ("predicted", "confidence", "of_target")
        }
        for name, values in columns.items():
            values[self.right] = getattr(known, name)
        return Answers(**columns)

    def correct(self, pictures: Pixels, view: nn.Module | None = None) -> NDArray[np.bool_]:
        """Which pictures (N,) a network, else the victim, answers rightly."""
        return self.answers(pictures, view).predicted == self.labels

    def moved(
        self,
        attack: Attack,
        levels: int,
        view: nn.Module | None = None,
        classes: Labels | None = None,
        among: NDArray[np.bool_] | None = None,
        full: bool = False,
    ) -> Pixels:
        """All pictures, of which those ``among`` (else those that the victim knows) are moved.

        ``full`` strength goes on after a picture is turned; ``classes`` (N,) are targets.
        """
        among = self.right if among is None else among
        how = attack.how.model_copy(update={"enough": None}) if full else attack.how
        wanted, result = (self.labels if classes is None else classes)[among], self.pixels.copy()
        settings = (levels, how, attack.seed, self.how.batch_size, self.device)
        result[among] = attacked(
            view or self.view, self.pixels[among], wanted, *settings, targeted=classes is not None
        )
        return result

    def share(self, name: str, values: NDArray[Any]) -> dict[str, float]:
        return share_with_interval(name, values, self.how.level)

    def scores(self, pictures: Pixels, after: Answers) -> dict[str, float]:
        """``success`` among the pictures that the victim knew, ``fooled`` of all, and how far those were moved."""
        wrong, moved = (
            after.predicted != self.labels,
            distances(self.pixels[self.right], pictures[self.right]),
        )
        means = {name: float(moved[name].mean()) for name in ("linf", "l2", "ssim")}
        return self.share("success", wrong[self.right]) | self.share("fooled", wrong) | means


def evaluate(
    models: dict[str, Attack],
    histories: dict[str, Any],
    test_split: Examples,
    photos_split: Examples,
    split_card: dict[str, Any],
    photos_split_card: dict[str, Any],
    networks_model: Victims,
    photo_networks_model: Victims,
    hardened_model: Victims,
    pictures_board: BoardParameters,
    photos_board: BoardParameters,
    evaluation: EvaluationParameters,
    run: RunParameters,
) -> tuple[Any, ...]:
    """Score every attack on pictures and photos, which no other stage attacks; all are rounded to 8 bits first.

    Returns:
        metrics (flat, with Wilson intervals), predictions (a row for each variant and test picture), the tables of curve,
        front, transfer, gains, defences, targets and networks, photos under the chosen attack, and what attacking costs.
    """
    how, device = evaluation, resolve_device(run.device)
    boards = (
        Board("pictures", test_split, networks_model, pictures_board, how, device),
        Board("photos", photos_split, photo_networks_model, photos_board, how, device),
    )
    names = dict(zip(("pictures", "photos"), (split_card["names"], photos_split_card["names"]), strict=True))
    metrics: dict[str, float] = {}
    curve, predictions, costs, wrong = [], [], {}, {}
    for variant, model in models.items():
        for board in boards:
            for levels in board.radii.levels:
                start = time.perf_counter()
                pictures = board.moved(model, levels)
                seconds = time.perf_counter() - start
                after = board.after(pictures)
                found = board.scores(pictures, after)
                curve.append({"data": board.name, "levels": levels, "variant": variant, **found})
                if levels != board.radii.main:
                    continue
                wrong[board.name, variant] = (after.predicted != board.labels)[board.right]
                metrics |= named(variant, found, "photo_" if board.name == "photos" else "")
                if board.name == "pictures":
                    costs[variant] = {"pictures_per_second": round(board.right.sum() / seconds, 1)}
                    predictions.append(_predictions(board, variant, after, names["pictures"]))
    transfer, elsewhere = transfers(models, boards[0])
    for variant, values in elsewhere.items():
        metrics |= boards[0].share(f"{variant}.transfer_success", values)
    for board in boards:
        metrics[f"victim.{board.name}_accuracy"] = float(board.right.mean())
    gains = [
        *((board.name, *claim) for board in boards for claim in _pairs(wrong, board.name)),
        *(
            ("pictures, other networks", *claim)
            for claim in _pairs({("", k): v for k, v in elsewhere.items()}, "")
        ),
    ]
    best = best_on_dev(histories)
    aimed = dict.fromkeys(name for name in ("fgsm", best) if name in models)
    return (
        metrics,
        pd.concat(predictions, ignore_index=True),
        table(curve),
        pd.DataFrame(curve).rename(columns={"fooled.low": "fooled_low", "fooled.high": "fooled_high"})[FRONT],
        transfer,
        gains_table(gains, how),
        table(defences(models[best], boards[0], hardened_model)),
        table(row for board in boards for row in targets({name: models[name] for name in aimed}, board)),
        table(row for board in boards for row in networks(board)),
        samples(models[best], boards[1], names["photos"]),
        costs,
    )


FRONT = ["data", "levels", "variant", "fooled", "fooled_low", "fooled_high", "linf", "l2", "ssim"]


def best_on_dev(histories: Mapping[str, Any]) -> str:
    """The variant with the best success on dev, the first of equals."""
    return max(histories, key=lambda name: histories[name]["dev"]["success"])


def named(variant: str, found: Mapping[str, float], prefix: str) -> dict[str, float]:
    """Scores as flat metrics; of photos success and wrong answers alone."""
    wanted = ("success", "fooled") if prefix else ("success", "fooled", "linf", "ssim")
    return {f"{variant}.{prefix}{key}": value for key, value in found.items() if key.startswith(wanted)}


def _predictions(board: Board, variant: str, after: Answers, names: Mapping[str, str]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "variant": variant,
            "id": board.examples.rows["id"],
            "truth": class_names(names, board.labels),
            "before": class_names(names, board.before.predicted),
            "before_confidence": board.before.confidence,
            "predicted": class_names(names, after.predicted),
            "confidence": after.confidence,
            "success": board.right & (after.predicted != board.labels),
        }
    )


def transfers(
    models: Mapping[str, Attack], board: Board
) -> tuple[pd.DataFrame, dict[str, NDArray[np.float64]]]:
    """Pictures moved against each network, shown to all of them, at full strength.

    Returns:
        Success among the pictures that the shown network knows, a row for each variant and pair of networks; and of each
        variant, for every picture (N,), the mean over ordered pairs of different networks of which the shown one knows it.
    """
    levels, rows, elsewhere = board.how.transfer_levels, [], {}
    views = {name: board.victims.view(name) for name in board.victims.names}
    known = {name: board.correct(board.pixels, view) for name, view in views.items()}
    for variant, model in models.items():
        total, count = np.zeros(len(board.labels)), np.zeros(len(board.labels))
        for made_on, maker in views.items():
            pictures = board.moved(
                model, levels, maker, among=np.ones(len(board.labels), dtype=bool), full=True
            )
            for scored_on, view in views.items():
                wrong = ~board.correct(pictures, view)
                cell = {"variant": variant, "made_on": made_on, "scored_on": scored_on}
                if known[scored_on].any():
                    rows.append(cell | board.share("success", wrong[known[scored_on]]))
                if made_on != scored_on:
                    total += wrong & known[scored_on]
                    count += known[scored_on]
        if count.any():
            elsewhere[variant] = np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)
    seen = {name: values[~np.isnan(values)] for name, values in elsewhere.items()}
    return table(rows), seen


def _pairs(
    values: Mapping[tuple[str, str], NDArray[Any]], key: str
) -> Iterator[tuple[str, str, NDArray[np.float64]]]:
    for first, second in CLAIMS:
        if (key, first) in values and (key, second) in values:
            yield first, second, values[key, first].astype(np.float64) - values[key, second]


def gains_table(gains: list[Gain], how: EvaluationParameters) -> pd.DataFrame:
    """Paired differences of success, picture by picture, with bootstrap intervals over pictures; ``sure`` where an
    interval that counts all rows (Bonferroni) misses 0."""
    rows = []
    for data, first, second, values in gains:
        levels = (how.level, 1 - (1 - how.level) / len(gains))
        one, all_rows = (
            mean_intervals(pd.DataFrame({"d": values}), how.resamples, level).loc["d"] for level in levels
        )
        ends = {"difference": one["value"], "low": one["low"], "high": one["high"]}
        sure = bool(all_rows["low"] > 0 or all_rows["high"] < 0)
        rows.append({"shown_to": data, "variant": first, "against": second, **ends, "sure": sure})
    return pd.DataFrame(rows, columns=["shown_to", "variant", "against", "difference", "low", "high", "sure"])


def defences(attack: Attack, board: Board, hardened: Victims) -> Iterator[dict[str, Any]]:
    """Accuracy on all test pictures as they are and attacked at full strength, behind each defence.

    Compression and blur stand before the victim. The attack does not know of them, but for the rows that say so: there the
    gradient goes through the blur. Against the hardened network the attack is made anew, with its gradient.
    """
    everything, levels = np.ones(len(board.labels), dtype=bool), board.how.defence_levels

    def row(defence: str, plain: NDArray[np.bool_], under_attack: NDArray[np.bool_]) -> dict[str, Any]:
        found = board.share("attacked", under_attack)
        ends = {f"attacked_{end}": found[f"attacked.{end}"] for end in ("low", "high")}
        return (
            {"defence": defence}
            | board.share("accuracy", plain)
            | {"attacked_accuracy": found["attacked"]}
            | ends
        )

    pictures = board.moved(attack, levels, among=everything, full=True)
    yield row("none", board.right, board.correct(pictures))
    for quality in board.how.jpeg:
        plain, under_attack = (board.correct(compressed(some, quality)) for some in (board.pixels, pictures))
        yield row(f"JPEG, quality {quality}", plain, under_attack)
    for sigma in board.how.blur:
        plain, under_attack = (
            board.correct(blurred(some, sigma, board.device)) for some in (board.pixels, pictures)
        )
        yield row(f"blur of {sigma:g} pixels", plain, under_attack)
        behind = nn.Sequential(GaussianBlur(sigma), board.view).eval()
        aware = board.moved(attack, levels, behind, among=everything, full=True)
        known = board.correct(blurred(aware, sigma, board.device))
        yield row(f"blur of {sigma:g} pixels, attack knows", plain, known)
    view = hardened.view(hardened.victim)
    yield row(
        "adversarial training, attack on victim",
        board.correct(board.pixels, view),
        board.correct(pictures, view),
    )
    own = board.moved(attack, levels, view, among=everything, full=True)
    yield row(
        "adversarial training, attack knows", board.correct(board.pixels, view), board.correct(own, view)
    )


def targets(models: Mapping[str, Attack], board: Board) -> Iterator[dict[str, Any]]:
    """Success of reaching a target, of one step and the chosen variant: a random other class, and the one that the victim holds least likely."""
    levels = board.radii.main if board.name == "photos" else board.how.defence_levels
    least = log_probabilities(board.view, board.pixels, board.how.batch_size, board.device).argmin(1)
    classes = int(board.victims.card["classes"])
    shifts = np.random.default_rng(len(board.labels)).integers(1, classes, len(board.labels))
    for kind, wanted in (("random", (board.labels + shifts) % classes), ("least likely", least)):
        for variant, model in models.items():
            pictures = board.moved(model, levels, classes=wanted)
            reached = (board.after(pictures).predicted == wanted)[board.right]
            facts = {"data": board.name, "levels": levels, "target": kind, "variant": variant}
            yield facts | board.share("success", reached)


def networks(board: Board) -> Iterator[dict[str, Any]]:
    """How good each network is on the pictures as they are."""
    for name in board.victims.names:
        accuracy = board.share("accuracy", board.correct(board.pixels, board.victims.view(name)))
        yield {
            "data": board.name,
            "network": name,
            "weights": board.victims.fingerprint(name)[:12],
        } | accuracy


def samples(attack: Attack, board: Board, names: Mapping[str, str]) -> Examples:
    """Photos before and after the chosen attack at the smallest radius, where some withstand."""
    pictures = board.moved(attack, board.radii.levels[0])
    after, rows = board.after(pictures), board.examples.rows[["id"]].assign(levels=board.radii.levels[0])
    rows = rows.assign(
        truth=class_names(names, board.labels),
        before=class_names(names, board.before.predicted),
        before_confidence=board.before.confidence,
        predicted=class_names(names, after.predicted),
        confidence=after.confidence,
        known=board.right,
        success=board.right & (after.predicted != board.labels),
    )
    return Examples(rows, {"photos": board.pixels, "attacked": pictures})
