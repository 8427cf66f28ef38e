"""Every training node learns, every score is there, and what is left out stays out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from etudes.pipelines.vae.mlp import MLPVAE, dense

from digit_toys import run_settings, settings, splits
from etudes.digits.variational import Bounds
from etudes.models import load_model, save_model
from etudes.pipelines.vae import nodes, report
from etudes.pipelines.vae.evaluation import bound_metrics, latent_table, reconstruction_table, unit_table
from etudes.pipelines.vae.panels import GRID, STEPS, all_panels
from etudes.study import Skipped, load_study
from etudes.training.session import current_session, training_session

RUN = run_settings()
VARIANTS = load_study("vae").variants
EVALUATION = settings("vae", "evaluation", scores={"novelty_images": 30, "kid_block": 10})
Trained = dict[str, tuple[Any, dict[str, Any]]]


@pytest.fixture(scope="module")
def trained() -> Trained:
    train, dev, _, _ = splits()
    found: Trained = {"pixels": nodes.train_pixels(train, dev)}
    for name in ("mlp", "convolutional", "conditional", "manifold", "sweep", "judge"):
        group = settings("vae", name)
        found[name] = getattr(nodes, f"train_{name}")(train, dev, group, RUN)
    return found


@pytest.fixture(scope="module")
def evaluated(trained: Trained) -> tuple[Any, ...]:
    train, _, test, _ = splits()
    models = {name: trained[name][0] for name in VARIANTS}
    return nodes.evaluate(train, test, trained["judge"][0], EVALUATION, RUN, **models)


def test_every_history_has_the_score_that_chooses(trained: Trained) -> None:
    study = load_study("vae")
    for name in VARIANTS:
        dev = trained[name][1]["dev"]
        assert np.isfinite(dev[study.dev_metric])
        assert dev["elbo"] == pytest.approx(dev["reconstruction"] - dev["kl"], abs=1e-3)


def test_every_variant_has_bounds_and_scores_with_intervals(evaluated: tuple[Any, ...]) -> None:
    metrics, drawn, references, units = evaluated
    study = load_study("vae")
    for name in VARIANTS:
        for metric in set(study.metrics) - {"label_accuracy"}:
            assert np.isfinite(metrics[f"{name}.{metric}"]), (name, metric)
        assert metrics[f"{name}.elbo.low"] <= metrics[f"{name}.elbo"] <= metrics[f"{name}.elbo.high"]
        assert metrics[f"{name}.iwae"] >= metrics[f"{name}.elbo"] - 0.5
    assert "conditional.label_accuracy" in metrics and "mlp.label_accuracy" not in metrics
    assert {"judge.accuracy", "real.floor_fid"} <= set(metrics)
    assert drawn.rows["variant"].value_counts().to_dict() == dict.fromkeys(VARIANTS, 30)
    assert len(references) == 2 and set(units["variant"]) == set(VARIANTS) - {"pixels"}


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


def test_codes_keep_their_digits(trained: Trained) -> None:
    test = splits()[2]
    table = latent_table({name: trained[name][0] for name in ("manifold", "mlp")}, test)
    of_manifold = table[table["variant"] == "manifold"].set_index("id")
    codes = trained["manifold"][0].encode(test["binary"], test.rows["label"].to_numpy())
    for row, label in zip(test.rows["id"], test.rows["label"], strict=True):
        assert of_manifold.loc[row, "label"] == label
    assert of_manifold["x"].to_numpy() == pytest.approx(codes[:, 0])
    explained = table.groupby("variant")["explained"].first()
    assert explained["manifold"] == 1.0 and 0.5 <= explained["mlp"] < 1.0


def test_pca_with_more_numbers_errs_less(trained: Trained) -> None:
    train, _, test, _ = splits()
    models = {name: trained[name][0] for name in ("manifold", "mlp")}
    table = reconstruction_table(models, train, test, EVALUATION, 0).set_index("variant")
    assert table.loc["mlp", "error of PCA"] < table.loc["manifold", "error of PCA"]


def test_panels_have_their_shape_and_both_ends_of_a_path(trained: Trained) -> None:
    train, _, test, _ = splits()
    models = {name: trained[name][0] for name in VARIANTS if name != "pixels"}
    panels = all_panels(models, train, test, EVALUATION, 0)
    counts = panels.rows["panel"].value_counts()
    assert counts["manifold"] == GRID**2 and counts["reconstructions"] == 10 * (len(models) + 2)
    path = panels.take(((panels.rows["panel"] == "interpolation") & (panels.rows["row"] == 0)).to_numpy())
    rebuilt = panels.take(
        ((panels.rows["panel"] == "reconstructions") & (panels.rows["row"] == 2)).to_numpy()
    )
    assert len(path) == STEPS
    for end, digit in ((0, 0), (-1, 3)):
        gap = path["pixels"][end].astype(int) - rebuilt["pixels"][digit].astype(int)
        assert abs(gap).max() <= 1


def test_a_sweep_learns_less_of_the_picture_the_larger_beta(tmp_path: Path) -> None:
    train, dev, test, _ = splits()
    changed = {"betas": [0.1, 30.0], "fit": {"epochs": 15, "batch_size": 16}}
    names: list[str] = []
    with training_session("sweep", tmp_path, lambda step, metrics: names.extend(metrics)):
        sweep, history = nodes.train_sweep(train, dev, settings("vae", "sweep", **changed), RUN)
        assert current_session().checkpoints == tmp_path  # type: ignore[union-attr]
    small, large = (sweep.models[beta].bounds(test, 2, 0) for beta in (0.1, 30.0))
    assert float(small.kl.mean()) > float(large.kl.mean()) + 1
    assert {row["beta"] for row in history["epochs"]} == {0.1, 30.0}
    assert {folder.name for folder in tmp_path.iterdir()} == {"beta_0.1", "beta_30"}
    assert "beta_0.1_dev_elbo" in names and "beta_30_dev_elbo" in names


@pytest.mark.parametrize("name", [*VARIANTS, "sweep", "judge"])
def test_every_model_comes_back_as_it_was_saved(name: str, trained: Trained, tmp_path: Path) -> None:
    model = trained[name][0]
    save_model(model, tmp_path / name)
    again = load_model(tmp_path / name)
    assert type(again) is type(model)
    for key, value in model.state().arrays.items():
        assert np.array_equal(again.state().arrays[key], value), key


def test_dense_layers_have_no_relu_at_the_end() -> None:
    layers = dense([4, 3, 2])
    assert [type(layer).__name__ for layer in layers] == ["Linear", "ReLU", "Linear"]
    network = MLPVAE(8, 2, [16, 6])
    assert [layer.out_features for layer in network.encoder if hasattr(layer, "out_features")] == [16, 6, 4]
    assert [layer.out_features for layer in network.decoder if hasattr(layer, "out_features")] == [6, 16, 64]


def test_what_was_left_out_stays_out(trained: Trained) -> None:
    train, _, test, _ = splits()
    models: dict[str, Any] = {name: Skipped(name) for name in VARIANTS}
    models["pixels"] = trained["pixels"][0]
    metrics, drawn, _, units = nodes.evaluate(train, test, trained["judge"][0], EVALUATION, RUN, **models)
    assert "mlp.elbo" not in metrics and set(drawn.rows["variant"]) == {"pixels"} and units.empty
    panels, beta, latent, rebuilt = nodes.explore(train, test, trained["sweep"][0], EVALUATION, RUN, **models)
    assert panels.rows["panel"].unique().tolist() == ["reconstructions"] and latent.empty and rebuilt.empty
    assert len(beta) == 2


def test_the_best_bound_on_dev_answers_users(trained: Trained) -> None:
    inputs: dict[str, Any] = {name: trained[name][0] for name in VARIANTS}
    inputs |= {f"{name}_history": trained[name][1] for name in VARIANTS}
    inputs["mlp_history"] = {"dev": {"elbo": -1.0}}
    cards = {"embedded_sample": True}, {"dev_fingerprint": "abc"}
    predictor = report.choose_predictor(*cards, trained["judge"][0], **inputs)
    assert predictor.card["variant"] == "mlp" and predictor.card["dev_score"] == -1.0
    inputs["mlp"] = Skipped("mlp")
    assert report.choose_predictor(*cards, trained["judge"][0], **inputs).card["variant"] != "mlp"
