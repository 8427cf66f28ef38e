"""Training, scoring and reporting on tiny sizes."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

from etudes.evaluation.localisation import localisation_metrics
from etudes.pipelines.anomaly_padim import fitting, nodes, report
from etudes.pipelines.anomaly_padim.detector import blurred, heat_maps, image_scores
from etudes.pipelines.anomaly_padim.pictures import cut_out, outlined, overlay
from etudes.pipelines.anomaly_padim.scoring import METRICS
from etudes.study import Skipped, load_study

VARIANTS = load_study("anomaly_padim").variants


def test_the_pool_is_random_seeded_and_never_larger_than_the_network(fitted: Any, settings: Any) -> None:
    parameters = settings("gaussian")
    first, again, other = (fitting.pool_of(fitted.backbone, parameters, seed) for seed in (0, 0, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert len(first) == 14 and (np.diff(first) > 0).all()
    everything = fitting.pool_of(fitted.backbone, settings("gaussian", channels=5000), 0)
    assert everything.tolist() == list(range(fitted.backbone.channels))


def test_statistics_are_those_of_the_training_pictures(fitted: Any) -> None:
    rows = fitting.members(fitted.train, "board")
    vectors = fitting.stack(
        fitted.backbone, fitted.train["pixels"][rows], fitted.statistics.channels, 4, fitted.run
    ).flatten(2)
    found = fitted.statistics.categories["board"]
    assert found.count == len(rows)
    expected = np.cov(vectors[:, :, 7].numpy().astype(np.float64), rowvar=False)
    np.testing.assert_allclose(found.covariance(slice(7, 8))[0].numpy(), expected, atol=1e-4, rtol=1e-4)


def test_rows_of_a_split_are_read_only_when_they_are_sliced() -> None:
    class Watched:
        def __init__(self) -> None:
            self.asked: list[list[int]] = []

        def __getitem__(self, rows: np.ndarray) -> np.ndarray:
            self.asked.append(rows.tolist())
            return np.zeros((len(rows), 4, 4, 3), dtype=np.uint8)

    array = Watched()
    rows = fitting.RowsOf(array, np.array([5, 7, 9]))  # type: ignore[arg-type]
    assert len(rows) == 3 and array.asked == []
    assert len(rows[0:2]) == 2 and array.asked == [[5, 7]]


def test_models_travel_through_a_folder(fitted: Any, reloaded: Callable[[Any], Any]) -> None:
    vectors = fitting.dev_vectors(
        fitted.dev, fitted.backbone, fitted.statistics, fitted.settings("gaussian"), fitted.run
    )
    for name in ("padim", "pca", "random", "best"):
        model = fitted.models[name]
        again = reloaded(model)
        assert again.thresholds == model.thresholds and again.draws == model.draws
        for draw in range(model.draws):
            before, after = (m.maps(vectors["board"], "board", draw) for m in (model, again))
            assert np.array_equal(before, after), name
    statistics = reloaded(fitted.statistics)
    assert statistics.grid == fitted.statistics.grid
    assert np.array_equal(
        statistics.categories["board"].triangle, fitted.statistics.categories["board"].triangle
    )


def test_blur_is_that_of_scipy() -> None:
    maps = torch.rand(2, 40, 40)
    for sigma in (1.0, 2.5):
        expected = np.stack(
            [gaussian_filter(one, sigma, mode="mirror", truncate=4.0) for one in maps.numpy()]
        )
        np.testing.assert_allclose(blurred(maps, sigma).numpy(), expected, atol=1e-5)


def test_a_heat_map_has_the_size_of_the_picture_and_keeps_a_constant() -> None:
    maps = heat_maps(torch.full((2, 7, 7), 3.0), 50, 2.0)
    assert maps.shape == (2, 50, 50)
    torch.testing.assert_close(maps, torch.full_like(maps, 3.0))


def test_thresholds_come_from_good_dev_pictures_alone(fitted: Any) -> None:
    model = fitted.models["padim"]
    vectors = fitting.dev_vectors(
        fitted.dev, fitted.backbone, fitted.statistics, fitted.settings("gaussian"), fitted.run
    )
    for category in fitted.card["categories"]:
        rows = fitting.members(fitted.dev, category)
        good = ~fitted.dev.rows["defective"].to_numpy()[rows]
        scores = image_scores(model.maps(vectors[category], category))[good]
        expected = np.quantile(scores, fitted.settings("maps").quantile)
        assert model.thresholds[category] == pytest.approx(float(expected))


def test_subsets_have_the_asked_size_and_other_channels_each(fitted: Any) -> None:
    size, draws = fitted.settings("subsets").size, fitted.settings("subsets").draws
    random = fitted.models["random"]
    picked = [tuple(found.columns) for found in random.gaussians["board"]]
    assert random.draws == draws == len(picked) and len(set(picked)) > 1
    assert all(len(columns) == size for columns in picked)
    assert [tuple(found.columns) for found in random.gaussians["fabric"]] == picked
    for name, best in (("best", True), ("worst", False)):
        columns = fitted.models[name].gaussians["board"][0].columns
        values = fitted.importance.categories["board"].mean
        ranked = np.argsort(-values if best else values, kind="stable")[:size]
        assert set(columns) == set(ranked)
    assert fitted.models["pca"].gaussians["board"][0].axes.shape == (size, len(fitted.statistics.channels))


def test_dev_scores_of_chosen_channels_are_cross_fitted(fitted: Any) -> None:
    assert fitted.histories["best"]["cross_fitted"] and "cross_fitted" not in fitted.histories["padim"]
    for history in fitted.histories.values():
        assert set(history["dev"]) == {"image_auroc", "pixel_auroc"}
        assert all(0 <= value <= 1 for value in history["dev"].values())


def test_a_subset_as_large_as_the_pool_is_refused(fitted: Any) -> None:
    groups = [fitted.settings("gaussian"), fitted.settings("maps"), fitted.settings("subsets", size=14)]
    with pytest.raises(ValueError, match=r"subsets\.size = 14, but the pool has 14 channels"):
        nodes.train_random(fitted.dev, fitted.backbone, fitted.statistics, *groups, fitted.run)


def test_an_unknown_category_is_refused(fitted: Any) -> None:
    with pytest.raises(
        ValueError, match="category 'bottle' is not known to this model; it knows fabric, board"
    ):
        fitted.models["padim"].maps(torch.zeros(1, 14, 16, 16), "bottle")


def test_every_variant_has_every_metric_with_its_interval(fitted: Any, evaluated: tuple[Any, ...]) -> None:
    metrics = evaluated[0]
    for variant in VARIANTS:
        for metric in METRICS:
            for ending in ("", "_fabric", "_board"):
                key = f"{variant}.{metric}{ending}"
                assert 0 <= metrics[key] <= 1
                assert metrics[f"{key}.low"] <= metrics[f"{key}.high"]
            mean = np.mean([metrics[f"{variant}.{metric}_{name}"] for name in ("fabric", "board")])
            assert metrics[f"{variant}.{metric}"] == pytest.approx(mean)


def test_official_numbers_are_of_variants_that_chose_nothing(evaluated: tuple[Any, ...]) -> None:
    metrics, table = evaluated[0], evaluated[3]
    assert set(table[table["images"] == "all"]["variant"]) == {"mean_image", "padim"}
    numbers = table.groupby("images")["number"].unique()
    assert numbers["half"].tolist() == [12] and numbers["all"].tolist() == [24]
    assert "padim.image_auroc_all" in metrics and "padim.pro_board_all" in metrics
    assert not any(key.startswith("best.") and "_all" in key for key in metrics)


def test_predictions_and_maps_tell_the_same_story(fitted: Any, evaluated: tuple[Any, ...]) -> None:
    metrics, predictions, samples = evaluated[:3]
    assert len(predictions) == len(VARIANTS) * len(fitted.test)
    padim = predictions[predictions["variant"] == "padim"].set_index("id")
    assert set(samples.rows["variant"]) == {"padim"} and samples["maps"].dtype == np.float16
    np.testing.assert_allclose(
        samples["maps"].astype(float).max((1, 2)), padim.loc[samples.rows["id"], "score"], rtol=2e-3
    )
    order = {identifier: index for index, identifier in enumerate(fitted.test.rows["id"])}
    board = (samples.rows["category"] == "board").to_numpy()
    masks = fitted.test["masks"][[order[name] for name in samples.rows["id"][board]]]
    found = localisation_metrics(samples["maps"][board].astype(np.float32), masks)
    for name, value in found.items():
        assert value == pytest.approx(metrics[f"padim.{name}_board"], abs=5e-3)
    assert (padim["anomalous"] == (padim["score"] > padim["threshold"])).all()


def test_random_is_scored_as_the_mean_of_its_draws(evaluated: tuple[Any, ...]) -> None:
    metrics, draws = evaluated[0], evaluated[4]
    assert len(draws) == 2 * 10
    for metric in METRICS:
        assert draws[draws["category"] == "board"][metric].mean() == pytest.approx(
            metrics[f"random.{metric}_board"]
        )


def test_the_choice_is_repeated_with_the_halves_exchanged(evaluated: tuple[Any, ...]) -> None:
    metrics, swapped, table = evaluated[0], evaluated[5], evaluated[6]
    assert len(swapped) == 2 * 2 * 2
    forward = swapped[(swapped["chosen_on"] == "dev") & (swapped["category"] == "board")].set_index("variant")
    for name in ("best", "worst"):
        for metric in ("image_auroc", "pixel_auroc"):
            assert forward.loc[name, metric] == pytest.approx(metrics[f"{name}.{metric}_board"])
    assert table["on_test"].notna().all()


def test_a_variant_that_was_left_out_is_left_out_everywhere(fitted: Any) -> None:
    models = {name: Skipped(name) for name in VARIANTS} | {"mean_image": fitted.models["mean_image"]}
    metrics, predictions, samples, categories, draws, *_ = fitted.evaluated(**models)
    assert {key.split(".")[0] for key in metrics} == {"mean_image"} == set(predictions["variant"])
    assert set(samples.rows["variant"]) == {"mean_image"} and draws.empty
    history = {"epochs": [], "network": "resnet18"}
    drawn = report.draw(
        metrics,
        predictions,
        categories,
        draws,
        fitted.importance.table().assign(on_test=0.0),
        Skipped("random"),
        history,
    )
    assert len(drawn) == len(report.FIGURES)


def test_pictures_of_the_report_show_every_kind_and_the_failures(
    fitted: Any, evaluated: tuple[Any, ...]
) -> None:
    gallery, failures, card = report.show_pictures(fitted.test, evaluated[2])
    widths = [Image.open(io.BytesIO(png)).size for png in (gallery, failures)]
    assert widths[0][0] == widths[1][0] and widths[0][1] > widths[1][1]
    assert card["variant"] == "padim" and card["defective"] + card["good"] == len(fitted.test)
    assert 0 <= card["missed"] <= card["defective"] and 0 <= card["alarms"] <= card["good"]


def test_a_picture_below_half_of_the_threshold_stays_clear() -> None:
    pixels = np.full((8, 8, 3), 90, dtype=np.uint8)
    heat = np.full((8, 8), 0.5)
    heat[2:4, 2:4] = 4.0
    drawn = overlay(pixels, heat, threshold=1.0)
    assert (drawn[5:] == 90).all() and (drawn[2, 2] != 90).any()
    assert np.array_equal(
        overlay(pixels, np.full((8, 8), 50.0), 1.0), overlay(pixels, np.full((8, 8), 2.0), 1.0)
    )


def test_an_outline_lies_on_the_border_and_a_cut_out_keeps_the_inside() -> None:
    pixels = np.full((20, 20, 3), 90, dtype=np.uint8)
    mask = np.zeros((20, 20), dtype=bool)
    mask[3:15, 3:15] = True
    line = outlined(pixels, mask)
    assert (line[3:5, 3:15] == 255).all() and (line[8, 8] == 90).all() and (line[2, 8] == 0).all()
    assert (outlined(pixels, np.zeros_like(mask)) == 90).all()
    cut = cut_out(pixels, mask)
    assert (cut[mask] == 90).all() and (cut[~mask] == 22).all()
