"""Bounds on the likelihood of test pictures, and what the latent dimensions are used for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.digits.files import with_bits
from etudes.digits.judge import DigitJudge
from etudes.digits.scoring import GeneratorScores
from etudes.digits.variational import Bounds
from etudes.evaluation import mean_interval
from etudes.examples import Examples
from etudes.forms.pictures import png_bytes
from etudes.pipelines.vae import panels
from etudes.pipelines.vae.colour import PhotographVAE, independent_bytes
from etudes.pipelines.vae.model import BetaSweep
from etudes.pipelines.vae.parameters import EvaluationParameters, PhotographParameters
from etudes.training.parameters import RunParameters

ACTIVE = 0.01  # variance of a unit's posterior mean over pictures, above which it is used (Burda et al. 2016)
Rebuild = Callable[[NDArray[np.bool_], int], NDArray[np.float32]]  # pictures from so many components
SHOWN_CODES = 2_000  # test pictures in the scatter of codes


def evaluate(
    models: dict[str, Any],
    judge_model: DigitJudge,
    train_split: Examples,
    test_split: Examples,
    evaluation: EvaluationParameters,
    run: RunParameters,
) -> tuple[dict[str, float], Examples, pd.DataFrame, pd.DataFrame]:
    """Score every trained variant on test, which no other stage sees.

    Returns:
        metrics (flat), pictures that each variant drew with what was found of them (column ``variant``), the same
        scores of pictures that no variant drew, and the KL of each latent dimension.
    """
    scores = GeneratorScores(judge_model, train_split, test_split, evaluation.scores, run.seed)
    metrics, drawn, references = scores.of_all(models)
    units = []
    for name, model in models.items():
        found, of_units = bound_metrics(model, train_split, test_split, evaluation, run.seed)
        metrics |= {f"{name}.{metric}": value for metric, value in found.items()}
        units.append(of_units.assign(variant=name))
    return metrics, drawn, references, pd.concat(units, ignore_index=True)


def explore(
    models: dict[str, Any],
    train_split: Examples,
    test_split: Examples,
    sweep_model: BetaSweep,
    evaluation: EvaluationParameters,
    run: RunParameters,
) -> tuple[Examples, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """What the latent spaces are like.

    Returns:
        pictures in panels (columns ``panel``, ``row``, ``column``), the rate-distortion table of the sweep, codes of
        test pictures in two dimensions, and the errors of reconstructions beside PCA's.
    """
    coders = {name: model for name, model in models.items() if hasattr(model, "encode")}
    rebuild = partial(pca_rebuilt, train_split, parameters=evaluation, seed=run.seed)
    return (
        panels.of_digits(coders, test_split, rebuild),
        beta_table(sweep_model, test_split, evaluation, run.seed),
        latent_table(coders, test_split),
        reconstruction_table(coders, test_split, rebuild),
    )


def evaluate_photographs(
    photographs_train_split: Examples,
    photographs_test_split: Examples,
    photographs_model: PhotographVAE,
    photographs: PhotographParameters,
    run: RunParameters,
) -> tuple[pd.DataFrame, Examples]:
    """Bits that a byte of a test photograph costs, and pictures to look at: panels as in `explore`."""
    model, test = photographs_model, photographs_test_split
    return (
        photograph_table(model, photographs_train_split, test, photographs.draws, run.seed),
        panels.of_photographs(model, test, photographs.shown, run.seed),
    )


def bound_metrics(
    model: Any, train: Examples, test: Examples, parameters: EvaluationParameters, seed: int
) -> tuple[dict[str, float], pd.DataFrame]:
    """Bounds, their parts, active units and the vote in latent space of one variant on test.

    Returns:
        flat metrics with t intervals over test pictures: ``elbo``, ``iwae``, ``reconstruction``, ``kl`` (nats),
        ``active_units``, ``knn_accuracy``; and the columns ``unit``, ``kl``, ``variance`` of the latent dimensions.
    """
    if not hasattr(model, "encode"):
        likelihood = model.log_likelihood(np.asarray(test["binary"]))
        exact = dict.fromkeys(("elbo", "iwae", "reconstruction"), likelihood)
        metrics = _flat({**exact, "kl": np.zeros(len(test))}) | {"active_units": 0.0}
        return metrics, pd.DataFrame({"unit": [], "kl": [], "variance": []})
    found = model.bounds(test, parameters.draws, seed)
    parts = ("elbo", "iwae", "reconstruction", "kl")
    metrics, units = _flat({name: getattr(found, name).double().numpy() for name in parts}), unit_table(found)
    metrics["active_units"] = float((units["variance"] > ACTIVE).sum())
    metrics["knn_accuracy"] = knn_accuracy(model, train, test, found, parameters, seed)
    return metrics, units


def _flat(values: Mapping[str, NDArray[np.float64]]) -> dict[str, float]:
    """Mean over pictures of each, with its t interval."""
    flat: dict[str, float] = {}
    for name, of_pictures in values.items():
        summary = mean_interval(of_pictures)
        flat |= {name: summary["mean"], f"{name}.low": summary["low"], f"{name}.high": summary["high"]}
    return flat


def unit_table(found: Bounds) -> pd.DataFrame:
    """KL (nats) of each latent dimension and the variance of its posterior mean over pictures, the busiest first."""
    kl, variance = found.units.double().mean(0), found.means.double().var(0)
    table = pd.DataFrame({"kl": kl.numpy(), "variance": variance.numpy()})
    table = table.sort_values("kl", ascending=False, ignore_index=True)
    return table.assign(unit=np.arange(1, len(table) + 1))[["unit", "kl", "variance"]]


def _some_of(train: Examples, parameters: EvaluationParameters, seed: int) -> Examples:
    """Training pictures for methods that need no more of them, as bits."""
    generator = np.random.default_rng(seed)
    rows = generator.permutation(len(train))[: parameters.reference_pictures]
    return with_bits(train.take(np.sort(rows)), generator)


def knn_accuracy(
    model: Any, train: Examples, test: Examples, found: Bounds, parameters: EvaluationParameters, seed: int
) -> float:
    """Share of test pictures whose digit the nearest training pictures in latent space agree on (posterior means)."""
    from sklearn.neighbors import KNeighborsClassifier

    some = _some_of(train, parameters, seed)
    labels = some.rows["label"].to_numpy()
    codes = model.encode(np.asarray(some["binary"]), labels)
    vote = KNeighborsClassifier(min(parameters.latent_neighbours, len(some))).fit(codes, labels)
    return float((vote.predict(found.means.numpy()) == test.rows["label"].to_numpy()).mean())


def beta_table(sweep: BetaSweep, test: Examples, parameters: EvaluationParameters, seed: int) -> pd.DataFrame:
    """Rate (KL) and distortion (negative log-likelihood) for each beta, nats (Alemi et al. 2018)."""
    rows = []
    for beta, model in sorted((float(name), model) for name, model in sweep.models.items()):
        found = model.bounds(test, parameters.sweep_draws, seed)
        rate, distortion = float(found.kl.double().mean()), -float(found.reconstruction.double().mean())
        bound = _flat({"elbo": found.elbo.double().numpy()})
        active = int((unit_table(found)["variance"] > ACTIVE).sum())
        rows.append({"beta": beta, "rate": rate, "distortion": distortion, **bound, "active_units": active})
    return pd.DataFrame(rows)


def latent_table(models: Mapping[str, Any], test: Examples) -> pd.DataFrame:
    """Codes of test pictures in two dimensions with their digits: ``variant``, ``id``, ``x``, ``y``, ``label``,
    ``explained`` (share of the codes' variance that the plane shows).

    Two latent dimensions are shown as they are, more by their first two principal components.
    """
    shown = test.take(np.arange(min(SHOWN_CODES, len(test))))
    labels = shown.rows["label"].to_numpy()
    tables = []
    for name, model in models.items():
        codes = model.encode(np.asarray(shown["binary"]), labels).astype(np.float64)
        explained = 1.0
        if codes.shape[1] > 2:
            centred = codes - codes.mean(0)
            values, vectors = np.linalg.eigh(np.cov(centred, rowvar=False))
            codes, explained = centred @ vectors[:, :-3:-1], values[-2:].sum() / values.sum()
        x, y = codes[:, 0], codes[:, 1] if codes.shape[1] > 1 else np.zeros(len(codes))
        rows = {
            "variant": name,
            "id": shown.rows["id"],
            "x": x,
            "y": y,
            "label": labels,
            "explained": explained,
        }
        tables.append(pd.DataFrame(rows))
    columns = ["variant", "id", "x", "y", "label", "explained"]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


def reconstruction_table(models: Mapping[str, Any], test: Examples, rebuild: Rebuild) -> pd.DataFrame:
    """Mean squared error of a bit when a picture is rebuilt from its code, beside PCA with as many numbers.

    PCA minimises this very error among linear maps; its answers are cut to 0..1. The conditional variant is also told
    the digit, and PCA is not.
    """
    bits, labels = np.asarray(test["binary"]), test.rows["label"].to_numpy()
    columns = ["variant", "numbers of a code", "error", "error of PCA"]
    rows = []
    for name, model in models.items():
        means = model.encode(bits, labels)
        rebuilt, linear = model.decode(means, labels), rebuild(bits, means.shape[1])
        errors = (float(((found - bits) ** 2).mean()) for found in (rebuilt, linear))
        rows.append([name, means.shape[1], *errors])
    return pd.DataFrame(rows, columns=columns)


def pca_rebuilt(
    train: Examples, bits: NDArray[np.bool_], size: int, parameters: EvaluationParameters, seed: int
) -> NDArray[np.float32]:
    """Pictures (N, S, S) rebuilt from ``size`` principal components of training pictures, cut to 0..1."""
    from sklearn.decomposition import PCA

    some = np.asarray(_some_of(train, parameters, seed)["binary"], np.float32)
    some = some.reshape(len(some), -1)
    flat = bits.reshape(len(bits), -1).astype(np.float32)
    pca = PCA(min(size, *some.shape), svd_solver="covariance_eigh").fit(some)
    return np.clip(pca.inverse_transform(pca.transform(flat)), 0, 1).reshape(bits.shape)


def photograph_table(model: Any, train: Examples, test: Examples, draws: int, seed: int) -> pd.DataFrame:
    """What a byte of a test photograph costs: ``model``, ``bits_per_dimension`` with the ends ``low`` and ``high`` of its
    t interval over pictures, ``nats`` of a picture (a log-likelihood, or a bound on it).

    A lossless file is a code as well, so its size stands in the same unit; that of a PNG holds its header.
    """
    pixels = np.asarray(test["pixels"])
    found = model.bounds(test, draws, seed)
    files = np.array([len(png_bytes(picture)) for picture in pixels])
    nats = {
        "uniform bytes": np.full(len(test), -pixels[0].size * np.log(256)),
        "independent bytes": independent_bytes(np.asarray(train["pixels"]), pixels),
        "PNG files": -files * 8 * np.log(2),
        "variational autoencoder, evidence bound": found.elbo.double().numpy(),
        f"variational autoencoder, {draws} weighted draws": found.iwae.double().numpy(),
    }
    rows = []
    for name, values in nats.items():
        bits = mean_interval(-values / np.log(2) / pixels[0].size)
        rows.append([name, bits["mean"], bits["low"], bits["high"], float(values.mean())])
    return pd.DataFrame(rows, columns=["model", "bits_per_dimension", "low", "high", "nats"])
