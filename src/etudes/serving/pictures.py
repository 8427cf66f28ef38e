"""Pictures as a user's input: a column ``image`` of encoded files, a path on the command line."""

from __future__ import annotations

import base64
import binascii

from etudes.forms.raw import RawFile
from etudes.serving.questions import LARGEST_FILE


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
