"""Is the GAN better than the VAE? And pictures of what its noise does."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.digits.files import DIGITS
from etudes.digits.judge import DigitJudge
from etudes.digits.panels import panel_examples, spherical, through_training
from etudes.digits.scoring import SCORES, GeneratorScores
from etudes.examples import Examples
from etudes.pipelines.gan_digits.parameters import EvaluationParameters
from etudes.training.parameters import RunParameters

STEPS = 11  # pictures of a path, both ends included
HANDS = 6  # noises that draw all ten digits
SMALLER_IS_BETTER = ("fid", "kid")
REAL_IS_ONE = ("diversity", "novelty")
CLAIM = ["measure", "gan", "vae", "difference", "low", "high", "better"]


def evaluate(
    models: dict[str, Any],
    judge_model: DigitJudge,
    train_split: Examples,
    test_split: Examples,
    evaluation: EvaluationParameters,
    run: RunParameters,
) -> tuple[dict[str, float], Examples, Examples, pd.DataFrame, pd.DataFrame]:
    """Score every trained variant on test, which no other stage sees.

    Returns:
        metrics (flat), pictures that each variant drew with what was found of them (column ``variant``), pictures in
        panels (columns ``panel``, ``row``, ``column``), the same scores of pictures that no variant drew,
        and the GAN beside the VAE, measure by measure.
    """
    scores = GeneratorScores(judge_model, train_split, test_split, evaluation.scores, run.seed)
    metrics, drawn, references = scores.of_all(models)
    return metrics, drawn, all_panels(models, run.seed), references, claim_table(metrics)


def claim_table(metrics: Mapping[str, float]) -> pd.DataFrame:
    """The GAN less the VAE, with 95 % intervals, and which is better; empty unless both ran.

    The two sets of pictures are independent, so the variance of a difference is the sum of both; an interval's
    half-width stands for 1.96 standard deviations. Where the interval holds 0, neither is better. Of diversity and
    novelty that one is better which is nearer to 1, what real pictures have, and the table says so without an interval.
    """
    rows = []
    for name in SCORES:
        gan, vae = metrics.get(f"gan.{name}"), metrics.get(f"vae.{name}")
        if gan is None or vae is None:
            continue
        row: dict[str, Any] = {"measure": name, "gan": gan, "vae": vae, "difference": gan - vae}
        if name in REAL_IS_ONE:
            row |= {"low": np.nan, "high": np.nan, "better": "gan" if abs(gan - 1) < abs(vae - 1) else "vae"}
        else:
            widths = [metrics[f"{of}.{name}.high"] - metrics[f"{of}.{name}.low"] for of in ("gan", "vae")]
            half = math.hypot(*widths) / 2
            row |= {"low": gan - vae - half, "high": gan - vae + half}
            gan_wins = (gan < vae) is (name in SMALLER_IS_BETTER)
            decided = abs(gan - vae) > half
            row["better"] = "neither" if not decided else "gan" if gan_wins else "vae"
        rows.append(row)
    return pd.DataFrame(rows, columns=CLAIM)


def all_panels(models: Mapping[str, Any], seed: int) -> Examples:
    """Every panel that the trained variants allow: ``interpolation`` of the GAN, ``training_*`` and ``hands_*`` of both."""
    found = {"interpolation": paths(models["gan"], seed)} if "gan" in models else {}
    for name in ("gan", "vae"):
        if name in models:
            found[f"training_{name}"], _ = through_training(models[name].snapshots)
            found[f"hands_{name}"] = hands(models[name], seed)
    return panel_examples(found)


def paths(model: Any, seed: int) -> NDArray[np.uint8]:
    """For each digit the great circle between two draws of noise, both ends included: (10, STEPS, S, S)."""
    noise = np.random.default_rng(seed).normal(size=(DIGITS, 2, model.latent))
    found = []
    for digit, (first, last) in enumerate(noise):
        z = spherical(first, last, STEPS).astype(np.float32)
        found.append(model.pictures(z, np.full(STEPS, digit)))
    return np.stack(found)


def hands(model: Any, seed: int) -> NDArray[np.uint8]:
    """All ten digits from the same noise, one row for each of HANDS draws: (HANDS, 10, S, S)."""
    noise = np.random.default_rng(seed).normal(size=(HANDS, model.latent)).astype(np.float32)
    labels = np.tile(np.arange(DIGITS), HANDS)
    pixels = model.pictures(noise.repeat(DIGITS, 0), labels)
    return pixels.reshape(HANDS, DIGITS, *pixels.shape[1:])
