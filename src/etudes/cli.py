"""The project's commands beside Kedro's own: ``studies``, ``data``, ``predict``, ``record``, ``sweep``, ``tables``, ``gallery``;
a ``run`` whose failures are one message, and a ``pipeline create`` that knows the files of a study."""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from copy import copy
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import click
from kedro.framework.cli.pipeline import create_pipeline, delete_pipeline
from kedro.framework.cli.project import run as kedro_run
from kedro.framework.cli.utils import CONTEXT_SETTINGS, KedroCliError, LazyGroup, env_option
from kedro.framework.project import pipelines
from kedro.utils import find_kedro_project
from kedro_viz.launchers.cli.main import viz

from etudes import interrupts
from etudes.config import split_parameters, tracking_uri
from etudes.errors import is_disk_full
from etudes.plugins import MLFLOW_COMMANDS
from etudes.sources.commands import data
from etudes.study import FIELDS, PIPELINES_FOLDER, STAGES, study_names
from etudes.suggestions import hint, near_names, paths_of
from etudes.threads import wait_briefly

wait_briefly()  # before any library is loaded
if sys.argv[1:2] in (["run"], ["record"], ["sweep"]):  # plugins' commands end on Ctrl-C in ways of their own
    interrupts.exit_until_listening()
viz.lazy_subcommands["run"] = "etudes.viz.run"  # a global command: the one below would not come before it
# Forked tokenizer threads only warn.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@click.group(
    cls=LazyGroup,
    lazy_subcommands={"sweep": "etudes.sweeps.command.sweep"},
    context_settings=CONTEXT_SETTINGS,
    name="etudes",
)
def cli() -> None:
    """Commands of Etudes."""


def project_path() -> Path:
    """The project the command runs in."""
    return Path(find_kedro_project(Path.cwd()) or Path.cwd())


def conf_folder() -> Path:
    """The configuration of that project, or the one that came with the package."""
    from etudes.settings import CONF_SOURCE

    return project_path() / CONF_SOURCE


def one_message(command: Callable[..., Any]) -> Callable[..., Any]:
    """Turn a failure into one message on the screen and the traceback in ``logs/etudes.log``; exit 1 (usage: 2)."""

    @wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        interrupts.listen()
        log = _log_to_file()
        for stream in (sys.stdout, sys.stderr):  # in a locale without some character, its number is printed
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        try:
            return command(*args, **kwargs)
        except click.UsageError:
            raise
        except KeyboardInterrupt:
            _exit_interrupted()
        except Exception as error:
            if interrupts.is_interrupt(error):
                _exit_interrupted()
            logging.getLogger("etudes.traceback").error("The command failed", exc_info=True)
            usage = isinstance(error, KedroCliError)
            where = f"\n(The traceback is in {log}.)" if log else ""
            click.secho(f"Error: {describe(error)}{where}", fg="red", err=True)
            sys.exit(2 if usage else 1)

    return guarded


def _exit_interrupted() -> NoReturn:
    click.secho(
        "Interrupted. Outputs of finished nodes are kept; --params=run.resume=true continues.", err=True
    )
    sys.exit(interrupts.exit_status())


def describe(error: BaseException) -> str:
    """What to tell the user: the message nearest the cause, without the layers that wrapped it."""
    advice = (
        "\nThe disk is full: make room, or set ETUDES_OUTPUTS to a folder on another disk, and run again."
    )
    return _describe(error) + (advice if is_disk_full(error) else "")


def _describe(error: BaseException) -> str:
    from kedro.io import DatasetError

    if type(error).__module__.partition(".")[0] in ("mlflow", "sqlalchemy"):
        from etudes.tracking.failures import explain

        return explain(error, tracking_uri(project_path()))
    text = str(error).strip()
    cause = error.__cause__
    if isinstance(error, DatasetError) and cause is not None and not isinstance(cause, DatasetError):
        if isinstance(cause, OSError):
            return f"{text.splitlines()[0]}\n{_describe_os_error(cause)}"
        return text
    if isinstance(error, OSError):
        return _describe_os_error(error)
    return text or type(error).__name__


def _describe_os_error(error: OSError) -> str:
    import errno

    if error.errno is not None and error.strerror is None:  # a message of our own
        return str(error)
    what = {
        errno.EACCES: "no permission to write or read there; change the folder's permissions or its owner",
        errno.EROFS: "the folder is read-only; choose another with ETUDES_OUTPUTS, or make it writable",
    }.get(error.errno or 0, error.strerror or str(error))
    return f"{error.filename or 'file system'}: {what} ({type(error).__name__}). Earlier outputs are as they were."


def _log_to_file() -> Path | None:
    """Send log records, tracebacks included, to the project's log file; the console keeps the short form."""
    logging.raiseExceptions = False  # a full disk must not fill the screen with complaints about the log
    path = project_path() / "logs" / "etudes.log"
    traceback = logging.getLogger("etudes.traceback")
    traceback.propagate = False
    try:
        path.parent.mkdir(exist_ok=True)
        handler = logging.FileHandler(path, encoding="utf-8", delay=True)
    except OSError:
        return None
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    for logger in (logging.getLogger(), traceback):
        logger.addHandler(handler)
    return path


def run(all_: bool, **options: Any) -> Any:
    """Kedro's ``run``, once what it was asked for is known to exist: Kedro loads every study to find that out."""
    names = [*options["pipelines"], *filter(None, [options["pipeline"]])]
    check_names("pipeline", names, [*_packages(), "__default__"])
    check_names("namespace", [name.partition(".")[0] for name in options["namespaces"]], study_names())
    check_names("tag", options["tags"], [*STAGES, *FIELDS, "gpu"], listed=True)
    check_environment(options["env"], options["conf_source"])
    if all_ and names:
        raise click.UsageError("--all runs all studies; leave it out, or --pipelines")
    chosen = ("pipelines", "pipeline", "namespaces", "tags", "node_names")
    ends = ("from_nodes", "to_nodes", "from_inputs", "to_outputs")
    if not all_ and not any(options[name] for name in (*chosen, *ends)):
        studies = study_names()
        raise click.UsageError(
            f"This would run all {len(studies)} studies: {', '.join(studies)}. "
            "Name one, --pipelines=NAME, or say --all"
        )
    if options["runner"]:
        from etudes.hooks import check_runner

        check_runner(options["runner"])
    if options["params"]:
        _check_parameters(names, options)
    nodes = [*options["node_names"], *options["from_nodes"], *options["to_nodes"]]
    if nodes and names:
        pipelines.set_requested(names)  # as Kedro does next; they are loaded once
        check_names("node", nodes, [node.name for name in names for node in pipelines[name].nodes])
    return kedro_run.callback(**options)  # type: ignore[misc]


def check_names(kind: str, names: Iterable[str], known: Collection[str], listed: bool = False) -> None:
    """Refuse a name that does not exist, with what was probably meant, and with all there is where that is ``listed``.

    Raises:
        click.UsageError: the first one that is not ``known``.
    """
    for name in names:
        if name not in known:
            near = near_names(name, known, 1)
            more = f" There are: {', '.join(known)}" if near and listed else ""
            if kind in ("study", "pipeline"):
                more = " (`kedro studies` lists them)"
            raise click.UsageError(f"There is no {kind} '{name}'; {hint(near, known)}{more}")


def check_environment(env: str | None, conf_source: str | None = None) -> str | None:
    """The environment of a command, its option or that of ``KEDRO_ENV``; refused if it has no folder in the configuration.

    Raises:
        click.UsageError: with those there are.
    """
    folder = Path(conf_source) if conf_source else conf_folder()
    env = env or os.environ.get("KEDRO_ENV")
    if env and folder.is_dir():  # an archive is opened by Kedro alone
        there = sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name[0] not in "._")
        check_names(f"environment in {folder}:", [env], there, listed=True)
    return env


def _packages() -> list[str]:
    return sorted(path.parent.name for path in PIPELINES_FOLDER.glob("*/__init__.py"))


def _check_parameters(studies: list[str], options: dict[str, Any]) -> None:
    """The names in ``--params``. A hook checks them with their values, once all that a run needs was loaded."""
    from etudes import hooks
    from etudes.config import EtudesConfigLoader
    from etudes.settings import CONFIG_LOADER_ARGS

    source, given = options["conf_source"] or str(conf_folder()), options["params"]
    env = check_environment(options["env"], options["conf_source"])
    loader = EtudesConfigLoader(source, env=env, **CONFIG_LOADER_ARGS)
    if set(given) <= {"run", *study_names()}:
        loader.leave_out(set(study_names()) - set(given))
    configured = loader["parameters"]
    hooks.check_names(configured, given, studies)
    if set(paths_of(given)) - set(paths_of(configured)):  # the types of a study know for certain
        loader = EtudesConfigLoader(source, env=env, runtime_params=given, **CONFIG_LOADER_ARGS)
        hooks.check_parameters(loader["parameters"], given, set(given) & set(study_names()))


def _runtime_parameters(ctx: click.Context, param: click.Parameter, value: str) -> dict[str, Any]:
    """``--params`` as nested parameters. Kedro splits at every comma, so that a list of two could not be given."""
    from omegaconf import OmegaConf

    items = split_parameters(value)
    for item in items:
        if not item.partition("=")[0].strip() or "=" not in item:
            raise click.BadParameter(
                f"'{item}' is not NAME=VALUE; expected for example run.seed=1,run.track=false"
            )
    return OmegaConf.to_container(OmegaConf.from_dotlist(items))  # type: ignore[return-value]


def _run_options() -> Iterator[click.Parameter]:
    for option in kedro_run.params:
        ours = copy(option)
        if ours.name == "params":
            ours.callback = _runtime_parameters
        yield ours


cli.add_command(
    click.Command(
        "run",
        params=[
            *_run_options(),
            click.Option(["--all", "all_"], is_flag=True, help="Run all studies, one after the other."),
        ],
        callback=one_message(run),
        help="Run a study: kedro run --pipelines=NAME[,NAME] [--env=full] [--params=run.seed=1].",
        context_settings=CONTEXT_SETTINGS,
    )
)
cli.add_command(data)


class _Mlflow(click.Group):
    """kedro-mlflow's commands with an ``ui`` of our own; the plugin is loaded for the others only."""

    def _plugin(self) -> click.Group:
        return import_module(MLFLOW_COMMANDS).mlflow_commands

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self._plugin().list_commands(ctx)})

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        return super().get_command(ctx, name) or self._plugin().get_command(ctx, name)


@cli.group(cls=_Mlflow)
def mlflow() -> None:
    """MLflow in this project."""


@mlflow.command()
@env_option
@click.option("--host", "-h", default=None, help="Address to listen on; default: that of mlflow.yml.")
@click.option("--port", "-p", type=int, default=None, help="Port to listen on; default: that of mlflow.yml.")
@click.option(
    "--workers", default=1, show_default=True, type=click.IntRange(1), help="Processes that answer."
)
@click.option(
    "--open/--no-open", "browse", default=None, help="Open a browser; by default where there is a desktop."
)
@one_message
def ui(env: str | None, host: str | None, port: int | None, workers: int, browse: bool | None) -> None:
    """Show the runs in a browser, until Ctrl-C."""
    env = check_environment(env)
    from etudes.config import EtudesConfigLoader
    from etudes.settings import CONFIG_LOADER_ARGS
    from etudes.tracking.ui import serve

    folder = project_path()
    settings = EtudesConfigLoader(str(conf_folder()), env=env, **CONFIG_LOADER_ARGS)["mlflow"]
    uri = settings.get("server", {}).get("mlflow_tracking_uri") or tracking_uri(folder)
    place = settings.get("ui", {})
    if browse is None:
        desktop = (
            sys.platform in ("win32", "darwin") or "DISPLAY" in os.environ or "WAYLAND_DISPLAY" in os.environ
        )
        browse = desktop and sys.stdout.isatty()
    host, port = host or place.get("host", "127.0.0.1"), port or int(place.get("port", 5000))
    serve(uri, folder / "mlartifacts", host, port, workers, browse)


@cli.group()
def pipeline() -> None:
    """Make or remove a study."""


def create(name: str, template_path: Path | None, skip_config: bool, env: str | None, **_: Any) -> None:
    """A new study from ``templates/pipeline``: Kedro's arguments, the files of a study (`etudes.scaffold`)."""
    from etudes.scaffold import create_study, next_steps

    written = create_study(project_path(), name, template_path, env, not skip_config)
    click.echo(next_steps(project_path(), name, written))


def delete(name: str, env: str | None, yes: bool, **_: Any) -> None:
    """Remove a study after asking; what it gave (``data/``, ``docs/results``, the registry) stays."""
    from etudes.scaffold import delete_study, study_paths

    paths = study_paths(project_path(), name, env)
    click.echo("\n".join(["These will be removed:", *(f"  {path}" for path in paths)]))
    if not yes and not click.confirm(f"Remove the study '{name}'?"):
        click.echo("Nothing was removed.")
        return
    delete_study(project_path(), paths)
    click.echo(
        "Removed. Outputs, recorded results and registered models are kept; `kedro tables` mends the README."
    )


def _study_name(command: click.Command) -> list[click.Parameter]:
    """A command's parameters with a NAME that is checked here: Kedro's own check knows packages, not studies."""
    return [click.Argument(["name"]), *(each for each in command.params if each.name != "name")]


pipeline.add_command(
    click.Command(
        "create",
        params=_study_name(create_pipeline),
        callback=one_message(create),
        help="Make a study that runs as it stands; without --env, with configuration for base, full and test.",
    )
)
pipeline.add_command(
    click.Command(
        "delete",
        params=_study_name(delete_pipeline),
        callback=one_message(delete),
        help="Remove a study: its package, its tests, its configuration (without --env, of every environment).",
    )
)


@cli.command()
def studies() -> None:
    """List the studies: field, one line, data, primary metric."""
    from rich.console import Console
    from rich.table import Table

    from etudes.study import load_studies

    table = Table(title="Studies", title_justify="left")
    for column in ("study", "field", "what it is", "data (full)", "primary metric"):
        table.add_column(column, overflow="fold")
    for study in load_studies():
        direction = "higher is better" if study.maximise else "lower is better"
        table.add_row(
            study.name, study.field, study.summary, ", ".join(study.data), f"{study.metric} ({direction})"
        )
    Console(width=None if sys.stdout.isatty() else 160).print(table)


@cli.command()
@click.argument("study")
@click.argument("text", metavar="INPUT")
@env_option
@click.option(
    "--version", "model_version", default=None, help="A version of the registered model; default: champion."
)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    default=None,
    help="File to write: .csv or .json takes the answers as rows, .png or .gif the drawing of a study that draws, "
    "which goes to STUDY_INPUT.png or .gif in this folder by default.",
)
@click.option(
    "--overwrite", is_flag=True, help="Replace a file that is there; without it, one is never replaced."
)
@one_message
def predict(
    study: str, text: str, env: str | None, model_version: str | None, output: Path | None, overwrite: bool
) -> None:
    """Ask a study's registered model: kedro predict STUDY INPUT.

    INPUT is what the study works on: a text or a .txt file, a picture file, a row or a .csv file of rows, a seed for
    studies that generate or play; or JSON with named fields. Without --env the model trained on the embedded sample
    answers, with --env=full the one trained on the public data.
    """
    check_names("study", [study], study_names())
    check_environment(env)
    from etudes.serving.ask import ask

    click.echo(ask(project_path(), study, text, env, model_version, output, overwrite))


@cli.command()
@click.argument("study")
@click.option(
    "--seeds", default=3, show_default=True, type=click.IntRange(1, 100), help="Runs, with seeds 0, 1, ..."
)
@click.option("--params", default="", help="Further parameters, as for kedro run.")
@click.option(
    "--workers", default=1, show_default=True, type=click.IntRange(1), help="Seeds that run at once."
)
@click.option("--resume", is_flag=True, help="Run only the seeds that did not end before with the same code.")
@click.option(
    "--merge",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=None,
    help="Run nothing: add the outputs of one further seed, data/records/seed_K, to the record.",
)
@click.option(
    "--part",
    default="",
    help="Renew this part of the record that is there, with its own commit and day; --params may make the rest small.",
)
@click.option(
    "--picture",
    is_flag=True,
    help="Run nothing: keep the first picture of the latest run's page, which must be of the embedded sample, as "
    "docs/results/STUDY.webp.",
)
@env_option
@one_message
def record(
    study: str,
    seeds: int,
    params: str,
    workers: int,
    resume: bool,
    merge: Path | None,
    part: str,
    picture: bool,
    env: str | None,
) -> None:
    """Repeat a study over seeds and write docs/results/STUDY.json; registers nothing.

    Each seed runs in a fresh process. The tables in the READMEs are made from the recorded file.
    """
    check_names("study", [study], study_names())
    env = check_environment(env) or "base"
    from etudes.results.record import add_run, record_study

    if bool(part) + picture + (merge is not None) > 1:
        raise click.UsageError("--merge, --part and --picture do different things; give one of them")
    if picture:
        from etudes.results.pictures import record_picture

        path = record_picture(project_path(), study, env)
    elif merge is not None:
        path = add_run(project_path(), study, env, merge)
    else:
        path = record_study(project_path(), study, env, seeds, params, resume, part, workers)
    click.echo(f"Recorded in {path}")


@cli.command()
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if a table is out of date.")
@one_message
def tables(check: bool) -> None:
    """Write the result tables of the READMEs from docs/results."""
    from etudes.results.tables import refresh

    stale = refresh(project_path(), write=not check)
    if check and stale:
        raise RuntimeError(f"Out of date: {', '.join(map(str, stale))}. Run `kedro tables`.")
    click.echo("\n".join(f"Written: {path}" for path in stale) or "All tables are up to date.")


@cli.command()
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="Folder of the site; default: site/ in the project. A gallery that is there is replaced.",
)
@click.option(
    "--env",
    "-e",
    default=None,
    help="Show the reports of this environment alone; default: full, else base, else test.",
)
@one_message
def gallery(output: Path | None, env: str | None) -> None:
    """Build the static site of all studies from recorded results and the latest reports.

    It opens from the file system, without a server or a network.
    """
    check_environment(env)
    from etudes.gallery import write_gallery

    site = write_gallery(project_path(), output, env)
    click.echo(
        f"Written: {site.index}\n{site.studies} studies, {site.recorded} recorded, {site.reports} with a report; "
        f"{site.size / 1e6:.1f} MB"
    )
