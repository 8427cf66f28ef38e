"""IDX files are read as they were written, and a damaged or wrong one is refused with a message that says why."""

from __future__ import annotations

import gzip
from collections.abc import Callable

import numpy as np
import pytest

from etudes.forms.idx import idx_bytes, read_idx
from etudes.forms.raw import RawFile

PICTURES = np.random.default_rng(0).integers(0, 256, (5, 8, 12), dtype=np.uint8)
LABELS = np.arange(7, dtype=np.uint8)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("values", [PICTURES, LABELS])
def test_values_come_back_packed_or_not(values: np.ndarray, packed: bool) -> None:
    content = idx_bytes(values)
    raw = RawFile("digits", gzip.compress(content) if packed else content)
    assert np.array_equal(read_idx(raw, values.ndim), values)


def test_the_header_is_that_of_the_original_files() -> None:
    assert idx_bytes(np.zeros((60_000,), np.uint8))[:8].hex() == "000008010000ea60"
    assert idx_bytes(PICTURES)[:16].hex() == "00000803" + "00000005" + "00000008" + "0000000c"


FAULTS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda content: b"", "starts with nothing"),
    "a text": (lambda content: b"label,pixel0\n", "starts with 6c 61 62 65"),
    "floats": (lambda content: content[:2] + b"\x0d" + content[3:], "type 0x0d"),
    "the other file": (lambda content: idx_bytes(LABELS), "1 dimension .labels.*exchanged"),
    "cut in the header": (lambda content: content[:9], "ends inside its header"),
    "cut in the values": (lambda content: content[:-1], "480 values, the file holds only 479"),
    "too long": (lambda content: content + b"\0", "480 values, the file holds more"),
    "absurd sizes": (lambda content: content[:4] + b"\xff" * 12, "expected between 1 and"),
    "no pictures": (lambda content: content[:4] + b"\0" * 12, "0 x 0 x 0 values"),
    "cut gzip": (lambda content: gzip.compress(content)[:-20], "gzip data are damaged or cut off"),
    "damaged gzip": (lambda content: gzip.compress(content)[:30] + b"\xff" * 200, "gzip data are damaged"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_bad_file_is_refused(case: str) -> None:
    spoil, message = FAULTS[case]
    with pytest.raises(ValueError, match=message) as caught:
        read_idx(RawFile("train-images", spoil(idx_bytes(PICTURES))), 3)
    assert str(caught.value).startswith("train-images: ")


def test_a_small_file_that_unpacks_to_much_is_not_unpacked() -> None:
    bomb = gzip.compress(idx_bytes(LABELS) + bytes(50_000_000))
    with pytest.raises(ValueError, match="holds more"):
        read_idx(RawFile("labels", bomb), 1)


def test_only_bytes_are_written() -> None:
    with pytest.raises(ValueError, match="expected an array of uint8"):
        idx_bytes(np.zeros(3))
