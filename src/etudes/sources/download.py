"""Downloading one file over HTTP: resumed after a break, checked, and moved into place in one step."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from etudes.sources.files import CHUNK, FetchError, check_space, digest_of, disk_errors, put_in_place, writing
from etudes.sources.resume import Held, discard, note_of, read_held, total_of_range, validator_of, write_note
from etudes.sources.table import RawFile

if TYPE_CHECKING:
    import requests

PASSING_TROUBLE = {408, 425, 429, 500, 502, 503, 504}
PACKED = (".gz", ".tgz", ".z", ".br", ".zst", ".bz2", ".xz")


@dataclasses.dataclass(frozen=True)
class Limits:
    """When to lose patience. Times are in seconds, ``slow_rate`` in bytes per second.

    ``tries`` counts the first one; the pause before a further one starts at ``pause`` and doubles up to
    ``longest_pause``. A server slower than ``slow_rate`` over ``slow_window`` counts as a broken connection.
    """

    connect: float = 15.0
    read: float = 60.0
    tries: int = 6
    pause: float = 1.0
    longest_pause: float = 30.0
    slow_rate: float = 500.0
    slow_window: float = 60.0


class _Broken(Exception):
    """A try failed in a way that a further one may not; ``wait`` seconds first, if the server said so."""

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


@dataclasses.dataclass(frozen=True)
class _Job:
    file: RawFile
    target: Path
    limits: Limits

    @property
    def part(self) -> Path:
        return self.target.with_name(f"{self.target.name}.part")


def download(file: RawFile, target: Path, limits: Limits | None = None) -> tuple[int, str]:
    """Get ``file.url`` as ``target``; its size in bytes and its SHA-256.

    A break is mended by asking for the rest of the file (``<target>.part``, with what is known of it in
    ``<target>.part.json``), also by a later call. The caller holds the lock and sees to it that ``target``
    does not exist. Raises :class:`FetchError` for anything that did not work; a part that may be gone on
    with is kept, a file with a wrong size or checksum is removed.
    """
    import requests

    job = _Job(file, target, limits or Limits())
    with disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    with requests.Session() as session:
        # Plain bytes: an offset into a body compressed on the fly means nothing.
        session.headers.update({"Accept-Encoding": "identity", "User-Agent": "etudes-data/1"})
        if str(file.url).startswith("https://"):
            del session.adapters["http://"]  # no redirection leads out of the encrypted connection
        sha256 = _persist(session, job)
    try:
        return put_in_place(file, job.part, target, sha256, str(file.url)), sha256
    finally:
        with disk_errors(target):
            if not job.part.exists():
                note_of(job.part).unlink(missing_ok=True)


def _persist(session: requests.Session, job: _Job) -> str:
    file, part, limits, trouble = job.file, job.part, job.limits, ""
    for number in range(limits.tries):
        try:
            return _one_try(session, job)
        except _Broken as error:
            trouble = str(error)
            pause = limits.pause * 2**number if error.wait is None else error.wait
        if number + 1 < limits.tries:
            time.sleep(min(pause, limits.longest_pause))
    kept = part.stat().st_size if part.is_file() else 0
    keeps = f"{kept:,} bytes are kept in {part}: run it again to go on" if kept else "Try it again later"
    raise FetchError(
        f"{file.name}: not downloaded from {file.url}: {trouble}; gave up after {limits.tries} tries. {keeps}"
    )


def _one_try(session: requests.Session, job: _Job) -> str:
    """One request; the SHA-256 of the whole file once it is complete."""
    file, limits = job.file, job.limits
    with disk_errors(job.target):
        held = read_held(file, job.part)
    if held.offset and held.offset == held.total:
        return digest_of(job.part).hexdigest()  # all came the last time, only the end of the work is missing
    headers = {"Range": f"bytes={held.offset}-", "If-Range": held.validator or ""} if held.offset else {}
    with _network(file, limits):
        response = session.get(
            str(file.url), headers=headers, stream=True, timeout=(limits.connect, limits.read)
        )
    with response:
        start, total = _begin(response, job, held)
        return _receive(response, job, start, total)


def _begin(response: requests.Response, job: _Job, held: Held) -> tuple[int, int | None]:
    """Where the body of ``response`` starts in the file, and the size of the whole file, both in bytes."""
    file, part, target = job.file, job.part, job.target
    if response.status_code == 206 and held.offset:
        start, total = held.offset, total_of_range(response, held)
        if total is None or validator_of(response) not in (None, held.validator):
            discard(part, target)
            raise _Broken("the file changed at its source", wait=0)
    elif response.status_code == 200:
        start, total = 0, _length(response)
    elif response.status_code == 416 and held.offset:
        discard(part, target)
        raise _Broken("the server no longer has the range asked for (HTTP 416)", wait=0)
    else:
        raise _refused(response, file)
    _check_offer(response, file, total)
    with disk_errors(target):
        # What the part holds will be overwritten if the answer is the whole file.
        on_disk = part.stat().st_size if part.is_file() else 0
        check_space(target, (total or file.bytes or 0) - on_disk)
    return start, total


def _receive(response: requests.Response, job: _Job, start: int, total: int | None) -> str:
    from tqdm import tqdm

    file, part, target = job.file, job.part, job.target
    with disk_errors(target):
        digest, size = (digest_of(part) if start else hashlib.sha256()), start
    expected = total if total is not None else file.bytes
    bar = tqdm(total=expected, initial=start, unit="B", unit_scale=True, desc=file.name, disable=None)
    with bar, writing(part, target, "ab" if start else "wb") as write:
        # After the part is emptied and before its first byte: the note never speaks of other bytes.
        if not start:
            with disk_errors(target):
                write_note(file, part, response, total)
        for chunk in _chunks(response, file, job.limits):
            size += len(chunk)
            if expected is not None and size > expected:
                break
            digest.update(chunk)
            write(chunk)
            bar.update(len(chunk))
    if expected is not None and size > expected:
        discard(part, target)
        raise FetchError(f"{file.name}: expected {expected:,} bytes from {file.url}, it sends more")
    if expected is not None and size < expected:
        raise _Broken(f"the connection ended after {size:,} of {expected:,} bytes")
    return digest.hexdigest()


def _chunks(response: requests.Response, file: RawFile, limits: Limits) -> Iterator[bytes]:
    since, received = time.monotonic(), 0
    while True:
        with _network(file, limits):
            # read1: what has arrived, at once. A plain read loses up to a chunk when the connection breaks.
            chunk = response.raw.read1(CHUNK, decode_content=False)
        if not chunk:
            return
        yield chunk
        received += len(chunk)
        passed = time.monotonic() - since
        if passed >= limits.slow_window:
            if received < limits.slow_rate * passed:
                raise _Broken(f"the server sent only {received:,} bytes in {passed:.0f} s")
            since, received = time.monotonic(), 0


@contextlib.contextmanager
def _network(file: RawFile, limits: Limits) -> Iterator[None]:
    """Sort the network's errors into passing ones (a further try) and lasting ones (:class:`FetchError`)."""
    import requests
    import urllib3

    host = urlsplit(str(file.url)).netloc
    try:
        yield
    except requests.exceptions.SSLError as error:
        raise FetchError(
            f"{file.name}: {host} does not prove who it is (TLS: {error}). "
            f"Check the clock and the certificates of this machine, and any proxy"
        ) from error
    except requests.exceptions.InvalidSchema as error:
        raise FetchError(
            f"{file.name}: {host} sends on to an address that is not encrypted ({error}); it was not followed. "
            f"Try it on another network, or look at the page of the data set (kedro data list)"
        ) from error
    except requests.exceptions.ConnectTimeout as error:
        raise _Broken(f"no connection to {host} within {limits.connect:g} s") from error
    except (requests.exceptions.Timeout, urllib3.exceptions.ReadTimeoutError) as error:
        raise _Broken(f"{host} sent nothing for {limits.read:g} s") from error
    except requests.exceptions.ConnectionError as error:
        raise _Broken(f"the connection to {host} failed (is this machine online?)") from error
    except requests.exceptions.RequestException as error:
        raise FetchError(f"{file.name}: {file.url} cannot be downloaded: {error}") from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise _Broken(f"the connection to {host} broke off") from error


def _refused(response: requests.Response, file: RawFile) -> Exception:
    answer = f"HTTP {response.status_code} {response.reason or ''}".strip()
    if response.status_code in PASSING_TROUBLE:
        wait = response.headers.get("Retry-After", "")
        return _Broken(f"the server answered {answer}", wait=float(wait) if wait.isdecimal() else None)
    return FetchError(
        f"{file.name}: {response.url} answered {answer}, expected the file. "
        f"It may have moved: look at the page of the data set (kedro data list)"
    )


def _check_offer(response: requests.Response, file: RawFile, total: int | None) -> None:
    """Refuse before the first byte what cannot be the file of the table."""
    if total is not None and file.bytes not in (None, total):
        raise FetchError(
            f"{file.name}: {response.url} is not the file of the table: expected {file.bytes:,} bytes, "
            f"the server offers {total:,}. It has changed at its source, or this is an error page"
        )
    coding = response.headers.get("Content-Encoding", "identity").lower()
    # For a name like x.gz some servers call the file's own format its coding; then the bytes are the file.
    if coding != "identity" and not file.name.lower().endswith(PACKED):
        raise FetchError(f"{file.name}: {response.url} sends it as {coding!r} although asked for plain bytes")


def _length(response: requests.Response) -> int | None:
    length = response.headers.get("Content-Length", "")
    chunked = "Transfer-Encoding" in response.headers
    return int(length) if length.isdecimal() and not chunked else None
