"""Word vectors from a GloVe file: what is read, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from etudes.text.vectors import WordVectors, read_glove


def write(folder: Path, content: bytes) -> Path:
    path = folder / "glove.txt"
    path.write_bytes(content)
    return path


def test_only_wanted_words_are_read(tmp_path: Path) -> None:
    path = write(tmp_path, "the 1 2\ndog -0.5 3e-1\nété 4 5\n".encode())
    found = read_glove(path, ["dog", "été", "unicorn"])
    assert set(found) == {"dog", "été"}
    np.testing.assert_allclose(found["dog"], [-0.5, 0.3], rtol=1e-6)
    assert found["été"].dtype == np.float32


def test_windows_line_ends_do_not_reach_the_numbers(tmp_path: Path) -> None:
    found = read_glove(write(tmp_path, b"a 1 2\r\nb 3 4\r\n"), ["a", "b"])
    assert found["b"].tolist() == [3, 4]


@pytest.mark.parametrize(
    ("content", "line", "said"),
    [
        (b"a 1 2\nb 1 2 3\n", 2, "3 values, expected 2"),
        (b"a 1 2\nb 1\n", 2, "1 values, expected 2"),
        (b"a\n", 1, "0 values, expected at least one"),
        (b"a 1 2\n\nb 1 2\n", 2, "0 values, expected 2"),
        (b"a 1 2\nb 1 nan\n", 2, "not finite; expected numbers"),
        (b"a 1 2\nb inf 2\n", 2, "not finite; expected numbers"),
        (b"a 1 2\nb 1 two\n", 2, "could not convert string to float.*expected `word v1 v2 ...`"),
        (b"a 1 2\nb 1 2\n\xe9t\xe9 1 2\n", 3, "not UTF-8"),
    ],
)
def test_a_bad_line_is_named_with_its_file(tmp_path: Path, content: bytes, line: int, said: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(ValueError, match=f"{re.escape(str(path))}, line {line}: .*{said}"):
        read_glove(path, ["a", "b"])


def test_a_missing_file_is_named_with_the_way_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no\.txt: no such file.*kedro data fetch glove"):
        read_glove(tmp_path / "no.txt", ["a"])


def test_word_vectors_touch_the_file_only_on_lookup(tmp_path: Path) -> None:
    vectors = WordVectors(tmp_path / "glove.txt")
    write(tmp_path, b"a 1 2\n")
    assert vectors.lookup({"a"})["a"].tolist() == [1, 2]
