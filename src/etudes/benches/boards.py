"""Pictures of one kind under attacks that move them: who is moved, what the networks then say, how far it went."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

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
    class_names,
    distances,
    share_with_interval,
)
from etudes.evaluation.paired import mean_intervals
from etudes.examples import Examples
from etudes.vision.parameters import StepsParameters
from etudes.vision.victims import Victims

# Whom the pictures are shown to, a variant and another, and of each picture the difference of the two.
Gain = tuple[str, str, str, NDArray[np.float64]]


class BallAttack(Protocol):
    """How an attack goes (`bounded.perturbed`), and the seed of its random starts."""

    how: StepsParameters
    seed: int


@dataclass
class Board:
    """Pictures of one kind (columns ``id``, ``label``; array ``pixels``) and the networks that see them.

    ``level`` is the coverage of the intervals, ``batch_size`` the pictures of one pass.
    What the victim gets wrong as it is needs no attack: such pictures are left alone, and only ``fooled`` counts them.
    """

    name: str
    examples: Examples
    victims: Victims
    level: float
    batch_size: int
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
        return answers(view or self.view, pictures, self.labels, self.batch_size, self.device)

    def after(self, pictures: Pixels) -> Answers:
        """What the victim answers where only the pictures that it knew were moved: the others are not asked again."""
        known = answers(
            self.view, pictures[self.right], self.labels[self.right], self.batch_size, self.device
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
        attack: BallAttack,
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
        settings = (levels, how, attack.seed, self.batch_size, self.device)
        result[among] = attacked(
            view or self.view, self.pixels[among], wanted, *settings, targeted=classes is not None
        )
        return result

    def share(self, name: str, values: NDArray[Any]) -> dict[str, float]:
        return share_with_interval(name, values, self.level)

    def scores(self, pictures: Pixels, after: Answers) -> dict[str, float]:
        """``success`` among the pictures that the victim knew, ``fooled`` of all, and how far those were moved."""
        wrong, moved = (
            after.predicted != self.labels,
            distances(self.pixels[self.right], pictures[self.right]),
        )
        means = {name: float(moved[name].mean()) for name in ("linf", "l2", "ssim")}
        return self.share("success", wrong[self.right]) | self.share("fooled", wrong) | means

    def told(self, after: Answers, names: Mapping[str, str]) -> dict[str, Any]:
        """Columns of a table with a row for each picture: what the victim says before and after."""
        return {
            "id": self.examples.rows["id"],
            "truth": class_names(names, self.labels),
            "before": class_names(names, self.before.predicted),
            "before_confidence": self.before.confidence,
            "predicted": class_names(names, after.predicted),
            "confidence": after.confidence,
            "known": self.right,
            "success": self.right & (after.predicted != self.labels),
        }

    def networks(self) -> Iterator[dict[str, Any]]:
        """How good each network is on the pictures as they are."""
        for name in self.victims.names:
            accuracy = self.share("accuracy", self.correct(self.pixels, self.victims.view(name)))
            weights = self.victims.fingerprint(name)[:12]
            yield {"data": self.name, "network": name, "weights": weights} | accuracy


def best_on_dev(histories: Mapping[str, Any]) -> str:
    """The variant with the best success on dev, the first of equals."""
    return max(histories, key=lambda name: histories[name]["dev"]["success"])


def gains_table(gains: list[Gain], level: float, resamples: int) -> pd.DataFrame:
    """Paired differences of success, picture by picture, with bootstrap intervals over pictures; ``sure`` where an
    interval that counts all rows (Bonferroni) misses 0."""
    rows = []
    for data, first, second, values in gains:
        levels = (level, 1 - (1 - level) / len(gains))
        one, all_rows = (
            mean_intervals(pd.DataFrame({"d": values}), resamples, asked).loc["d"] for asked in levels
        )
        ends = {"difference": one["value"], "low": one["low"], "high": one["high"]}
        sure = bool(all_rows["low"] > 0 or all_rows["high"] < 0)
        rows.append({"shown_to": data, "variant": first, "against": second, **ends, "sure": sure})
    return pd.DataFrame(rows, columns=["shown_to", "variant", "against", "difference", "low", "high", "sure"])
