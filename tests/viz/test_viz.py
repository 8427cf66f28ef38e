"""`kedro viz build` of all studies, opened in a browser.

The outputs of one study are small files saved through its own datasets; nothing is trained here.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from kedro.io import DataCatalog

from etudes.config import EtudesConfigLoader
from etudes.settings import CONFIG_LOADER_ARGS
from etudes.study import load_studies, study_names
from projects import kedro, make_project, within

CHROMIUM = Path("/usr/bin/chromium")
STUDY = "decoder_transformer"
LAYERS = ["raw", "intermediate", "model_input", "models", "model_output", "reporting"]
SECONDS = within(120_000)  # milliseconds; a busy machine needs half a minute for the first page
CLICKS = 8
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The static site of all studies."""
    project = make_project(tmp_path_factory.mktemp("viz") / "project")
    save_outputs(project)
    done = kedro(project, "viz", "build", "--include-previews", timeout=600)
    assert "Success" in done.stdout, done.stdout[-3000:] + done.stderr[-3000:]
    assert "could not be previewed" not in done.stdout + done.stderr
    return project / "build"


def save_outputs(project: Path) -> None:
    """A model, a figure, a picture and predictions with an array in a column, as a run would leave them."""
    import plotly.graph_objects as go

    from etudes.forms.pictures import png_bytes
    from etudes.pipelines.decoder_transformer.decoder import DecoderTransformer
    from etudes.pipelines.decoder_transformer.model import TransformerModels
    from etudes.pipelines.decoder_transformer.parameters import NetworkParameters

    loader = EtudesConfigLoader(str(project / "conf"), **CONFIG_LOADER_ARGS)
    catalog = DataCatalog.from_config(loader["catalog"])
    settings = NetworkParameters(layers=2, hidden=8, heads=2, feed_forward=16, theta=10000.0, dropout=0.0)
    catalog.save(
        f"{STUDY}.transformer_model", TransformerModels({"text": DecoderTransformer(5, 8, settings)})
    )
    catalog.save(f"{STUDY}.predictions", pd.DataFrame({"tokens": [np.arange(3)], "loss": [float("nan")]}))
    catalog.save("vae.scores_figure", go.Figure(go.Bar(x=["mlp"], y=[1.0])))
    catalog.save("vae.samples_image", png_bytes(np.zeros((6, 9, 3), dtype=np.uint8)))


def api(built: Path, name: str) -> dict[str, Any]:
    return json.loads((built / "api" / name).read_text(encoding="utf-8"))


def node_of(built: Path, name: str) -> dict[str, Any]:
    """What the side panel shows of a node."""
    main = api(built, "main")
    return api(built, f"nodes/{next(node['id'] for node in main['nodes'] if node['name'] == name)}")


def test_every_study_is_one_namespace_and_stages_follow_each_other_in_layers(built: Path) -> None:
    main = api(built, "main")
    assert {entry["id"] for entry in main["pipelines"]} == {"__default__", *study_names()}
    assert main["layers"] == LAYERS
    top = [
        child
        for child in main["modular_pipelines"]["__root__"]["children"]
        if child["type"] == "modularPipeline"
    ]
    assert sorted(child["id"] for child in top) == study_names()
    for name in study_names():
        assert api(built, f"pipelines/{name}")["layers"] == LAYERS, name


def test_every_training_node_shows_its_method_or_its_layers(built: Path) -> None:
    main = api(built, "main")
    trained = {
        node["id"]: node
        for node in main["nodes"]
        if node["name"].startswith("train_") and node["type"] == "task"
    }
    assert len(trained) == sum(len(study.variants) + len(study.support) for study in load_studies())
    for key in trained:
        preview = api(built, f"nodes/{key}")["preview"]
        assert preview["kind"] == "mermaid" and preview["content"].startswith("flowchart TB")
    model = node_of(built, "train_transformer")["preview"]["content"]
    assert "text.blocks.0 to 1 (2 alike)" in model and "qkv: 24×8 + 24" in model
    assert "not trained yet" in node_of(built, "train_relabelled")["preview"]["content"]


def test_arrays_in_a_table_are_previewed_as_text(built: Path) -> None:
    shown = node_of(built, f"{STUDY}.predictions")
    assert shown["preview_type"] == "TablePreview"
    assert shown["preview"] == {"index": [0], "columns": ["tokens", "loss"], "data": [["[0, 1, 2]", None]]}


@pytest.fixture(scope="module")
def address(built: Path) -> Iterator[str]:
    """The site behind a server on this machine; kedro-viz asks for its pages by HTTP."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(built))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu", "--no-first-run"]
        )
        yield found
        found.close()


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium at /usr/bin/chromium")
def test_the_site_lists_all_studies_and_previews_a_model_a_picture_and_a_figure(
    address: str, browser: Any
) -> None:
    page = browser.new_page(viewport={"width": 1600, "height": 900})
    page.set_default_timeout(SECONDS)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if is_ours(message, address) else None)
    page.route(lambda url: not url.startswith((address, "data:", "blob:")), lambda route: route.abort())
    page.add_init_script("localStorage.setItem('KedroViz', JSON.stringify({showFeatureHints: false}))")
    page.goto(address)
    rows = page.locator(".pipeline-nodelist-section, .pipeline-treeItem__root--overwrite")
    rows.first.wait_for()
    listed = page.locator("body").inner_text()
    assert [name for name in study_names() if name not in listed] == []

    select(page, "train_transformer")
    diagram = page.locator(".pipeline-mermaid-renderer svg")
    diagram.wait_for()
    assert "attention.qkv: 24×8 + 24" in diagram.text_content()

    select(page, "vae.samples_image")
    picture = page.locator(".pipeline-metadata__plot-image")
    picture.wait_for()
    page.wait_for_function("document.querySelector('.pipeline-metadata__plot-image').naturalWidth === 9")

    select(page, "vae.scores_figure")
    bars = page.locator(".pipeline-metadata .bars path, .pipeline-plotly-chart .bars path")
    bars.first.wait_for(state="attached")
    assert bars.count() == 1
    page.close()
    assert wrong == []


def is_ours(message: Any, address: str) -> bool:
    """Whether a console message is an error of the site: kedro-viz asks for a web font, and for metadata that no build has."""
    known = "metadata fetch error" in message.text or message.location.get("url", "").endswith(
        "/api/metadata"
    )
    return message.type == "error" and not known and message.location.get("url", "").startswith(address)


def select(page: Any, name: str) -> None:
    """Find a node by the search box and open its side panel.

    The list is drawn again while it is filtered, and a click that meets the old rows is lost, so it is repeated.
    """
    page.get_by_placeholder("Search").fill(name)
    row = page.locator(".pipeline-nodelist-container, .pipeline-sidebar").get_by_text(name, exact=True).first
    title = page.locator(".pipeline-metadata__title", has_text=name)
    for _ in range(CLICKS):
        row.click()
        page.wait_for_timeout(SECONDS / 10 / CLICKS)
        if title.is_visible():
            return
    title.wait_for()
