"""A grid of small pictures with captions, as PNG bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

TEXT = (118, 123, 131, 255)  # style.NEUTRAL: readable on light and dark pages
GAP = 8
LINE = 15


def image_grid(images: Sequence[Any], captions: Sequence[str], columns: int, *, tile: int = 96) -> bytes:
    """Pictures in rows of ``columns``, each fitted into a square tile with its caption below.

    Args:
        images: N >= 1 arrays (H, W), (H, W, 1) or (H, W, 3), uint8 in 0..255 or float in 0..1, or PIL images.
        captions: N texts, may be empty; a line of a caption that is too long for its tile is cut.
        columns: pictures in a row, at least 1.
        tile: side of a tile in pixels. Small pictures are enlarged without smoothing, so that pixels stay pixels.

    Returns:
        A PNG with a transparent background.

    Raises:
        ValueError: no images, another number of captions, a shape or range of values that is no picture.
    """
    if not len(images) or len(images) != len(captions):
        raise ValueError(f"image_grid needs one caption per image, found {len(images)} and {len(captions)}")
    if columns < 1 or tile < 16:
        raise ValueError(f"columns must be at least 1 and tile at least 16, found {columns} and {tile}")
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(size=11)
    texts = [[_cut(line, font, tile) for line in str(caption).split("\n")] for caption in captions]
    width = tile + GAP
    height = tile + GAP + LINE * max(len(lines) for lines in texts)
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    sheet = Image.new("RGBA", (columns * width - GAP, rows * height), (0, 0, 0, 0))
    draw = ImageDraw.Draw(sheet)
    for index, (image, lines) in enumerate(zip(images, texts, strict=True)):
        left, top = (index % columns) * width, (index // columns) * height
        picture = _fitted(_picture(image, index), tile)
        sheet.paste(picture, (left + (tile - picture.width) // 2, top + (tile - picture.height) // 2))
        for number, line in enumerate(lines):
            draw.text((left, top + tile + 2 + number * LINE), line, fill=TEXT, font=font)
    stream = io.BytesIO()
    sheet.save(stream, "PNG", optimize=True)
    return stream.getvalue()


def _picture(image: Any, index: int) -> Image.Image:
    from PIL import Image

    if isinstance(image, Image.Image):
        return image.convert("RGB")
    array = np.asarray(image)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.size == 0 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)):
        raise ValueError(f"image {index} must have the shape (H, W) or (H, W, 3), found {array.shape}")
    if array.dtype == np.uint8:
        return Image.fromarray(array).convert("RGB")
    if not np.issubdtype(array.dtype, np.floating) or not np.isfinite(array).all():
        raise ValueError(f"image {index} must hold uint8 or finite floats, found {array.dtype}")
    if array.min() < 0 or array.max() > 1:
        raise ValueError(f"image {index} must lie in 0..1, found {array.min():.3g}..{array.max():.3g}")
    return Image.fromarray(np.round(array * 255).astype(np.uint8)).convert("RGB")


def _fitted(picture: Image.Image, tile: int) -> Image.Image:
    from PIL import Image

    scale = tile / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS)


def _cut(line: str, font: Any, width: int) -> str:
    if font.getlength(line) <= width:
        return line
    while line and font.getlength(line + "…") > width:
        line = line[:-1]
    return line + "…"
