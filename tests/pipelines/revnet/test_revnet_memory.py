"""Memory and time of one step, in fresh processes."""

from __future__ import annotations

import numpy as np
import pytest

from etudes.pipelines.revnet.memory import MIB, in_fresh_process, measure_step, measurements
from etudes.pipelines.revnet.parameters import MemoryParameters

STEP = {"width": 64, "batch": 256, "repeats": 1, "seed": 0}


def peak(network: str, blocks: int) -> float:
    return measure_step({"network": network, "blocks": blocks, **STEP})["peak_mib"]


def test_memory_is_flat_in_depth_and_storing_is_not() -> None:
    assert peak("reversible", 64) <= 1.05 * peak("reversible", 4)
    state = 256 * 64 * 4 / MIB
    assert peak("stored", 64) - peak("stored", 4) == pytest.approx(60 * state, rel=0.05)
    assert peak("plain", 64) > 6 * peak("plain", 4)


def test_a_measurement_of_a_fresh_process_is_that_of_this_one() -> None:
    found = in_fresh_process({"network": "reversible", "blocks": 4, **STEP})
    assert found["peak_mib"] == pytest.approx(peak("reversible", 4), rel=0.05)
    assert found["step_ms"] > 0


def test_a_failed_measurement_says_why() -> None:
    with pytest.raises(RuntimeError, match=r"failed \(exit 1\).*even number"):
        in_fresh_process({"network": "reversible", "blocks": 4, **STEP, "width": 7})


def test_the_convolutional_network_is_measured_by_the_process() -> None:
    asked = {"network": "convolutional", "blocks": 1, **STEP, "batch": 8}
    assert np.isfinite(measure_step(asked)["peak_mib"])


def test_all_depths_are_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    path = "etudes.pipelines.revnet.memory.in_fresh_process"
    monkeypatch.setattr(path, lambda one: asked.append((one["network"], one["blocks"], one["batch"])) or {})
    settings = MemoryParameters(depths=(2, 8), convolutional_depths=(1,), width=4, batch_size=3, repeats=1)
    list(measurements(settings, 0))
    dense = [(kind, depth, 3) for depth in (2, 8) for kind in ("plain", "stored", "reversible")]
    assert asked == [*dense, ("convolutional_stored", 1, 3), ("convolutional", 1, 3)]
