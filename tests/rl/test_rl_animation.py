"""An episode as an animation: every moment in its time, small, and whole."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageSequence

from etudes.rl.pictures import LAST_FRAME, LONGEST, animation


def moving_square(count: int, width: int = 60) -> list[np.ndarray]:
    """Frames (40, width, 3) in which a white square moves to the right."""
    frames = np.zeros((count, 40, width, 3), np.uint8)
    for number, frame in enumerate(frames):
        left = number % (width - 10)
        frame[10:20, left : left + 10] = 255
    return list(frames)


def shown(content: bytes) -> list[tuple[np.ndarray, int]]:
    """Each frame of a GIF (H, W, 3) with its milliseconds."""
    with Image.open(io.BytesIO(content)) as film:
        return [
            (np.asarray(frame.convert("RGB")), frame.info["duration"])
            for frame in ImageSequence.Iterator(film)
        ]


@pytest.mark.parametrize(("count", "rate"), [(101, 50.0), (61, 30.0), (200, 60.0), (11, 4.0), (2001, 50.0)])
def test_it_plays_in_real_time_at_few_frames(count: int, rate: float) -> None:
    film = shown(animation(moving_square(count), rate))
    moments = np.cumsum([0, *(pause for _, pause in film)])[:-1]
    assert moments[-1] == pytest.approx(1000 * (count - 1) / rate, abs=25)
    assert film[-1][1] == LAST_FRAME
    assert len(film) <= min(LONGEST + 1, 25 * count / rate * 1.25 + 2)


def test_the_first_and_the_last_frame_are_shown() -> None:
    frames = moving_square(44)
    film = shown(animation(frames, 50.0))
    for position in (0, -1):
        assert np.array_equal(film[position][0] > 127, frames[position] > 127)


def test_a_wide_frame_is_shrunk_by_a_whole_number() -> None:
    picture, _ = shown(animation(moving_square(2, width=1500), 50.0))[0]
    assert picture.shape == (14, 500, 3)


@pytest.mark.parametrize(
    ("frames", "rate"), [([], 50.0), (moving_square(2), 0.0), (moving_square(2), float("nan"))]
)
def test_no_frames_or_no_rate_are_refused(frames: list[np.ndarray], rate: float) -> None:
    with pytest.raises(ValueError, match="expected one or more, and a rate above 0"):
        animation(frames, rate)
