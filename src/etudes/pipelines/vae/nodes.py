"""The stages ingest, preprocess, train and evaluate. Pure functions: what goes in decides what comes out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from etudes.digits import files
from etudes.digits.parameters import ConvolutionalVAEParameters, DigitSplitParameters, JudgeParameters
from etudes.examples import Examples
from etudes.forms.raw import RawFile, RawFolder
from etudes.pipelines.vae.parameters import (
    EvaluationParameters,
    ManifoldParameters,
    MLPParameters,
    PhotographParameters,
    SweepParameters,
)
from etudes.study import selected
from etudes.training.parameters import RunParameters

Frame = pd.DataFrame
Trained = tuple[Any, dict[str, Any]]


def ingest(
    raw_train_images: RawFile, raw_train_labels: RawFile, raw_test_images: RawFile, raw_test_labels: RawFile
) -> tuple[Examples, Examples, dict[str, Any]]:
    """Check the four files and say where they come from."""
    return files.ingest(raw_train_images, raw_train_labels, raw_test_images, raw_test_labels)


def split(
    train_images: Examples, test_images: Examples, parameters: DigitSplitParameters
) -> tuple[Examples, Examples, Examples, dict[str, Any]]:
    """Cut dev from train, without duplicates, and draw the bits of dev and test once."""
    return files.split(train_images, test_images, parameters)


def ingest_photographs(raw_photographs: RawFolder) -> tuple[Examples, dict[str, Any]]:
    """Check the photographs and say where they come from."""
    from etudes.pipelines.vae.photographs import read_photographs

    return read_photographs(raw_photographs)


def split_photographs(
    photographs_images: Examples, photographs_data_card: dict[str, Any], parameters: PhotographParameters
) -> tuple[Examples, Examples, Examples, dict[str, Any]]:
    """Cut dev from the training photographs, without duplicates."""
    from etudes.pipelines.vae import photographs

    return photographs.split_photographs(photographs_images, photographs_data_card, parameters)


def train_judge(
    train_split: Examples, dev_split: Examples, parameters: JudgeParameters, run: RunParameters
) -> Trained:
    """The digit classifier, from real training digits alone."""
    from etudes.pipelines.vae.model import Judge

    return Judge.fit(train_split, dev_split, parameters, run)


def train_pixels(train_split: Examples, dev_split: Examples) -> Trained:
    """The trivial baseline: independent pixels."""
    from etudes.pipelines.vae.model import Pixels

    model = Pixels.fit(train_split, conditional=False)
    elbo = float(model.log_likelihood(np.asarray(dev_split["binary"])).mean())
    return model, {"dev": {"elbo": elbo, "reconstruction": elbo, "kl": 0.0}, "epochs": []}


def train_mlp(
    train_split: Examples, dev_split: Examples, parameters: MLPParameters, run: RunParameters
) -> Trained:
    """Dense layers."""
    from etudes.pipelines.vae.model import MLPDigitVAE

    p = parameters
    return MLPDigitVAE.fit("mlp", train_split, dev_split, p.latent, p.hidden, p.beta, p.fit, run)


def train_convolutional(
    train_split: Examples, dev_split: Examples, parameters: ConvolutionalVAEParameters, run: RunParameters
) -> Trained:
    """Strided convolutions."""
    from etudes.pipelines.vae.model import Convolutional

    return Convolutional.fit("convolutional", train_split, dev_split, parameters, run, conditional=False)


def train_conditional(
    train_split: Examples, dev_split: Examples, parameters: ConvolutionalVAEParameters, run: RunParameters
) -> Trained:
    """Strided convolutions; encoder and decoder are told the digit."""
    from etudes.pipelines.vae.model import Convolutional

    return Convolutional.fit("conditional", train_split, dev_split, parameters, run, conditional=True)


def train_manifold(
    train_split: Examples, dev_split: Examples, parameters: ManifoldParameters, run: RunParameters
) -> Trained:
    """Dense layers around two latent dimensions."""
    from etudes.pipelines.vae.model import MLPDigitVAE

    p = parameters
    return MLPDigitVAE.fit("manifold", train_split, dev_split, 2, p.hidden, p.beta, p.fit, run)


def train_sweep(
    train_split: Examples, dev_split: Examples, parameters: SweepParameters, run: RunParameters
) -> Trained:
    """One small network for each weight of the KL term."""
    from etudes.pipelines.vae.model import BetaSweep

    return BetaSweep.fit(train_split, dev_split, parameters, run)


def train_photographs(
    photographs_train_split: Examples,
    photographs_dev_split: Examples,
    parameters: PhotographParameters,
    run: RunParameters,
) -> Trained:
    """Strided convolutions on colour photographs."""
    from etudes.pipelines.vae.model import PhotographVAE

    return PhotographVAE.fit(photographs_train_split, photographs_dev_split, parameters, run)


def evaluate(
    train_split: Examples,
    test_split: Examples,
    judge_model: Any,
    parameters: EvaluationParameters,
    run: RunParameters,
    **models: Any,
) -> tuple[dict[str, float], Examples, Frame, Frame]:
    """Score every trained variant on test, which no other stage sees.

    Returns:
        metrics (flat), pictures that each variant drew with what was found of them (column ``variant``), the same
        scores of pictures that no variant drew, and the KL of each latent dimension.
    """
    from etudes.digits.scoring import GeneratorScores, joined
    from etudes.pipelines.vae.evaluation import bound_metrics

    scores = GeneratorScores(judge_model, train_split, test_split, parameters.scores, run.seed)
    metrics: dict[str, float] = {}
    drawn: dict[str, Examples] = {}
    units = []
    for name, model in selected(models).items():
        found, of_units = bound_metrics(model, train_split, test_split, parameters, run.seed)
        scored, drawn[name] = scores.score_generator(model)
        metrics |= {f"{name}.{metric}": value for metric, value in {**found, **scored}.items()}
        units.append(of_units.assign(variant=name))
    references = scores.references()
    metrics |= scores.flat_floor(references)
    return metrics, joined(drawn), references, pd.concat(units, ignore_index=True)


def explore(
    train_split: Examples,
    test_split: Examples,
    sweep_model: Any,
    parameters: EvaluationParameters,
    run: RunParameters,
    **models: Any,
) -> tuple[Examples, Frame, Frame, Frame]:
    """What the latent spaces are like.

    Returns:
        pictures in panels (columns ``panel``, ``row``, ``column``), the rate-distortion table of the sweep, codes of
        test pictures in two dimensions, and the errors of reconstructions beside PCA's.
    """
    from etudes.pipelines.vae import evaluation, panels

    trained = {name: model for name, model in selected(models).items() if hasattr(model, "encode")}
    return (
        panels.all_panels(trained, train_split, test_split, parameters, run.seed),
        evaluation.beta_table(sweep_model, test_split, parameters, run.seed),
        evaluation.latent_table(trained, test_split),
        evaluation.reconstruction_table(trained, train_split, test_split, parameters, run.seed),
    )


def evaluate_photographs(
    photographs_train_split: Examples,
    photographs_test_split: Examples,
    photographs_model: Any,
    parameters: PhotographParameters,
    run: RunParameters,
) -> tuple[Frame, Examples]:
    """Bits that a byte of a test photograph costs, and pictures to look at.

    Returns:
        one row for each way to write the pictures down, and panels (columns ``panel``, ``row``, ``column``).
    """
    from etudes.pipelines.vae.evaluation import photograph_table
    from etudes.pipelines.vae.panels import photograph_panels

    return (
        photograph_table(
            photographs_model, photographs_train_split, photographs_test_split, parameters.draws, run.seed
        ),
        photograph_panels(photographs_model, photographs_test_split, parameters.shown, run.seed),
    )
