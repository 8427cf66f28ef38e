"""A slip of the pen is answered in one message that names what was probably meant, before anything heavy is loaded.

Loaded modules are counted, not seconds: those depend on the machine (`python -m benchmarks commands` prints them).
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from etudes.study import FIELDS, STAGES, study_names
from projects import STUDY, make_project, quiet_environment

pytestmark = pytest.mark.slow
HEAVY = ("mlflow", "torch", "pandas", "sklearn", "transformers", "plotly")
RUN = ("run", f"--pipelines={STUDY}")
PLOT = "A detective hunts a killer who leaves a chess piece at every scene."


def loaded(project: Path, *arguments: str) -> tuple[subprocess.CompletedProcess[str], set[str]]:
    """A command in a fresh process, and the names of the modules it imported."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "kedro", *arguments],
        cwd=project,
        env=quiet_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        stdin=subprocess.DEVNULL,
    )
    lines = done.stderr.splitlines()
    imports = [line for line in lines if line.startswith("import time:")]
    done.stderr = "\n".join(line for line in lines if not line.startswith("import time:"))
    return done, {line.rsplit("|", 1)[1].strip() for line in imports}


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("typos") / "project")


@pytest.mark.parametrize(
    ("arguments", "status", "parts"),
    [
        (("run",), 2, (f"run all {len(study_names())} studies", "--pipelines=NAME", "--all")),
        (("run", "--env=test", "--params=run.seed=1"), 2, (*study_names(), "--all")),
        (("run", "--pipelines=gan_digit"), 2, ("did you mean 'gan_digits'",)),
        (("run", "--namespaces=gan_digit"), 2, ("did you mean 'gan_digits'",)),
        (("run", "--all", f"--pipelines={STUDY}"), 2, ("--all",)),
        (("run", "--tags=reprot"), 2, ("'reprot'", "'report'", *STAGES, *FIELDS)),
        ((*RUN, "--env=ful"), 2, ("'ful'", "'full'", "base, full, local, test")),
        ((*RUN, "--params=seed=3"), 1, ("did you mean 'run.seed'",)),
        ((*RUN, "--params=bilstm.epochs=3"), 1, (f"did you mean '{STUDY}.bilstm.fit.epochs'",)),
        (("predict", "genre_clasification", PLOT), 2, (f"did you mean '{STUDY}'",)),
        (("predict", STUDY, "missing.txt"), 1, ("missing.txt: no such file",)),
        (("predict", "anomaly_padim", "missing.PNG"), 1, ("missing.PNG: no such file",)),
        (("predict", STUDY, PLOT, "--env=ful"), 2, ("'full'", "base, full")),
        (("predict", STUDY, PLOT), 1, ("Train it first",)),
        (("record", "genre_clasification"), 2, (f"did you mean '{STUDY}'",)),
        (("data", "fetch", "imdb"), 2, ("imdb_genres",)),
        (("prdict", STUDY, PLOT), 2, ("predict",)),
    ],
)
def test_a_typo_is_answered_in_one_message_without_heavy_imports(
    empty: Path, arguments: tuple[str, ...], status: int, parts: tuple[str, ...]
) -> None:
    done, modules = loaded(empty, *arguments)
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert sum(line.startswith("Error:") for line in done.stderr.splitlines()) == 1
    flat = " ".join(done.stderr.split())
    assert [part for part in parts if part not in flat] == [], flat
    assert modules & set(HEAVY) == set()


@pytest.mark.parametrize(
    ("arguments", "status", "part"),
    [
        ((*RUN, f"--params={STUDY}.bilstm.epochs=3"), 1, f"'{STUDY}.bilstm.fit.epochs'"),
        ((*RUN, f"--nodes={STUDY}.spilt"), 2, f"'{STUDY}.split'"),
    ],
)
def test_what_only_the_study_knows_is_answered_without_the_tracker_and_its_methods(
    empty: Path, arguments: tuple[str, ...], status: int, part: str
) -> None:
    done, modules = loaded(empty, *arguments)
    assert done.returncode == status and part in " ".join(done.stderr.split()), done.stderr
    assert modules & {"mlflow", "torch", "transformers", "sklearn"} == set()


def test_a_text_is_answered_without_the_tracker(finished_project: Path) -> None:
    done, modules = loaded(finished_project, "predict", STUDY, PLOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "champion" not in done.stderr and f"models:/{STUDY}-sample version 1" in done.stdout
    assert modules & {"mlflow", "transformers", "torch._dynamo", "sklearn.linear_model"} == set()


def test_the_plugins_commands_are_there(empty: Path) -> None:
    done, modules = loaded(empty, "mlflow", "--help")
    assert done.returncode == 0, done.stderr
    assert {"init", "ui"} <= set(done.stdout.split()) and "mlflow" in modules
    listed, _ = loaded(empty, "--help")
    assert {"mlflow", "viz", "predict", "run"} <= {
        line.split()[0] for line in listed.stdout.splitlines() if line.strip()
    }
