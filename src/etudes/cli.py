"""The project's commands beside Kedro's own: ``studies``, ``data``, ``predict``, ``record``, ``tables``, ``gallery``;
a ``run`` whose failures are one message, and a ``pipeline create`` that knows the files of a study."""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Callable
from difflib import get_close_matches
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn

import click
from kedro.framework.cli.pipeline import create_pipeline, delete_pipeline
from kedro.framework.cli.project import run as kedro_run
from kedro.framework.cli.utils import CONTEXT_SETTINGS, KedroCliError, env_option
from kedro.utils import find_kedro_project

from etudes import interrupts
from etudes.config import tracking_uri
from etudes.errors import is_disk_full
from etudes.sources.commands import data
from etudes.study import PIPELINES_FOLDER
from etudes.threads import wait_briefly

wait_briefly()  # before any library is loaded
if sys.argv[1:2] in (["run"], ["record"]):  # plugins' commands end on Ctrl-C in ways of their own
    interrupts.exit_until_listening()
# Forked tokenizer threads only warn.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@click.group(context_settings=CONTEXT_SETTINGS, name="etudes")
def cli() -> None:
    """Commands of Etudes."""


def project_path() -> Path:
    """The project the command runs in."""
    return Path(find_kedro_project(Path.cwd()) or Path.cwd())


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


def run(**options: Any) -> Any:
    """Kedro's ``run``, once the names of the pipelines are known to be right: Kedro would report an import error."""
    known = {path.parent.name for path in PIPELINES_FOLDER.glob("*/__init__.py")} | {"__default__"}
    for name in [*options["pipelines"], *([options["pipeline"]] if options["pipeline"] else [])]:
        if name not in known:
            near = get_close_matches(name, sorted(known), n=1)
            hint = f"did you mean '{near[0]}'?" if near else "`kedro studies` lists them"
            raise click.UsageError(f"There is no pipeline '{name}'; {hint}")
    return kedro_run.callback(**options)  # type: ignore[misc]


cli.add_command(
    click.Command(
        "run",
        params=kedro_run.params,
        callback=one_message(run),
        help="Run a study: kedro run --pipelines=NAME[,NAME] [--env=full] [--params=run.seed=1].",
        context_settings=CONTEXT_SETTINGS,
    )
)
cli.add_command(data)


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
    from etudes.serving.ask import ask
    from etudes.study import study_names

    if study not in study_names():
        raise click.UsageError(f"There is no study '{study}'. `kedro studies` lists them.")
    click.echo(ask(project_path(), study, text, env, model_version, output, overwrite))


@cli.command()
@click.argument("study")
@click.option(
    "--seeds", default=3, show_default=True, type=click.IntRange(1, 100), help="Runs, with seeds 0, 1, ..."
)
@click.option("--params", default="", help="Further parameters, as for kedro run.")
@env_option
@one_message
def record(study: str, seeds: int, params: str, env: str | None) -> None:
    """Repeat a study over seeds and write docs/results/STUDY.json; registers nothing.

    Each seed runs in a fresh process. The tables in the READMEs are made from the recorded file.
    """
    from etudes.results.record import record_study
    from etudes.study import study_names

    if study not in study_names():
        raise click.UsageError(f"There is no study '{study}'. `kedro studies` lists them.")
    path = record_study(project_path(), study, env or "base", seeds, params)
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
    from etudes.gallery import write_gallery

    site = write_gallery(project_path(), output, env)
    click.echo(
        f"Written: {site.index}\n{site.studies} studies, {site.recorded} recorded, {site.reports} with a report; "
        f"{site.size / 1e6:.1f} MB"
    )
