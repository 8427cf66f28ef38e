"""Small sets of real digits and settings for the tests of generators."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from etudes.digits.files import ingest, split
from etudes.digits.parameters import DigitSplitParameters
from etudes.examples import Examples
from etudes.forms.raw import RawFile
from etudes.samples.digit_files import raw_file
from etudes.study import parameters_model
from etudes.training.parameters import FitParameters
from study_settings import run_parameters, settings_of

PARTS = ("train_images", "train_labels", "test_images", "test_labels")
run_settings = run_parameters
SPLIT = DigitSplitParameters(dev_fraction=0.2, seed=0, binarisation_seed=0)


def raw_files(n_train: int = 100, n_test: int = 40, side: int = 8, seed: int = 0) -> dict[str, RawFile]:
    """The four files of the embedded sample, by part."""
    return {part: raw_file(part, n_train=n_train, n_test=n_test, side=side, seed=seed) for part in PARTS}


@cache
def splits(
    n_train: int = 100, n_test: int = 40, side: int = 8
) -> tuple[Examples, Examples, Examples, dict[str, Any]]:
    """Train, dev, test and their card. Shared: tests only read them."""
    train, test, _ = ingest(*raw_files(n_train, n_test, side).values())
    return split(train, test, SPLIT)


@cache
def crisp_splits(n_train: int = 300, n_test: int = 40) -> tuple[Examples, Examples, Examples]:
    """The same in black and white, of which a small network learns much in seconds: bits of grey pixels are noise."""
    return tuple(  # type: ignore[return-value]
        made_digits(
            np.where(part["pixels"] > 100, 255, 0).astype(np.uint8), part.rows["label"].to_numpy(), name
        )
        for name, part in zip(("train", "dev", "test"), splits(n_train, n_test)[:3], strict=True)
    )


def made_digits(pixels: np.ndarray, labels: np.ndarray, part: str = "made") -> Examples:
    """Examples of given pictures (N, S, S) and labels (N,)."""
    rows = pd.DataFrame({"id": [f"{part}-{i}" for i in range(len(labels))], "label": labels})
    return Examples(rows, {"pixels": pixels, "binary": pixels > 127})


def fit_settings(**changes: Any) -> FitParameters:
    values = {
        "epochs": 2,
        "batch_size": 16,
        "learning_rate": 0.003,
        "weight_decay": 0.0,
        "gradient_clip": 5.0,
        "warmup": 0.0,
        "average": 0.0,
        "patience": 50,
        "checkpoint_steps": 2,
    }
    return FitParameters.model_validate({**values, **changes})


def settings(study: str, group: str, **changes: Any) -> Any:
    """``settings("vae", "mlp", latent=4)``: a group of the study's `test` parameters, changed."""
    return settings_of(study, parameters_model(study))(group, **changes)
