"""Every strip on the held-out photos: success, other heights and networks, and what a strip survives."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from etudes.benches.attacks import Answers, Bench, compressed, rescaled, share_with_interval, table
from etudes.examples import Examples
from etudes.pipelines.adversarial_strip.parameters import AttackParameters, EvaluationParameters
from etudes.pipelines.adversarial_strip.strip import Pixels, Strips, paste
from etudes.training.fit import resolve_device
from etudes.training.parameters import RunParameters
from etudes.vision.victims import Victims


def evaluate(
    models: dict[str, Strips],
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
    related = train_split.take(train_split.rows["related"].to_numpy())
    target, names = int(split_card["target"]), split_card["names"]
    how = (evaluation.level, evaluation.batch_size, resolve_device(run.device))
    bench, fitted, fitted_related = (
        Bench(photos, target, names, networks_model, *how) for photos in (test_split, train_split, related)
    )
    before = bench.answers(bench.pixels)
    metrics = {"victim.accuracy": float(bench.right(before).mean())}
    predictions, groups, costs = [], [], {}
    for name, model in models.items():
        start = time.perf_counter()
        found = [bench.answers(paste(bench.pixels, strip)) for strip in model.draws]
        seconds = time.perf_counter() - start
        costs[name] = {"photos_per_second": round(len(found) * len(test_split) / seconds, 1)}
        metrics |= bench.score(name, found, before)
        if "iterations" in histories[name]:
            seen = fitted_related if name == "related" else fitted
            metrics |= seen.share(f"{name}.fitted_success", paste(seen.pixels, model.draws[0]))
        predictions.append(bench.predictions(name, found, before))
        groups += by_group(name, found, bench)
    heights = score_heights(sweep_model, bench, fitted)
    for height, success in zip(heights["height"], heights["success"], strict=True):
        percent = f"{100 * height:g}".replace(".", "_")
        metrics[f"sweep.success_at_{percent}_percent"] = success
    strips = {networks_model.victim: sweep_model.pixels[f"{attack.height:g}"], **transfer_model.pixels}
    best = best_on_dev(histories)
    return (
        metrics,
        pd.concat(predictions, ignore_index=True),
        heights,
        bench.transfer({name: paste(bench.pixels, draws[0]) for name, draws in strips.items()}),
        table(
            {"disturbance": name, **bench.share("success", pictures)}
            for name, pictures in disturbances(bench.pixels, models[best].draws[0], evaluation)
        ),
        table(groups),
        bench.networks(),
        costs,
    )


def best_on_dev(histories: Mapping[str, Any]) -> str:
    """The variant with the best success on dev; of equals the one with the higher log-probability of the target."""
    dev = {name: history["dev"] for name, history in histories.items()}
    return max(dev, key=lambda name: (dev[name]["success"], dev[name]["target_log_probability"]))


def by_group(variant: str, found: list[Answers], bench: Bench) -> list[dict[str, Any]]:
    """Success on photos of related classes and of others."""
    related = bench.photos.rows["related"].to_numpy()
    succeeded = np.array([answer.success(bench.target) for answer in found])
    return [
        {"variant": variant, "group": f"{group} classes", "photos": int(members.sum())}
        | share_with_interval("success", succeeded[:, members], bench.level)
        for group, members in (("related", related), ("other", ~related))
        if members.any()
    ]


def score_heights(sweep: Strips, bench: Bench, fitted: Bench) -> pd.DataFrame:
    """Success of each height's strip on held-out photos and on those that it was learned on."""
    return table(
        {"height": float(height), "rows": draws.shape[1]}
        | bench.share("success", paste(bench.pixels, draws[0]))
        | fitted.share("fitted_success", paste(fitted.pixels, draws[0]))
        for height, draws in sweep.pixels.items()
    )


def disturbances(
    photos: Pixels, strip: Pixels, evaluation: EvaluationParameters
) -> Iterator[tuple[str, Pixels]]:
    """What may happen to a strip between its learning and the network: name, and the patched photos.

    The patched photo is compressed, or scaled and scaled back; or the strip lies elsewhere than where it was learned.
    """
    patched, lowest = paste(photos, strip), photos.shape[1] - len(strip)
    yield "as learned", patched
    for quality in evaluation.jpeg:
        yield f"JPEG, quality {quality}", compressed(patched, quality)
    for factor in evaluation.resize:
        yield f"scaled by {factor:g} and back", rescaled(patched, factor)
    for shift in evaluation.shifts:
        far = f"{shift} {'pixel' if shift == 1 else 'pixels'}"
        if shift <= lowest:
            yield f"{far} lower", paste(photos, strip, shift)
        yield f"{far} to the right", paste(photos, np.roll(strip, shift, axis=1))
    yield "at the bottom", paste(photos, strip, lowest)
