"""Every map on the test photos: deletion and insertion, mosaics, randomised networks, agreement, seconds."""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from etudes.benches.attacks import Answers, answers, class_names
from etudes.benches.boards import gains_table
from etudes.evaluation.map_ranks import in_highest, rank_correlations, ranked
from etudes.evaluation.paired import flat_means, means_table
from etudes.examples import Examples
from etudes.pipelines.explainability.model import Explainer, Maps
from etudes.pipelines.explainability.parameters import EvaluationParameters, ScoringParameters
from etudes.splits import spread_evenly
from etudes.training.fit import resolve_device
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed
from etudes.vision.deletion import BETTER, Labels, Pixels, areas_of, score_curves
from etudes.vision.mosaics import mosaics, shrunk
from etudes.vision.randomised import cascade
from etudes.vision.victims import Victims, View

CONTROLS = ("random", "centre")
PHOTOS_AT_ONCE = 25


def evaluate(
    models: dict[str, Explainer],
    test_split: Examples,
    split_card: dict[str, Any],
    networks_model: Victims,
    scoring: ScoringParameters,
    evaluation: EvaluationParameters,
    run: RunParameters,
) -> tuple[Any, ...]:
    """Score the maps of what the network answers to the test photos, right or wrong.

    Returns:
        metrics (flat, with bootstrap intervals over photos), predictions (a row for each variant and photo), the tables of
        gains, squares, answers, sanity, agreement and curves, and photos with their maps for the page.
    """
    how, device = evaluation, resolve_device(run.device)
    view = networks_model.view(networks_model.victim)
    pixels, labels = np.asarray(test_split["pixels"]), test_split.rows["label"].to_numpy()
    found = answers(view, pixels, labels, PHOTOS_AT_ONCE, device)
    right, variants = found.predicted == labels, list(models)
    heats = {name: model.maps(view, pixels, found.predicted, device) for name, model in models.items()}
    scores, by_side = {}, {}
    for side in (1, scoring.square):
        scores[side] = score_curves(
            view, pixels, found.predicted, list(heats.values()), scoring, run.seed, side, device
        )
        by_side[side] = {
            name: dict(zip(variants, values, strict=True)) for name, values in areas_of(scores[side]).items()
        }
    ranks = {name: ranked(maps) for name, maps in heats.items()}
    columns = {
        f"{variant}.{name}": values
        for name, of_variant in by_side[1].items()
        for variant, values in of_variant.items()
    }
    pointing = mosaic_scores(models, view, pixels, labels, how, run.seed, device)
    metrics: dict[str, float] = {}
    for scored in (pd.DataFrame(columns), pointing):
        metrics |= flat_means(scored, how.resamples, how.level)
    sanity = sanity_table(models, view, pixels, found.predicted, ranks, how, run.seed, device)
    last = sanity[sanity["layers"] == sanity["layers"].max()].set_index("variant")
    for name, ends in {"": "correlation", ".low": "low", ".high": "high"}.items():
        metrics |= {f"{v}.randomised_correlation{name}": float(last.loc[v, ends]) for v in variants}
    metrics["network.accuracy"] = float(right.mean())
    return (
        metrics,
        predictions(by_side[1], test_split, found, split_card["names"]),
        gains_of(by_side[1], CONTROLS, how),
        gains_of(by_side[scoring.square], CONTROLS[:1], how),
        answers_table(by_side[1], right, how),
        sanity,
        agreement_table(ranks, how),
        curves_table(scores, variants),
        samples(test_split, found, right, ranks, split_card["names"], how.shown),
    )


def predictions(
    by_name: Mapping[str, Mapping[str, NDArray]], photos: Examples, found: Answers, names: Mapping[str, str]
) -> pd.DataFrame:
    """A row for each variant and photo."""
    told = {
        "id": photos.rows["id"],
        "truth": class_names(names, photos.rows["label"].to_numpy()),
        "predicted": class_names(names, found.predicted),
        "confidence": found.confidence,
    }
    variants = list(by_name["deletion"])
    return pd.concat(
        [
            pd.DataFrame({"variant": variant, **told, **{name: by_name[name][variant] for name in by_name}})
            for variant in variants
        ],
        ignore_index=True,
    )


def gains_of(
    by_name: Mapping[str, Mapping[str, NDArray]], controls: tuple[str, ...], how: EvaluationParameters
) -> pd.DataFrame:
    """By how much the area under each curve is better than that of maps that know nothing, photo by photo; positive is better."""
    gains = [
        (name, variant, control, sign * (by_name[name][variant] - by_name[name][control]))
        for name, sign in BETTER.items()
        for control in controls
        for variant in by_name[name]
        if control in by_name[name] and variant not in (control, "random")
    ]
    if not gains:
        return pd.DataFrame(columns=["curve", "variant", "against", "difference", "low", "high", "sure"])
    return gains_table(gains, how.level, how.resamples).rename(columns={"shown_to": "curve"})


def answers_table(
    by_name: Mapping[str, Mapping[str, NDArray]], right: NDArray[np.bool_], how: EvaluationParameters
) -> pd.DataFrame:
    """Areas among the photos that the network answers rightly, and among the others."""
    parts = {"right": right, "wrong": ~right}
    rows = []
    for answer, chosen in parts.items():
        if not chosen.any():
            continue
        for variant in by_name["deletion"]:
            columns = pd.DataFrame({name: values[variant][chosen] for name, values in by_name.items()})
            means = flat_means(columns, how.resamples, how.level)
            rows.append({"answer": answer, "variant": variant, **means})
    return pd.DataFrame(rows)


def mosaic_scores(
    models: Mapping[str, Explainer],
    view: View,
    pixels: Pixels,
    labels: Labels,
    how: EvaluationParameters,
    seed: int,
    device: torch.device | str,
) -> pd.DataFrame:
    """Whether maps point at the one of four photos that shows the class they are asked about (Böhle et al. 2021).

    Photos that the network knows at their size in the mosaic are asked one after the other, each with three others of
    other classes around it. Of a map the highest quarter of the pixels counts: the share of it that lies in the photo's
    quarter is 1/4 for maps that know nothing. A network that knows none of the photos is asked about all.

    Returns:
        A row for each mosaic, a column ``<variant>.pointing``.
    """
    small = shrunk(pixels, how.mosaic_side, device)
    known = np.flatnonzero(answers(view, small, labels, PHOTOS_AT_ONCE, device).predicted == labels)
    if not len(known):
        known = np.arange(len(labels))
    generator = np.random.default_rng(derive_seed(seed, "mosaics"))
    asked = generator.permutation(known)[: how.mosaics]
    pictures, where = mosaics(small, labels, asked, generator)
    found = {}
    for variant, model in models.items():
        heats = model.maps(view, pictures, labels[asked], device)
        found[f"{variant}.pointing"] = [
            in_highest(heat, mask, np.random.default_rng([seed, number]))
            for number, (heat, mask) in enumerate(zip(heats, where, strict=True))
        ]
    return pd.DataFrame(found)


def sanity_table(
    models: Mapping[str, Explainer],
    view: View,
    pixels: Pixels,
    classes: Labels,
    ranks: Mapping[str, Maps],
    how: EvaluationParameters,
    seed: int,
    device: torch.device | str,
) -> pd.DataFrame:
    """Rank correlation of each map with that of the same method and class on ever more randomised networks.

    The first row of a variant, no layer randomised, is the same network with other draws of the method's own chance.
    """
    some = slice(0, how.randomised_photos)
    found = {
        (variant, count): rank_correlations(
            ranks[variant][some], ranked(model.maps(other, pixels[some], classes[some], device, draw=1))
        )
        for count, other in cascade(view, how.randomised_levels, derive_seed(seed, "cascade"))
        for variant, model in models.items()
    }
    return correlations(found, ("variant", "layers"), how)


def agreement_table(ranks: Mapping[str, Maps], how: EvaluationParameters) -> pd.DataFrame:
    """Mean rank correlation of the maps of two methods on the same photos."""
    found = {
        (first, second): rank_correlations(ranks[first], ranks[second])
        for first, second in permutations(ranks, 2)
    }
    return correlations(found, ("first", "second"), how)


def correlations(
    found: Mapping[tuple[Any, ...], NDArray[np.float64]], names: tuple[str, ...], how: EvaluationParameters
) -> pd.DataFrame:
    """Means over photos (N,) with their intervals, a row for each key, whose parts have names."""
    scores = {key: pd.DataFrame({"correlation": values}) for key, values in found.items()}
    table = means_table(scores, (*names, "column"), how.resamples, how.level)
    return table.drop(columns="column").rename(columns={"value": "correlation"})


def curves_table(scores: Mapping[int, Mapping[str, NDArray]], variants: list[str]) -> pd.DataFrame:
    """Mean probabilities along deletion and insertion: ``taken`` (pixels, or squares), ``curve``, ``variant``, ``share``, ``probability``."""
    rows = []
    for side, of_curve in scores.items():
        for name, values in of_curve.items():
            means = values.mean(1)
            shares = np.linspace(0, 1, means.shape[1])
            facts = {"taken": "pixels" if side == 1 else "squares", "curve": name}
            rows += [
                facts | {"variant": variant, "share": share, "probability": value}
                for variant, line in zip(variants, means, strict=True)
                for share, value in zip(shares, line, strict=True)
            ]
    return pd.DataFrame(rows)


def samples(
    photos: Examples,
    found: Answers,
    right: NDArray[np.bool_],
    ranks: Mapping[str, Maps],
    names: Mapping[str, str],
    most: int,
) -> Examples:
    """Right and wrong answers, evenly spaced in the order of the files, with every map as ranks in 0..255."""
    groups = (np.flatnonzero(chosen) for chosen in (right, ~right))
    places = np.concatenate([group[spread_evenly(len(group), most)] for group in groups])
    rows = pd.DataFrame(
        {
            "id": photos.rows["id"].to_numpy()[places],
            "truth": class_names(names, photos.rows["label"].to_numpy()[places]),
            "predicted": class_names(names, found.predicted[places]),
            "confidence": found.confidence[places],
            "right": right[places],
        }
    )
    maps = {name: np.round(values[places] * 255).astype(np.uint8) for name, values in ranks.items()}
    return Examples(rows, {"photos": np.asarray(photos["pixels"])[places], **maps})


def seconds_table(
    models: dict[str, Explainer],
    test_split: Examples,
    networks_model: Victims,
    evaluation: EvaluationParameters,
    run: RunParameters,
) -> pd.DataFrame:
    """Median seconds of one photo's map, asked one by one after a first one that is not counted."""
    view, device = networks_model.view(networks_model.victim), resolve_device(run.device)
    pixels = np.asarray(test_split["pixels"])[: evaluation.timed]
    classes = answers(view, pixels, 0, PHOTOS_AT_ONCE, device).predicted
    rows = []
    for variant, model in models.items():
        model.maps(view, pixels[:1], classes[:1], device)
        taken = []
        for place in range(len(pixels)):
            start = time.perf_counter()
            model.maps(view, pixels[place : place + 1], classes[place : place + 1], device)
            taken.append(time.perf_counter() - start)
        rows.append({"variant": variant, "seconds": float(np.median(taken))})
    return pd.DataFrame(rows)
