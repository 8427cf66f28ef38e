"""Downloads against a server that drops, lies, stalls and changes its mind."""

from __future__ import annotations

import errno
import json
import shutil
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest

from etudes.sources import files
from etudes.sources.download import Limits
from etudes.sources.fetch import FetchError, fetch

Serve = Callable[..., Any]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_download_ends_complete_and_leaves_nothing_else(
    serve: Serve, raw: Path, body: bytes, patience: Limits
) -> None:
    (found,) = fetch(serve().source(), raw, patience)
    assert (found.state, found.size, found.checked) == ("downloaded", len(body), True)
    assert found.path.read_bytes() == body
    assert names(raw / "letters") == ["a.bin"]


def test_a_broken_download_asks_only_for_the_rest(
    serve: Serve, raw: Path, body: bytes, patience: Limits
) -> None:
    site = serve(plan=["drop 150000", "ok"])
    (found,) = fetch(site.source(), raw, patience)
    first, second = site.requests
    assert found.path.read_bytes() == body
    assert (second.range, second.if_range, second.status) == ("bytes=150000-", '"v1"', 206)
    assert first.sent + second.sent == len(body)
    assert names(raw / "letters") == ["a.bin"]


def test_a_part_is_taken_up_by_date_where_the_server_has_only_a_weak_etag(
    serve: Serve, raw: Path, body: bytes, patience: Limits
) -> None:
    date = "Mon, 04 Aug 2014 13:15:00 GMT"
    site = serve(plan=["drop 150000", "ok"], etag='W/"v1"', headers={"Last-Modified": date})
    (found,) = fetch(site.source(), raw, patience)
    assert found.path.read_bytes() == body
    assert (site.requests[1].if_range, site.requests[1].status) == (date, 206)


def test_without_etag_and_date_a_broken_download_starts_again(
    serve: Serve, raw: Path, body: bytes, patience: Limits
) -> None:
    site = serve(plan=["drop 150000", "ok"], etag=None)
    (found,) = fetch(site.source(), raw, patience)
    assert found.path.read_bytes() == body
    assert site.requests[1].range is None


def test_a_server_that_ignores_ranges_is_read_from_the_start(
    serve: Serve, raw: Path, body: bytes, patience: Limits
) -> None:
    site = serve(plan=["drop 150000", "ok"], ranges=False)
    (found,) = fetch(site.source(), raw, patience)
    assert found.path.read_bytes() == body
    assert [request.status for request in site.requests] == [200, 200]


def test_a_body_without_a_length_that_ends_early_is_noticed_by_the_size_of_the_table(
    serve: Serve, raw: Path, body: bytes, patience: Limits
) -> None:
    site = serve(plan=["drop 150000", "ok"], length=False)
    (found,) = fetch(site.source(), raw, patience)
    assert found.path.read_bytes() == body
    assert site.requests[1].range == "bytes=150000-"


def test_a_server_that_always_truncates_ends_in_a_message_and_a_later_call_goes_on(
    serve: Serve, raw: Path, body: bytes, patience: Limits
) -> None:
    site = serve(plan=["drop 50000"])
    with pytest.raises(FetchError, match=r"gave up after 3 tries\. 150,000 bytes are kept in .*a\.bin\.part"):
        fetch(site.source(), raw, patience)
    assert len(site.requests) == 3
    assert not (raw / "letters" / "a.bin").exists()
    site.plan = ["ok"]
    fetch(site.source(), raw, patience)
    assert site.requests[-1].range == "bytes=150000-"
    assert (raw / "letters" / "a.bin").read_bytes() == body


@pytest.mark.parametrize("heeds", [True, False], ids=["200", "206 of the new one"])
def test_a_file_that_changed_between_two_tries_is_read_from_the_start(
    serve: Serve, raw: Path, body: bytes, patience: Limits, heeds: bool
) -> None:
    site = serve(body=bytes(len(body)), plan=["drop 150000"], heed_if_range=heeds)
    with pytest.raises(FetchError):
        fetch(site.source(), raw, Limits(tries=1))
    site.body, site.etag, site.plan = body, '"v2"', ["ok"]
    (found,) = fetch(site.source(), raw, patience)
    assert found.path.read_bytes() == body


def test_a_range_the_server_no_longer_has_is_read_from_the_start(
    serve: Serve, raw: Path, body: bytes, patience: Limits
) -> None:
    site = serve(plan=["drop 150000", "status 416", "ok"])
    (found,) = fetch(site.source(), raw, patience)
    assert found.path.read_bytes() == body
    assert [request.range for request in site.requests] == [None, "bytes=150000-", None]


def test_a_part_that_is_already_complete_needs_no_request(
    serve: Serve, raw: Path, body: bytes, patience: Limits
) -> None:
    site = serve()
    folder = raw / "letters"
    folder.mkdir(parents=True)
    (folder / "a.bin.part").write_bytes(body)
    note = {"url": site.url, "validator": '"v1"', "total": len(body)}
    (folder / "a.bin.part.json").write_text(json.dumps(note))
    fetch(site.source(), raw, patience)
    assert site.requests == []
    assert names(folder) == ["a.bin"]


@pytest.mark.parametrize(
    "note", [None, "{", "[]", '{"url": "http://else/", "validator": "x", "total": 400000}']
)
def test_a_part_of_unknown_origin_is_not_gone_on_with(
    serve: Serve, raw: Path, body: bytes, patience: Limits, note: str | None
) -> None:
    site = serve()
    folder = raw / "letters"
    folder.mkdir(parents=True)
    (folder / "a.bin.part").write_bytes(b"something else")
    if note is not None:
        (folder / "a.bin.part.json").write_text(note)
    (found,) = fetch(site.source(), raw, patience)
    assert found.path.read_bytes() == body
    assert site.requests[0].range is None
    assert names(folder) == ["a.bin"]


def test_a_wrong_checksum_names_both_and_leaves_nothing(
    serve: Serve, raw: Path, body: bytes, patience: Limits
) -> None:
    site = serve(body=bytes(len(body)))
    source = site.source()
    with pytest.raises(FetchError, match=r"a\.bin.*expected sha256 (\w{64}), found (\w{64})") as error:
        fetch(source, raw, patience)
    assert str(source.files[0].sha256) in str(error.value)
    assert names(raw / "letters") == []


def test_a_wrong_size_is_refused_before_the_first_byte(serve: Serve, raw: Path, patience: Limits) -> None:
    site = serve(body=b"<html>Please log in</html>")
    with pytest.raises(FetchError, match=r"expected 400,000 bytes, the server offers 26"):
        fetch(site.source(), raw, patience)
    assert names(raw / "letters") == []


def test_a_body_longer_than_the_table_says_is_stopped(
    serve: Serve, raw: Path, body: bytes, patience: Limits
) -> None:
    site = serve(body=body * 2, length=False)
    with pytest.raises(FetchError, match=r"expected 400,000 bytes .*sends more"):
        fetch(site.source(), raw, patience)
    assert names(raw / "letters") == []


def test_no_redirection_leads_from_https_to_http(
    serve: Serve, raw: Path, patience: Limits, tls: ssl.SSLContext
) -> None:
    plain = serve()
    site = serve(tls=tls, plan=["move"], moved=plain.url)
    with pytest.raises(FetchError, match=r"not encrypted.*not followed"):
        fetch(site.source(), raw, patience)
    assert plain.requests == []
    assert names(raw / "letters") == []


def test_a_redirection_that_stays_encrypted_is_followed(
    serve: Serve, raw: Path, patience: Limits, tls: ssl.SSLContext
) -> None:
    elsewhere = serve(tls=tls)
    (found,) = fetch(serve(tls=tls, plan=["move"], moved=elsewhere.url).source(), raw, patience)
    assert (found.state, found.checked) == ("downloaded", True)


def test_a_silent_server_ends_in_a_message(serve: Serve, raw: Path) -> None:
    site = serve(plan=["stall 50000"])
    with pytest.raises(FetchError, match=r"127\.0\.0\.1:\d+ sent nothing for 0\.2 s; gave up after 2 tries"):
        fetch(site.source(), raw, Limits(read=0.2, tries=2, pause=0.01))
    assert site.requests[1].range == "bytes=50000-"


def test_a_server_that_trickles_ends_in_a_message(serve: Serve, raw: Path) -> None:
    site = serve(plan=["trickle"])
    limits = Limits(tries=1, slow_rate=10_000, slow_window=0.2)
    with pytest.raises(FetchError, match=r"the server sent only \d+ bytes in 0 s"):
        fetch(site.source(), raw, limits)


def test_a_passing_refusal_is_tried_again_and_a_lasting_one_is_not(
    serve: Serve, raw: Path, patience: Limits
) -> None:
    passing = serve(plan=["status 503", "ok"])
    fetch(passing.source(), raw / "1", patience)
    assert len(passing.requests) == 2
    lasting = serve(plan=["status 404"])
    with pytest.raises(FetchError, match=r"answered HTTP 404 .*page of the data set"):
        fetch(lasting.source(), raw / "2", patience)
    assert len(lasting.requests) == 1


def test_no_server_at_all_ends_in_a_message(serve: Serve, raw: Path, make_source: Callable[..., Any]) -> None:
    source = make_source({"name": "a.bin", "url": "http://127.0.0.1:9/a.bin"})
    serve()
    with pytest.raises(
        FetchError, match=r"the connection to 127\.0\.0\.1:9 failed .*online.*Try it again later"
    ):
        fetch(source, raw, Limits(tries=1))


def test_a_body_compressed_on_the_fly_is_refused(serve: Serve, raw: Path, patience: Limits) -> None:
    site = serve(headers={"Content-Encoding": "gzip"})
    with pytest.raises(FetchError, match="although asked for plain bytes"):
        fetch(site.source(), raw, patience)


def test_a_good_file_that_is_there_is_never_touched(
    serve: Serve, raw: Path, body: bytes, patience: Limits
) -> None:
    site = serve()
    target = raw / "letters" / "a.bin"
    target.parent.mkdir(parents=True)
    target.write_bytes(body)
    before = target.stat()
    (found,) = fetch(site.source(), raw, patience)
    after = target.stat()
    assert found.state == "kept"
    assert site.requests == []
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)


@pytest.mark.parametrize("content", [b"my own work", b"", bytes(400_000)], ids=["size", "empty", "checksum"])
def test_another_file_in_its_place_is_reported_and_left_alone(
    serve: Serve, raw: Path, patience: Limits, content: bytes
) -> None:
    target = raw / "letters" / "a.bin"
    target.parent.mkdir(parents=True)
    target.write_bytes(content)
    with pytest.raises(FetchError, match=r"not the one of the table.*left as it is"):
        fetch(serve().source(), raw, patience)
    assert target.read_bytes() == content


class FullDisk:
    """A part file on a disk that is full after ``room`` bytes, also when what is buffered is written."""

    def __init__(self, stream: IO[bytes], room: int) -> None:
        self.stream, self.room = stream, room

    def write(self, data: bytes) -> int:
        fits = data[: self.room]
        self.room -= len(fits)
        self.stream.write(fits)
        if len(fits) < len(data):
            raise OSError(errno.ENOSPC, "No space left on device")
        return len(data)

    def close(self) -> None:
        self.stream.close()
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_disk_full_half_way_ends_in_a_message_and_a_later_call_goes_on(
    serve: Serve, raw: Path, body: bytes, patience: Limits, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = serve()
    earlier = raw / "letters" / "earlier.bin"
    earlier.parent.mkdir(parents=True)
    earlier.write_bytes(b"as it was")
    with monkeypatch.context() as patch:
        patch.setattr(files, "open_part", lambda part, mode: FullDisk(part.open(mode), 200_000))
        with pytest.raises(FetchError, match=r"a\.bin: the disk is full, in .*letters.*Free some space"):
            fetch(site.source(), raw, patience)
    assert earlier.read_bytes() == b"as it was"
    assert "a.bin" not in names(raw / "letters")
    fetch(site.source(), raw, patience)
    assert site.requests[-1].range == "bytes=200000-"
    assert (raw / "letters" / "a.bin").read_bytes() == body


def test_a_disk_too_full_for_the_file_is_not_filled(
    serve: Serve, raw: Path, patience: Limits, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil._ntuple_diskusage(10, 9, 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(FetchError, match=r"400,000 bytes needed in .*letters, 1 free"):
        fetch(serve().source(), raw, patience)
    assert names(raw / "letters") == []


def test_a_file_in_place_of_the_folder_ends_in_a_message(serve: Serve, raw: Path, patience: Limits) -> None:
    raw.mkdir()
    (raw / "letters").write_text("not a folder")
    with pytest.raises(FetchError, match=r"a\.bin: .*letters is in the way"):
        fetch(serve().source(), raw, patience)
    assert (raw / "letters").read_text() == "not a folder"


def test_a_read_only_folder_ends_in_a_message(
    serve: Serve, raw: Path, patience: Limits, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(part: Path, mode: str) -> IO[bytes]:
        raise PermissionError(errno.EACCES, "Permission denied", str(part))

    monkeypatch.setattr(files, "open_part", refuse)
    with pytest.raises(FetchError, match=r"a\.bin: cannot write into .*letters: Permission denied"):
        fetch(serve().source(), raw, patience)
    assert names(raw / "letters") == []
