"""Every strip on the held-out photos: success, other heights and networks, and what a strip survives."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from etudes.benches.attacks import Answers, answers, compressed, rescaled, share_with_interval
from etudes.examples import Examples
from etudes.pipelines.adversarial_strip.model import class_names
from etudes.pipelines.adversarial_strip.parameters import AttackParameters, EvaluationParameters
from etudes.pipelines.adversarial_strip.strip import Pixels, Strip, Strips, paste
from etudes.training.fit import resolve_device
from etudes.training.parameters import RunParameters
from etudes.vision.victims import Victims

LIKELY = 0.5  # probability of the target that counts as a confident success
UNCHANGED = "as learned"
Rows = list[dict[str, Any]]


class Bench:
    """Photos of one part and the networks: what all scores of `evaluate` are made with."""

    def __init__(
        self,
        photos: Examples,
        target: int,
        victims: Victims,
        evaluation: EvaluationParameters,
        run: RunParameters,
    ) -> None:
        self.photos, self.target, self.victims, self.evaluation = photos, target, victims, evaluation
        self.pixels, self.device = np.asarray(photos["pixels"]), resolve_device(run.device)

    def answers(self, pictures: Pixels, network: str = "") -> Answers:
        """What a network, or else the victim, answers to pictures."""
        view = self.victims.view(network or self.victims.victim)
        return answers(view, pictures, self.target, self.evaluation.batch_size, self.device)

    def success(self, strip: Pixels, network: str = "") -> np.ndarray:
        """Which photos (N,) are taken for the target under a strip (h, W, 3)."""
        return self.answers(paste(self.pixels, strip), network).success(self.target)

    def share(self, name: str, succeeded: Any) -> dict[str, float]:
        return share_with_interval(name, succeeded, self.evaluation.level)

    def right(self, found: Answers) -> np.ndarray:
        """Which answers (N,) are the photo's class."""
        return found.predicted == self.photos.rows["label"].to_numpy()


def evaluate(
    models: dict[str, Strip],
    histories: dict[str, Any],
    train_split: Examples,
    test_split: Examples,
    split_card: dict[str, Any],
    networks_model: Victims,
    sweep_model: Strips,
    transfer_model: Strips,
    attack: AttackParameters,
    evaluation: EvaluationParameters,
    run: RunParameters,
) -> tuple[Any, ...]:
    """Score every strip on the held-out photos, which no other stage sees; all pictures are rounded to 8 bits first.

    Returns:
        metrics (flat, with Wilson intervals over photos), predictions (one row for each variant, draw and photo),
        the tables of heights, transfer, robustness, groups of photos and networks, and what scoring costs.
    """
    target = int(split_card["target"])
    bench, fitted = (
        Bench(photos, target, networks_model, evaluation, run) for photos in (test_split, train_split)
    )
    known = train_split.take(train_split.rows["related"].to_numpy())
    fitted_related = Bench(known, target, networks_model, evaluation, run)
    before = bench.answers(bench.pixels)
    metrics: dict[str, float] = {"victim.accuracy": float(bench.right(before).mean())}
    predictions, groups, costs = [], [], {}
    for name, strip in models.items():
        start = time.perf_counter()
        found = [bench.answers(paste(bench.pixels, pixels)) for pixels in strip.pixels]
        speed = len(found) * len(test_split) / (time.perf_counter() - start)
        costs[name] = {"photos_per_second": round(speed, 1)}
        metrics |= score(name, found, before, bench)
        if "iterations" in histories[name]:
            seen = fitted_related if name == "related" else fitted
            metrics |= seen.share(f"{name}.fitted_success", seen.success(strip.pixels[0]))
        predictions += [
            predicted(name, draw, answer, before, bench, split_card) for draw, answer in enumerate(found)
        ]
        groups += by_group(name, found, bench)
    heights = score_heights(sweep_model, bench, fitted)
    for height, success in zip(heights["height"], heights["success"], strict=True):
        percent = f"{100 * height:g}".replace(".", "_")
        metrics[f"sweep.success_at_{percent}_percent"] = success
    strips = {networks_model.victim: sweep_model.strips[f"{attack.height:g}"], **transfer_model.strips}
    return (
        metrics,
        pd.concat(predictions, ignore_index=True),
        heights,
        score_transfer(strips, bench),
        score_robustness(models[best_on_dev(histories)].pixels[0], bench),
        _table(groups),
        score_networks(bench),
        costs,
    )


def best_on_dev(histories: Mapping[str, Any]) -> str:
    """The variant with the best success on dev; of equals the one with the higher log-probability of the target."""
    dev = {name: history["dev"] for name, history in histories.items()}
    return max(dev, key=lambda name: (dev[name]["success"], dev[name]["target_log_probability"]))


def score(variant: str, found: list[Answers], before: Answers, bench: Bench) -> dict[str, float]:
    """Metrics of a variant from the answers under each of its draws, and those to the photos as they are."""
    succeeded = np.array([answer.success(bench.target) for answer in found])
    log_probability = np.array([answer.of_target for answer in found])
    metrics = bench.share(f"{variant}.success", succeeded)
    metrics |= bench.share(f"{variant}.confident_success", log_probability >= np.log(LIKELY))
    if (right := bench.right(before)).any():
        metrics |= bench.share(f"{variant}.right_success", succeeded[:, right])
    return {**metrics, f"{variant}.target_log_probability": float(log_probability.mean())}


def predicted(
    variant: str, draw: int, answer: Answers, before: Answers, bench: Bench, split_card: dict[str, Any]
) -> pd.DataFrame:
    """One row a photo: what the victim says without and with the strip."""
    rows, names = bench.photos.rows, split_card["names"]
    return pd.DataFrame(
        {
            "variant": variant,
            "draw": draw,
            "id": rows["id"],
            "truth": rows["name"],
            "related": rows["related"],
            "before": class_names(names, before.predicted),
            "before_confidence": before.confidence,
            "predicted": class_names(names, answer.predicted),
            "confidence": answer.confidence,
            "target_probability": np.exp(answer.of_target),
            "success": answer.success(bench.target),
        }
    )


def by_group(variant: str, found: list[Answers], bench: Bench) -> Rows:
    """Success on photos of related classes and of others."""
    related = bench.photos.rows["related"].to_numpy()
    succeeded = np.array([answer.success(bench.target) for answer in found])
    rows: Rows = []
    for group, members in (("related classes", related), ("other classes", ~related)):
        if members.any():
            facts = {"variant": variant, "group": group, "photos": int(members.sum())}
            rows.append({**facts, **bench.share("success", succeeded[:, members])})
    return rows


def score_heights(sweep: Strips, bench: Bench, fitted: Bench) -> pd.DataFrame:
    """Success of each height's strip on held-out photos and on those that it was learned on."""
    rows = []
    for height, strip in sweep.strips.items():
        held_out = bench.share("success", bench.success(strip.pixels[0]))
        learned = fitted.share("fitted_success", fitted.success(strip.pixels[0]))
        rows.append({"height": float(height), "rows": strip.rows, **held_out, **learned})
    return _table(rows)


def score_transfer(strips: Mapping[str, Strip], bench: Bench) -> pd.DataFrame:
    """Success of the strip learned on each network against all of them."""
    rows = []
    for learned, strip in strips.items():
        for network in bench.victims.names:
            share = bench.share("success", bench.success(strip.pixels[0], network))
            rows.append({"learned_on": learned, "scored_on": network, **share})
    return _table(rows)


def score_networks(bench: Bench) -> pd.DataFrame:
    """How good each network is on the photos as they are, and how often it sees the target there already."""
    rows = []
    for name in bench.victims.names:
        found = bench.answers(bench.pixels, name)
        facts = {"network": name, "weights": bench.victims.fingerprint(name)[:12]}
        already = float(found.success(bench.target).mean())
        rows.append({**facts, **bench.share("accuracy", bench.right(found)), "already_target": already})
    return _table(rows)


def score_robustness(strip: Pixels, bench: Bench) -> pd.DataFrame:
    """Success of a strip after each disturbance."""
    rows = []
    for name, patched in disturbances(bench.pixels, strip, bench.evaluation):
        share = bench.share("success", bench.answers(patched).success(bench.target))
        rows.append({"disturbance": name, **share})
    return _table(rows)


def disturbances(
    photos: Pixels, strip: Pixels, evaluation: EvaluationParameters
) -> Iterator[tuple[str, Pixels]]:
    """What may happen to a strip between its learning and the network: name, and the patched photos.

    The patched photo is compressed, or scaled and scaled back; or the strip lies elsewhere than where it was learned.
    """
    rows, height = len(strip), photos.shape[1]
    yield UNCHANGED, paste(photos, strip)
    for quality in evaluation.jpeg:
        yield f"JPEG, quality {quality}", compressed(paste(photos, strip), quality)
    for factor in evaluation.resize:
        yield f"scaled by {factor:g} and back", rescaled(paste(photos, strip), factor)
    for shift in evaluation.shifts:
        far = f"{shift} {'pixel' if shift == 1 else 'pixels'}"
        if shift + rows <= height:
            yield f"{far} lower", paste(photos, strip, shift)
        yield f"{far} to the right", paste(photos, np.roll(strip, shift, axis=1))
    yield "at the bottom", paste(photos, strip, height - rows)


def _table(rows: Rows) -> pd.DataFrame:
    """Rows with shares as a table; the ends of an interval are called low and high."""
    return pd.DataFrame(rows).rename(columns=lambda name: re.sub(r"(success|accuracy)\.", "", name))
