"""Pictures as a user's input: a column ``image`` of encoded files, a path on the command line."""

from __future__ import annotations

import base64
import binascii

import pandas as pd

from etudes.forms.pictures import read_picture
from etudes.forms.raw import RawFile
from etudes.serving.questions import LARGEST_FILE, read_file

COLUMN = "image"


def pictures_of(frame: pd.DataFrame) -> list[RawFile]:
    """The picture files in the column ``image``: bytes, or the same in base64 (what JSON can carry).

    Raises:
        ValueError: no such column, or an entry that is neither or too large.
    """
    if COLUMN not in frame.columns:
        raise ValueError(
            f"expected a column {COLUMN} with PNG, JPEG, BMP or TIFF files (bytes or base64); found {list(frame.columns)}"
        )
    return [picture_file(value, f"{COLUMN} in row {row}") for row, value in enumerate(frame[COLUMN])]


def picture_frame(path: str, size: int | None = None, crop: int | None = None) -> pd.DataFrame:
    """The picture file at ``path`` as a frame of one row, once it is known that it can be read.

    Args:
        path: of a PNG or JPEG file.
        size, crop: as for `read_picture`; a picture that is too small is refused here, by its name.

    Raises:
        ValueError: there is no such file, it is too large, or no picture can be read from it.
    """
    raw = read_file(path, "the path of a PNG or JPEG file")
    read_picture(raw, size, crop)
    return pd.DataFrame({COLUMN: [raw.content]})


def picture_file(value: object, name: str) -> RawFile:
    """A picture file from its bytes, or the same in base64 (what JSON can carry); a `RawFile` as it is.

    Raises:
        ValueError: it is neither, or too large; ``name`` says where it stands.
    """
    if isinstance(value, RawFile):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        content = bytes(value)
    elif isinstance(value, str):
        try:
            content = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError) as error:
            raise ValueError(
                f"{name}: a text that is not base64 ({error}); expected a PNG or JPEG file"
            ) from error
    else:
        raise ValueError(f"{name}: found {type(value).__name__}, expected the bytes of a PNG or JPEG file")
    if len(content) > LARGEST_FILE:
        raise ValueError(
            f"{name}: {len(content):,} bytes; expected a PNG or JPEG of at most {LARGEST_FILE:,}"
        )
    return RawFile(name, content)
