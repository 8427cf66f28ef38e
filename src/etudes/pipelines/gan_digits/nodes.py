"""The stages ingest, preprocess, train and evaluate. Pure functions: what goes in decides what comes out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from etudes.digits.files import ingest_digits, split_digits
from etudes.digits.parameters import ConvolutionalVAEParameters, DigitSplitParameters, JudgeParameters
from etudes.examples import Examples
from etudes.forms.raw import RawFile
from etudes.pipelines.gan_digits.parameters import EvaluationParameters, GANParameters
from etudes.study import selected
from etudes.training.parameters import RunParameters

Frame = pd.DataFrame
Trained = tuple[Any, dict[str, Any]]


def ingest(
    raw_train_images: RawFile, raw_train_labels: RawFile, raw_test_images: RawFile, raw_test_labels: RawFile
) -> tuple[Examples, Examples, dict[str, Any]]:
    """Check the four files and say where they come from."""
    return ingest_digits(raw_train_images, raw_train_labels, raw_test_images, raw_test_labels)


def split(
    train_images: Examples, test_images: Examples, parameters: DigitSplitParameters
) -> tuple[Examples, Examples, Examples, dict[str, Any]]:
    """Cut dev from train, without duplicates."""
    return split_digits(train_images, test_images, parameters)


def train_judge(
    train_split: Examples, dev_split: Examples, parameters: JudgeParameters, run: RunParameters
) -> Trained:
    """The digit classifier, from real training digits alone."""
    from etudes.pipelines.gan_digits.model import Judge

    return Judge.fit(train_split, dev_split, parameters, run)


def train_class_pixels(
    train_split: Examples, dev_split: Examples, judge_model: Any, run: RunParameters
) -> Trained:
    """The trivial baseline: pixels that know their digit and nothing of each other."""
    from etudes.pipelines.gan_digits.model import ClassPixels

    model = ClassPixels.fit(train_split, conditional=True)
    return model, {"dev": _on_dev(model, judge_model, dev_split, run), "epochs": []}


def train_gan(
    train_split: Examples,
    dev_split: Examples,
    judge_model: Any,
    parameters: GANParameters,
    run: RunParameters,
) -> Trained:
    """The conditional GAN; the judge chooses its epoch on dev and takes no part in the game."""
    from etudes.pipelines.gan_digits.model import ConditionalGAN

    return ConditionalGAN.fit(train_split, dev_split, judge_model, parameters, run)


def train_vae(
    train_split: Examples,
    dev_split: Examples,
    judge_model: Any,
    parameters: ConvolutionalVAEParameters,
    run: RunParameters,
) -> Trained:
    """The conditional variational autoencoder, for the comparison on the same measures."""
    from etudes.pipelines.gan_digits.model import ConditionalVAE

    model, history = ConditionalVAE.fit("vae", train_split, dev_split, parameters, run, conditional=True)
    return model, {**history, "dev": {**history["dev"], **_on_dev(model, judge_model, dev_split, run)}}


def _on_dev(model: Any, judge: Any, dev: Examples, run: RunParameters) -> dict[str, float]:
    from etudes.pipelines.gan_digits.model import dev_scores

    return dev_scores(model, judge, dev, judge.judge(np.asarray(dev["pixels"])).features, run.seed)


def evaluate(
    train_split: Examples,
    test_split: Examples,
    judge_model: Any,
    parameters: EvaluationParameters,
    run: RunParameters,
    **models: Any,
) -> tuple[dict[str, float], Examples, Examples, Frame, Frame]:
    """Score every trained variant on test, which no other stage sees.

    Returns:
        metrics (flat), pictures that each variant drew with what was found of them (column ``variant``), pictures in
        panels (columns ``panel``, ``row``, ``column``, ``caption``), the same scores of pictures that no variant drew,
        and the GAN beside the VAE, measure by measure.
    """
    from etudes.digits.scoring import GeneratorScores, joined
    from etudes.pipelines.gan_digits.evaluation import all_panels, claim_table

    scores = GeneratorScores(judge_model, train_split, test_split, parameters.scores, run.seed)
    trained = selected(models)
    metrics: dict[str, float] = {}
    drawn: dict[str, Examples] = {}
    for name, model in trained.items():
        scored, drawn[name] = scores.score_generator(model)
        metrics |= {f"{name}.{metric}": value for metric, value in scored.items()}
    references = scores.references()
    metrics |= scores.flat_floor(references)
    side = int(test_split["pixels"].shape[1])
    return metrics, joined(drawn), all_panels(trained, side, run.seed), references, claim_table(metrics)
