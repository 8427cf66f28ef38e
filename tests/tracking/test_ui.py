"""`kedro mlflow ui`: one process, which opens where the runs are and leaves nothing behind."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil
import pytest

from etudes.tracking import ui
from projects import STUDY, kedro, quiet_environment

CHROMIUM = Path("/usr/bin/chromium")
pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(project: Path, port: int, *options: str) -> subprocess.Popen[str]:
    """The command, once its page answers."""
    process = subprocess.Popen(
        [sys.executable, "-m", "kedro", "mlflow", "ui", f"--port={port}", *options],
        cwd=project,
        env=quiet_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urlopen(f"http://127.0.0.1:{port}/", timeout=10):
                return process
        except OSError:
            time.sleep(0.3)
    process.kill()
    raise AssertionError(process.communicate())


@pytest.fixture
def port(finished_project: Path) -> Iterator[int]:
    """The port of a server of one process, which is told to terminate at the end."""
    number = free_port()
    process = start(finished_project, number)
    assert psutil.Process(process.pid).children(recursive=True) == []
    yield number
    process.send_signal(signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 0 and "Traceback" not in stderr, stderr
    assert f"http://127.0.0.1:{number}/#/experiments" in stdout
    with pytest.raises(OSError, match="refused"):
        urlopen(f"http://127.0.0.1:{number}/", timeout=5)


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium at /usr/bin/chromium")
def test_the_address_alone_shows_the_experiments_of_trained_models(port: int) -> None:
    sync_api: Any = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu", "--no-first-run"]
        )
        page = browser.new_page()
        page.set_default_timeout(120_000)
        page.goto(f"http://127.0.0.1:{port}/")
        page.get_by_role("link", name=STUDY).wait_for()
        assert page.url.endswith("#/experiments")
        # Its registry belongs to trained models; prompts and gateways to the other half of MLflow.
        page.get_by_text("Model registry").wait_for()
        assert page.get_by_text("Prompts", exact=True).count() == 0
        page.get_by_role("link", name=STUDY).click()
        page.get_by_text("FINISHED").or_(page.get_by_role("link", name=STUDY)).first.wait_for()
        browser.close()


@pytest.mark.heavy
def test_several_workers_end_with_their_parent(finished_project: Path) -> None:
    process = start(finished_project, free_port(), "--workers=2")
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) >= 2
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []


def test_a_taken_port_is_refused_by_name(finished_project: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        done = kedro(finished_project, "mlflow", "ui", f"--port={number}")
    assert done.returncode == 1 and f"127.0.0.1:{number}" in done.stderr and "--port" in done.stderr


def test_a_servers_own_interface_is_opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    opened: list[str] = []
    monkeypatch.setattr(ui.webbrowser, "open", opened.append)
    ui.serve("http://tracking.example:5000/", tmp_path, "127.0.0.1", 5000, browse=True)
    assert opened == ["http://tracking.example:5000/#/experiments"]
