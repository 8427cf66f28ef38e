"""``kedro viz run --pipeline=STUDY``: the lineage of one study, open on its nodes and under their short names.

kedro-viz draws a study, which is a namespace, as one closed box, and its contents under names that all begin alike. Here
the study alone is loaded and shown without its namespace, by this process, which leaves none behind.
"""

from __future__ import annotations

import threading
import webbrowser
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline
from kedro_viz.launchers.cli.run import run as plugin_run

from etudes.status import events_of
from etudes.study import study_names

PAGES = ("/", "/workflow", "/api/version")
# The first visit sees the study, not a tour of kedro-viz; what a visitor chose is kept.
START = """<script>
if (localStorage.getItem("KedroViz") === null) localStorage.setItem("KedroViz", '{"showFeatureHints": false}');
</script>"""


def short(name: str, study: str) -> str:
    """A dataset's or parameter's name without the study's namespace."""
    return name.replace(f"params:{study}.", "params:", 1).removeprefix(f"{study}.")


def opened(pipeline: Pipeline, study: str) -> Pipeline:
    """The study's nodes outside their namespace, all names `short`."""

    def renamed(names: Any) -> Any:
        if isinstance(names, Mapping):
            return {key: short(name, study) for key, name in names.items()}
        if isinstance(names, str):
            return short(names, study)
        return names and [short(name, study) for name in names]

    return Pipeline(
        [
            node._copy(inputs=renamed(node._inputs), outputs=renamed(node._outputs), namespace=None)
            for node in pipeline.nodes
        ]
    )


def load(
    project: Path, study: str, env: str | None, params: Mapping[str, Any]
) -> tuple[Pipeline, DataCatalog]:
    """The opened pipeline of a study and the datasets and parameters that it names."""
    from kedro.framework.project import pipelines

    from etudes.config import EtudesConfigLoader
    from etudes.settings import CONF_SOURCE, CONFIG_LOADER_ARGS

    pipelines.set_requested([study])
    pipeline = pipelines[study]
    loader = EtudesConfigLoader(
        str(project / CONF_SOURCE), env=env, runtime_params=dict(params), **CONFIG_LOADER_ARGS
    )
    loader.leave_out(set(study_names()) - {study})
    parameters = loader["parameters"]
    catalog, datasets = DataCatalog.from_config(loader["catalog"]), dict[str, Any]()
    for name in pipeline.datasets():
        if name.startswith("params:"):
            value = parameters
            for part in name.removeprefix("params:").split("."):
                value = value[part]
            datasets[short(name, study)] = MemoryDataset(value)
        else:
            datasets[short(name, study)] = catalog.get(name)
    return opened(pipeline, study), DataCatalog(datasets)


def status(project: Path, study: str, pipeline: Pipeline) -> Any:
    """What kedro-viz tells of a run, of the last one of a study, by the nodes and datasets of its opened pipeline."""
    from kedro_viz.api.rest.responses.run_events import transform_events_to_structured_format
    from kedro_viz.integrations.kedro.hooks_utils import hash_node

    nodes = {f"{study}.{node.name}": hash_node(node) for node in pipeline.nodes}
    events = []
    for event in events_of(project, study):
        key = nodes.get(event.get("node", ""))
        if "dataset" in event:
            key = hash_node(short(event["dataset"], study))
        events.append({**event, "node_id": key} if key else event)
    return transform_events_to_structured_format(events)


def application(project: Path, study: str, pipeline: Pipeline, catalog: DataCatalog) -> Any:
    """kedro-viz's server of one opened study, with the commands that run its nodes under their whole names."""
    from kedro_viz import __version__
    from kedro_viz.api import apps
    from kedro_viz.data_access import data_access_manager
    from kedro_viz.server import populate_data
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response

    data_access_manager.reset_fields()
    populate_data(data_access_manager, catalog, {study: pipeline}, {})
    app = apps.create_api_app_from_project(project)
    run = f"kedro run --pipelines={study}"
    changes = {
        "<head>": f"<head>{START}",
        "kedro run --to-nodes='": f"{run} --to-nodes='{study}.",
        "kedro run --to-outputs=": f"{run} --to-outputs={study}.",
        # Without a network kedro-viz knows no later version than its own, and announces it.
        '"is_outdated":true,"latest":"None"': f'"is_outdated":false,"latest":"{__version__}"',
    }

    @app.middleware("http")
    async def changed(request: Request, proceed: Any) -> Any:
        if request.url.path == "/api/run-status":
            return JSONResponse(status(project, study, pipeline).model_dump(mode="json"))
        response = await proceed(request)
        if request.url.path not in PAGES and not request.url.path.startswith("/api/nodes/"):
            return response
        text = b"".join([part async for part in response.body_iterator]).decode()
        for old, new in changes.items():
            text = text.replace(old, new)
        return Response(text, response.status_code, media_type=response.headers["content-type"])

    return app


def main_figure(pipeline: Pipeline) -> str | None:
    """The figure that a reader wants to see first: that of all scores, where there is one."""
    figures = sorted(name for name in pipeline.all_outputs() if name.endswith("_figure"))
    return "scores_figure" if "scores_figure" in figures else next(iter(figures), None)


def serve(
    project: Path, study: str, env: str | None, params: Mapping[str, Any], host: str, port: int, browse: bool
) -> None:
    """Show a study until the process is told to stop."""
    import uvicorn

    pipeline, catalog = load(project, study, env, params)
    app = application(project, study, pipeline, catalog)
    page, figure = f"http://{host}:{port}/", main_figure(pipeline)
    click.echo(f"The lineage of {study}: {page} (Ctrl-C ends it)")
    if figure is not None and catalog.exists(figure):
        click.echo(f"with its main figure: {page}?sn={figure}")
    if browse:
        threading.Timer(2.0, webbrowser.open, args=(page,)).start()
    with suppress(KeyboardInterrupt):  # uvicorn has ended by then
        uvicorn.run(app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=2)


def _run(**options: Any) -> Any:
    from etudes.cli import check_names, one_message

    study, plugins_own = (
        options["pipeline"],
        ("load_file", "save_file", "autoreload", "include_hooks", "lite"),
    )
    if study in (None, "__default__") or any(options[name] for name in plugins_own):
        return plugin_run.callback(**options)
    check_names("pipeline", [study], study_names())
    return one_message(_show)(study, options)


def _show(study: str, options: Mapping[str, Any]) -> None:
    from kedro_viz.launchers.utils import _find_available_port, _is_localhost

    from etudes.cli import check_environment, project_path

    env = check_environment(options["env"])
    host = options["host"]
    port = _find_available_port(host, options["port"])
    browse = options["browser"] and _is_localhost(host)
    serve(project_path(), study, env, options["params"], host, port, browse)


run = click.Command("run", params=plugin_run.params, callback=_run, help=plugin_run.help)
