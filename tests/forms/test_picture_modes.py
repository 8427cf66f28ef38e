"""Every mode of pixels gives the right 8 bits, or is refused by file and mode."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from etudes.forms.pictures import LARGEST, LONGEST, fitted, pixel_digest, png_bytes, read_mask, read_picture
from etudes.forms.raw import RawFile

GREY = np.array([[0, 40, 255], [90, 200, 128]], dtype=np.uint8)  # (2, 3)
COLOUR = np.stack([GREY, GREY[::-1], 255 - GREY], axis=-1)
ALPHA = np.array([[0, 255, 128], [255, 0, 255]], dtype=np.uint8)


def encoded(picture: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()


def of(values: np.ndarray, form: str = "PNG", **options: Any) -> bytes:
    return encoded(Image.fromarray(values), form, **options)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(values: np.ndarray, depth: int, colour: int, *chunks: bytes) -> bytes:
    """A PNG of samples (H, W, C) as the standard has them: what Pillow cannot write."""
    height, width = values.shape[:2]
    if depth == 16:
        rows = values.reshape(height, -1).astype(">u2").view(np.uint8)
    elif depth == 8:
        rows = values.reshape(height, -1).astype(np.uint8)
    else:
        bits = (values.reshape(height, -1, 1) >> np.arange(depth - 1, -1, -1) & 1).astype(np.uint8)
        rows = np.packbits(bits.reshape(height, -1), axis=1)
    lines = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            *chunks,
            chunk(b"IDAT", zlib.compress(lines)),
            chunk(b"IEND", b""),
        ]
    )


def rgb(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[..., None], 3, axis=-1)


def over(colour: np.ndarray, alpha: np.ndarray, paper: int = 255) -> np.ndarray:
    """Composition in real numbers: the reference."""
    share = alpha[..., None] / 255
    return np.round(colour * share + paper * (1 - share)).astype(np.uint8)


def palette(alpha: bytes | int | None = None) -> bytes:
    picture = Image.frombytes("P", (3, 2), bytes([0, 1, 2, 3, 3, 0]))
    picture.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 10, 20, 30])
    return encoded(picture, **({} if alpha is None else {"transparency": alpha}))


def grey_palette_alpha() -> bytes:
    picture = Image.frombytes("PA", (3, 2), np.dstack([GREY, ALPHA]).tobytes())
    picture.putpalette(np.repeat(np.arange(256, dtype=np.uint8), 3).tobytes())
    return encoded(picture, "TIFF")


COLOURS = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0], [10, 20, 30]], dtype=np.uint8)
INDICES = np.array([[0, 1, 2], [3, 3, 0]])
WIDE = GREY.astype(np.uint16) * 257
TWELVE = GREY.astype(np.uint16) * 16
BITS = np.array([[0, 1, 1], [1, 0, 1]], dtype=np.uint8)
FOUR = np.array([[0, 5, 15], [3, 10, 1]], dtype=np.uint8)
TWO = np.array([[0, 1, 3], [2, 2, 0]], dtype=np.uint8)
EXTRA_SAMPLES = struct.pack("<HHI", 338, 3, 1) + b"%c"  # the tag: 1 is premultiplied, 2 is not
PREMULTIPLIED = np.dstack([over(COLOUR, ALPHA, 0), ALPHA])

# name: (bytes, pixels, largest difference allowed)
READ: dict[str, tuple[Callable[[], bytes], np.ndarray, int]] = {
    "png 1": (lambda: png(BITS, 1, 0), rgb(BITS * 255), 0),
    "png 1, 0 transparent": (
        lambda: png(BITS, 1, 0, chunk(b"tRNS", b"\0\0")),
        rgb(np.full((2, 3), 255, np.uint8)),
        0,
    ),
    "png grey of 2 bits": (lambda: png(TWO, 2, 0), rgb(TWO * 85), 0),
    "png grey of 2 bits, 2 transparent": (
        lambda: png(TWO, 2, 0, chunk(b"tRNS", b"\0\2")),
        rgb(np.where(TWO == 2, 255, TWO * 85).astype(np.uint8)),
        0,
    ),
    "png grey of 4 bits": (lambda: png(FOUR, 4, 0), rgb(FOUR * 17), 0),
    "png grey of 4 bits, 3 transparent": (
        lambda: png(FOUR, 4, 0, chunk(b"tRNS", b"\0\3")),
        rgb(np.where(FOUR == 3, 255, FOUR * 17).astype(np.uint8)),
        0,
    ),
    "png L": (lambda: of(GREY), rgb(GREY), 0),
    "png L, 0 transparent": (
        lambda: of(GREY, transparency=0),
        rgb(np.where(GREY == 0, 255, GREY).astype(np.uint8)),
        0,
    ),
    "png LA": (lambda: of(np.dstack([GREY, ALPHA])), over(rgb(GREY), ALPHA), 1),
    "png RGB": (lambda: of(COLOUR), COLOUR, 0),
    "png RGB, a colour transparent": (
        lambda: of(COLOUR, transparency=tuple(int(v) for v in COLOUR[0, 1])),
        over(COLOUR, np.array([[255, 0, 255], [255, 255, 255]])),
        0,
    ),
    "png RGBA": (lambda: of(np.dstack([COLOUR, ALPHA])), over(COLOUR, ALPHA), 1),
    "png P": (palette, COLOURS[INDICES], 0),
    "png P, one index transparent": (
        lambda: palette(0),
        over(COLOURS[INDICES], np.where(INDICES == 0, 0, 255)),
        0,
    ),
    "png P, alpha by index": (
        lambda: palette(bytes([0, 128, 255, 255])),
        over(COLOURS[INDICES], np.array([0, 128, 255, 255])[INDICES]),
        1,
    ),
    "png I;16": (lambda: of(WIDE), rgb(GREY), 0),
    "png I;16, rounded": (
        lambda: png(np.array([[65535, 128, 129, 32768]]), 16, 0),
        rgb(np.array([[255, 0, 1, 128]], dtype=np.uint8)),
        0,
    ),
    "png I;16, black": (lambda: png(np.zeros((2, 3), int), 16, 0), rgb(GREY * 0), 0),
    "png I;16, a value transparent": (
        lambda: png(WIDE, 16, 0, chunk(b"tRNS", struct.pack(">H", 40 * 257))),
        rgb(np.where(GREY == 40, 255, GREY).astype(np.uint8)),
        0,
    ),
    "png LA of 16 bits": (
        lambda: png(np.dstack([WIDE, ALPHA.astype(int) * 257]), 16, 4),
        over(rgb(GREY), ALPHA),
        1,
    ),
    "png RGB of 16 bits": (lambda: png(COLOUR.astype(int) * 257, 16, 2), COLOUR, 0),
    "png RGBA of 16 bits": (
        lambda: png(np.dstack([COLOUR, ALPHA]).astype(int) * 257, 16, 6),
        over(COLOUR, ALPHA),
        1,
    ),
    "png with a colour profile": (lambda: of(COLOUR, icc_profile=b"not a profile"), COLOUR, 0),
    "jpeg L": (lambda: of(np.full((16, 16), 90, np.uint8), "JPEG"), np.full((16, 16, 3), 90), 1),
    "jpeg RGB": (lambda: of(np.full((16, 16, 3), 90, np.uint8), "JPEG"), np.full((16, 16, 3), 90), 1),
    "jpeg CMYK": (
        lambda: encoded(Image.fromarray(np.full((16, 16, 3), (200, 90, 30), np.uint8)).convert("CMYK"), "JPEG"),
        np.full((16, 16, 3), (200, 90, 30)),
        3,
    ),
    "bmp 1": (lambda: encoded(Image.fromarray(BITS * 255).convert("1"), "BMP"), rgb(BITS * 255), 0),
    "bmp L": (lambda: of(GREY, "BMP"), rgb(GREY), 0),
    "bmp RGB": (lambda: of(COLOUR, "BMP"), COLOUR, 0),
    "bmp of 32 bits, opaque": (
        lambda: of(np.dstack([COLOUR, np.full((2, 3), 255, np.uint8)]), "BMP"),
        COLOUR,
        0,
    ),
    "tiff 1": (lambda: encoded(Image.fromarray(BITS * 255).convert("1"), "TIFF"), rgb(BITS * 255), 0),
    "tiff L": (lambda: of(GREY, "TIFF"), rgb(GREY), 0),
    "tiff LA": (lambda: of(np.dstack([GREY, ALPHA]), "TIFF"), over(rgb(GREY), ALPHA), 1),
    "tiff PA": (
        grey_palette_alpha,
        over(rgb(GREY), ALPHA),
        1,
    ),
    "tiff RGBX": (lambda: encoded(Image.fromarray(COLOUR).convert("RGBX"), "TIFF"), COLOUR, 0),
    "tiff RGBA": (lambda: of(np.dstack([COLOUR, ALPHA]), "TIFF"), over(COLOUR, ALPHA), 1),
    "tiff RGBa": (
        lambda: of(PREMULTIPLIED, "TIFF").replace(EXTRA_SAMPLES % 2, EXTRA_SAMPLES % 1),
        over(COLOUR, ALPHA),
        1,
    ),
    "tiff CMYK": (lambda: encoded(Image.fromarray(COLOUR).convert("CMYK"), "TIFF"), COLOUR, 1),
    "tiff YCbCr": (lambda: encoded(Image.fromarray(COLOUR).convert("YCbCr"), "TIFF"), COLOUR, 3),
    "tiff LAB": (
        lambda: encoded(Image.fromarray(np.full((2, 3, 3), (200, 90, 30), np.uint8)).convert("LAB"), "TIFF"),
        np.full((2, 3, 3), (200, 90, 30)),
        4,
    ),
    "tiff I;16": (lambda: of(WIDE, "TIFF"), rgb(GREY), 0),
    "tiff I;16B": (
        lambda: encoded(Image.frombytes("I;16B", (3, 2), WIDE.astype(">u2").tobytes()), "TIFF"),
        rgb(GREY),
        0,
    ),
    "tiff I;16, packed": (lambda: of(WIDE, "TIFF", compression="tiff_lzw"), rgb(GREY), 0),
    "tiff I": (lambda: of(WIDE.astype(np.int32), "TIFF"), rgb(GREY), 0),
    "tiff F": (lambda: of((GREY / 255).astype(np.float32), "TIFF"), rgb(GREY), 0),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_a_mode_is_read(name: str) -> None:
    make, expected, tolerance = READ[name]
    found = read_picture(RawFile("a", make()))
    assert found.dtype == np.uint8 and found.shape == expected.shape
    assert np.abs(found.astype(int) - expected.astype(int)).max() <= tolerance, (found, expected)


def animated() -> bytes:
    second = Image.fromarray(255 - GREY)
    return encoded(Image.fromarray(GREY), save_all=True, append_images=[second])


def pages() -> bytes:
    return encoded(Image.fromarray(GREY), "TIFF", save_all=True, append_images=[Image.fromarray(GREY)])


def declared(content: bytes, width: int, height: int) -> bytes:
    """A PNG whose header says another size."""
    header = struct.pack(">II", width, height) + content[24:29]
    return content[:8] + chunk(b"IHDR", header) + content[33:]


def text_bomb() -> bytes:
    return png(GREY, 8, 0, chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(30_000_000))))


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "12 bits in 16": (lambda: of(TWELVE), r"mode I;16.*16-bit picture end at 4,080 of 65,535, as of one with 12 bits"),
    "10 bits in 16": (lambda: of(TWELVE // 4), "as of one with 10 bits"),
    "14 bits in 16": (lambda: of(TWELVE * 4), "as of one with 14 bits"),
    "12 bits in 16, colour": (lambda: png(COLOUR.astype(int) * 16, 16, 2), r"mode RGB.*as of one with 12 bits"),
    "12 bits in 16, colour and alpha": (
        lambda: png(np.dstack([COLOUR, np.full((2, 3), 255)]).astype(int) * 16, 16, 6),
        r"mode RGBA.*as of one with 12 bits",
    ),
    "12 bits in 16, grey and alpha": (lambda: png(np.dstack([TWELVE, TWELVE]), 16, 4), "as of one with 12 bits"),
    "12 bits in 16, tiff": (lambda: of(TWELVE, "TIFF"), "as of one with 12 bits"),
    "8 bits in 32": (lambda: of(GREY.astype(np.int32), "TIFF"), "mode I.*as of one with 8 bits"),
    "more than 16 bits": (lambda: of(WIDE.astype(np.int32) * 2, "TIFF"), r"mode I\): values from 0 to 131,?070"),
    "below zero": (lambda: of(WIDE.astype(np.int32) - 9, "TIFF"), r"mode I\): values from -9 to"),
    "real beyond 1": (lambda: of(GREY.astype(np.float32), "TIFF"), r"mode F\): values from 0 to 255; expected 0 to 1"),
    "no number": (lambda: of(np.full((2, 3), np.nan, np.float32), "TIFF"), r"mode F\): values from nan"),
    "16 bits with a sign": (lambda: of(WIDE // 2, "TIFF", tiffinfo={339: 2}), "16-bit samples with a sign"),
    "0 is white": (lambda: of(WIDE, "TIFF", tiffinfo={262: 0}), "0 is white"),
    "16-bit colour, transparent": (
        lambda: png(COLOUR.astype(int) * 257, 16, 2, chunk(b"tRNS", struct.pack(">HHH", 1, 2, 3))),
        r"mode RGB\): 16 bits a colour with a transparent colour",
    ),
    "bmp that hides alpha": (lambda: of(np.dstack([COLOUR, ALPHA]), "BMP"), "a fourth byte that the header"),
    "animated png": (animated, "several pictures in one file"),
    "pages": (pages, "several pictures in one file"),
    "gif": (lambda: of(GREY, "GIF"), "the file is a GIF; expected a whole PNG"),
    "webp": (lambda: of(COLOUR, "WEBP"), "the file is a WebP picture"),
    "macOS shadow": (lambda: b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X", r"the shadow that macOS keeps"),
    "pdf": (lambda: b"%PDF-1.4 ...", "the file is a PDF"),
    "nothing": (lambda: b"", "from its 0 bytes"),
    "truncated png": (lambda: of(np.tile(GREY, (40, 40)))[:-60], "no picture can be read"),
    "truncated jpeg": (lambda: of(np.tile(GREY, (40, 40)), "JPEG")[:-300], "no picture can be read"),
    "truncated bmp": (lambda: of(GREY, "BMP")[:-5], "no picture can be read"),
    "truncated tiff": (lambda: of(np.tile(GREY, (40, 40)), "TIFF")[:-500], "no picture can be read"),
    "flipped bit": (lambda: of(GREY).replace(b"IDAT\x78", b"IDAT\x79"), "no picture can be read"),
    "no width": (lambda: declared(of(GREY), 0, 4), "no picture can be read"),
    "too many pixels": (lambda: declared(of(GREY), 9_000, 9_000), "9,000 x 9,000 pixels; expected at most 64,000,000"),
    "a bomb": (lambda: declared(of(GREY), 90_000, 90_000), "expected at most 64,000,000 pixels"),
    "a bomb of text": (text_bomb, r"^a: no picture can be read"),
    "too long": (lambda: declared(of(GREY), 1, 60_000), "1 x 60,000 pixels; .* at most 100 times"),
    "too wide": (lambda: declared(of(GREY), 1_000_000, 1), "1,000,000 x 1 pixels; .* at most 100 times"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_mode_is_refused_by_its_file(name: str) -> None:
    make, message = REFUSED[name]
    with pytest.raises(
        ValueError, match=rf"(?s)^a\b.*{message.lstrip('^')}" if message[0] != "^" else message
    ):
        read_picture(RawFile("a", make()))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "packed TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_picture_is_set_upright(orientation: int, form: str) -> None:
    upright = np.zeros((16, 32, 3), dtype=np.uint8)
    upright[:8, :8] = 255  # the corner at the top left
    upright[8:, 24:] = 128
    # Where row 0 and column 0 of the file lie, by the EXIF standard.
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    options: dict[str, Any] = {"exif": exif, "quality": 100} if form == "JPEG" else {"exif": exif}
    if form == "packed TIFF":
        options["compression"] = "tiff_lzw"
    raw = RawFile("a", of(np.ascontiguousarray(stored), form.rsplit(maxsplit=1)[-1], **options))
    found = read_picture(raw)
    assert found.shape == upright.shape
    assert np.abs(found.astype(int) - upright).max() <= 2
    mask = read_mask(raw)
    assert mask.shape == (16, 32) and mask[:8, :8].all() and not mask[8:, :24].any()


def test_a_telephones_photograph_with_a_preview_is_one_picture() -> None:
    photo, preview = (Image.fromarray(np.full((16, 16, 3), value, np.uint8)) for value in (90, 10))
    found = read_picture(RawFile("a.jpg", encoded(photo, "MPO", save_all=True, append_images=[preview])))
    assert np.abs(found.astype(int) - 90).max() <= 1


INSIDE = np.zeros((16, 16), dtype=bool)
INSIDE[4:12, 4:12] = True
SOFT = np.where(INSIDE, 255, 0).astype(np.uint8)
SOFT[3, 4:12], SOFT[12, 4:12], INSIDE_SOFT = 127, 128, INSIDE.copy()
INSIDE_SOFT[12, 4:12] = True
ON = INSIDE.astype(np.uint8)


def coloured(index_colour: tuple[int, int, int]) -> bytes:
    picture = Image.frombytes("P", (16, 16), ON.tobytes())
    picture.putpalette([0, 0, 0, *index_colour])
    return encoded(picture)


MASKS: dict[str, tuple[Callable[[], bytes], np.ndarray]] = {
    "0 and 255": (lambda: of(ON * 255), INSIDE),
    "0 and 1": (lambda: of(ON), INSIDE),
    "0 and 100": (lambda: of(ON * 100), INSIDE),
    "one bit": (lambda: png(ON, 1, 0), INSIDE),
    "soft edges": (lambda: of(SOFT), INSIDE_SOFT),
    "jpeg": (lambda: of(ON * 255, "JPEG", quality=70), INSIDE),
    "bmp": (lambda: of(ON * 255, "BMP"), INSIDE),
    "16 bits": (lambda: of(ON.astype(np.uint16) * 65535), INSIDE),
    "0 and 255 in 16 bits": (lambda: of(ON.astype(np.uint16) * 255), INSIDE),
    "0 and 1 in 16 bits": (lambda: of(ON.astype(np.uint16)), INSIDE),
    "jpeg in colour": (lambda: of(rgb(ON * 255), "JPEG", quality=70), INSIDE),
    "soft edges in 16 bits": (lambda: of(SOFT.astype(np.uint16) * 257), INSIDE_SOFT),
    "real": (lambda: of(ON.astype(np.float32), "TIFF"), INSIDE),
    "whole numbers": (lambda: of(ON.astype(np.int32), "TIFF"), INSIDE),
    "white with alpha": (lambda: of(np.dstack([np.full((16, 16, 3), 255, np.uint8), ON * 255])), INSIDE),
    "grey with alpha": (lambda: of(np.dstack([np.full((16, 16), 255, np.uint8), ON * 255])), INSIDE),
    "opaque": (lambda: of(np.dstack([rgb(ON * 255), np.full((16, 16), 255, np.uint8)])), INSIDE),
    "black transparent": (lambda: of(ON * 255, transparency=0), INSIDE),
    "colour on black": (lambda: of(rgb(ON * 255) * np.array([1, 0, 0], np.uint8)), INSIDE),
    "palette, white": (lambda: coloured((255, 255, 255)), INSIDE),
    "palette, dark red": (lambda: coloured((128, 0, 0)), INSIDE),
    "all inside": (lambda: of(np.full((16, 16), 255, np.uint8)), np.full((16, 16), True)),
    "empty": (lambda: of(ON * 0), np.full((16, 16), False)),
    "empty jpeg": (lambda: of(ON * 0, "JPEG"), np.full((16, 16), False)),
}  # fmt: skip


@pytest.mark.parametrize("name", MASKS)
def test_a_mask_is_white_inside(name: str) -> None:
    make, expected = MASKS[name]
    found = read_mask(RawFile("m", make()))
    assert found.dtype == bool
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "values",
    [np.arange(256).reshape(16, 16) // 86, np.arange(256).reshape(16, 16) * 9],
    ids=["classes", "grey"],
)
def test_a_mask_of_several_values_without_white_is_refused(values: np.ndarray) -> None:
    content = of(values.astype(np.uint8 if values.max() < 256 else np.uint16))
    with pytest.raises(ValueError, match=r"m\.png: the mask ends at \d+ of \d+; .*two values, 0 and another"):
        read_mask(RawFile("m.png", content))


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_a_mask_of_several_colours_is_refused(form: str) -> None:
    classes = np.zeros((16, 16, 3), dtype=np.uint8)
    classes[:4], classes[8:] = (128, 0, 0), (224, 224, 192)  # a class, and the border around classes
    with pytest.raises(ValueError, match="the mask has several colours"):
        read_mask(RawFile("m", of(classes, form)))


def test_a_masks_size_and_crop_are_its_pictures() -> None:
    mask = read_mask(RawFile("m", of(ON * 255)), size=8, crop=4)
    assert mask.shape == (4, 4) and mask.all()


def test_what_comes_out_is_bounded() -> None:
    long = np.zeros((LONGEST, 1, 3), dtype=np.uint8)
    assert fitted(long, 2, None, "a").shape == (2 * LONGEST, 2, 3)
    side = int((LARGEST / LONGEST) ** 0.5) + 1
    with pytest.raises(
        ValueError, match=r"^a\.png: 801 x 80,100 pixels after resizing; expected at most 64,000,000"
    ):
        fitted(long, side, None, "a.png")


def test_pictures_are_equal_by_their_pixels() -> None:
    as_grey, as_colour, as_bitmap = (
        read_picture(RawFile("a", content)) for content in (of(GREY), png_bytes(rgb(GREY)), of(GREY, "BMP"))
    )
    assert pixel_digest(as_grey) == pixel_digest(as_colour) == pixel_digest(as_bitmap)
    other = as_grey.copy()
    other[0, 0, 0] ^= 1
    assert pixel_digest(other) != pixel_digest(as_grey)
    assert pixel_digest(as_grey.reshape(3, 2, 3)) != pixel_digest(as_grey)
