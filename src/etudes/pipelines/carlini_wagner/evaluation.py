"""Every attack on the test pictures and the photos: how near, what rounding costs, who else is fooled, with a target."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from etudes.benches.attacks import Labels, Pixels, attacked, log_probabilities, table
from etudes.benches.boards import Board, Gain, best_on_dev, gains_table
from etudes.examples import Examples
from etudes.pipelines.carlini_wagner.model import (
    Floats,
    Margin,
    Nearest,
    SmallestBall,
    distance,
    predicted,
    steps,
)
from etudes.pipelines.carlini_wagner.parameters import EvaluationParameters
from etudes.training.fit import resolve_device
from etudes.training.parameters import RunParameters
from etudes.vision.victims import Victims, to_uint8

SHARE = ("variant", "success", "low", "high")
METHOD, SAVED = "carlini_wagner", "carlini_wagner_8bit"


def evaluate(
    models: dict[str, Nearest],
    histories: dict[str, Any],
    test_split: Examples,
    photos_split: Examples,
    split_card: dict[str, Any],
    photos_split_card: dict[str, Any],
    networks_model: Victims,
    photo_networks_model: Victims,
    evaluation: EvaluationParameters,
    run: RunParameters,
) -> tuple[Any, ...]:
    """Score every attack on pictures and photos, which no other stage attacks.

    Returns:
        metrics (flat), predictions (a row for each variant and known test picture), the tables of curve, rounding, equal norm, gains,
        confidence, targets, photos and networks, photos and pictures under attack, and what attacking costs.
    """
    how, device = evaluation, resolve_device(run.device)
    small = Board("pictures", test_split, networks_model, how.level, how.batch_size, device)
    large = Board("photos", photos_split, photo_networks_model, how.level, how.photo_batch_size, device)
    metrics: dict[str, float] = {f"victim.{b.name}_accuracy": float(b.right.mean()) for b in (small, large)}
    found: dict[str, Found] = {}
    curve, rounding, of_photos, predictions, costs = [], [], [], [], {}
    photos: dict[str, Found] = {}
    target = np.full(len(large.labels), photos_split_card["target"])
    for variant, model in models.items():
        start = time.perf_counter()
        found[variant] = Found.of(model, small)
        costs[variant] = {"pictures_per_second": round(small.right.sum() / (time.perf_counter() - start), 1)}
        scores = found[variant].scores(how)
        metrics |= {f"{variant}.{name}": value for name, value in scores.items()}
        for radius in how.radii:
            within = share_within(found[variant], radius, how.level)
            curve.append({"data": "pictures", "radius": radius, "variant": variant, **within})
        rounding.append({"variant": variant, **found[variant].row(how.level)})
        predictions.append(found[variant].told(variant, split_card["names"]))
        photos[variant] = Found.of(model, large, target)
        of_photos.append({"variant": variant, **photos[variant].row(how.level)})
        metrics |= large.share(f"{variant}.photo_success", photos[variant].turned)
    best = best_on_dev(histories)
    return (
        metrics,
        pd.concat(predictions, ignore_index=True),
        table(curve),
        table(rounding),
        rows_of(equal_norm(models, found, small), *SHARE),
        gains_table(gains(found), how.level, how.resamples),
        rows_of(confidence(models, small, how), "confidence", "l2", "led", "shown_to", *SHARE),
        rows_of(targets(models, small, how), "target", *SHARE, "l2"),
        table(of_photos),
        table(row for board in (small, large) for row in board.networks()),
        photos[best].samples(photos_split_card["names"]),
        costs,
    )


def rows_of(rows: Iterator[dict[str, Any]], *columns: str) -> pd.DataFrame:
    """A table that has its columns also where no variant gave it a row."""
    return table(rows).reindex(columns=list(columns))


class Found:
    """What an attack found for the pictures of a board that its victim knows, or those ``among`` them.

    ``moved`` are intensities, ``saved`` the same as a file holds them; of both whether they are ``turned`` (to the target, where
    there is one) and how far they are, (N,).
    """

    def __init__(self, board: Board, moved: Floats, among: NDArray[np.bool_], target: Labels | None) -> None:
        self.board, self.moved, self.among, self.target = board, moved, among, target
        self.before, self.saved = board.pixels[among], to_uint8(moved)
        self.answered, self.answered_saved = (
            predicted(board.view, some, board.batch_size, board.device) for some in (moved, self.saved)
        )
        self.turned, self.turned_saved = self._counts(self.answered), self._counts(self.answered_saved)
        self.l2, self.l2_saved = distance(self.before, moved), distance(self.before, self.saved)

    @classmethod
    def of(
        cls,
        model: Nearest,
        board: Board,
        target: Labels | None = None,
        among: NDArray[np.bool_] | None = None,
    ) -> Found:
        """Attack the pictures of a board; ``target`` (N,) of all of them."""
        among = board.right if among is None else among
        if target is not None:
            among = among & (target != board.labels)
        wanted = (board.labels if target is None else target)[among]
        settings = (board.batch_size, board.device, target is not None)
        moved = model.turned(board.view, board.pixels[among], wanted, *settings)
        return cls(board, moved, among, None if target is None else wanted)

    def _counts(self, answered: Labels) -> NDArray[np.bool_]:
        return answered != self.board.labels[self.among] if self.target is None else answered == self.target

    def scores(self, how: EvaluationParameters) -> dict[str, float]:
        """Success within the main radius and at any distance, after rounding too; means over what was turned."""
        turned, change = self.turned, self.moved.astype(np.float64) - self.before / 255.0
        shares = {"turned": turned, "rounded_success": self.turned_saved}
        found = share_within(self, how.main, how.level)
        for name, values in shares.items():
            found |= self.board.share(name, values)
        if turned.any():
            flat = change[turned].reshape(turned.sum(), -1)
            found |= {"l2": float(self.l2[turned].mean()), "linf": float(np.abs(flat).max(1).mean() * 255)}
            found["psnr"] = float(-10 * np.log10(np.square(flat).mean(1)).mean())
        return found

    def row(self, level: float) -> dict[str, float]:
        """Success and mean distance of what succeeded, as found and as saved."""
        found = self.board.share("success", self.turned) | self.board.share(
            "rounded_success", self.turned_saved
        )
        for name, turned, l2 in (
            ("l2", self.turned, self.l2),
            ("l2_rounded", self.turned_saved, self.l2_saved),
        ):
            found[name] = float(l2[turned].mean()) if turned.any() else float("nan")
        return {name.replace("rounded_success.", "rounded_"): value for name, value in found.items()}

    def told(self, variant: str, names: Mapping[str, str]) -> pd.DataFrame:
        """A row for each picture: what the victim says before and of the saved picture, and how far that went."""
        pixels = self.board.pixels.copy()
        pixels[self.among] = self.saved
        rows = pd.DataFrame(self.board.told(self.board.after(pixels), names))[self.among]
        facts = {"turned": self.turned, "distance": self.l2, "saved_distance": self.l2_saved}
        return rows.reset_index(drop=True).assign(variant=variant, success=self.turned_saved, **facts)

    def samples(self, names: Mapping[str, str]) -> Examples:
        return Examples(self.told("", names), {"photos": self.before, "attacked": self.saved})


def share_within(found: Found, radius: float, level: float) -> dict[str, float]:
    """``success``: share of the known pictures that were turned at this distance or nearer, with its interval."""
    return found.board.share("success", found.turned & (found.l2 <= radius))


def gains(found: Mapping[str, Found]) -> list[Gain]:
    """By how much the method's changes are shorter than others', of pictures that both turned; and what it means to save them."""
    rows: list[Gain] = []
    for other in ("pgd", "deepfool"):
        if METHOD in found and other in found:
            both = found[METHOD].turned & found[other].turned
            if both.any():
                shorter = (found[METHOD].l2 - found[other].l2)[both]
                rows.append(("Euclidean change", METHOD, other, shorter))
    if METHOD in found and SAVED in found:
        saved = found[SAVED].turned_saved.astype(float) - found[METHOD].turned_saved
        rows.append(("success after rounding", SAVED, METHOD, saved))
    return rows


def equal_norm(
    models: Mapping[str, Nearest], found: Mapping[str, Found], board: Board
) -> Iterator[dict[str, Any]]:
    """Success of the others where each picture has the radius at which the method turned it.

    DeepFool has no radius: its share is that of the pictures that it turned no farther.
    """
    if METHOD not in found:
        return
    own = found[METHOD]
    radius = own.l2[own.turned]
    pixels, labels = own.before[own.turned], board.labels[own.among][own.turned]
    yield {"variant": METHOD} | board.share("success", np.ones(len(radius)))
    for variant, model in models.items():
        if isinstance(model, SmallestBall):
            moved = in_balls(model, board, pixels, labels, radius)
            turned = predicted(board.view, moved, board.batch_size, board.device) != labels
        elif variant in (METHOD, SAVED):
            continue
        else:
            turned = (found[variant].turned & (found[variant].l2 <= own.l2))[own.turned]
        yield {"variant": variant} | board.share("success", turned)


def in_balls(
    model: SmallestBall, board: Board, pixels: Pixels, labels: Labels, radius: NDArray[np.float64]
) -> Floats:
    """Pictures (N, H, W, 3) moved by one attack in a ball of their own (N,), as intensities."""
    from etudes.vision.bounded import perturbed
    from etudes.vision.victims import intensities

    generator, parts = np.random.default_rng(model.seed), []
    for start in range(0, len(pixels), board.batch_size):
        part = slice(start, start + board.batch_size)
        size = torch.from_numpy(radius[part].astype(np.float32)).to(board.device)
        wanted = torch.from_numpy(np.array(labels[part])).to(board.device)
        some = intensities(pixels[part], board.device)
        parts.append(
            perturbed(board.view, some, wanted, size, model.how, generator).permute(0, 2, 3, 1).cpu()
        )
    result: Floats = torch.cat(parts).numpy()
    return result


def some(board: Board, most: int) -> NDArray[np.bool_]:
    """The first of the known pictures (N,), ``most`` of them."""
    return board.right & (np.cumsum(board.right) <= most)


def confidence(
    models: Mapping[str, Nearest], board: Board, how: EvaluationParameters
) -> Iterator[dict[str, Any]]:
    """The method that saves 8 bits with a lead asked for: how much farther, and whether other networks are fooled.

    Beside it PGD with all its steps in the ball of each picture's own distance, also rounded. Success on a network is
    of the pictures that this network knows, ``led`` the share that the lead was reached for, ``l2`` the mean over these.
    """
    if not isinstance(models.get(SAVED), Margin):
        return
    own, among = models[SAVED], some(board, how.some)
    assert isinstance(own, Margin)
    for kappa in (0.0, *how.confidences):
        asked = Margin(own.how.model_copy(update={"confidence": kappa}), own.rate, own.rounded)
        found = Found.of(asked, board, among=among)
        moved = {SAVED: found.saved}
        if isinstance(rival := models.get("pgd"), SmallestBall):
            how_full = steps("pgd", rival.how.step, rival.balls).model_copy(
                update={"enough": None, "rounded": True}
            )
            radius = found.l2_saved * 255
            settings = (radius, how_full, rival.seed, board.batch_size, board.device)
            moved["pgd"] = attacked(board.view, found.before, board.labels[among], *settings)
        for variant, pictures in moved.items():
            lengths = distance(found.before, pictures)[found.l2_saved > 0]
            mean = float(lengths.mean()) if len(lengths) else float("nan")
            facts = {"confidence": kappa, "variant": variant, "l2": mean, "led": float(found.turned.mean())}
            for name in board.victims.names:
                view, labels = board.victims.view(name), board.labels[among]
                known = predicted(view, found.before, board.batch_size, board.device) == labels
                wrong = predicted(view, pictures, board.batch_size, board.device) != labels
                if known.any():
                    share = board.share("success", wrong[known])
                    ends = {end: share[f"success.{end}"] for end in ("low", "high")}
                    yield {**facts, "shown_to": name, "success": share["success"], **ends}


def targets(
    models: Mapping[str, Nearest], board: Board, how: EvaluationParameters
) -> Iterator[dict[str, Any]]:
    """Targets that are near, random and far: the likeliest other class, a random one, the one held least likely."""
    among = some(board, how.some)
    table = log_probabilities(board.view, board.pixels, board.batch_size, board.device)
    table[np.arange(len(table)), board.labels] = -np.inf
    likeliest = table.argmax(1)
    table[np.arange(len(table)), board.labels] = np.inf
    shifts = np.random.default_rng(len(board.labels)).integers(1, table.shape[1], len(board.labels))
    random = (board.labels + shifts) % table.shape[1]
    for kind, wanted in (("likeliest", likeliest), ("random", random), ("least likely", table.argmin(1))):
        for variant in ("pgd", "deepfool", METHOD):
            if variant in models:
                found = Found.of(models[variant], board, wanted, among)
                row = found.row(how.level)
                yield {"target": kind, "variant": variant, **row}
