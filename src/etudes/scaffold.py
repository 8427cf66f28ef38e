"""Studies come and go whole: what ``kedro pipeline create`` and ``kedro pipeline delete`` do in this project.

Kedro's own commands write the configuration of one environment and leave what they wrote when they fail. A study has
files in several environments; here they are made in a temporary folder and moved to their places together.
"""

from __future__ import annotations

import keyword
import re
import shutil
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import click

NAME = re.compile(r"[a-z][a-z0-9_]*[a-z0-9]")
LONGEST_NAME = 40
# Names with a meaning of their own: the shared parameters, the mark of the overview table.
RESERVED = ("run", "overview")
STEPS = (
    ("README.md", "what the study asks, how its data look, the details that matter"),
    ("study.toml", "title, field, metric, variants, the numbers it is measured against"),
    ("model.py", "the methods, written out, and what trains them"),
    ("parameters.py", "what can be turned; the values are in conf/*/parameters/{name}.yml"),
    ("pipeline.py", "how data flow: a line for each node"),
    ("report.md", "the page"),
)

Move = tuple[Path, Path]


def check_name(project: Path, name: str) -> None:
    """Refuse a name that cannot be that of a new study.

    Raises:
        click.UsageError: not in snake_case, too long, reserved, a module's name, or a study that is there.
    """
    if not NAME.fullmatch(name) or "__" in name:
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+", "_", name).lower()
        better = re.sub(r"_+", "_", words).strip("_0123456789")
        hint = f"; did you mean '{better}'?" if NAME.fullmatch(better) else ""
        raise click.UsageError(
            f"'{name}' is no name for a study: expected lower-case letters, digits and single underscores, "
            f"at least 2 characters, beginning with a letter{hint}"
        )
    if len(name) > LONGEST_NAME:
        raise click.UsageError(f"'{name}' has {len(name)} characters; expected at most {LONGEST_NAME}")
    if (_pipelines(project) / name).exists():
        raise click.UsageError(
            f"There is a study '{name}' already, in {_pipelines(project) / name}. Choose another name, or delete it "
            f"first: kedro pipeline delete {name}"
        )
    # Its tests are a package of this name, which would be imported in place of the module.
    taken = find_spec(name) is not None or (project / "tests" / f"{name}.py").exists()
    if name in RESERVED or keyword.iskeyword(name) or taken:
        what = "the name of a Python module or keyword" if name not in RESERVED else "a reserved name"
        raise click.UsageError(f"'{name}' is {what}; choose another, such as '{name}_study'")


def create_study(
    project: Path,
    name: str,
    template: Path | None = None,
    environment: str | None = None,
    with_config: bool = True,
) -> list[Path]:
    """Make a study from a cookiecutter template, whole or not at all.

    The template has the form that Kedro wants: the package, and in it ``tests/`` and ``config/``. In ``config/`` a
    folder that is called as an environment goes to ``conf/<environment>``, everything else to the environment asked for.

    Args:
        project: the project's folder.
        name: of the new study.
        template: folder of the template; the project's ``templates/pipeline`` if not given.
        environment: write the configuration of this environment alone; what names none goes to ``base`` by default.
        with_config: False writes no configuration.

    Returns:
        What was written: the package, its tests, the files of configuration.

    Raises:
        click.UsageError: a name that cannot be, an environment that is not there, files of that name.
        ValueError: a template that cannot be used.
        OSError: the project cannot be written.
    """
    check_name(project, name)
    with tempfile.TemporaryDirectory(prefix=".scaffold-", dir=project) as folder:
        package = _render(template or project / "templates" / "pipeline", name, Path(folder) / "package")
        for part in ("config", "tests"):
            if (package / part).is_dir():
                (package / part).rename(Path(folder) / part)
        moves = _config_moves(project, Path(folder) / "config", environment) if with_config else []
        if (Path(folder) / "tests").is_dir():
            moves.append((Path(folder) / "tests", project / "tests" / "pipelines" / name))
        # Last: a study is there once its package is.
        moves.append((package, _pipelines(project) / name))
        there = [str(target) for _, target in moves if target.exists()]
        if there:
            raise click.UsageError(
                f"These files of the name '{name}' are there already: {', '.join(there)}. Nothing was written. "
                f"Choose another name, or remove them: kedro pipeline delete {name}"
            )
        _move_together(moves)
    return [target for _, target in reversed(moves)]


def study_paths(project: Path, name: str, environment: str | None = None) -> list[Path]:
    """The package of a study, its tests and its configuration (of all environments, or of one), as far as there.

    Raises:
        click.UsageError: there is nothing of that name, or no such environment.
    """
    if not re.fullmatch(r"\w+", name):
        raise click.UsageError(f"'{name}' is no name of a study; `kedro studies` lists them")
    environments = [_checked_environment(project, environment)] if environment else _environments(project)
    candidates = [_pipelines(project) / name, project / "tests" / "pipelines" / name]
    candidates += [
        project / "conf" / env / kind / f"{name}.yml"
        for env in environments
        for kind in ("catalog", "parameters")
    ]
    found = [path for path in candidates if path.exists()]
    if not found:
        raise click.UsageError(f"There is no study '{name}'; `kedro studies` lists them")
    return found


def delete_study(project: Path, paths: Sequence[Path]) -> None:
    """Remove what `study_paths` found, all of it or nothing.

    Raises:
        OSError: a path cannot be moved away; all are then where they were.
    """
    with tempfile.TemporaryDirectory(prefix=".scaffold-", dir=project) as folder:
        _move_together([(path, Path(folder) / str(number)) for number, path in enumerate(paths)])


def next_steps(project: Path, name: str, written: Sequence[Path]) -> str:
    """What to tell the person who made a study."""
    package = _pipelines(project) / name
    shown = "\n".join(f"  {path.relative_to(project)}{'/' if path.is_dir() else ''}" for path in written)
    files = [(file, what) for file, what in STEPS if (package / file).exists()]
    width = max((len(file) for file, _ in files), default=0)
    steps = "\n".join(
        f"  {number}. {file:<{width}}  {what.format(name=name)}"
        for number, (file, what) in enumerate(files, start=1)
    )
    return (
        f"The study '{name}' is there:\n{shown}\n\n"
        f"Make it yours, in this order (docs/add_a_study.md shows how):\n{steps}\n\n"
        f"Run it:              kedro run --pipelines={name}\n"
        f"Test it:             pytest tests/conformance tests/pipelines/{name} -k {name}\n"
        "Put it on the table: kedro tables"
    )


def _pipelines(project: Path) -> Path:
    return project / "src" / "etudes" / "pipelines"


def _environments(project: Path) -> list[str]:
    return sorted(path.name for path in (project / "conf").iterdir() if path.is_dir())


def _checked_environment(project: Path, environment: str) -> str:
    known = _environments(project)
    if environment not in known:
        raise click.UsageError(
            f"There is no environment '{environment}' in {project / 'conf'}; there are {', '.join(known)}"
        )
    return environment


def _render(template: Path, name: str, folder: Path) -> Path:
    """The package that the template makes in ``folder``."""
    import kedro
    from cookiecutter.exceptions import CookiecutterException
    from cookiecutter.generate import generate_context, generate_files
    from cookiecutter.prompt import prompt_for_config
    from jinja2 import TemplateError

    description = template / "cookiecutter.json"
    if not description.is_file():
        raise ValueError(f"{description}: no such file; expected a cookiecutter template of a pipeline")
    given = {"pipeline_name": name, "kedro_version": kedro.__version__}
    try:
        # Not cookiecutter's main function: that one keeps a file for replaying in the user's home.
        context = generate_context(str(description), extra_context=given)
        context["cookiecutter"] = prompt_for_config(context, no_input=True)
        package = Path(generate_files(str(template), context, str(folder)))
    except (CookiecutterException, TemplateError) as error:
        raise ValueError(f"{template}: the template cannot be used: {error}") from error
    if package.name != name:
        raise ValueError(
            f"{template}: it makes the folder '{package.name}', expected '{name}'; call the template's folder "
            "'{{ cookiecutter.pipeline_name }}'"
        )
    return package


def _config_moves(project: Path, config: Path, environment: str | None) -> list[Move]:
    files = sorted(path for path in config.rglob("*") if path.is_file())
    known = _environments(project)
    chosen = _checked_environment(project, environment) if environment else None
    moves: list[Move] = []
    for path in files:
        inside = path.relative_to(config)
        of = inside.parts[0] if inside.parts[0] in known else None
        if of is None:
            moves.append((path, project / "conf" / (chosen or "base") / inside))
        elif chosen in (None, of):
            moves.append((path, project / "conf" / inside))
    if files and not moves:
        there = sorted({path.relative_to(config).parts[0] for path in files})
        raise click.UsageError(
            f"The template has no configuration for the environment '{chosen}'; it has {', '.join(there)}"
        )
    return moves


def _move_together(moves: Sequence[Move]) -> None:
    """Move every source to its target; if one cannot be moved, all go back."""
    done: list[Move] = []
    made: list[Path] = []
    try:
        for source, target in moves:
            made += [parent for parent in reversed(target.parents) if not parent.exists()]
            target.parent.mkdir(parents=True, exist_ok=True)
            source.rename(target)
            done.append((source, target))
    except BaseException:
        for source, target in reversed(done):
            shutil.move(target, source)
        for parent in reversed(made):
            parent.rmdir()
        raise
