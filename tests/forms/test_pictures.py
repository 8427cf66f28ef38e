"""Pictures are decoded, resized and cut as said, and what is no picture is refused."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from etudes.forms.pictures import png_bytes, read_mask, read_picture
from etudes.forms.raw import RawFile
from etudes.serving.pictures import picture_file
from etudes.vision.imagenet import normalised, standardised


def gradient(height: int = 40, width: int = 60) -> np.ndarray:
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([rows * 4, columns * 4, np.full_like(rows, 9)], -1).astype(np.uint8)


def test_a_png_comes_back_pixel_by_pixel() -> None:
    pixels = gradient()
    assert np.array_equal(read_picture(RawFile("a.png", png_bytes(pixels))), pixels)


def test_resizing_keeps_proportions_and_the_crop_is_the_middle() -> None:
    raw = RawFile("a.png", png_bytes(gradient()))
    assert read_picture(raw, size=20).shape == (20, 30, 3)
    cut = read_picture(raw, crop=20)
    assert np.array_equal(cut, gradient()[10:30, 20:40])
    with pytest.raises(ValueError, match=r"a\.png: 60 x 40 pixels, too small to cut 50 x 50"):
        read_picture(raw, crop=50)


def test_grey_and_transparent_pictures_become_rgb() -> None:
    for mode in ("L", "RGBA", "P"):
        stream = io.BytesIO()
        Image.new(mode, (5, 4)).save(stream, "PNG")
        assert read_picture(RawFile("a.png", stream.getvalue())).shape == (4, 5, 3)


def test_a_turned_photograph_is_set_upright() -> None:
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    Image.fromarray(gradient()).save(stream, "JPEG", exif=exif)
    assert read_picture(RawFile("a.jpg", stream.getvalue())).shape == (60, 40, 3)


def test_a_mask_stays_sharp() -> None:
    mask = np.zeros((40, 40), dtype=np.uint8)
    mask[10:20, 10:20] = 255
    read = read_mask(RawFile("m.png", png_bytes(mask)), size=20)
    assert read.dtype == bool and read.sum() == 25


@pytest.mark.parametrize("damage", [b"", b"no picture", "cut", "large"])
def test_what_is_no_picture_is_refused_with_its_name(
    damage: bytes | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = damage if isinstance(damage, bytes) else png_bytes(gradient())
    if damage == "cut":
        content = content[: len(content) // 2]
    if damage == "large":
        monkeypatch.setattr("etudes.forms.pictures.LARGEST", 100)
    message = "expected at most 100" if damage == "large" else "no picture can be read"
    with pytest.raises(ValueError, match=rf"dir/a\.png: .*{message}"):
        read_picture(RawFile("dir/a.png", content))


def test_normalised_pixels_are_torchvisions_input() -> None:
    from torchvision.transforms.functional import normalize, to_tensor

    pixels = gradient()
    ours = normalised(pixels[None])
    theirs = normalize(to_tensor(pixels), [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    torch.testing.assert_close(ours[0], theirs)
    torch.testing.assert_close(standardised(to_tensor(pixels)[None])[0], theirs)
    for wrong in (pixels, pixels[None].astype(np.float32), pixels[None][..., :1]):
        with pytest.raises(ValueError, match=r"\(N, H, W, 3\) of type uint8"):
            normalised(wrong)


def test_pictures_of_users_come_as_bytes_or_base64() -> None:
    content = png_bytes(gradient())
    for sent in (content, base64.b64encode(content).decode()):
        assert picture_file(sent, "image in row 0").content == content
    for value, message in (
        (3, "image in row 0: found int"),
        ("ä", "image in row 0: a text that is not base64"),
    ):
        with pytest.raises(ValueError, match=message):
            picture_file(value, "image in row 0")
