"""Raw inputs: a file that is missing says how to get it, a sample that cannot be drawn says which."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kedro.io import DatasetError

from etudes.datasets import RawFileDataset, RawFolderDataset, SampleDataset, WordVectorsDataset
from etudes.forms.raw import RawFolder
from etudes.samples.imdb_files import raw_file


def test_a_missing_download_names_its_command(tmp_path: Path) -> None:
    dataset = RawFileDataset(source="glove", file="glove.6B.50d.txt", raw=str(tmp_path))
    assert not dataset.exists()
    with pytest.raises(
        DatasetError, match=r"glove\.6B\.50d\.txt is missing.*kedro data fetch glove"
    ) as caught:
        dataset.load()
    assert str(tmp_path / "glove") in str(caught.value)


def test_a_missing_file_got_by_hand_names_its_page_and_folder(tmp_path: Path) -> None:
    dataset = RawFileDataset(source="imdb_genres", file="train_data.txt", raw=str(tmp_path))
    with pytest.raises(
        DatasetError, match=r"train_data\.txt is missing.*by hand from https://www\.kaggle"
    ) as caught:
        dataset.load()
    assert str(tmp_path / "imdb_genres") in str(caught.value)


@pytest.mark.parametrize(
    ("source", "file", "message"),
    [
        ("imdb_genre", "train_data.txt", "no data set 'imdb_genre'; did you mean: imdb_genres"),
        ("glove", "x", "no file x"),
    ],
)
def test_an_unknown_source_or_file_is_refused(tmp_path: Path, source: str, file: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        RawFileDataset(source=source, file=file, raw=str(tmp_path)).load()


def test_a_file_that_is_there_comes_as_its_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from etudes.sources import table as sources

    small = sources.RawFile(name="a.txt", url="https://example.org/a.txt", sha256="0" * 64)
    table = {
        "letters": sources.Source(
            name="letters",
            title="Letters",
            source="https://example.org",
            licence="CC0",
            citation="none",
            how="download",
            files=(small,),
        )
    }
    monkeypatch.setattr(sources, "load_sources", lambda path=None: table)
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.txt").write_bytes(b"\xff\x00 as it is\r\n")
    dataset = RawFileDataset(source="letters", file="a.txt", raw=str(tmp_path))
    found = dataset.load()
    assert found.name == str(tmp_path / "letters" / "a.txt")
    assert found.content == b"\xff\x00 as it is\r\n"
    assert not found.embedded_sample
    (tmp_path / "letters" / "a.txt").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"a\.txt has 0 bytes, expected data"):
        dataset.load()


@pytest.mark.parametrize(
    "dataset",
    [
        RawFileDataset(source="glove", file="x", raw="/nowhere"),
        WordVectorsDataset(source="glove", file="x", raw="/nowhere"),
        SampleDataset(sample="imdb_files", part="train", arguments={}),
    ],
    ids=lambda dataset: type(dataset).__name__,
)
def test_raw_data_is_never_written(dataset: Any) -> None:
    with pytest.raises(DatasetError, match="never written"):
        dataset.save("something")


def test_word_vectors_are_required_only_where_words_are_looked_up(tmp_path: Path) -> None:
    vectors = WordVectorsDataset(source="glove", file="glove.6B.50d.txt", raw=str(tmp_path)).load()
    with pytest.raises(FileNotFoundError, match="kedro data fetch glove"):
        vectors.lookup({"film"})


def test_a_sample_comes_in_the_form_of_the_raw_file() -> None:
    arguments = {"n_train": 20, "n_test": 10, "seed": 1}
    found = SampleDataset(sample="imdb_files", part="test", arguments=arguments).load()
    assert found == raw_file("test", **arguments)
    assert found.embedded_sample
    assert b" ::: " in found.content


@pytest.mark.parametrize(
    ("sample", "part", "arguments", "message"),
    [
        (
            "imdb_files",
            "dev",
            {"n_train": 3, "n_test": 3, "seed": 0},
            "part = 'dev', expected one of train, test",
        ),
        ("imdb_files", "train", {"n_train": 0, "n_test": 3, "seed": 0}, "n_train"),
        ("imdb_files", "train", {"n_train": 3, "n_test": 3}, "seed"),
        ("imdb_files", "train", {"n_train": 3, "n_test": 3, "seed": 0, "size": 1}, "size"),
        ("imdb_file", "train", {}, "imdb_file'"),
    ],
)
def test_a_sample_that_cannot_be_drawn_is_named(
    sample: str, part: str, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(DatasetError, match=message) as caught:
        SampleDataset(sample=sample, part=part, arguments=arguments).load()
    assert f"'{sample}'" in str(caught.value)
    assert part in str(caught.value)


@pytest.mark.parametrize("sample", ["../raw", "os.path", "a b", ""])
def test_a_sample_is_a_module_of_the_package(sample: str) -> None:
    with pytest.raises(DatasetError, match=r"expected the name of a module in etudes\.samples"):
        SampleDataset(sample=sample, part="train", arguments={})


def test_a_folder_gives_its_files_by_relative_name_when_asked(tmp_path: Path) -> None:
    for name in ("b/2.PNG", "a/1.png", "a/readme.txt"):
        (tmp_path / "own" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "own" / name).write_bytes(name.encode())
    dataset = RawFolderDataset(source=None, folder="own", raw=str(tmp_path), suffixes=[".png"])
    folder = dataset.load()
    assert list(folder) == ["a/1.png", "b/2.PNG"] and len(folder) == 2 and "a/1.png" in folder
    assert folder.read("b/2.PNG").content == b"b/2.PNG"
    assert not folder.embedded_sample and folder.facts["source"] == "own data"
    with pytest.raises(ValueError, match=r"there is no file a/readme\.txt"):
        folder.read("a/readme.txt")
    (tmp_path / "own" / "a" / "1.png").unlink()
    with pytest.raises(ValueError, match=r"1\.png: cannot be read"):
        folder.read("a/1.png")


@pytest.mark.parametrize("suffixes", [[".png"], [".PNG"], ["png"], [".txt", ".Png"]])
def test_endings_of_a_folder_compare_without_case(tmp_path: Path, suffixes: list[str]) -> None:
    for name in ("1.png", "2.PNG", "3.Png", "._1.png", ".DS_Store", "4.jpg"):
        (tmp_path / name).write_bytes(b"1")
    assert list(RawFolderDataset(source=None, raw=str(tmp_path), suffixes=suffixes).load()) == [
        "1.png",
        "2.PNG",
        "3.Png",
    ]


def test_linked_folders_and_the_home_folder_are_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "1.png").write_bytes(b"1")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "good").symlink_to(tmp_path / "elsewhere")
    assert list(RawFolderDataset(source=None, raw="~", folder="own").load()) == ["good/1.png"]
    assert RawFileDataset(source=None, raw="~", file="own/good/1.png").load().content == b"1"
    (tmp_path / "own" / "bad").symlink_to(tmp_path / "gone")
    with pytest.raises(DatasetError, match=r"bad: a link to .*gone, where nothing is"):
        RawFolderDataset(source=None, raw="~", folder="own").load()


def test_a_file_whose_name_differs_in_capitals_is_named(tmp_path: Path) -> None:
    (tmp_path / "TRAIN.CSV").write_bytes(b"1")
    with pytest.raises(DatasetError, match=r"train\.csv: no such file \(there is TRAIN\.CSV\); check `raw`"):
        RawFileDataset(source=None, raw=str(tmp_path), file="train.csv").load()


def test_a_folder_that_is_missing_or_empty_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"bottle is missing.*by hand from https://www\.mvtec"):
        RawFolderDataset(source="mvtec_ad", raw=str(tmp_path)).load()
    with pytest.raises(DatasetError, match="no such folder; check `raw` and `folder`"):
        RawFolderDataset(source=None, folder="own", raw=str(tmp_path)).load()
    (tmp_path / "own").mkdir()
    with pytest.raises(DatasetError, match=r"holds no files ending in \.png"):
        RawFolderDataset(source=None, folder="own", raw=str(tmp_path), suffixes=[".png"]).load()


def test_a_sample_in_memory_reads_like_a_folder() -> None:
    folder = RawFolder("sample", {"b": b"2", "a": b"1"}, {"embedded_sample": True})
    assert list(folder) == ["a", "b"] and folder.embedded_sample
    assert folder.read("b").content == b"2" and folder.read("b").embedded_sample
