"""The measured cost of a block."""

from __future__ import annotations

import sys
import time

import pytest

from etudes.training import resources
from etudes.training.resources import measure

MIB = 2**20


def allocate(mib: int) -> None:
    """Hold memory whose every page is written, and give it back."""
    block = bytearray(mib * MIB)
    block[::4096] = b"\x01" * len(block[::4096])
    del block


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="sampling misses short peaks")
def test_peak_memory_sees_a_short_lived_allocation() -> None:
    with measure() as found:
        allocate(200)
    assert 190 < found.added_memory_mib < 320
    assert found.peak_memory_mib > found.added_memory_mib


def test_an_earlier_peak_is_not_counted() -> None:
    allocate(200)
    with measure() as found:
        allocate(1)
    assert found.added_memory_mib < 100


def test_sampling_sees_an_allocation_that_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources._KernelPeak, "works", staticmethod(lambda: False))
    with measure() as found:
        block = bytearray(b"\x01") * (200 * MIB)
        time.sleep(0.5)
        del block
    assert 190 < found.added_memory_mib < 320


def test_wall_time_is_measured_also_when_the_block_fails() -> None:
    with pytest.raises(ZeroDivisionError), measure() as found:
        time.sleep(0.05)
        raise ZeroDivisionError
    assert 0.05 <= found.seconds < 5
    assert found.peak_memory_mib > 0


def test_as_dict_names_every_number() -> None:
    with measure() as found:
        pass
    assert set(found.as_dict()) == {"seconds", "peak_memory_mib", "added_memory_mib", "gpu_peak_memory_mib"}
