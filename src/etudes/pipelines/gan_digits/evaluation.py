"""Is the GAN better than the VAE? And pictures of what its noise does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.digits.files import DIGITS
from etudes.digits.judge import DigitJudge
from etudes.digits.panels import panel_examples, spherical, through_training
from etudes.digits.scoring import SCORES, GeneratorScores
from etudes.evaluation.generative import NORMAL_95, Array
from etudes.evaluation.seeds import holm, seeds_and_rows_p_value
from etudes.examples import Examples
from etudes.metrics import KNOWN
from etudes.pipelines.gan_digits.judges import Examiner, judges_table
from etudes.pipelines.gan_digits.parameters import EvaluationParameters
from etudes.training.parameters import RunParameters

STEPS = 11  # pictures of a path, both ends included
HANDS = 6  # noises that draw all ten digits
LEVEL = 0.05  # chance that even one of the measures is said to differ where none does
CLAIM = ["measure", "gan", "vae", "advantage", "low", "high", "p", "better"]


def evaluate(
    models: dict[str, Any],
    judge_model: DigitJudge,
    examiner_model: Examiner,
    train_split: Examples,
    test_split: Examples,
    evaluation: EvaluationParameters,
    run: RunParameters,
) -> tuple[dict[str, float], Examples, Examples, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Score every trained variant on test, which no other stage sees, with the judge that chose nothing.

    Returns:
        metrics (flat), pictures that each variant drew with what was found of them (column ``variant``), pictures in
        panels (columns ``panel``, ``row``, ``column``), the same scores of pictures that no variant drew,
        the GAN beside the VAE, measure by measure, and both judges side by side.
    """
    scores = GeneratorScores(examiner_model, train_split, test_split, evaluation.scores, run.seed)
    metrics, drawn, references = scores.of_all(models)
    metrics = {name.replace("judge.", "examiner."): value for name, value in metrics.items()}
    claim = claim_table(metrics, {n: scores.resampled(m) for n, m in models.items() if n in ("gan", "vae")})
    judges = judges_table(models, {"judge": judge_model, "examiner": examiner_model}, test_split, run.seed)
    return metrics, drawn, all_panels(models, run.seed), references, claim, judges


def claim_table(metrics: Mapping[str, float], resampled: Mapping[str, Mapping[str, Array]]) -> pd.DataFrame:
    """By how much the GAN is better than the VAE, with 95 % intervals; empty unless both ran.

    ``advantage`` is positive where the GAN is better: the VAE's distance less the GAN's, the GAN's share less the VAE's,
    and of diversity and novelty by how much the GAN is nearer to 1, what real pictures have. Both variants meet the same
    resamples of the test rows, so intervals (1.96 standard deviations of the resampled advantage) and ``p``, adjusted by
    Holm for the number of measures, are of the difference. They speak of the test rows, not of other trainings.

    Args:
        metrics: flat, of the test rows as they are.
        resampled: by variant the scores on the resamples (`GeneratorScores.resampled`).
    """
    if len(resampled) < 2:
        return pd.DataFrame(columns=CLAIM)
    rows, p_values = [], []
    for name in SCORES:
        merit, gan, vae = KNOWN[name].merit, metrics[f"gan.{name}"], metrics[f"vae.{name}"]
        pairs = zip(resampled["gan"][name], resampled["vae"][name], strict=True)
        half = NORMAL_95 * float(np.std([merit(first) - merit(second) for first, second in pairs]))
        advantage = merit(gan) - merit(vae)
        rows.append([name, gan, vae, advantage, advantage - half, advantage + half])
        p_values.append(seeds_and_rows_p_value(advantage, 0.0, 1, (half, half)))
    table = pd.DataFrame(rows, columns=CLAIM[:-2]).assign(p=holm(p_values))
    better = np.where(table["advantage"] > 0, "gan", "vae")
    return table.assign(better=np.where(table["p"] < LEVEL, better, "neither"))


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
