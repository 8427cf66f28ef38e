"""Projects to run in: temporary copies of the configuration, so that no test touches the real outputs or registry."""

from __future__ import annotations

import atexit
import compileall
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from threading import Timer

ROOT = Path(__file__).parents[1]
STUDY = "genre_classification"
HALF_WRITTEN = "*.pyc.*"  # byte code that another process is writing
# The last, often set in containers, would make each process compile its imports anew.
NOT_INHERITED = ("MLFLOW_", "ETUDES_", "KEDRO_", "PYTHONDONTWRITEBYTECODE")


def within(seconds: float) -> float:
    """A time-out: the seconds that are ample on an idle machine, times ``ETUDES_TEST_PATIENCE`` (default 1)."""
    return seconds * float(os.environ.get("ETUDES_TEST_PATIENCE", "1"))


def quiet_environment(**extra: str) -> dict[str, str]:
    """The environment of a child process: no network, no tracker of the developer's, two threads at most."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(NOT_INHERITED)}
    return {
        **environment,
        "HF_HUB_OFFLINE": "1",
        "KEDRO_DISABLE_TELEMETRY": "1",
        "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING": "false",
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "2"),
        "COLUMNS": "200",
        **extra,
    }


@cache
def compile_source() -> None:
    """Compile what is not yet compiled, once for all the projects that are made."""
    compileall.compile_dir(ROOT / "src", quiet=2)


def make_project(folder: Path) -> Path:
    """A project folder with this repository's configuration, template and source, and no outputs."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(ROOT / "conf", folder / "conf", ignore=shutil.ignore_patterns("local", "mine"))
    (folder / "conf" / "local").mkdir()
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "templates", folder / "templates")
    # Kedro insists on a source folder inside the project. Its byte code comes along: times are copied, so it is valid.
    compile_source()
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns(HALF_WRITTEN))
    return folder


@cache
def warm() -> subprocess.Popen[str]:
    """The process that starts the commands of this test process, and ends with it."""
    starter = subprocess.Popen(
        [sys.executable, str(ROOT / "tests" / "warm.py")],
        env=quiet_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(starter.communicate)  # its input ends, and it is waited for
    return starter


def kedro(
    project: Path, *arguments: str, timeout: float = 300, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run ``kedro ...`` in a project in a fresh process; the time-out grows with the tests' patience.

    The process is forked from one that has imported the libraries, which takes longer than most commands.
    """
    starter = warm()
    assert starter.stdin is not None and starter.stdout is not None
    with tempfile.TemporaryDirectory() as folder:
        stdout, stderr = Path(folder) / "stdout", Path(folder) / "stderr"
        request = {
            "arguments": arguments,
            "folder": str(project),
            "environment": quiet_environment(**environment),
            "stdout": str(stdout),
            "stderr": str(stderr),
        }
        print(json.dumps(request), file=starter.stdin, flush=True)
        child = int(starter.stdout.readline())
        timer = Timer(within(timeout), os.kill, (child, signal.SIGKILL))
        timer.start()
        status = int(starter.stdout.readline())
        late = timer.finished.is_set()
        timer.cancel()
        done = subprocess.CompletedProcess(
            ["kedro", *arguments], status, stdout.read_text("utf-8"), stderr.read_text("utf-8")
        )
    assert not late, f"{done.args} took longer than {within(timeout)} s: {done.stdout}{done.stderr}"
    return done
