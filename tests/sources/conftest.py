"""A web server on this machine that can be told to misbehave, and the source that points to it."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import hashlib
import ipaddress
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from etudes.sources.download import Limits
from etudes.sources.table import RawFile, Source
from projects import within

BODY = hashlib.shake_256(b"etudes").digest(400_000)
PATIENCE = Limits(connect=2.0, read=0.4, tries=3, pause=0.01)


@dataclasses.dataclass
class Request:
    """What one request asked and what it was sent; ``sent`` in bytes of the body."""

    range: str | None
    if_range: str | None
    status: int = 0
    sent: int = 0


@dataclasses.dataclass
class Site:
    """One file on a server. ``plan`` holds a behaviour per request, the last one stays:

    "ok", "drop N" (N bytes, then the connection ends), "stall N" (N bytes, then silence until ``release``),
    "trickle" (a byte at a time), "status N", "move" (to the address ``moved``).
    """

    body: bytes = BODY
    etag: str | None = '"v1"'
    ranges: bool = True
    heed_if_range: bool = True
    length: bool = True
    plan: list[str] = dataclasses.field(default_factory=lambda: ["ok"])
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    moved: str = ""
    requests: list[Request] = dataclasses.field(default_factory=list)
    arrived: threading.Event = dataclasses.field(default_factory=threading.Event)
    release: threading.Event = dataclasses.field(default_factory=threading.Event)
    url: str = ""

    def source(self, **fields: object) -> Source:
        """A set "letters" with the one file "a.bin" of this site, its size and checksum known."""
        known = {"bytes": len(BODY), "sha256": hashlib.sha256(BODY).hexdigest()}
        return source_of({"name": "a.bin", "url": self.url, **known, **fields})


def source_of(*files: dict[str, object], **fields: object) -> Source:
    base: dict[str, object] = {
        "name": "letters",
        "title": "Letters",
        "source": "https://example.org/letters",
        "licence": "CC0",
        "citation": "A. B. (2000)",
        "how": "download",
    }
    known = [{"sha256": "0" * 64, **file} if "url" in file else file for file in files]
    return Source.model_validate({**base, "files": [RawFile.model_validate(f) for f in known], **fields})


def _handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen = Request(self.headers.get("Range"), self.headers.get("If-Range"))
            what, _, number = (site.plan.pop(0) if len(site.plan) > 1 else site.plan[0]).partition(" ")
            site.requests.append(seen)
            with contextlib.suppress(OSError):
                if what == "status":
                    seen.status = int(number)
                    self.send_error(seen.status)
                elif what == "move":
                    self.send_response(302)
                    self.send_header("Location", site.moved)
                    self.end_headers()
                else:
                    self._answer(seen, what, int(number or 0))

        def _answer(self, seen: Request, what: str, number: int) -> None:
            start = self._start(seen)
            if start >= len(site.body):
                seen.status = 416
                self.send_error(416)
                return
            rest = site.body[start:]
            seen.status = 206 if start else 200
            self.send_response(seen.status)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(site.body) - 1}/{len(site.body)}")
            if site.length:
                self.send_header("Content-Length", str(len(rest)))
            if site.etag:
                self.send_header("ETag", site.etag)
            for name, value in site.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self._send(seen, rest, what, number)

        def _start(self, seen: Request) -> int:
            if seen.range is None or not site.ranges:
                return 0
            if site.heed_if_range and seen.if_range not in (
                None,
                site.etag,
                site.headers.get("Last-Modified"),
            ):
                return 0
            return int(seen.range.removeprefix("bytes=").rstrip("-"))

        def _send(self, seen: Request, rest: bytes, what: str, number: int) -> None:
            step = 1 if what == "trickle" else 10_000
            limit = number if what in ("drop", "stall") else len(rest)
            for begin in range(0, min(limit, len(rest)), step):
                chunk = rest[begin : min(begin + step, limit)]
                self.wfile.write(chunk)
                seen.sent += len(chunk)
                if what == "trickle" and site.release.wait(0.02):
                    return
            if what == "stall":
                site.arrived.set()
                site.release.wait(within(10))
                self.wfile.write(rest[number:])
                seen.sent += len(rest) - number

        def log_message(self, *args: object) -> None:
            pass

    return Handler


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Site]]:
    """A function that puts a :class:`Site` on a server of its own."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    started: list[tuple[Site, ThreadingHTTPServer]] = []

    def start(tls: ssl.SSLContext | None = None, **fields: object) -> Site:
        site = Site(**fields)  # type: ignore[arg-type]
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(site))
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        server.daemon_threads = True
        server.block_on_close = False
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        site.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}/a.bin"
        started.append((site, server))
        return site

    yield start
    for site, server in started:
        site.release.set()
        server.shutdown()
        server.server_close()


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """The encryption of a server on this machine, with a certificate that requests trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    today = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate = tmp_path / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    certificate.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return tmp_path / "raw"


@pytest.fixture
def body() -> bytes:
    return BODY


@pytest.fixture
def patience() -> Limits:
    return PATIENCE


@pytest.fixture
def make_source() -> Callable[..., Source]:
    return source_of
