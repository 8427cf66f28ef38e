"""`kedro viz run --pipeline=STUDY` opens on the study's nodes, under short names, with layers and previews."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil
import pytest

from etudes.study import study_names
from etudes.viz import load, main_figure
from projects import ROOT, STUDY, kedro, quiet_environment, within

CHROMIUM = Path("/usr/bin/chromium")
LAYERS = ["raw", "intermediate", "model_input", "models", "model_output", "reporting"]
pytestmark = pytest.mark.slow


def free_port() -> int:
    """One of those that kedro-viz takes: up to 49151."""
    for port in range(20_000 + os.getpid() % 20_000, 49_000):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port")


@pytest.fixture(scope="module")
def server(finished_project: Path) -> Iterator[tuple[str, list[str]]]:
    """The server's address and what it printed; told to terminate at the end."""
    port = free_port()
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "kedro",
            "viz",
            "run",
            f"--pipeline={STUDY}",
            f"--port={port}",
            "--no-browser",
            "--env=test",
        ],
        cwd=finished_project,
        env=quiet_environment(PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    told = [process.stdout.readline(), process.stdout.readline()]
    deadline = time.monotonic() + within(120)
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urlopen(f"http://127.0.0.1:{port}/api/main", timeout=10).close()
            break
        except OSError:
            time.sleep(0.2)
    assert process.poll() is None, "".join([*told, *process.stdout.readlines()])
    assert psutil.Process(process.pid).children() == []
    yield f"http://127.0.0.1:{port}", told
    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate(timeout=30)
    assert process.returncode == 0 and "Traceback" not in rest, rest


def api(address: str, name: str) -> dict[str, Any]:
    with urlopen(f"{address}/api/{name}", timeout=30) as answer:
        return json.load(answer)


def test_the_study_is_open_and_its_names_are_short(server: tuple[str, list[str]]) -> None:
    main = api(server[0], "main")
    assert list(main["modular_pipelines"]) == ["__root__"]
    assert [entry["id"] for entry in main["pipelines"]] == [STUDY]
    assert sorted(main["layers"]) == sorted(LAYERS)
    names = {node["name"] for node in main["nodes"]}
    assert {"ingest", "train_bilstm", "train_split", "metrics", "report"} <= names
    assert [name for name in names if STUDY in name] == []


def test_the_main_figure_is_previewed_and_named_at_the_start(server: tuple[str, list[str]]) -> None:
    address, told = server
    assert f"{address}/" in told[0] and f"{address}/?sn=scores_figure" in told[1]
    (figure,) = [node for node in api(address, "main")["nodes"] if node["name"] == "scores_figure"]
    shown = api(address, f"nodes/{figure['id']}")
    assert shown["preview_type"] == "PlotlyPreview" and shown["preview"]["data"]


def test_the_status_of_the_last_run_is_told_of_what_is_shown(server: tuple[str, list[str]]) -> None:
    nodes, status = api(server[0], "main")["nodes"], api(server[0], "run-status")
    tasks = {node["id"] for node in nodes if node["type"] == "task"}
    assert set(status["nodes"]) == tasks
    assert all(told["status"] == "success" and told["duration"] > 0 for told in status["nodes"].values())
    names = {node["id"]: node["name"] for node in nodes if node["type"] == "data"}
    assert {names[key] for key in status["datasets"]} == set(names.values())
    sizes = {told["name"].removeprefix(f"{STUDY}."): told["size"] for told in status["datasets"].values()}
    assert sizes["metrics"] > 0 and sizes["bilstm_model"] > 1000, "of a folder too"
    assert status["pipeline"]["status"] == "success"


def test_the_commands_it_shows_run(server: tuple[str, list[str]], finished_project: Path) -> None:
    nodes = {node["name"]: node["id"] for node in api(server[0], "main")["nodes"]}
    for name, option in (
        ("ingest", f"--to-nodes='{STUDY}.ingest'"),
        ("data_card", f"--to-outputs={STUDY}.data_card"),
    ):
        command = api(server[0], f"nodes/{nodes[name]}")["run_command"]
        assert command == f"kedro run --pipelines={STUDY} {option}"
    # The options are those of a run; that they name something, the run's own check tells.
    done = kedro(finished_project, "run", f"--pipelines={STUDY}", f"--to-nodes={STUDY}.nothing")
    assert done.returncode == 2 and "There is no node" in done.stderr


@pytest.mark.parametrize("name", study_names())
def test_every_study_opens_with_all_its_nodes_and_a_main_figure(name: str) -> None:
    from kedro.framework.project import configure_project, pipelines

    configure_project("etudes")
    pipeline, catalog = load(ROOT, name, "test", {})
    assert len(pipeline.nodes) == len(pipelines[name].nodes)
    assert {node.namespace for node in pipeline.nodes} == {None}
    assert pipeline.datasets() <= set(catalog.keys())
    assert [each for each in pipeline.datasets() if each.startswith(f"{name}.") or f":{name}." in each] == []
    assert str(main_figure(pipeline)).endswith("_figure")


def test_an_unknown_study_is_suggested(finished_project: Path) -> None:
    done = kedro(finished_project, "viz", "run", "--pipeline=genre_clasification", "--no-browser")
    assert done.returncode == 2 and f"did you mean '{STUDY}'" in done.stderr


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium at /usr/bin/chromium")
def test_the_page_shows_nodes_layers_and_no_tour(server: tuple[str, list[str]]) -> None:
    sync_api: Any = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu", "--no-first-run"]
        )
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.set_default_timeout(within(120_000))
        page.route(lambda url: not url.startswith((server[0], "data:", "blob:")), lambda route: route.abort())
        page.goto(f"{server[0]}/")
        nodes = page.locator(".pipeline-node")
        nodes.first.wait_for()
        assert nodes.count() > 40
        assert any("train_bilstm" in text for text in nodes.all_text_contents())
        assert page.locator(".pipeline-layer").count() == len(LAYERS)
        assert page.get_by_text(re.compile("1 of 6|is here!")).count() == 0
        page.goto(f"{server[0]}/workflow")
        page.locator(".run-status-notification--success").wait_for()
        page.locator(".pipeline-node").first.wait_for()
        assert page.locator(".pipeline-node").count() > 40
        page.goto(f"{server[0]}/?sn=scores_figure")
        page.locator(".pipeline-metadata__title", has_text="scores_figure").wait_for()
        page.locator(".pipeline-metadata .bars path, .pipeline-plotly-chart .bars path").first.wait_for(
            state="attached"
        )
        browser.close()
