"""Every attack on the test pictures and the photos: success by radius, on other networks, against defences, with a target."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import nn

from etudes.benches.attacks import blurred, compressed, log_probabilities, table
from etudes.benches.boards import Board, best_on_dev, gains_table
from etudes.examples import Examples
from etudes.pipelines.fgsm_attack.model import Attack
from etudes.pipelines.fgsm_attack.parameters import BoardParameters, EvaluationParameters
from etudes.training.fit import resolve_device
from etudes.training.parameters import RunParameters
from etudes.vision.bounded import GaussianBlur
from etudes.vision.victims import Victims

# What is claimed to be better than what: more steps than one, momentum than none, a random start than the picture.
CLAIMS = (("ifgsm", "fgsm"), ("mifgsm", "ifgsm"), ("pgd", "ifgsm"))


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
        metrics (flat, with Wilson intervals), predictions (a row for each variant and test picture or photo), the tables of curve,
        front, transfer, gains, defences, targets and networks, photos under the chosen attack, and what attacking costs.
    """
    how, device = evaluation, resolve_device(run.device)
    small, large = (
        Board(name, examples, victims, how.level, how.batch_size, device)
        for name, examples, victims in (
            ("pictures", test_split, networks_model),
            ("photos", photos_split, photo_networks_model),
        )
    )
    metrics: dict[str, float] = {}
    curve, predictions, costs, wrong = [], [], {}, {}
    for variant, model in models.items():
        for board, radii in ((small, pictures_board), (large, photos_board)):
            for levels in radii.levels:
                start = time.perf_counter()
                pictures = board.moved(model, levels)
                seconds = time.perf_counter() - start
                after = board.after(pictures)
                found = board.scores(pictures, after)
                curve.append({"data": board.name, "levels": levels, "variant": variant, **found})
                if levels != radii.main:
                    continue
                wrong[board.name, variant] = (after.predicted != board.labels)[board.right]
                metrics |= named(variant, found, "photo_" if board.name == "photos" else "")
                card = photos_split_card if board.name == "photos" else split_card
                told = board.told(after, card["names"])
                predictions.append(pd.DataFrame({"variant": variant, "data": board.name, **told}))
                if board.name == "pictures":
                    costs[variant] = {"pictures_per_second": round(board.right.sum() / seconds, 1)}
    transfer, elsewhere = transfers(models, small, how.transfer_levels)
    for variant, values in elsewhere.items():
        metrics |= small.share(f"{variant}.transfer_success", values)
    for board in (small, large):
        metrics[f"victim.{board.name}_accuracy"] = float(board.right.mean())
    gains = [
        *((board.name, *claim) for board in (small, large) for claim in _pairs(wrong, board.name)),
        *(
            ("pictures, other networks", *claim)
            for claim in _pairs({("", k): v for k, v in elsewhere.items()}, "")
        ),
    ]
    best = best_on_dev(histories)
    aimed = {name: models[name] for name in ("fgsm", best) if name in models}
    return (
        metrics,
        pd.concat(predictions, ignore_index=True),
        table(curve),
        pd.DataFrame(curve).rename(columns={"fooled.low": "fooled_low", "fooled.high": "fooled_high"})[FRONT],
        transfer,
        gains_table(gains, how.level, how.resamples),
        table(defences(models[best], small, hardened_model, how)),
        table(
            row
            for board, levels in ((small, how.defence_levels), (large, photos_board.main))
            for row in targets(aimed, board, levels)
        ),
        table(row for board in (small, large) for row in board.networks()),
        samples(models[best], large, photos_board.levels[0], photos_split_card["names"]),
        costs,
    )


FRONT = ["data", "levels", "variant", "fooled", "fooled_low", "fooled_high", "linf", "l2", "ssim"]


def named(variant: str, found: Mapping[str, float], prefix: str) -> dict[str, float]:
    """Scores as flat metrics; of photos success and wrong answers alone."""
    wanted = ("success", "fooled") if prefix else ("success", "fooled", "linf", "ssim")
    return {f"{variant}.{prefix}{key}": value for key, value in found.items() if key.startswith(wanted)}


def transfers(
    models: Mapping[str, Attack], board: Board, levels: int
) -> tuple[pd.DataFrame, dict[str, NDArray[np.float64]]]:
    """Pictures moved against each network, shown to all of them, at full strength.

    Returns:
        Success among the pictures that the shown network knows, a row for each variant and pair of networks; and of each
        variant, for every picture (N,), the mean over ordered pairs of different networks of which the shown one knows it.
    """
    rows, elsewhere = [], {}
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


def defences(
    attack: Attack, board: Board, hardened: Victims, how: EvaluationParameters
) -> Iterator[dict[str, Any]]:
    """Accuracy on all test pictures as they are and attacked at full strength, behind each defence.

    Compression and blur stand before the victim. The attack does not know of them, but for the rows that say so: there the
    gradient goes through the blur. The network that was hardened is attacked with its own gradient, before and after.
    """
    everything, levels = np.ones(len(board.labels), dtype=bool), how.defence_levels

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
    for quality in how.jpeg:
        plain, under_attack = (board.correct(compressed(some, quality)) for some in (board.pixels, pictures))
        yield row(f"JPEG, quality {quality}", plain, under_attack)
    for sigma in how.blur:
        plain, under_attack = (
            board.correct(blurred(some, sigma, board.device)) for some in (board.pixels, pictures)
        )
        yield row(f"blur of {sigma:g} pixels", plain, under_attack)
        behind = nn.Sequential(GaussianBlur(sigma), board.view).eval()
        aware = board.moved(attack, levels, behind, among=everything, full=True)
        known = board.correct(blurred(aware, sigma, board.device))
        yield row(f"blur of {sigma:g} pixels, attack knows", plain, known)
    name = hardened.victim
    for called, view in (
        (f"{name} alone", board.victims.view(name)),
        (f"{name}, hardened", hardened.view(name)),
    ):
        own = board.moved(attack, levels, view, among=everything, full=True)
        yield row(f"{called}, attack knows", board.correct(board.pixels, view), board.correct(own, view))


def targets(models: Mapping[str, Attack], board: Board, levels: int) -> Iterator[dict[str, Any]]:
    """Success of reaching a target, of one step and the chosen variant: a random other class, and the one that the victim holds least likely."""
    least = log_probabilities(board.view, board.pixels, board.batch_size, board.device).argmin(1)
    classes = int(board.victims.card["classes"])
    shifts = np.random.default_rng(len(board.labels)).integers(1, classes, len(board.labels))
    for kind, wanted in (("random", (board.labels + shifts) % classes), ("least likely", least)):
        for variant, model in models.items():
            pictures = board.moved(model, levels, classes=wanted)
            reached = (board.after(pictures).predicted == wanted)[board.right]
            facts = {"data": board.name, "levels": levels, "target": kind, "variant": variant}
            yield facts | board.share("success", reached)


def samples(attack: Attack, board: Board, levels: int, names: Mapping[str, str]) -> Examples:
    """Photos before and after the chosen attack, at a radius where some withstand."""
    pictures = board.moved(attack, levels)
    rows = pd.DataFrame({"levels": levels, **board.told(board.after(pictures), names)})
    return Examples(rows, {"photos": board.pixels, "attacked": pictures})
