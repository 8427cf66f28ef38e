"""Pictures from bytes, checked: one rule for every kind of pixel.

A sample of 8 bits is itself, one of 16 bits is divided by 257 (and so on by depth), a real one lies between 0 and 1. What
is transparent lies on white paper. Colour profiles are ignored, turned photographs are set upright. What cannot
be brought to 8 bits without loss is refused by file and mode.
"""

from __future__ import annotations

import base64
import hashlib
import io
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from etudes.forms.raw import RawFile

if TYPE_CHECKING:
    from PIL import Image

Pixels = NDArray[np.uint8]
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")  # endings
LARGEST = 64_000_000  # pixels of a picture: a larger one is a mistake, or an attack on the memory
LONGEST = 100  # times as long as wide: shortened or enlarged to a side, a longer one would fill the memory
DARKEST = 1 << 14  # of 2^16: a 16-bit picture that ends below holds 10, 12 or 14 bits, and nothing says which
WHITE, BLACK = 255, 0
COLOURFUL = 64  # between the channels of a pixel: less is a JPEG's noise
ORIENTATION, BITS, PHOTOMETRIC, SAMPLE_FORMAT = 274, 258, 262, 339  # tags of EXIF and TIFF
SIGNED = 2
OTHERS = (
    (0, b"\x00\x05\x16\x07", "the shadow that macOS keeps beside a file (._name)"),
    (0, b"GIF8", "a GIF"),
    (8, b"WEBP", "a WebP picture"),
    (4, b"ftyp", "a HEIC or AVIF picture"),
    (0, b"8BPS", "a Photoshop file"),
    (0, b"%PDF", "a PDF"),
    (0, b"PK\x03\x04", "a zip archive"),
)
EXPECTED = "expected a whole PNG, JPEG, BMP or TIFF file"


def read_picture(raw: RawFile, size: int | None = None, crop: int | None = None) -> Pixels:
    """Decode a picture to RGB, shorten its shorter side to ``size`` pixels and cut the middle ``crop`` x ``crop``.

    Args:
        raw: a PNG, JPEG, BMP or TIFF file.
        size, crop: as for `fitted`.

    Returns:
        (H, W, 3), uint8.

    Raises:
        ValueError: the bytes are no picture or several, are cut off, are too large or too long, or have samples that 8
            bits cannot hold without loss; the message names the file.
    """
    picture = _open(raw)
    levels, top = _levels(picture, raw)
    if levels is not None:
        if top == WHITE << 8 | WHITE and 0 < levels.max() < DARKEST:
            raise _underused(raw, picture.mode, int(levels.max()))
        picture = _grey(levels, top, picture)
    elif _bits(picture, raw) == 16 and 0 < (brightest := _brightest(picture)) < DARKEST >> 8:
        raise _underused(raw, picture.mode, brightest << 8 | WHITE)
    pixels = np.asarray(_upright(_on_paper(picture, WHITE), picture), dtype=np.uint8)
    return fitted(pixels, size, crop, raw.name)


def read_mask(raw: RawFile, size: int | None = None, crop: int | None = None) -> NDArray[np.bool_]:
    """Decode a mask, white inside, as `read_picture` does its picture, without smoothing: (H, W), bool.

    Of two values, 0 and another, the other is inside (0 and 1, 0 and 255, black and a colour). Of more, what is at least
    half as bright as white: the noise around a JPEG's edges is not. What is transparent is outside.

    Raises:
        ValueError: as `read_picture`, or the mask has several values and none is half as bright as white, or several colours
            (of classes, perhaps).
    """
    picture = _open(raw)
    levels, top = _levels(picture, raw)
    if levels is not None and "transparency" in picture.info:
        levels = np.where(levels == picture.info["transparency"], 0, levels)
    colourful = False
    if levels is None:
        colours = _on_paper(picture, BLACK)
        colourful = int(np.ptp(np.asarray(colours), axis=2).max()) > COLOURFUL
        levels = np.asarray(colours.convert("L"))
    brightest = levels.max()
    if picture.format not in ("JPEG", "MPO") and ((levels == 0) | (levels == brightest)).all():
        inside = levels != 0
    else:
        inside = levels > top / 2
        if colourful or (brightest > 0 and not inside.any()):
            found = "has several colours" if colourful else f"ends at {brightest:g} of {top:g}"
            raise ValueError(
                f"{raw.name}: the mask {found}; expected black outside and white inside, or two values, 0 and another"
            )
    upright = np.asarray(_upright(_image(inside.astype(np.uint8)), picture)) > 0
    return fitted(upright, size, crop, raw.name)


def fitted(pixels: Any, size: int | None, crop: int | None, name: str) -> Any:
    """Pixels (H, W, 3), uint8, or a mask (H, W), bool, with another shorter side and the middle cut out.

    Args:
        pixels: as `read_picture` or `read_mask` give them.
        size: length of the shorter side after resizing (Lanczos; of a mask the nearest pixel); None keeps it.
        crop: side of the square that is cut from the middle; None keeps all.
        name: of the file, for the message.

    Raises:
        ValueError: the pixels would be too many after resizing, or are too few for the crop.
    """
    from PIL import Image

    height, width = pixels.shape[:2]
    if size is not None and min(height, width) != size:
        scale = size / min(height, width)
        width, height = max(size, round(width * scale)), max(size, round(height * scale))
        if width * height > LARGEST:
            raise ValueError(
                f"{name}: {width:,} x {height:,} pixels after resizing; expected at most {LARGEST:,}"
            )
        how = Image.Resampling.NEAREST if pixels.dtype == bool else Image.Resampling.LANCZOS
        resized = _image(pixels.astype(np.uint8)).resize((width, height), how)
        pixels = np.asarray(resized).astype(pixels.dtype)
    if crop is not None:
        if min(height, width) < crop:
            raise ValueError(f"{name}: {width} x {height} pixels, too small to cut {crop} x {crop} from it")
        left, top = (width - crop) // 2, (height - crop) // 2
        pixels = np.ascontiguousarray(pixels[top : top + crop, left : left + crop])
    return pixels


def pixel_digest(pixels: NDArray[Any]) -> str:
    """Equal for equal pixels of the same shape: what makes two pictures one, however their files are written."""
    return hashlib.sha256(
        f"{pixels.shape} {pixels.dtype}".encode() + np.ascontiguousarray(pixels).data
    ).hexdigest()


def png_bytes(pixels: Pixels) -> bytes:
    """Pixels (H, W, 3) or (H, W), uint8, as the bytes of a PNG."""
    stream = io.BytesIO()
    _image(pixels).save(stream, "PNG")
    return stream.getvalue()


def png_text(pixels: Pixels) -> str:
    """The same in base64, as JSON can carry it."""
    return base64.b64encode(png_bytes(pixels)).decode()


def _image(pixels: NDArray[Any]) -> Image.Image:
    from PIL import Image

    return Image.fromarray(pixels)


def _open(raw: RawFile) -> Image.Image:
    """The picture, decoded, of the size and number that are allowed: both are known before it is decoded."""
    from PIL import Image

    try:
        picture = Image.open(io.BytesIO(raw.content), formats=("PNG", "JPEG", "BMP", "TIFF"))
        several = getattr(picture, "is_animated", False)
    except Image.DecompressionBombError as error:
        raise ValueError(f"{raw.name}: {error}; expected at most {LARGEST:,} pixels") from error
    except Exception as error:  # Pillow raises several types, by format, on bytes that are damaged
        raise _damaged(raw, error) from error
    _bound(*picture.size, raw.name)
    # Telephones put previews behind a photograph (MPO): those are no frames.
    if several and picture.format != "MPO":
        raise ValueError(f"{raw.name}: several pictures in one file ({picture.format}); expected one")
    try:
        picture.load()
        picture.getexif()
    except Exception as error:
        raise _damaged(raw, error) from error
    if picture.format == "PNG" and picture.mode == "L" and "transparency" in picture.info:
        picture.info["transparency"] *= WHITE // (
            2 ** min(_bits(picture, raw), 8) - 1
        )  # as the grey values are
    return picture


def _bound(width: int, height: int, name: str) -> None:
    if width * height > LARGEST:
        raise ValueError(f"{name}: {width:,} x {height:,} pixels; expected at most {LARGEST:,}")
    if max(width, height) > LONGEST * min(width, height):
        raise ValueError(
            f"{name}: {width:,} x {height:,} pixels; expected a picture at most {LONGEST} times as long as it is wide"
        )


def _damaged(raw: RawFile, error: Exception) -> ValueError:
    if found := next((kind for at, mark, kind in OTHERS if raw.content[at:].startswith(mark)), None):
        return ValueError(f"{raw.name}: the file is {found}; {EXPECTED}. Convert it, or leave it out.")
    from PIL import UnidentifiedImageError

    reason = "their form is unknown" if isinstance(error, UnidentifiedImageError) else error
    return ValueError(
        f"{raw.name}: no picture can be read from its {len(raw.content):,} bytes ({reason}); {EXPECTED}. "
        "Copy or fetch it again."
    )


def _tag(picture: Image.Image, tag: int, default: int) -> int:
    """The first value of a TIFF's tag."""
    value = getattr(picture, "tag_v2", {}).get(tag, default)
    return int(value[0] if isinstance(value, tuple) else value)


def _bits(picture: Image.Image, raw: RawFile) -> int:
    """Bits of a sample in the file; Pillow gives 8 of each 16 in a colour picture, and does not say so."""
    return raw.content[24] if picture.format == "PNG" else _tag(picture, BITS, 8)


def _levels(picture: Image.Image, raw: RawFile) -> tuple[NDArray[Any] | None, float]:
    """The values of a grey picture that has more than 8 bits, None of another; and the value of white."""
    where = f"{raw.name} (mode {picture.mode})"
    bits = _bits(picture, raw)
    if _tag(picture, SAMPLE_FORMAT, 1) == SIGNED and bits <= 16:
        raise ValueError(f"{where}: {bits}-bit samples with a sign; expected samples without")
    if picture.format == "BMP" and picture.mode == "RGB" and _hides_alpha(raw):
        raise ValueError(
            f"{where}: each pixel has a fourth byte that the header does not explain, perhaps transparency; save it as PNG"
        )
    if picture.mode not in ("I", "F") and not picture.mode.startswith("I;16"):
        if bits == 16 and "transparency" in picture.info:
            raise ValueError(f"{where}: 16 bits a colour with a transparent colour; save it with 8 bits")
        return None, WHITE
    values = np.asarray(picture)
    if _tag(picture, PHOTOMETRIC, 1) == 0:
        raise ValueError(f"{where}: 0 is white in it; save it with 0 as black")
    white = {"F": 1.0, "I": 2**16 - 1}.get(picture.mode, 2.0 ** min(bits, 16) - 1)
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= white):  # nor are they where there is no number
        raise ValueError(
            f"{where}: values from {low:g} to {high:g}; expected 0 to {white:g}. Scale them, or save it with 8 bits"
        )
    return values, white


def _hides_alpha(raw: RawFile) -> bool:
    """Whether a BMP of 32 bits a pixel that declares no transparency has different fourth bytes."""
    if int.from_bytes(raw.content[28:30], "little") != 32:
        return False
    fourth = np.frombuffer(raw.content, np.uint8, offset=int.from_bytes(raw.content[10:14], "little"))[3::4]
    return bool(fourth.min() != fourth.max())


def _underused(raw: RawFile, mode: str, brightest: int) -> ValueError:
    return ValueError(
        f"{raw.name} (mode {mode}): the values of this 16-bit picture end at {brightest:,} of 65,535, as of one with "
        f"{max(brightest.bit_length(), 8)} bits, which would become nearly black; save it with 8 bits, or stretch its "
        "values over all 16"
    )


def _brightest(picture: Image.Image) -> int:
    """The largest of the values of all colours, 8 bits."""
    colours = [band for band in picture.getbands() if band not in "Aa"]
    return max(int(picture.getchannel(band).getextrema()[1]) for band in colours)  # type: ignore[arg-type]


def _grey(levels: NDArray[Any], white: float, picture: Image.Image) -> Image.Image:
    """Values from 0 to ``white`` as 8 bits, transparent where the file says so."""
    grey = _image(np.round(levels * (np.float32(WHITE) / np.float32(white))).astype(np.uint8))
    if "transparency" in picture.info:
        grey.putalpha(_image(np.where(levels == picture.info["transparency"], 0, 255).astype(np.uint8)))
    return grey


def _on_paper(picture: Image.Image, paper: int) -> Image.Image:
    """RGB; what is transparent shows the ``paper`` behind it."""
    from PIL import Image

    if not picture.has_transparency_data:
        return picture.convert("RGB")
    picture = (picture.convert("LA") if picture.mode == "La" else picture).convert("RGBA")
    sheet = Image.new("RGBA", picture.size, (paper, paper, paper, 255))
    return Image.alpha_composite(sheet, picture).convert("RGB")


def _upright(pixels: Image.Image, picture: Image.Image) -> Image.Image:
    """The pixels as the camera was held (EXIF)."""
    from PIL.Image import Transpose

    turn = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }.get(picture.getexif().get(ORIENTATION, 1))
    return pixels if turn is None else pixels.transpose(turn)
