"""The embedded characters: what they promise of their names, their seeds and their look."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from etudes.forms.raw import RawFolder
from etudes.samples.strokes import SHORTEST, draw_character, raw_file


def pixels_of(folder: RawFolder, name: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(folder.read(name).content)), dtype=float)


@pytest.fixture(scope="module")
def folder() -> RawFolder:
    return raw_file("characters", alphabets=3, characters=4, drawers=6, size=28, seed=1)


def test_layout_is_that_of_omniglot(folder: RawFolder) -> None:
    names = list(folder)
    assert len(names) == 3 * 4 * 6
    assert names[0] == "strokes/alphabet01/character01/01.png"
    assert names[-1] == "strokes/alphabet03/character04/06.png"
    assert folder.embedded_sample


def test_same_seed_same_files_and_a_smaller_sample_is_a_part(folder: RawFolder) -> None:
    again = raw_file("characters", alphabets=3, characters=4, drawers=6, size=28, seed=1)
    assert again.entries == folder.entries
    part = raw_file("characters", alphabets=2, characters=3, drawers=6, size=28, seed=1)
    assert part.entries.items() <= folder.entries.items()
    other = raw_file("characters", alphabets=3, characters=4, drawers=6, size=28, seed=2)
    assert not set(other.entries.values()) & set(folder.entries.values())


def test_ink_is_black_on_white_and_every_drawing_is_another(folder: RawFolder) -> None:
    assert len(set(folder.entries.values())) == len(folder)
    for name in folder:
        pixels = pixels_of(folder, name)
        assert pixels.shape == (28, 28)
        assert 0.02 < (pixels < 128).mean() < 0.5, f"{name}: strokes on paper"
        assert pixels.min() < 60 and pixels.max() > 240


def test_drawings_of_a_character_are_nearer_than_those_of_others(folder: RawFolder) -> None:
    """Not by much: the nearest neighbour in pixels errs now and then, as on real characters."""
    pixels = np.stack([pixels_of(folder, name).ravel() for name in folder])
    owners = np.array([name.rpartition("/")[0] for name in folder])
    distances = ((pixels[:, None] - pixels[None]) ** 2).sum(2)
    np.fill_diagonal(distances, np.inf)
    share = (owners[distances.argmin(1)] == owners).mean()
    assert 0.5 < share < 1.0


def test_strokes_are_long_enough_to_be_seen() -> None:
    for seed in range(20):
        curves = draw_character(3, 0.3, np.random.default_rng(seed))
        assert 1 <= len(curves) <= 4
        # Bends may make a character larger than its grid; it is then shrunk to its square.
        assert np.hypot(*(curves[:, 3] - curves[:, 0]).T).min() > SHORTEST / 2
        assert curves[:, [0, 3]].min() > -0.01 and curves[:, [0, 3]].max() < 1.01


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"part": "pictures"}, "part = 'pictures'"), ({"size": 8}, "size = 8"), ({"drawers": 0}, "drawers = 0")],
)
def test_arguments_out_of_range_are_refused(arguments: dict[str, object], message: str) -> None:
    given: dict[str, object] = {
        "part": "characters",
        "alphabets": 1,
        "characters": 1,
        "drawers": 1,
        "size": 28,
    }
    with pytest.raises(ValueError, match=message):
        raw_file(**{**given, "seed": 0, **arguments})  # type: ignore[arg-type]
