"""Examples keep rows and arrays together, on disk too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from kedro.io import DatasetError

from etudes.datasets import ExamplesDataset, PictureDataset
from etudes.examples import Examples
from etudes.forms.pictures import png_bytes


def made(n: int = 5) -> Examples:
    rows = pd.DataFrame({"id": [f"e{i}" for i in range(n)], "label": np.arange(n)})
    pixels = np.arange(n * 12, dtype=np.uint8).reshape(n, 2, 2, 3)
    return Examples(rows, {"pixels": pixels, "masks": pixels[..., 0] > 20})


def test_taking_some_takes_rows_and_arrays_alike() -> None:
    examples = made()
    for chosen in ([4, 1], np.array([False, True, False, False, True])):
        taken = examples.take(chosen)
        assert set(taken.rows["id"]) == {"e1", "e4"}
        for row, pixels, mask in zip(taken.rows.itertuples(), taken["pixels"], taken["masks"], strict=True):
            assert np.array_equal(pixels, examples["pixels"][row.label])
            assert np.array_equal(mask, examples["masks"][row.label])


def test_saved_examples_come_back_as_memory_maps(tmp_path: Path) -> None:
    dataset = ExamplesDataset(filepath=str(tmp_path / "train"))
    assert not dataset.exists()
    dataset.save(made())
    loaded = dataset.load()
    assert dataset.exists()
    assert isinstance(loaded["pixels"], np.memmap)
    assert np.array_equal(loaded["pixels"], made()["pixels"]) and loaded["masks"].dtype == bool
    pd.testing.assert_frame_equal(loaded.rows, made().rows)


def test_a_table_comes_back_as_a_table(tmp_path: Path) -> None:
    dataset = ExamplesDataset(filepath=str(tmp_path / "train"))
    dataset.save(made())
    dataset.save(made().rows)  # replaces examples with arrays: none of them may be left behind
    pd.testing.assert_frame_equal(dataset.load(), made().rows)
    assert dataset.preview(2)["data"] == [["e0", 0], ["e1", 1]]


def test_a_failed_save_leaves_the_earlier_examples(tmp_path: Path) -> None:
    dataset = ExamplesDataset(filepath=str(tmp_path / "train"))
    dataset.save(made())
    with pytest.raises(DatasetError, match="'not a name'"):
        dataset.save(Examples(made().rows, {"not a name": np.zeros(5)}))
    assert len(dataset.load()) == 5
    assert [path.name for path in tmp_path.iterdir()] == ["train"]


def test_damaged_or_missing_examples_say_so(tmp_path: Path) -> None:
    dataset = ExamplesDataset(filepath=str(tmp_path / "train"))
    with pytest.raises(DatasetError, match="holds no examples; run the stages before"):
        dataset.load()
    dataset.save(made())
    (tmp_path / "train" / "pixels.npy").write_bytes(b"\x93NUMPY\x01\x00")
    with pytest.raises(DatasetError, match="cannot be read"):
        dataset.load()
    with pytest.raises(DatasetError, match="found a list, expected a DataFrame or Examples"):
        dataset.save([1])


@pytest.mark.parametrize(
    ("rows", "arrays", "message"),
    [
        ({"name": ["a"]}, {}, "need a column id"),
        ({"id": ["a", "a"]}, {}, "'a' occurs twice"),
        ({"id": ["a", "b"]}, {"pixels": np.zeros((3, 2))}, r"'pixels' has the shape \(3, 2\); expected 2"),
        ({"id": ["a"]}, {"pixels": np.float64(1.0)[...]}, r"shape \(\)"),
    ],
)
def test_what_does_not_belong_together_is_refused(
    rows: dict[str, list[str]], arrays: dict[str, np.ndarray], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Examples(pd.DataFrame(rows), arrays)
    with pytest.raises(KeyError, match="no array 'maps'; there are pixels, masks"):
        made()["maps"]


def test_a_picture_is_saved_whole_and_previewed(tmp_path: Path) -> None:
    dataset = PictureDataset(filepath=str(tmp_path / "grid.png"))
    with pytest.raises(DatasetError, match="no such picture"):
        dataset.load()
    content = png_bytes(np.zeros((4, 4, 3), dtype=np.uint8))
    dataset.save(content)
    assert dataset.load() == content and dataset.exists()
    assert isinstance(dataset.preview(), str)
    with pytest.raises(DatasetError, match="expected the bytes of a PNG, found str"):
        dataset.save("picture")  # type: ignore[arg-type]
    assert dataset.load() == content
