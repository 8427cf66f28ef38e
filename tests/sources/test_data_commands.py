"""The command line: data list, data fetch."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from etudes.sources import table as sources
from etudes.sources.commands import data

TABLE = """
[{name}]
title = "The letters [a-z]"
source = "https://example.org/letters"
licence = "CC0"
citation = "A. B. (2000)"
how = "download"
files = [{{ name = "a.bin", url = "{url}", bytes = 400000 {more} }}]
"""


def checksum(content: bytes) -> str:
    return f', sha256 = "{hashlib.sha256(content).hexdigest()}"'


@pytest.fixture
def write_table(tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def write(text: str) -> None:
        path = tmp_path / "sources.toml"
        path.write_text(text)
        monkeypatch.setattr(sources, "TABLE", path)

    monkeypatch.setenv("ETUDES_RAW", str(raw))
    return write


def test_the_list_shows_every_set_with_its_state_and_place(
    raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETUDES_RAW", str(raw))
    (raw / "imdb_genres").mkdir(parents=True)
    (raw / "imdb_genres" / "train_data.txt").write_text("1 ::: A ::: drama ::: text")
    result = CliRunner().invoke(data, ["list"])
    assert result.exit_code == 0, result.output
    row = {
        line.split()[1]: line
        for line in result.output.splitlines()
        if line.startswith("│") and line[2] != " "
    }
    assert "partial (1 of 2 files missing)" in row["imdb_genres"]
    assert "manual" in row["imdb_genres"]
    assert "missing" in row["glove"]
    assert "PDDL 1.0" in row["glove"]
    assert f"raw folder: {raw} (set by ETUDES_RAW)" in result.output


def test_the_list_uses_the_project_kedro_hands_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ETUDES_RAW", raising=False)
    result = CliRunner().invoke(data, ["list"], obj=types.SimpleNamespace(project_path=tmp_path))
    assert (
        f"raw folder: {tmp_path / 'data' / '01_raw'} (the project's; ETUDES_RAW sets another)"
        in result.output
    )


def test_fetch_brings_a_set_and_says_what_was_checked(
    serve: Callable[..., Any], raw: Path, body: bytes, write_table: Callable[[str], None]
) -> None:
    write_table(TABLE.format(name="letters", url=serve().url, more=checksum(body)))
    result = CliRunner().invoke(data, ["fetch", "letters"])
    assert result.exit_code == 0, result.output
    assert (raw / "letters" / "a.bin").read_bytes() == body
    assert "Licence: CC0. Cite: A. B. (2000)" in result.output
    assert "checksum right" in result.output
    assert "kept" in CliRunner().invoke(data, ["fetch", "letters"]).output
    assert "[a-z]" in CliRunner().invoke(data, ["list"]).output


def test_a_failed_fetch_is_one_message_and_exit_1_and_the_other_sets_still_come(
    serve: Callable[..., Any], raw: Path, body: bytes, write_table: Callable[[str], None]
) -> None:
    sites = (("bad", serve(body=bytes(400_000))), ("good", serve()))
    write_table("".join(TABLE.format(name=name, url=site.url, more=checksum(body)) for name, site in sites))
    result = CliRunner().invoke(data, ["fetch", "bad", "good"])
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: a.bin from http://127.0.0.1")
    assert result.stderr.count("\n") == 1
    assert (raw / "good" / "a.bin").exists()


def test_a_set_got_by_hand_is_exit_1_with_what_to_do(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETUDES_RAW", str(raw))
    result = CliRunner().invoke(data, ["fetch", "imdb_genres"])
    assert result.exit_code == 1
    assert "kaggle.com" in result.stderr
    assert str(raw / "imdb_genres") in result.stderr


def test_an_unknown_name_is_a_usage_error_before_anything_is_fetched(
    serve: Callable[..., Any], write_table: Callable[[str], None]
) -> None:
    site = serve()
    write_table(TABLE.format(name="letters", url=site.url, more=checksum(b"")))
    result = CliRunner().invoke(data, ["fetch", "letters", "leters"])
    assert result.exit_code == 2
    assert "no data set 'leters'; did you mean: letters?" in result.stderr
    assert site.requests == []
    assert CliRunner().invoke(data, ["fetch"]).exit_code == 2


def test_loading_the_commands_loads_nothing_heavy() -> None:
    code = (
        "import sys, etudes.sources.commands;"
        "print([m for m in ('requests', 'pydantic', 'rich', 'tqdm', 'huggingface_hub') if m in sys.modules])"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    out = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
