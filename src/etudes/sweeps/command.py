"""The command ``sweep``; what it needs is imported when it runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click
from kedro.framework.cli.utils import env_option

from etudes import interrupts
from etudes.cli import check_environment, check_names, conf_folder, one_message, project_path
from etudes.study import study_names

if TYPE_CHECKING:
    from etudes.results.side_by_side import RunEngine
    from etudes.tracking.parent import ParentRun


@click.command()
@click.argument("study")
@click.option(
    "--seeds",
    default=3,
    show_default=True,
    type=click.IntRange(1, 1000),
    help="Runs of a setting, with seeds 0, 1, ...",
)
@click.option(
    "--params",
    multiple=True,
    help="STUDY.a.b=1,2 runs every setting; a search draws from these or from a range, STUDY.a.b=1..5 or "
    "STUDY.a.b=1e-4..1e-1:log; one value is fixed. May be given several times.",
)
@click.option(
    "--search",
    type=click.Choice(["tpe", "random"]),
    default=None,
    help="Search the setting with the best dev score.",
)
@click.option("--trials", type=click.IntRange(1, 10_000), default=None, help="Settings that a search tries.")
@click.option(
    "--workers", type=click.IntRange(1), default=None, help="Runs at once on this machine; default: 1."
)
@click.option("--runner", default=None, help="etudes.runners.DaskRunner runs them on a cluster's workers.")
@click.option(
    "--runner-params", default="", help="Of the runner: address=tcp://HOST:8786, or workers=2,gpus=2."
)
@env_option
@one_message
def sweep(
    study: str,
    seeds: int,
    params: tuple[str, ...],
    search: str | None,
    trials: int | None,
    workers: int | None,
    runner: str | None,
    runner_params: str,
    env: str | None,
) -> None:
    """Run a study over seeds and settings: kedro sweep STUDY --seeds=10.

    Without --search every setting runs with every seed. With it, trials train with seed 0, the best dev score chooses, and the
    chosen setting runs with every seed; test data have no part in the choice. Ends with the table of the report. The same
    command continues one that was interrupted; nothing is registered.
    """
    from etudes.sweeps.space import parse_space

    check_names("study", [study], study_names())
    env = check_environment(env) or "base"
    if trials is not None and search is None:
        raise click.UsageError("--trials are those of a search; add --search=tpe, or leave --trials out")
    if search is not None and trials is None:
        raise click.UsageError("--search needs to know how many settings to try; add --trials=50")
    space = parse_space(params, search is not None)
    if runner is None and runner_params:
        raise click.UsageError(
            "--runner-params are those of a runner; add --runner=etudes.runners.DaskRunner"
        )
    if runner is not None and workers is not None:
        raise click.UsageError(
            "--workers are processes of this machine; with --runner say --runner-params=workers=N"
        )
    try:
        table = _sweep(study, env, space, seeds, search, trials or 0, workers, runner, runner_params)
    except KeyboardInterrupt:
        click.secho("Interrupted. What ended is kept; the same command goes on from here.", err=True)
        sys.exit(interrupts.exit_status())
    click.echo(table)


def _sweep(
    study: str,
    env: str,
    space: Any,
    seeds: int,
    search: Any,
    trials: int,
    workers: int | None,
    runner: str | None,
    runner_params: str,
) -> str:
    from omegaconf import OmegaConf

    from etudes.config import EtudesConfigLoader, outputs_root
    from etudes.lock import OutputsLock
    from etudes.results.side_by_side import Processes
    from etudes.settings import CONFIG_LOADER_ARGS
    from etudes.sweeps.space import checked, nested
    from etudes.sweeps.sweep import Plan, Sweep

    project = project_path()
    loader = EtudesConfigLoader(str(conf_folder()), env=env, **CONFIG_LOADER_ARGS)
    loader.leave_out(set(study_names()) - {study})
    space = checked(space, study, loader["parameters"])
    parameters: Any = OmegaConf.to_container(OmegaConf.merge(loader["parameters"], nested(space.fixed)))
    engine: Callable[[], RunEngine] = (
        _runner_places(runner, runner_params, parameters["run"])
        if runner
        else lambda: Processes(workers or 1)
    )
    track = _tracking(loader["mlflow"], study) if parameters["run"]["track"] else None
    folder = outputs_root(project) / "sweeps" / study / env
    lock = OutputsLock(folder.parents[1] / ".runs" / env, [], [f"{study}.sweep"])
    lock.acquire()
    try:
        plan = Plan(project, study, env, space, seeds, parameters, search, trials)
        return Sweep(plan, folder, engine, track, click.echo).run()
    finally:
        lock.release()


def _runner_places(runner: str, given: str, run: Mapping[str, Any]) -> Callable[[], RunEngine]:
    """Places of one of the project's runners, or those of this process for Kedro's sequential one."""
    from omegaconf import OmegaConf

    import etudes.runners
    from etudes.config import split_parameters
    from etudes.hooks import OWN_RUNNERS, check_runner
    from etudes.results.side_by_side import Processes

    check_runner(runner)
    if not runner.startswith(OWN_RUNNERS):
        return lambda: Processes(1)
    check_names("runner", [runner.removeprefix(OWN_RUNNERS)], etudes.runners.__all__, listed=True)
    options: Any = OmegaConf.to_container(OmegaConf.from_dotlist(split_parameters(given)))
    made = getattr(etudes.runners, runner.removeprefix(OWN_RUNNERS))(**options)
    return lambda: made.places(run["devices"] if run["device"] == "cuda" else 0)


def _tracking(settings: Mapping[str, Any], study: str) -> Callable[[str, Mapping[str, str]], ParentRun]:
    def opened(key: str, parameters: Mapping[str, str]) -> ParentRun:
        from kedro_mlflow.config.kedro_mlflow_config import KedroMlflowConfig

        from etudes.tracking.parent import ParentRun

        return ParentRun.open(KedroMlflowConfig.model_validate(settings), study, key, parameters)

    return opened
