"""The stages ingest, preprocess, train and evaluate. Pure functions: what goes in decides what comes out."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pandas as pd

from etudes.examples import Examples
from etudes.forms.raw import RawFolder
from etudes.pipelines.anomaly_padim.parameters import (
    BackboneParameters,
    EvaluationParameters,
    GaussianParameters,
    ImagesParameters,
    ImportanceParameters,
    MapsParameters,
    SplitParameters,
    SubsetsParameters,
)
from etudes.study import selected
from etudes.training.parameters import RunParameters

Trained = tuple[Any, dict[str, Any]]
FEWEST_DEV = 2


def ingest(raw_images: RawFolder, parameters: ImagesParameters) -> tuple[Examples, Examples, dict[str, Any]]:
    """Read and check the pictures of all categories.

    Raises:
        ValueError: as `images.read_images`.
    """
    from etudes.pipelines.anomaly_padim.images import read_images

    train, test, fingerprint = read_images(raw_images, parameters)
    kinds = {name: part["kind"].value_counts().sort_index() for name, part in test.rows.groupby("category")}
    card = {
        "source": raw_images.facts.get("source", "own data"),
        "embedded_sample": raw_images.embedded_sample,
        "fingerprint": fingerprint,
        "categories": list(parameters.categories),
        "train_rows": len(train),
        "test_rows": len(test),
        "size": parameters.crop,
        "kinds": {
            category: {str(kind): int(n) for kind, n in kinds[category].items()}
            for category in parameters.categories
        },
    }
    return train, test, card


def split(
    train_images: Examples, test_images: Examples, parameters: SplitParameters
) -> tuple[Examples, Examples, Examples, dict[str, Any]]:
    """Drop repeated training pictures and divide the official test pictures into dev and test.

    A training picture that also stands in test is dropped, and of equal ones all but the first. Every kind of picture
    of a category gives ``dev_fraction`` to dev; equal test pictures go to the same half. Dev rows have a ``fold``, 0
    or 1, for choices that are checked inside dev.

    Raises:
        ValueError: too few pictures are left for a covariance, or of good or defective ones in dev or test.
    """
    train_hashes, test_hashes = _hashes(train_images["pixels"]), _hashes(test_images["pixels"])
    in_test = np.isin(train_hashes, test_hashes)
    repeated = pd.Series(train_hashes).duplicated().to_numpy() & ~in_test
    train = train_images.take(~in_test & ~repeated)
    is_dev = _halves(test_images.rows, test_hashes, parameters)
    dev, test = test_images.take(is_dev), test_images.take(~is_dev)
    dev.rows["fold"] = dev.rows.groupby(["category", "defective"]).cumcount() % 2
    categories = list(dict.fromkeys(test_images.rows["category"]))
    for category in categories:
        _check_halves(category, train.rows, dev.rows, test.rows)
    card = {
        "categories": categories,
        "unit": "images",
        "train_rows": len(train),
        "dev_rows": len(dev),
        "test_rows": len(test),
        "dropped_because_in_test": int(in_test.sum()),
        "dropped_because_repeated": int(repeated.sum()),
        "dev_fingerprint": hashlib.sha256("".join(sorted(_hashes(dev["pixels"]))).encode()).hexdigest()[:32],
    }
    return train, dev, test, card


def _hashes(pixels: np.ndarray) -> np.ndarray:
    """A digest of each picture (N,)."""
    digests = [hashlib.sha256(np.ascontiguousarray(picture).tobytes()).hexdigest() for picture in pixels]
    return np.array(digests, dtype=np.str_)


def _halves(rows: pd.DataFrame, hashes: np.ndarray, parameters: SplitParameters) -> np.ndarray:
    """Which test pictures go to dev (N,), bool: of each kind round(fraction * n) different ones, at most n - 1."""
    generator = np.random.default_rng(parameters.seed)
    is_dev = np.zeros(len(rows), dtype=bool)
    for _, members in rows.groupby(["category", "kind"], sort=True).indices.items():
        different, group = np.unique(hashes[members], return_inverse=True)
        first = np.full(len(different), len(members))
        np.minimum.at(
            first, group, np.arange(len(members))
        )  # the order of the files, not that of the digests
        count = min(round(parameters.dev_fraction * len(different)), len(different) - 1)
        picked = generator.permutation(np.argsort(first))[:count]
        is_dev[members[np.isin(group, picked)]] = True
    return is_dev


def _check_halves(category: str, train: pd.DataFrame, dev: pd.DataFrame, test: pd.DataFrame) -> None:
    left = int((train["category"] == category).sum())
    if left < 2:
        raise ValueError(
            f"{category}: {left} training pictures are left once repeated ones and those that also stand in test are "
            "dropped; expected at least 2"
        )
    for name, part, fewest in (("dev", dev, FEWEST_DEV), ("test", test, 1)):
        counts = part.loc[part["category"] == category, "defective"].value_counts()
        good, defective = int(counts.get(False, 0)), int(counts.get(True, 0))
        if min(good, defective) < fewest:
            raise ValueError(
                f"{category}: {name} has {good} good and {defective} defective pictures; expected at least {fewest} of "
                "both. Add test pictures, or change split.dev_fraction."
            )


def train_backbone(pretrained: Any, parameters: BackboneParameters, run: RunParameters) -> Trained:
    """The network whose features are modelled: one by name, or a small one trained on generated textures."""
    from etudes.pipelines.anomaly_padim.backbone import TEXTURES, Backbone, learn_textures

    if parameters.network == TEXTURES:
        backbone, epochs = learn_textures(parameters, run)
    else:
        backbone, epochs = Backbone.pretrained(pretrained, parameters.network), []
    card = {
        "network": backbone.network,
        "fingerprint": backbone.fingerprint,
        "channels": backbone.channel_counts,
    }
    return backbone, {**card, "epochs": epochs}


def train_statistics(
    train_split: Examples,
    split_card: dict[str, Any],
    backbone: Any,
    parameters: GaussianParameters,
    run: RunParameters,
) -> Trained:
    """One pass over the training pictures: mean and covariance of each patch, over a pool of random channels."""
    from etudes.pipelines.anomaly_padim.fitting import fit_statistics

    return fit_statistics(train_split, split_card["categories"], backbone, parameters, run)


def train_importance(
    dev_split: Examples,
    split_card: dict[str, Any],
    backbone: Any,
    statistics: Any,
    gaussian: GaussianParameters,
    maps: MapsParameters,
    parameters: ImportanceParameters,
    run: RunParameters,
) -> Trained:
    """Permutation importance of the pool's channels, on dev."""
    from etudes.pipelines.anomaly_padim.fitting import measure_importance

    model = measure_importance(
        dev_split, split_card["categories"], backbone, statistics, gaussian, maps, parameters, run
    )
    table = model.table()
    card = {
        "epochs": [],
        "reference": {name: found.reference for name, found in model.categories.items()},
        "clear_of_zero": int((table["low"] > 0).sum()),
        "channels": len(table),
    }
    return model, card


def train_mean_image(
    train_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    gaussian: GaussianParameters,
    maps: MapsParameters,
    run: RunParameters,
) -> Trained:
    """The trivial baseline: the same Gaussians on the mean colour of small patches, without a network."""
    from etudes.pipelines.anomaly_padim.fitting import fit_mean_image

    return fit_mean_image(train_split, dev_split, split_card["categories"], gaussian, maps, run)


def train_padim(
    dev_split: Examples,
    backbone: Any,
    statistics: Any,
    gaussian: GaussianParameters,
    maps: MapsParameters,
    run: RunParameters,
) -> Trained:
    """PaDiM: the Gaussians of all channels of the pool."""
    from etudes.pipelines.anomaly_padim.fitting import judged

    gaussians = {name: [found.gaussian(gaussian.epsilon)] for name, found in statistics.categories.items()}
    return judged(gaussians, dev_split, backbone, statistics, gaussian, maps, run)


def train_pca(
    dev_split: Examples,
    backbone: Any,
    statistics: Any,
    gaussian: GaussianParameters,
    maps: MapsParameters,
    subsets: SubsetsParameters,
    run: RunParameters,
) -> Trained:
    """The Gaussians of the pool's first principal axes."""
    from etudes.pipelines.anomaly_padim.fitting import judged, subset_size

    size = subset_size(subsets, statistics)
    gaussians = {
        name: [found.gaussian(gaussian.epsilon, axes=found.principal_axes(size))]
        for name, found in statistics.categories.items()
    }
    return judged(gaussians, dev_split, backbone, statistics, gaussian, maps, run)


def train_random(
    dev_split: Examples,
    backbone: Any,
    statistics: Any,
    gaussian: GaussianParameters,
    maps: MapsParameters,
    subsets: SubsetsParameters,
    run: RunParameters,
) -> Trained:
    """Random small subsets of the pool, many draws; scores are their mean, answers those of the first draw."""
    from etudes.pipelines.anomaly_padim.fitting import judged, random_subsets

    columns = random_subsets(subsets, statistics, run.seed)
    gaussians = {
        name: [found.gaussian(gaussian.epsilon, columns=chosen) for chosen in columns]
        for name, found in statistics.categories.items()
    }
    return judged(gaussians, dev_split, backbone, statistics, gaussian, maps, run)


def train_best(
    dev_split: Examples,
    backbone: Any,
    statistics: Any,
    importance: Any,
    gaussian: GaussianParameters,
    maps: MapsParameters,
    subsets: SubsetsParameters,
    run: RunParameters,
) -> Trained:
    """The channels that are most important on dev; the dev score is cross-fitted, so that it compares with others'."""
    from etudes.pipelines.anomaly_padim.fitting import fit_chosen

    return fit_chosen(True, dev_split, backbone, statistics, importance, gaussian, maps, subsets, run)


def train_worst(
    dev_split: Examples,
    backbone: Any,
    statistics: Any,
    importance: Any,
    gaussian: GaussianParameters,
    maps: MapsParameters,
    subsets: SubsetsParameters,
    run: RunParameters,
) -> Trained:
    """The channels that are least important on dev, as `train_best`."""
    from etudes.pipelines.anomaly_padim.fitting import fit_chosen

    return fit_chosen(False, dev_split, backbone, statistics, importance, gaussian, maps, subsets, run)


def evaluate(
    test_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    backbone: Any,
    statistics: Any,
    importance: Any,
    gaussian: GaussianParameters,
    maps: MapsParameters,
    importances: ImportanceParameters,
    subsets: SubsetsParameters,
    parameters: EvaluationParameters,
    run: RunParameters,
    **models: Any,
) -> tuple[Any, ...]:
    """Score every trained variant on the test half, which no other stage sees.

    Returns:
        metrics (flat: means over categories, and each category), predictions (one row for each variant and picture),
        heat maps, and the tables of categories, random draws, the swapped choice and importances; inference costs.
    """
    from etudes.pipelines.anomaly_padim.scoring import Scoring

    scoring = Scoring(
        test_split, dev_split, split_card["categories"], backbone, statistics, gaussian, parameters, run
    )
    scoring.score(selected(models))
    swapped, importance_table = scoring.swapped(importance, maps, importances, subsets)
    return (
        scoring.metrics,
        pd.concat(scoring.predictions, ignore_index=True),
        scoring.samples(),
        pd.DataFrame(scoring.categories_rows),
        scoring.draws_table(),
        swapped,
        importance_table,
        scoring.costs,
    )
