"""Files in the IDX form of MNIST: a header that says what follows, then bytes (LeCun, Cortes and Burges 1998).

``00 00 08 d`` (unsigned bytes in ``d`` dimensions), ``d`` sizes as big-endian 32-bit integers, the values. A file may be
packed with gzip, as the original ones are.
"""

from __future__ import annotations

import gzip
import io
import math
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from etudes.forms.raw import RawFile

Bytes = NDArray[np.uint8]
GZIP = b"\x1f\x8b"
UNSIGNED_BYTE = 0x08
KINDS = {1: "labels", 3: "pictures"}
LARGEST = 2_000_000_000  # bytes of values: a header that asks for more is damaged, or an attack on the memory


def read_idx(raw: RawFile, dimensions: int) -> Bytes:
    """The values of an IDX file, packed with gzip or not: uint8, of the shape that its header says.

    Args:
        raw: the file.
        dimensions: 1 for labels (N,), 3 for pictures (N, H, W).

    Raises:
        ValueError: another kind of file, no or too many values, a file that is cut off or damaged.
    """
    wanted = f"an IDX file of {KINDS.get(dimensions, f'{dimensions} dimensions')}"
    # What is unpacked is bounded by what the header promises, so a small file cannot fill the memory.
    with _stream(raw) as stream:
        start = _read(stream, 4, raw, wanted)
        if len(start) < 4 or start[:2] != b"\0\0":
            raise ValueError(
                f"{raw.name}: the file starts with {start.hex(' ') or 'nothing'}; expected {wanted}, which starts with "
                f"00 00 08 {dimensions:02x}, packed with gzip or not"
            )
        if start[2] != UNSIGNED_BYTE:
            raise ValueError(
                f"{raw.name}: values of type 0x{start[2]:02x}; expected unsigned bytes (0x08), as in MNIST's files"
            )
        if start[3] != dimensions:
            found = KINDS.get(start[3], "another kind")
            raise ValueError(
                f"{raw.name}: {start[3]} dimension{'s' if start[3] != 1 else ''} ({found}); expected {wanted}. "
                "Are the files of pictures and labels exchanged?"
            )
        sizes = _read(stream, 4 * dimensions, raw, wanted)
        if len(sizes) < 4 * dimensions:
            raise ValueError(f"{raw.name}: the file ends inside its header; copy or fetch it again")
        shape = struct.unpack(f">{dimensions}I", sizes)
        total = math.prod(shape)
        if not 0 < total <= LARGEST:
            raise ValueError(
                f"{raw.name}: the header says {' x '.join(map(str, shape))} values; expected between 1 and {LARGEST:,}"
            )
        values = _read(stream, total + 1, raw, wanted)
    if len(values) != total:
        found = f"only {len(values):,}" if len(values) < total else "more"
        raise ValueError(
            f"{raw.name}: the header says {total:,} values, the file holds {found}; copy or fetch it again"
        )
    return np.frombuffer(values, np.uint8).reshape(shape)


def idx_bytes(values: Bytes) -> bytes:
    """Values (N,) or (N, H, W), uint8, as an IDX file, not packed.

    Raises:
        ValueError: another type.
    """
    if values.dtype != np.uint8 or values.ndim == 0:
        raise ValueError(f"expected an array of uint8, found {values.dtype} of shape {values.shape}")
    header = bytes([0, 0, UNSIGNED_BYTE, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    return header + values.tobytes()


def _stream(raw: RawFile) -> io.BufferedIOBase:
    stream = io.BytesIO(raw.content)
    return gzip.GzipFile(fileobj=stream) if raw.content.startswith(GZIP) else stream


def _read(stream: io.BufferedIOBase, size: int, raw: RawFile, wanted: str) -> bytes:
    try:
        return stream.read(size)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(
            f"{raw.name}: the gzip data are damaged or cut off ({error}); expected {wanted}. Copy or fetch it again."
        ) from error
