"""Sets of files: the lock between processes, archives, Hugging Face, sets got by hand."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import socket
import subprocess
import sys
import tarfile
import types
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from etudes.sources.archive import extract
from etudes.sources.download import Limits
from etudes.sources.fetch import FetchError, fetch
from etudes.sources.table import RawFile, Source, load_sources
from projects import within

Serve = Callable[..., Any]
MakeSource = Callable[..., Source]

SCRIPT = """
import pathlib, sys
from etudes.sources.fetch import FetchError, fetch
from etudes.sources.table import Source
try:
    fetch(Source.model_validate_json(sys.argv[1]), pathlib.Path(sys.argv[2]))
except FetchError as error:
    sys.exit(str(error))
"""


def start(source: Source, raw: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SCRIPT, source.model_dump_json(), str(raw)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True)


def test_two_processes_do_not_get_the_same_file_at_once(serve: Serve, raw: Path, body: bytes) -> None:
    site = serve(plan=["stall 50000", "ok"])
    first = start(site.source(), raw)
    assert site.arrived.wait(within(10))
    second = start(site.source(), raw)
    message = second.communicate(timeout=within(10))[1]
    assert second.returncode == 1
    assert f"another process ({first.pid} " in message
    assert "Traceback" not in message
    site.release.set()
    assert first.communicate(timeout=within(10))[1] == ""
    assert first.returncode == 0
    assert sum(request.sent for request in site.requests) == len(body)
    assert [path.name for path in (raw / "letters").iterdir()] == ["a.bin"]


def test_the_lock_and_the_part_of_a_killed_process_are_taken_over(
    serve: Serve, raw: Path, body: bytes, patience: Limits
) -> None:
    site = serve(plan=["stall 50000", "ok"])
    killed = start(site.source(), raw)
    assert site.arrived.wait(within(10))
    killed.kill()
    killed.communicate(timeout=within(10))
    assert (raw / "letters" / "a.bin.lock").exists()
    fetch(site.source(), raw, patience)
    assert [path.name for path in (raw / "letters").iterdir()] == ["a.bin"]


@pytest.mark.parametrize(
    ("owner", "held"),
    [
        (f"{os.getpid()} {socket.gethostname()}", False),  # our number, of an earlier life of this container
        ("1 another-machine", True),
        ("", True),  # just made
    ],
    ids=["own number", "other machine", "just made"],
)
def test_a_lock_is_respected_unless_its_process_is_surely_gone(
    serve: Serve, raw: Path, patience: Limits, owner: str, held: bool
) -> None:
    lock = raw / "letters" / "a.bin.lock"
    lock.parent.mkdir(parents=True)
    lock.write_text(owner)
    if held:
        with pytest.raises(FetchError, match=r"another process .*remove .*a\.bin\.lock"):
            fetch(serve().source(), raw, patience)
        assert lock.read_text() == owner
    else:
        fetch(serve().source(), raw, patience)
        assert not lock.exists()


def test_a_file_another_process_brought_while_this_one_waited_is_kept(
    serve: Serve, raw: Path, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextlib.contextmanager
    def lock_after_the_other(target: Path) -> Iterator[None]:
        target.parent.mkdir(parents=True)
        target.write_bytes(body)
        yield

    monkeypatch.setattr("etudes.sources.fetch.lock", lock_after_the_other)
    site = serve()
    assert [file.state for file in fetch(site.source(), raw)] == ["kept"]
    assert site.requests == []


def test_an_empty_lock_that_is_old_is_taken_over(serve: Serve, raw: Path, patience: Limits) -> None:
    lock = raw / "letters" / "a.bin.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    os.utime(lock, (0, 0))
    fetch(serve().source(), raw, patience)
    assert not lock.exists()


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, content in members.items():
            bundle.writestr(name, content)
    return buffer.getvalue()


def linked() -> bytes:
    """A zip whose member is a symbolic link out of the folder."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as bundle:
        info = zipfile.ZipInfo("in/a.txt")
        info.create_system, info.external_attr = 3, 0o120777 << 16
        bundle.writestr(info, "/etc/passwd")
    return buffer.getvalue()


def tarred(members: dict[str, bytes | None]) -> bytes:
    """A tar.gz; ``None`` makes a symbolic link out of the folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as bundle:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            if content is None:
                info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            else:
                info.size = len(content)
            bundle.addfile(info, io.BytesIO(content or b""))
    return buffer.getvalue()


def packed_source(make_source: MakeSource, url: str, packed: bytes, *names: str, **fields: object) -> Source:
    archive = {"name": "all.pack", "url": url, "sha256": hashlib.sha256(packed).hexdigest()}
    members = [{"name": name, "archive": "all.pack", "member": f"in/{name}", **fields} for name in names]
    return make_source(archive, *members)


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_only_the_named_members_come_out_of_an_archive(
    serve: Serve, raw: Path, patience: Limits, make_source: MakeSource, pack: Callable[..., bytes]
) -> None:
    packed = pack({"in/a.txt": b"aaa", "in/b.txt": b"bb", "../evil.txt": b"x", "in/other.txt": b"x"})
    site = serve(body=packed)
    source = packed_source(make_source, site.url, packed, "a.txt", "b.txt")
    found = fetch(source, raw, patience)
    assert [(file.path.name, file.state) for file in found] == [
        ("all.pack", "downloaded"),
        ("a.txt", "extracted"),
        ("b.txt", "extracted"),
    ]
    assert (raw / "letters" / "a.txt").read_bytes() == b"aaa"
    assert sorted(path.name for path in raw.rglob("*")) == ["a.txt", "all.pack", "b.txt", "letters"]


def test_an_archive_is_not_needed_again_once_its_members_are_there(
    serve: Serve, raw: Path, patience: Limits, make_source: MakeSource
) -> None:
    packed = zipped({"in/a.txt": b"aaa", "in/b.txt": b"bb"})
    site = serve(body=packed)
    source = packed_source(make_source, site.url, packed, "a.txt", "b.txt")
    fetch(source, raw, patience)
    (raw / "letters" / "all.pack").unlink()
    assert [file.state for file in fetch(source, raw, patience)] == ["kept", "kept"]
    (raw / "letters" / "b.txt").unlink()
    assert [file.state for file in fetch(source, raw, patience)] == ["downloaded", "kept", "extracted"]
    assert len(site.requests) == 2


@pytest.mark.parametrize("name", ["../evil.txt", "/etc/evil", "a/../../evil", "..\\evil", "C:evil", "", "."])
def test_a_path_out_of_the_folder_is_refused(tmp_path: Path, make_source: MakeSource, name: str) -> None:
    with pytest.raises(ValueError, match="not a plain relative path"):
        make_source({"name": name, "url": "https://example.org/"})
    with pytest.raises(ValueError, match="not a plain relative path"):
        RawFile(name="a.txt", archive="a.zip", member=name)
    # And once more where it counts, for a table that came by another way than the model's checks.
    archive = tmp_path / "a.zip"
    archive.write_bytes(zipped({"../evil.txt": b"x"}))
    file = RawFile.model_construct(name="a.txt", archive="a.zip", member=name)
    if name != ".":
        with pytest.raises(FetchError, match="refused to extract"):
            extract(file, archive, tmp_path / "out" / "a.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


@pytest.mark.parametrize(
    ("packed", "message"),
    [
        (zipped({"in/b.txt": b"x"}), r"no member 'in/a\.txt' in it; found: in/b\.txt"),
        (tarred({"in/a.txt": None}), "a link or a folder, not a file"),
        (linked(), "a link or a folder, not a file"),
        (tarred({"in/b.txt": b"x"}), r"no member 'in/a\.txt' in it; found: in/b\.txt"),
        (zipped({"in/a.txt": b"x"})[:-9], "the archive cannot be read"),
        (zipped({"in/a.txt": b"x" * 4}), r"expected 3 bytes, found 4"),
        (zipped({"in/a.txt": b"xyz"}), r"a\.txt from .*expected sha256 .*removed"),
    ],
    ids=["missing", "tar link", "zip link", "missing in tar", "damaged", "size", "checksum"],
)
def test_a_bad_archive_ends_in_a_message_and_no_file(
    *,
    serve: Serve,
    raw: Path,
    patience: Limits,
    make_source: MakeSource,
    packed: bytes,
    message: str,
) -> None:
    wanted = {"bytes": 3, "sha256": hashlib.sha256(b"aaa").hexdigest()}
    source = packed_source(make_source, serve(body=packed).url, packed, "a.txt", **wanted)
    with pytest.raises(FetchError, match=message):
        fetch(source, raw, patience)
    assert [path.name for path in (raw / "letters").iterdir()] == ["all.pack"]


def test_a_member_above_the_limit_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    archive.write_bytes(zipped({"a.txt": bytes(100_000)}))
    file = RawFile(name="a.txt", archive="a.zip", member="a.txt")
    with pytest.raises(FetchError, match="100,000 bytes, the limit is 99,999"):
        extract(file, archive, tmp_path / "a.txt", limit=99_999)
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_a_manual_set_says_what_to_do_and_is_content_once_it_is_done(raw: Path) -> None:
    source = load_sources()["imdb_genres"]
    with pytest.raises(FetchError) as error:
        fetch(source, raw)
    for word in (
        source.source,
        "Log in",
        "train_data.txt",
        "test_data_solution.txt",
        str(raw / "imdb_genres"),
    ):
        assert word in str(error.value)
    (raw / "imdb_genres").mkdir(parents=True)
    for file in source.needed:
        (raw / "imdb_genres" / file.name).write_text("1 ::: A (2000) ::: drama ::: text\n")
    assert [file.state for file in fetch(source, raw)] == ["kept", "kept"]


def test_an_archive_of_a_manual_set_is_unpacked_once_somebody_brought_it(
    raw: Path, make_source: MakeSource
) -> None:
    source = make_source(
        {"name": "a.zip"},
        {"name": "a.txt", "archive": "a.zip", "member": "a.txt"},
        how="manual",
        instructions="Click.",
    )
    with pytest.raises(FetchError, match=r"a\.zip not there; .*Click\. Put a\.zip into"):
        fetch(source, raw)
    (raw / "letters").mkdir(parents=True)
    (raw / "letters" / "a.zip").write_bytes(zipped({"a.txt": b"aaa"}))
    fetch(source, raw)
    assert (raw / "letters" / "a.txt").read_bytes() == b"aaa"


def hub(monkeypatch: pytest.MonkeyPatch, content: bytes | Exception) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = []

    def hf_hub_download(**arguments: Any) -> str:
        calls.append(arguments)
        if isinstance(content, Exception):
            raise content
        path = Path(arguments["local_dir"]) / arguments["filename"]
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        return str(path)

    module = types.SimpleNamespace(hf_hub_download=hf_hub_download)
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    return calls


def hub_source(make_source: MakeSource) -> Source:
    file = {"name": "data/a.parquet", "bytes": 3, "sha256": hashlib.sha256(b"aaa").hexdigest()}
    return make_source(file, how="huggingface", repo="someone/letters", revision="abc")


def test_a_hub_file_is_checked_and_put_in_place(
    raw: Path, make_source: MakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = hub(monkeypatch, b"aaa")
    fetch(hub_source(make_source), raw)
    assert (calls[0]["repo_id"], calls[0]["revision"], calls[0]["repo_type"]) == (
        "someone/letters",
        "abc",
        "dataset",
    )
    assert [path.name for path in (raw / "letters" / "data").iterdir()] == ["a.parquet"]
    fetch(hub_source(make_source), raw)
    assert len(calls) == 1


def test_a_wrong_hub_file_does_not_reach_its_place(
    raw: Path, make_source: MakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub(monkeypatch, b"bbb")
    with pytest.raises(
        FetchError, match=r"Hugging Face dataset someone/letters is not the file of the table"
    ):
        fetch(hub_source(make_source), raw)
    assert not list(raw.rglob("*.parquet"))


def test_an_error_of_the_hub_becomes_one_message(
    raw: Path, make_source: MakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub(monkeypatch, RuntimeError("401 Client Error\nlong\ntext"))
    with pytest.raises(FetchError, match=r"not downloaded from .*someone/letters: 401 Client Error\. Run it"):
        fetch(hub_source(make_source), raw)
