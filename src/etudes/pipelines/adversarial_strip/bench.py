"""The bench of the stage evaluate: photos of one part, the victim and the other networks, and every score of a strip."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.examples import Examples
from etudes.pipelines.adversarial_strip.networks import Networks
from etudes.pipelines.adversarial_strip.parameters import EvaluationParameters
from etudes.pipelines.adversarial_strip.scoring import Answers, answers, disturbances, share_with_interval
from etudes.pipelines.adversarial_strip.strip import Pixels, Strip, Strips, paste
from etudes.training.fit import resolve_device
from etudes.training.parameters import RunParameters

LIKELY = 0.5  # probability of the target that counts as a confident success


class Bench:
    """Photos of one part and the victim: what all scores of `evaluate` are made with."""

    def __init__(
        self,
        photos: Examples,
        split_card: dict[str, Any],
        networks: Networks,
        parameters: EvaluationParameters,
        run: RunParameters,
    ) -> None:
        self.photos, self.networks, self.parameters = photos, networks, parameters
        self.card, self.run, self.target = split_card, run, int(split_card["target"])
        self.pixels = np.asarray(photos["pixels"])
        self.labels = photos.rows["label"].to_numpy()
        self.device = resolve_device(run.device)
        self._before: dict[str, Answers] = {}

    def only_related(self) -> Bench:
        few = self.photos.take(self.photos.rows["related"].to_numpy())
        return Bench(few, self.card, self.networks, self.parameters, self.run)

    def answers(self, photos: Pixels, name: str = "") -> Answers:
        view = self.networks.view(name or self.networks.victim)
        return answers(view, photos, self.target, self.parameters.batch_size, self.device)

    def before(self, name: str = "") -> Answers:
        """Answers to the photos as they are."""
        name = name or self.networks.victim
        if name not in self._before:
            self._before[name] = self.answers(self.pixels, name)
        return self._before[name]

    def scored(self, strip: Pixels, name: str = "") -> Answers:
        """Answers to the photos under a strip."""
        return self.answers(paste(self.pixels, strip), name)

    def share(self, name: str, succeeded: Any) -> dict[str, float]:
        return share_with_interval(name, succeeded, self.parameters.level)

    def accuracy(self, name: str) -> float:
        return float((self.before(name).predicted == self.labels).mean())

    def metrics(self, variant: str, found: list[Answers]) -> dict[str, float]:
        succeeded = np.array([answer.success(self.target) for answer in found])
        log_probability = np.array([answer.of_target for answer in found])
        metrics = self.share(f"{variant}.success", succeeded)
        metrics |= self.share(f"{variant}.confident_success", log_probability >= np.log(LIKELY))
        right = self.before().predicted == self.labels
        if right.any():
            metrics |= self.share(f"{variant}.right_success", succeeded[:, right])
        metrics[f"{variant}.target_log_probability"] = float(log_probability.mean())
        return metrics

    def predictions(self, variant: str, draw: int, answer: Answers) -> pd.DataFrame:
        rows, before = self.photos.rows, self.before()
        return pd.DataFrame(
            {
                "variant": variant,
                "draw": draw,
                "id": rows["id"],
                "truth": rows["name"],
                "related": rows["related"],
                "before": self.names(before.predicted),
                "before_confidence": before.confidence,
                "predicted": self.names(answer.predicted),
                "confidence": answer.confidence,
                "target_probability": np.exp(answer.of_target),
                "success": answer.success(self.target),
            }
        )

    def names(self, labels: NDArray[np.int64]) -> list[str]:
        return [class_name(self.card, label) for label in labels]

    def groups(self, variant: str, found: list[Answers]) -> list[dict[str, Any]]:
        """Success on photos of related classes and of others."""
        related = self.photos.rows["related"].to_numpy()
        succeeded = np.array([answer.success(self.target) for answer in found])
        rows: list[dict[str, Any]] = []
        for group, members in (("related classes", related), ("other classes", ~related)):
            if members.any():
                share = self.share("success", succeeded[:, members])
                rows.append(
                    {"variant": variant, "group": group, "photos": int(members.sum()), **_ends(share)}
                )
        return rows

    def network(self, name: str) -> dict[str, Any]:
        """How good a network is on the photos as they are, and how often it sees the target there already."""
        before = self.before(name)
        return {
            "network": name,
            "weights": self.networks.fingerprint(name)[:12],
            **_ends(self.share("accuracy", before.predicted == self.labels), "accuracy"),
            "already_target": float(before.success(self.target).mean()),
        }


def class_name(card: Mapping[str, Any], label: int) -> str:
    """Name of a class; networks may answer classes of which there is no photo."""
    return str(card["names"].get(str(int(label)), f"class {int(label)}"))


def _ends(share: Mapping[str, float], name: str = "success") -> dict[str, float]:
    return {name: share[name], "low": share[f"{name}.low"], "high": share[f"{name}.high"]}


def score_heights(sweep: Strips, bench: Bench, fitted: Bench) -> pd.DataFrame:
    rows = []
    for height, strip in sweep.strips.items():
        held_out = bench.share("success", bench.scored(strip.pixels[0]).success(bench.target))
        learned = fitted.share("success", fitted.scored(strip.pixels[0]).success(bench.target))
        rows.append(
            {
                "height": float(height),
                "rows": strip.rows,
                **_ends(held_out),
                **{f"fitted_{name}": value for name, value in _ends(learned).items()},
            }
        )
    return pd.DataFrame(rows)


def score_transfer(strips: Mapping[str, Strip], bench: Bench, networks: Networks) -> pd.DataFrame:
    rows = []
    for learned, strip in strips.items():
        for scored in networks.names:
            succeeded = bench.scored(strip.pixels[0], scored).success(bench.target)
            rows.append(
                {"learned_on": learned, "scored_on": scored, **_ends(bench.share("success", succeeded))}
            )
    return pd.DataFrame(rows)


def score_robustness(strip: Pixels, bench: Bench, parameters: EvaluationParameters) -> pd.DataFrame:
    rows = []
    for name, patched in disturbances(bench.pixels, strip, parameters):
        succeeded = bench.answers(patched()).success(bench.target)
        rows.append({"disturbance": name, **_ends(bench.share("success", succeeded))})
    return pd.DataFrame(rows)
