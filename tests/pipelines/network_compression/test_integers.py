"""Integer kernels against the same arithmetic in floating point."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from compression_toys import CARD, CONFIG, DEV, RUN, TEST, TRAIN, group, lived
from etudes.pipelines.network_compression import model as methods
from etudes.pipelines.network_compression.integers import LEVELS, Integer, grids, simulated, through
from etudes.vision.imagenet import standardised_bytes
from etudes.vision.packing import kilobytes, packed

PIXELS = np.asarray(TRAIN["pixels"])
PICTURES = standardised_bytes(torch.from_numpy(np.array(TEST["pixels"])))


@pytest.fixture(scope="module")
def integer() -> Integer:
    network = lived(blocks=2)
    weights = packed(network, {**CONFIG, "blocks": 2}, 8)
    at = grids(weights.network, PIXELS)
    return Integer(
        weights, list(at), np.array([s for s, _ in at.values()]), np.array([z for _, z in at.values()])
    )


def test_steps_through_a_network_are_its_own(integer) -> None:
    with torch.no_grad():
        ours = through(integer.network, PICTURES, lambda place, value: value)
        torch.testing.assert_close(ours, integer.network(PICTURES), rtol=1e-4, atol=1e-4)


def test_grids_hold_all_that_training_pictures_give(integer) -> None:
    at = dict(zip(integer.places, zip(integer.scales, integer.zeros, strict=True), strict=True))
    seen: dict[str, tuple[float, float]] = {}

    def see(place: str, value: torch.Tensor) -> torch.Tensor:
        seen[place] = float(value.min()), float(value.max())
        return value

    with torch.no_grad():
        through(integer.network, standardised_bytes(torch.from_numpy(np.array(PIXELS))), see)
    for place, (low, high) in seen.items():
        scale, zero = at[place]
        assert -scale * (zero + 0.51) <= low and high <= scale * (LEVELS - zero + 0.51)
        assert 0 <= zero <= LEVELS
        if place.endswith((".inner", ".block", "stem")):
            assert zero == 0  # nothing is below zero behind a ReLU, so zeros of padding are exact


def test_kernels_give_what_the_arithmetic_says(integer) -> None:
    at = {
        place: (float(s), int(z))
        for place, s, z in zip(integer.places, integer.scales, integer.zeros, strict=True)
    }
    with torch.no_grad():
        simulation, real = simulated(integer.network, PICTURES, at), integer.network(PICTURES)
    kernels = torch.from_numpy(integer.logits(TEST))
    # Sums that lie half way between two whole numbers may be rounded to either side: a few steps of the last grid.
    spread = float(real.std())
    assert float((kernels - simulation).abs().mean()) < 0.02 * spread
    assert float((kernels - real).abs().mean()) < 0.3 * spread
    assert float((simulation - real).abs().max()) > 1e-4  # it does round


def test_an_integer_network_comes_back_from_its_file(integer) -> None:
    again = Integer.from_state(integer.state())
    np.testing.assert_array_equal(again.predict_proba(TEST), integer.predict_proba(TEST))
    assert 0 < kilobytes(integer) - kilobytes(integer.weights) < 5
    assert integer.predict_proba(TEST.take(np.arange(0))).shape == (0, 4)


def test_a_trained_network_loses_little_to_whole_numbers() -> None:
    views, file = group("views"), group("file", limit=1000.0, calibration=100)
    original, _ = methods.train_network(TRAIN, DEV, CARD, None, views, group("network"), RUN)  # type: ignore[arg-type]
    labels = TEST.rows["label"].to_numpy()
    whole, history = methods.train_integer(TRAIN, DEV, original, file)
    exact, _ = methods.train_packed(DEV, original, file, bits=32)
    right = [(m.predict_proba(TEST).argmax(1) == labels).mean() for m in (exact, whole)]
    assert right[0] > 0.8 and right[1] > right[0] - 0.05 and history["dev"]["accuracy"] > 0.8
