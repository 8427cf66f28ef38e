"""What codes hold: bounds and their parts, dimensions that are used, digits that stay with their codes, paths, a sweep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from digit_toys import run_settings, settings, splits
from etudes.digits.variational import Bounds
from etudes.pipelines.vae.evaluation import (
    bound_metrics,
    latent_table,
    pca_rebuilt,
    reconstruction_table,
    unit_table,
)
from etudes.pipelines.vae.model import (
    MLPVAE,
    dense,
    train_convolutional,
    train_dense,
    train_pixels,
    train_sweep,
)
from etudes.pipelines.vae.panels import GRID, STEPS, of_digits
from etudes.training.session import current_session, training_session

RUN = run_settings()
EVALUATION = settings("vae", "evaluation", scores={"novelty_images": 30, "kid_block": 10})
CODERS = ("mlp", "convolutional", "conditional", "manifold")
Trained = dict[str, tuple[Any, dict[str, Any]]]


@pytest.fixture(scope="module")
def trained() -> Trained:
    train, dev, _, _ = splits()
    found: Trained = {"pixels": train_pixels(train, dev)}
    for name in CODERS:
        learn = train_convolutional if name.startswith("con") else train_dense
        found[name] = learn(train, dev, settings("vae", name), RUN, name)
    return found


@pytest.fixture(scope="module")
def coders(trained: Trained) -> dict[str, Any]:
    return {name: trained[name][0] for name in CODERS}


def rebuild(*given: Any) -> Any:
    return pca_rebuilt(splits()[0], *given, parameters=EVALUATION, seed=0)


def test_the_bound_is_the_likelihood_less_the_kl(trained: Trained) -> None:
    train, _, test, _ = splits()
    for name, (model, history) in trained.items():
        dev = history["dev"]
        assert dev["elbo"] == pytest.approx(dev["reconstruction"] - dev["kl"], abs=1e-3)
        metrics, units = bound_metrics(model, train, test, EVALUATION, 0)
        assert metrics["elbo.low"] <= metrics["elbo"] <= metrics["elbo.high"], name
        assert metrics["iwae"] >= metrics["elbo"] - 0.5
        assert units["kl"].sum() == pytest.approx(
            metrics["kl"] - (np.log(10) if name == "conditional" else 0), abs=1e-3
        )


def test_the_trivial_baseline_is_exact(trained: Trained) -> None:
    train, _, test, _ = splits()
    metrics, units = bound_metrics(trained["pixels"][0], train, test, EVALUATION, 0)
    assert metrics["elbo"] == metrics["iwae"] == metrics["reconstruction"] and metrics["kl"] == 0
    assert metrics["active_units"] == 0 and units.empty


def test_a_unit_is_active_if_its_mean_varies() -> None:
    means = torch.randn(500, 3) * torch.tensor([1.0, 0.05, 0.3])
    nothing = torch.zeros(500)
    units = unit_table(Bounds(nothing, nothing, nothing, means.abs(), means))
    assert units["unit"].tolist() == [1, 2, 3] and units["kl"].is_monotonic_decreasing
    assert (units["variance"] > 0.01).tolist() == [True, True, False]


def test_codes_keep_their_digits(coders: dict[str, Any]) -> None:
    test = splits()[2]
    table = latent_table({name: coders[name] for name in ("manifold", "mlp")}, test)
    of_manifold = table[table["variant"] == "manifold"].set_index("id")
    codes = coders["manifold"].encode(test["binary"], test.rows["label"].to_numpy())
    for row, label in zip(test.rows["id"], test.rows["label"], strict=True):
        assert of_manifold.loc[row, "label"] == label
    assert of_manifold["x"].to_numpy() == pytest.approx(codes[:, 0])
    explained = table.groupby("variant")["explained"].first()
    assert explained["manifold"] == 1.0 and 0.5 <= explained["mlp"] < 1.0
    assert latent_table({}, test).empty


def test_pca_with_more_numbers_errs_less(coders: dict[str, Any]) -> None:
    models = {name: coders[name] for name in ("manifold", "mlp")}
    table = reconstruction_table(models, splits()[2], rebuild).set_index("variant")
    assert table.loc["mlp", "error of PCA"] < table.loc["manifold", "error of PCA"]
    assert reconstruction_table({}, splits()[2], rebuild).empty


def test_panels_have_their_shape_and_both_ends_of_a_path(coders: dict[str, Any]) -> None:
    panels = of_digits(coders, splits()[2], rebuild)
    counts = panels.rows["panel"].value_counts()
    assert counts["manifold"] == GRID**2 and counts["reconstructions"] == 10 * (len(coders) + 2)

    def row(panel: str, number: int) -> np.ndarray:
        chosen = (panels.rows["panel"] == panel) & (panels.rows["row"] == number)
        return panels["pixels"][chosen.to_numpy()].astype(int)

    path, rebuilt = row("interpolation", 0), row("reconstructions", 1 + CODERS.index("convolutional"))
    assert len(path) == STEPS
    for end, digit in ((0, 0), (-1, 3)):
        assert np.abs(path[end] - rebuilt[digit]).max() <= 1
    assert of_digits({}, splits()[2], rebuild).rows["panel"].unique().tolist() == ["reconstructions"]


def test_a_sweep_learns_less_of_the_picture_the_larger_beta(tmp_path: Path) -> None:
    train, dev, test, _ = splits()
    changed = {"betas": [0.1, 30.0], "fit": {"epochs": 15, "batch_size": 16}}
    names: list[str] = []
    with training_session("sweep", tmp_path, lambda step, metrics: names.extend(metrics)):
        sweep, history = train_sweep(train, dev, settings("vae", "sweep", **changed), RUN)
        assert current_session().checkpoints == tmp_path  # type: ignore[union-attr]
    small, large = (sweep.models[beta].bounds(test, 2, 0) for beta in ("0.1", "30"))
    assert float(small.kl.mean()) > float(large.kl.mean()) + 1
    assert {row["beta"] for row in history["epochs"]} == {0.1, 30.0}
    assert {folder.name for folder in tmp_path.iterdir()} == {"beta_0.1", "beta_30"}
    assert "beta_0.1_dev_elbo" in names and "beta_30_dev_elbo" in names


def test_dense_layers_have_no_relu_at_the_end() -> None:
    layers = dense([4, 3, 2])
    assert [type(layer).__name__ for layer in layers] == ["Linear", "ReLU", "Linear"]
    network = MLPVAE(8, 2, [16, 6])
    assert [layer.out_features for layer in network.encoder if hasattr(layer, "out_features")] == [16, 6, 4]
    assert [layer.out_features for layer in network.decoder if hasattr(layer, "out_features")] == [6, 16, 64]
