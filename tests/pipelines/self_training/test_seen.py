"""Features, views and the graph: against sums by hand, geometry, closed forms and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from etudes.benches import spreading
from etudes.benches.few_labels import UNKNOWN
from etudes.models import ModelState
from etudes.pipelines.self_training.model import Reader
from etudes.vision import frozen
from etudes.vision.frozen import Projection
from etudes.vision.parameters import ViewParameters, ViewsParameters

STILL = ViewParameters(shift=0, turn=0, zoom=0, shear=0, light=0, mirror=False)


def test_gradient_histograms_are_sums_by_hand() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 8), dtype=np.uint8)
    x = np.pad(pixels / 255, ((0, 0), (1, 1), (1, 1)))
    across, down = x[:, 1:-1, 2:] - x[:, 1:-1, :-2], x[:, 2:, 1:-1] - x[:, :-2, 1:-1]
    expected = []
    for k in range(8):
        rising = np.maximum(0, np.cos(k * np.pi / 4) * across + np.sin(k * np.pi / 4) * down)
        expected.append(np.sqrt(rising.reshape(2, 2, 4, 2, 4).mean(axis=(2, 4))).reshape(2, 4))
    np.testing.assert_allclose(frozen.seen(pixels), np.concatenate(expected, axis=1), atol=1e-4)


def test_a_ramp_rises_in_its_direction_alone_and_colours_are_means() -> None:
    ramp = np.tile(np.arange(0, 160, 10, dtype=np.uint8), (16, 1))
    inner = frozen.seen(ramp[None]).reshape(8, 4, 4)[:, 1:3, 1:3]
    assert inner.argmax(axis=0).tolist() == [[0, 0], [0, 0]] and inner[4].max() == 0
    coloured = frozen.seen(np.broadcast_to(np.array([255, 0, 51], np.uint8), (1, 16, 16, 3)))
    np.testing.assert_allclose(coloured[0, -48:].reshape(3, 16), [[1] * 16, [0] * 16, [0.2] * 16], atol=1e-6)


def test_pixels_of_another_shape_are_refused() -> None:
    for wrong in (np.zeros((2, 8), np.uint8), np.zeros((2, 8, 8, 4), np.uint8), np.zeros((2, 8, 8))):
        with pytest.raises(ValueError, match="expected pixels"):
            frozen.seen(wrong)


def test_a_view_without_limits_is_the_picture_and_one_with_them_is_not() -> None:
    batch = torch.rand(3, 1, 12, 12)
    torch.testing.assert_close(frozen.altered(batch, STILL, torch.Generator()), batch, atol=1e-5, rtol=0)
    moved = frozen.altered(batch, STILL.model_copy(update={"turn": 0.5}), torch.Generator().manual_seed(0))
    assert (moved - batch).abs().max() > 0.1


def test_a_mirrored_view_is_the_mirrored_picture() -> None:
    batch = torch.rand(20, 3, 8, 8)
    seen = frozen.altered(batch, STILL.model_copy(update={"mirror": True}), torch.Generator().manual_seed(0))
    same, mirrored = ((seen - other).abs().amax((1, 2, 3)) < 1e-5 for other in (batch, batch.flip(3)))
    assert (same ^ mirrored).all() and 3 < int(mirrored.sum()) < 17


def test_views_are_of_their_pictures_and_of_their_seed() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (5, 8, 8), dtype=np.uint8)
    how = ViewsParameters(count=2, weak=STILL, strong=STILL.model_copy(update={"shift": 0.2}))
    weak, strong = frozen.views(pixels, how, 0)
    np.testing.assert_allclose(weak, np.repeat(frozen.seen(pixels)[:, None], 2, axis=1), atol=1e-2)
    np.testing.assert_array_equal(strong, frozen.views(pixels, how, 0)[1])
    assert np.abs(strong - frozen.views(pixels, how, 1)[1]).max() > 0.05


def test_projection_is_that_of_principal_components() -> None:
    from sklearn.decomposition import PCA

    x = np.random.default_rng(2).normal(size=(200, 6)).astype(np.float32) * np.arange(1, 7)
    z = Projection.fit(x.astype(np.float32), 3).z(x.astype(np.float32))
    theirs = PCA(3).fit_transform(x)[:, ::-1]
    theirs /= np.sqrt(np.square(theirs).mean())
    np.testing.assert_allclose(np.abs(z), np.abs(theirs), atol=2e-3)
    assert Projection.fit(x.astype(np.float32), 99).weights.shape == (6, 6)


def test_nearest_are_those_of_scikit_learn() -> None:
    from sklearn.neighbors import NearestNeighbors

    z = np.random.default_rng(3).normal(size=(2100, 4))  # more than one block
    places, distances = spreading.nearest(z, z[:500], 5)
    theirs, ours = NearestNeighbors(n_neighbors=5).fit(z[:500]).kneighbors(z)
    np.testing.assert_array_equal(places, ours)
    np.testing.assert_allclose(np.sqrt(distances), theirs, atol=5e-3)


def test_spreading_is_the_closed_form_of_zhou() -> None:
    z = np.random.default_rng(4).normal(size=(60, 2))
    labels = np.full(70, UNKNOWN)
    labels[:6] = [0, 1, 2, 0, 1, 2]
    graph, retain, k = spreading.Graph.of(z), 0.1, 6
    (rule,) = spreading.label_spreading(np.empty((70, 2)), [labels], 3, 0, graph=graph, k=k, retain=retain)
    d = np.linalg.norm(z[:, None] - z, axis=2)
    reach = np.sort(d, axis=1)[:, k]
    near = np.exp(-(d**2) / np.outer(reach, reach)) * ((d <= reach[:, None]) & (d > 0))
    w = np.maximum(near, near.T)
    roots = 1 / np.sqrt(w.sum(axis=1))
    given = np.eye(4)[labels[:60]][:, :3]
    exact = np.linalg.solve(np.eye(60) - (1 - retain) * roots[:, None] * w * roots, retain * given)
    np.testing.assert_allclose(rule.shares, exact / exact.sum(axis=1, keepdims=True), atol=1e-3)
    assert rule.predict_proba(np.full((1, 2), 1e3)).sum() == pytest.approx(1), "far from all rows"


def test_several_labelings_are_each_alone_and_equal_rows_have_neighbours() -> None:
    z = np.repeat(np.random.default_rng(5).normal(size=(3, 2)), 30, axis=0)  # more equals than neighbours
    labelings = [np.where(np.arange(90) % 30 == place, np.arange(90) // 30, UNKNOWN) for place in (0, 1)]
    how = {"graph": spreading.Graph.of(z), "k": 5, "retain": 0.1}
    together = list(spreading.label_spreading(z, labelings, 3, 0, **how))
    for labels, rule in zip(labelings, together, strict=True):
        (alone,) = spreading.label_spreading(z, [labels], 3, 0, **how)
        np.testing.assert_allclose(rule.shares, alone.shares, atol=1e-5)
        assert (rule.predict_proba(z).argmax(axis=1) == np.arange(90) // 30).mean() > 0.9


def test_a_reader_answers_alike_from_pixels_features_and_its_state() -> None:
    import pandas as pd

    from etudes.benches.classifiers import Majority
    from etudes.examples import Examples

    pixels = np.random.default_rng(6).integers(0, 256, (30, 8, 8), dtype=np.uint8)
    seen = frozen.seen(pixels)
    projection = Projection.fit(seen, 4)
    (rule,) = spreading.label_spreading(
        seen, [np.arange(30) % 2], 2, 0, graph=spreading.Graph.of(projection.z(seen)), k=3, retain=0.2
    )
    reader, rows = Reader(projection, rule), pd.DataFrame({"id": range(30)})
    told = reader.predict_proba(Examples(rows, {"pixels": pixels}))
    np.testing.assert_allclose(told, reader.predict_proba(Examples(rows, {"features": seen})), atol=1e-6)
    state = reader.state()
    again = Reader.from_state(ModelState(state.config, state.arrays, state.blobs))
    np.testing.assert_allclose(again.predict_proba(Examples(rows, {"pixels": pixels})), told, atol=1e-6)
    assert Reader(projection, Majority(np.array([1.0, 0.0]))).predict_proba(
        Examples(rows, {"pixels": pixels})
    ).shape == (30, 2)
