"""Pictures from bytes, checked; and the way every ImageNet network wants them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from etudes.forms.raw import RawFile

if TYPE_CHECKING:
    from PIL import Image

Pixels = NDArray[np.uint8]
LARGEST = 64_000_000  # pixels of a picture: a larger one is a mistake, or an attack on the memory


def read_picture(raw: RawFile, size: int | None = None, crop: int | None = None) -> Pixels:
    """Decode a picture to RGB, shorten its shorter side to ``size`` pixels and cut the middle ``crop`` x ``crop``.

    Args:
        raw: a PNG, JPEG or BMP file.
        size: length of the shorter side after resizing (Lanczos); None keeps it.
        crop: side of the square that is cut from the middle; None keeps all.

    Returns:
        (H, W, 3), uint8.

    Raises:
        ValueError: the bytes are no picture, are cut off, are too large, or smaller than the crop.
    """
    picture = _shaped(_open(raw).convert("RGB"), size, crop, raw.name, smooth=True)
    return np.asarray(picture, dtype=np.uint8)


def read_mask(raw: RawFile, size: int | None = None, crop: int | None = None) -> NDArray[np.bool_]:
    """Decode a mask (non-zero is inside) as `read_picture` does its picture, without smoothing: (H, W), bool."""
    picture = _shaped(_open(raw).convert("L"), size, crop, raw.name, smooth=False)
    return np.asarray(picture) > 0


def png_bytes(pixels: Pixels) -> bytes:
    """Pixels (H, W, 3) or (H, W), uint8, as the bytes of a PNG."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def _open(raw: RawFile) -> Image.Image:
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(raw.content), formats=("PNG", "JPEG", "BMP")) as picture:
            if picture.width * picture.height > LARGEST:
                raise ValueError(
                    f"{raw.name}: {picture.width} x {picture.height} pixels; expected at most {LARGEST:,}"
                )
            picture.load()
            return ImageOps.exif_transpose(picture)
    except ValueError:
        raise
    except Exception as error:  # Pillow raises several types, by format, on bytes that are damaged
        raise ValueError(
            f"{raw.name}: no picture can be read from its {len(raw.content):,} bytes ({error}); expected a whole "
            "PNG, JPEG or BMP file. Copy or fetch it again."
        ) from error


def _shaped(picture: Image.Image, size: int | None, crop: int | None, name: str, smooth: bool) -> Image.Image:
    from PIL import Image

    if size is not None:
        scale = size / min(picture.size)
        shape = (max(size, round(picture.width * scale)), max(size, round(picture.height * scale)))
        how = Image.Resampling.LANCZOS if smooth else Image.Resampling.NEAREST
        picture = picture if shape == picture.size else picture.resize(shape, how)
    if crop is not None:
        if min(picture.size) < crop:
            raise ValueError(
                f"{name}: {picture.width} x {picture.height} pixels, too small to cut {crop} x {crop} from it"
            )
        left, top = (picture.width - crop) // 2, (picture.height - crop) // 2
        picture = picture.crop((left, top, left + crop, top + crop))
    return picture
