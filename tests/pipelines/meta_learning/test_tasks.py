"""Tasks: what they promise of their draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from etudes.pipelines.meta_learning.families import CPU, CharacterFamily
from etudes.pipelines.meta_learning.tasks import draw_sinusoids


def test_sinusoids_lie_in_their_ranges_and_on_their_curve(settings: Any) -> None:
    parameters, generator = settings("sinusoids"), np.random.default_rng(0)
    drawn = draw_sinusoids(parameters, 2000, 10, generator)
    for values, name in ((drawn.amplitude, "amplitude"), (drawn.phase, "phase"), (drawn.x, "range")):
        low, high = getattr(parameters, name)
        assert low <= values.min() < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < values.max() <= high + 1e-6
    expected = drawn.amplitude[17] * np.sin(drawn.x[17] + drawn.phase[17])
    np.testing.assert_allclose(drawn.y[17], expected, rtol=1e-6)
    assert not np.isin(draw_sinusoids(parameters, 3, 5, generator).phase, drawn.phase).any(), "fresh tasks"


def test_batches_of_reptile_hold_each_character_as_often_in_different_drawings(
    characters: CharacterFamily,
) -> None:
    inputs, targets = characters.batches(np.random.default_rng(0), 3, 4, batch=2, shots=5)
    assert inputs.shape == (3, 4, 10, 1, 28, 28) and (torch.bincount(targets.reshape(-1)) == 24).all()
    flat = inputs.reshape(3, 4, 5, 2, -1)
    assert not torch.equal(flat[:, :, :, 0], flat[:, :, :, 1])
    assert (flat.flatten(3)[0, 0] != flat.flatten(3)[0, 1]).any(), "a batch is drawn anew for each step"


def test_training_drawings_are_distorted_and_dev_drawings_are_not(
    settings: Any, parts: Any, characters: CharacterFamily
) -> None:
    bent = CharacterFamily(settings("characters", distortion={"turn": 14}), *parts[:2], CPU)
    met, plain = (family.tasks(np.random.default_rng(0), 2, 1, 1) for family in (bent, characters))
    assert torch.equal(met.query_y, plain.query_y) and not torch.equal(met.query_x, plain.query_x)
    assert torch.equal(bent.held_out[0][0].query_x, characters.held_out[0][0].query_x)


def test_dev_queries_are_answered_alone_whatever_the_training_takes(settings: Any, parts: Any) -> None:
    alone, together = (
        CharacterFamily(settings("characters", normalisation=name, dev_tasks=20), *parts[:2], CPU)
        for name in ("support", "query")
    )
    weights = alone.learner.initial()
    assert together.dev(weights, (0.1,)) == alone.dev(weights, (0.1,))
    together.answering = together.learner
    assert together.dev(weights, (0.1,)) != alone.dev(weights, (0.1,))
