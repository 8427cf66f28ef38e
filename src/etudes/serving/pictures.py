"""Pictures as a user's input: a column ``image`` of encoded files, a path on the command line."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

import pandas as pd

from etudes.datasets.raw import RawFile

COLUMN = "image"


def pictures_of(frame: pd.DataFrame) -> list[RawFile]:
    """The picture files in the column ``image``: bytes, or the same in base64 (what JSON can carry).

    Raises:
        ValueError: no such column, or an entry that is neither.
    """
    if COLUMN not in frame.columns:
        raise ValueError(
            f"expected a column {COLUMN} with PNG or JPEG files (bytes or base64); found {list(frame.columns)}"
        )
    return [_picture(value, f"{COLUMN} in row {row}") for row, value in enumerate(frame[COLUMN])]


def picture_frame(text: str) -> pd.DataFrame:
    """The picture file at the path ``text`` as a frame of one row.

    Raises:
        ValueError: there is no such file.
    """
    path = Path(text).expanduser()
    try:
        return pd.DataFrame({COLUMN: [path.read_bytes()]})
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{text}: no picture file there ({error}); expected the path of a PNG or JPEG"
        ) from error


def _picture(value: object, name: str) -> RawFile:
    if isinstance(value, bytes | bytearray | memoryview):
        return RawFile(name, bytes(value))
    if isinstance(value, str):
        try:
            return RawFile(name, base64.b64decode(value, validate=True))
        except (binascii.Error, ValueError) as error:
            raise ValueError(
                f"{name}: a text that is not base64 ({error}); expected a PNG or JPEG file"
            ) from error
    raise ValueError(f"{name}: found {type(value).__name__}, expected the bytes of a PNG or JPEG file")
