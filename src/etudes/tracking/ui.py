"""MLflow's interface in one process, opened where the runs are.

``mlflow ui`` starts four workers, opens on its page for language models, and outlives a killed ``kedro``.
"""

from __future__ import annotations

import os
import threading
import time
import webbrowser
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import click

RUNS = "#/experiments"
# What a visitor chose is kept; the first visit sees the experiments of trained models, and no assistant.
START = """<script>
const first = {"mlflow.workflowType_v1": '"machine_learning"', "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": "true"};
for (const [key, value] of Object.entries(first)) if (localStorage.getItem(key) === null) localStorage.setItem(key, value);
if (["", "#/"].includes(location.hash)) location.replace("#/experiments");
</script>"""


def serve(uri: str, artifacts: Path, host: str, port: int, workers: int = 1, browse: bool = False) -> None:
    """Show a tracking store until the process is told to stop (Ctrl-C, SIGTERM); no process is left.

    Args:
        uri: of the store; of a server, whose own interface is opened.
        artifacts: folder of files that the interface uploads.
        host, port: where to listen.
        workers: processes that answer; with one, this process does.
        browse: open a browser once the page answers.

    Raises:
        ValueError: the port is taken.
    """
    if uri.startswith("http"):
        click.echo(f"Runs: {uri.rstrip('/')}/{RUNS}")
        if browse:
            webbrowser.open(f"{uri.rstrip('/')}/{RUNS}")
        return
    _refuse_taken(host, port)
    import uvicorn
    from mlflow.server import constants
    from mlflow.server.handlers import initialize_backend_stores

    os.environ.update(
        {
            constants.BACKEND_STORE_URI_ENV_VAR: uri,
            constants.REGISTRY_STORE_URI_ENV_VAR: uri,
            constants.ARTIFACT_ROOT_ENV_VAR: "mlflow-artifacts:/",
            constants.ARTIFACTS_DESTINATION_ENV_VAR: artifacts.as_uri(),
            constants.SERVE_ARTIFACTS_ENV_VAR: "true",
        }
    )
    initialize_backend_stores(uri, uri, "mlflow-artifacts:/")
    page = f"http://{host}:{port}/{RUNS}"
    click.echo(f"Runs: {page} (Ctrl-C ends it)")
    if browse:
        threading.Thread(target=_open_when_up, args=(page,), daemon=True).start()
    with suppress(KeyboardInterrupt):  # uvicorn has ended by then
        uvicorn.run(
            f"{__name__}:application",
            factory=True,
            host=host,
            port=port,
            workers=workers,
            log_level="warning",
            timeout_graceful_shutdown=2,
        )


def application() -> Any:
    """MLflow's server, whose start page shows the runs."""
    from mlflow.server import app as pages
    from mlflow.server.fastapi_app import app

    page = (Path(str(pages.static_folder)) / "index.html").read_text(encoding="utf-8")
    shown = page.replace("<head>", f"<head>{START}", 1)
    pages.view_functions["serve"] = lambda: shown
    return app


def _refuse_taken(host: str, port: int) -> None:
    import socket

    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ValueError(
                f"{host}:{port}: cannot listen there ({error.strerror}); choose another port with --port"
            ) from error


def _open_when_up(page: str) -> None:
    for _ in range(240):
        time.sleep(0.5)
        try:
            with urlopen(page.partition("#")[0], timeout=5):
                webbrowser.open(page)
                return
        except OSError:
            continue
