"""The table of sources, the raw folder, and what is said of missing data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from etudes.sources import table as sources
from etudes.sources.table import MissingDataError, Source, UnknownSourceError, load_sources, require, status

MakeSource = Callable[..., Source]


def test_the_table_of_the_package_is_valid_and_says_where_everything_comes_from() -> None:
    table = load_sources()
    assert {"imdb_genres", "glove"} <= set(table)
    for source in table.values():
        assert source.licence
        assert source.citation


def test_the_name_of_a_weight_file_begins_its_checksum() -> None:
    files = load_sources()["torchvision_weights"].files
    assert [str(file.sha256)[:8] for file in files] == [file.name[-12:-4] for file in files]


def test_what_is_fetched_needs_a_checksum_and_a_member_has_that_of_its_archive(
    make_source: MakeSource,
) -> None:
    archive = {"name": "b.zip", "url": "https://example.org/b.zip", "sha256": None}
    member = {"name": "a.txt", "archive": "b.zip", "member": "a.txt"}
    with pytest.raises(ValueError, match=r"letters/b\.zip: what is fetched needs its sha256"):
        make_source(archive, member)
    assert make_source({**archive, "sha256": "0" * 64}, member).files[1].sha256 is None


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ({"url": "ftp://example.org/a"}, "not an http or https address"),
        ({"url": "file:///etc/passwd"}, "not an http or https address"),
        ({"url": "https://example.org/", "sha256": "abc"}, "sha256"),
        ({"url": "https://example.org/", "size": 3}, "size"),
        ({}, "a download needs url"),
        ({"archive": "b.zip"}, "archive and member go together"),
        ({"archive": "b.zip", "member": "a"}, "is no file of the set"),
        ({"url": "https://example.org/", "archive": "b.zip", "member": "a"}, "not both"),
    ],
)
def test_a_wrong_table_is_refused(make_source: MakeSource, file: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_source({"name": "a.txt", **file})


def test_a_set_got_by_hand_needs_instructions_and_a_hub_set_its_repository(make_source: MakeSource) -> None:
    with pytest.raises(ValueError, match="needs instructions"):
        make_source({"name": "a.txt"}, how="manual")
    with pytest.raises(ValueError, match="repo goes with"):
        make_source({"name": "a.txt", "sha256": "0" * 64}, how="huggingface")


def test_the_raw_folder_is_absolute_and_the_environment_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ETUDES_RAW", "somewhere/../raw")
    assert sources.raw_folder(Path("project")) == tmp_path / "raw"
    monkeypatch.setenv("ETUDES_RAW", "")
    assert sources.raw_folder(Path("project")) == tmp_path / "project" / "data" / "01_raw"


def test_the_project_is_found_from_a_folder_inside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.kedro]\n")
    (tmp_path / "notebooks").mkdir()
    monkeypatch.delenv("ETUDES_RAW", raising=False)
    monkeypatch.chdir(tmp_path / "notebooks")
    assert sources.raw_folder() == tmp_path / "data" / "01_raw"


def test_the_status_tells_missing_partial_and_present_apart(raw: Path, make_source: MakeSource) -> None:
    url = "https://example.org/"
    source = make_source({"name": "a", "url": url, "bytes": 3}, {"name": "b", "url": url})
    assert (status(source, raw).state, status(source, raw).missing) == ("missing", ("a", "b"))
    folder = raw / "letters"
    folder.mkdir(parents=True)
    (folder / "a.part").write_bytes(b"a")
    (folder / "b").write_bytes(b"bb")
    found = status(source, raw)
    assert [file.state for file in found.files] == ["part", "present"]
    assert (found.state, found.missing, found.size) == ("partial", ("a",), 3)
    (folder / "a").write_bytes(b"aaaa")
    assert status(source, raw).files[0].state == "wrong size"
    (folder / "a").write_bytes(b"aaa")
    assert status(source, raw).state == "present"


def test_a_set_is_present_without_its_archive_and_without_optional_files(
    raw: Path, make_source: MakeSource
) -> None:
    url = "https://example.org/"
    source = make_source(
        {"name": "a.zip", "url": url},
        {"name": "a", "archive": "a.zip", "member": "a"},
        {"name": "readme", "url": url, "required": False},
    )
    (raw / "letters").mkdir(parents=True)
    (raw / "letters" / "a").write_bytes(b"a")
    assert status(source, raw).state == "present"
    assert require("letters", raw, sources={"letters": source}) == raw / "letters"


def test_missing_data_are_named_with_their_place_and_the_command(raw: Path) -> None:
    with pytest.raises(MissingDataError) as error:
        require("glove", raw, files=["glove.6B.100d.txt"])
    message = str(error.value)
    assert "glove.6B.100d.txt is missing" in message
    assert str(raw / "glove") in message
    assert "kedro data fetch glove" in message
    assert "50d" not in message
    assert error.value.missing == ("glove.6B.100d.txt",)
    assert "\n" not in message


def test_missing_data_got_by_hand_are_named_with_page_files_and_folder(raw: Path) -> None:
    with pytest.raises(MissingDataError, match=r"kaggle\.com/datasets/hijest") as error:
        require("imdb_genres", raw)
    assert error.value.missing == ("train_data.txt", "test_data_solution.txt")


def test_an_unknown_set_or_file_is_answered_with_near_names(raw: Path) -> None:
    with pytest.raises(UnknownSourceError, match="did you mean: glove"):
        require("glov", raw)
    with pytest.raises(UnknownSourceError, match="has no file nothing"):
        require("glove", raw, files=["nothing"])


def test_a_folder_of_many_files_is_there_once_it_holds_any(make_source: MakeSource, tmp_path: Path) -> None:
    source = make_source({"name": "bottle", "folder": True}, how="manual", instructions="Unpack it.")
    (tmp_path / source.name / "bottle" / "train").mkdir(parents=True)
    assert status(source, tmp_path).state == "missing"
    (tmp_path / source.name / "bottle" / "train" / "000.png").write_bytes(b"x")
    assert status(source, tmp_path).state == "present"
    with pytest.raises(ValueError, match="a folder has no address"):
        make_source({"name": "bottle", "folder": True, "url": "https://example.org"}, how="manual")
    with pytest.raises(ValueError, match="only a manual set may name a folder"):
        make_source({"name": "bottle", "folder": True})
