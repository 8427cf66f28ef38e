"""The runs of a record or a sweep: each seed in a fresh process, into outputs of its own; what those hold afterwards."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etudes.atomic import atomic_file
from etudes.models import FACTS
from etudes.study import load_study

CLOSING_SECONDS = 5.0
PATIENCE_SECONDS = 60.0  # for a node to come to its next metric, checkpoint or output
POLL_SECONDS = 0.5
AT_ONCE = "at once"
PR_SET_PDEATHSIG = 1  # of Linux's prctl(2)

Run = dict[str, Any]


def records_folder(project: Path) -> Path:
    """Where recorded runs put their outputs: a folder of their own, so that they never replace those of a usual run."""
    return project / "data" / "records"


def origin(project: Path, study: str, env: str, params: str) -> dict[str, Any]:
    """What decides what a run gives beside its seed and the raw data: study, environment, parameters, code, configuration."""
    from etudes.training.checkpoint import code_version

    digest = hashlib.sha256()
    for path in [path for name in ("base", env) for path in sorted((project / "conf" / name).rglob("*.yml"))]:
        if path.parent.name in ("parameters", "catalog") and path.stem != study:
            continue
        digest.update(path.relative_to(project).as_posix().encode())
        digest.update(path.read_bytes())
    return {
        "study": study,
        "environment": env,
        "parameters": params,
        "code": f"{code_version()}-{digest.hexdigest()[:16]}",
        "commit": _commit(project),
    }


def ended_alike(outputs: Path, made_by: Mapping[str, Any]) -> bool:
    """Whether a run of the same origin and seed ended in this folder; the commit may be another one of the same code."""
    path = _marker(outputs, made_by["study"], made_by["environment"])
    if not path.exists():
        return False
    there = json.loads(path.read_text(encoding="utf-8"))
    return all(there.get(key) == value for key, value in made_by.items() if key != "commit")


def _marker(outputs: Path, study: str, env: str) -> Path:
    """The file that says that a run ended in this folder, and how it was made."""
    return outputs / "runs" / env / f"{study}.json"


class RunStoppedError(RuntimeError):
    """A run that was asked to stop."""


@dataclass(frozen=True)
class SeedRun:
    """One ``kedro run`` of a study with a seed, in a fresh process and into outputs of its own; registers nothing.

    It can be pickled, so that a process on another machine may execute it. `stop` reaches it there by a file in its outputs.

    Args:
        project: the project's folder.
        outputs: folder of its outputs.
        made_by: its `origin`, and ``seed``.
        resume: go on from the checkpoints of a run that began in this folder.
        stages: tags of the stages to run; all if empty.
        tags: of its MLflow run.
        log: file for what it prints; None for this process's terminal.
        threads: of its calculations; None for those of the environment.
    """

    project: Path
    outputs: Path
    made_by: Mapping[str, Any]
    resume: bool = False
    stages: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    log: Path | None = None
    threads: int | None = None

    @property
    def ended(self) -> bool:
        """Whether such a run ended in this folder."""
        return ended_alike(self.outputs, self.made_by)

    @property
    def _stop_file(self) -> Path:
        return self.outputs / ".stop"

    def stop(self, at_once: bool) -> None:
        """Ask it to end as if interrupted, from any process; ``at_once`` where no terminal may have done so already."""
        self.outputs.mkdir(parents=True, exist_ok=True)
        self._stop_file.write_text(AT_ONCE if at_once else "", encoding="utf-8")

    def forget_stop(self) -> None:
        """What an earlier command asked of a run in this folder holds no longer."""
        self._stop_file.unlink(missing_ok=True)

    def execute(self) -> None:
        """Run it to its end.

        Raises:
            RunStoppedError: it was asked to stop.
            RuntimeError: it failed.
        """
        study, env, seed = self.made_by["study"], self.made_by["environment"], self.made_by["seed"]
        marker = _marker(self.outputs, study, env)
        marker.unlink(missing_ok=True)
        begun = self.resume and (self.outputs / "06_models" / env / study).exists()
        given = [self.made_by["parameters"]] * bool(self.made_by["parameters"])
        options = [f"run.seed={seed}", "run.register_model=false", *given, *["run.resume=true"] * begun]
        options += ["run.wait=true"] * begun  # for the one that began, if it is only about to end
        command = [sys.executable, "-m", "kedro", "run", f"--pipelines={study}", f"--env={env}"]
        command += [f"--tags={','.join(self.stages)}"] * bool(self.stages) + [f"--params={','.join(options)}"]
        start = time.perf_counter()
        status = _status_of(command, self.project, self._environment(), self.log, self._stop_file)
        if status != 0:
            if self._stop_file.exists():
                raise RunStoppedError(f"The run with seed {seed} was stopped")
            raise RuntimeError(f"The run with seed {seed} failed (exit {status}){self._last_words()}")
        with atomic_file(marker) as temporary:
            # A run that goes on from checkpoints does not know how long the first part took.
            seconds = None if begun else round(time.perf_counter() - start, 1)
            told = {**self.made_by, "wall_seconds": seconds}
            temporary.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")

    def _environment(self) -> dict[str, str]:
        environment = {**os.environ, "ETUDES_OUTPUTS": str(self.outputs)}
        if self.tags:
            environment["MLFLOW_RUN_CONTEXT"] = json.dumps(self.tags)
        if self.threads is not None:
            environment["OMP_NUM_THREADS"] = str(self.threads)
        return environment

    def _last_words(self) -> str:
        if self.log is None:
            return ""
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        said = [line for line in lines if line.startswith("Error: ")] or lines[-1:]
        return "".join(f": {line.removeprefix('Error: ')}" for line in said[-1:]) + f" ({self.log})"


def _status_of(
    command: list[str],
    folder: Path,
    environment: dict[str, str],
    log: Path | None = None,
    stop: Path | None = None,
) -> int:
    """Exit status of a command. One that is to stop is given time to close its run, which a kill would leave open."""
    end_with_parent = _parent_watch()
    with ExitStack() as files:
        output = None
        if log is not None:
            log.parent.mkdir(parents=True, exist_ok=True)
            output = files.enter_context(log.open("w", encoding="utf-8"))
        process = files.enter_context(
            subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT if output else None,
                preexec_fn=end_with_parent,  # noqa: PLW1509  it takes no lock that another thread may hold
            )
        )
        while True:
            try:
                return process.wait(POLL_SECONDS)
            except subprocess.TimeoutExpired:
                if stop is not None and stop.exists():
                    return _stopped(process, stop.read_text(encoding="utf-8") == AT_ONCE)
            except KeyboardInterrupt:
                _stopped(process, at_once=False)
                raise


def _stopped(process: subprocess.Popen[bytes], at_once: bool) -> int:
    """Exit status of a process that is made to end; what a terminal interrupts has been told already."""
    if not at_once:
        with suppress(subprocess.TimeoutExpired):
            return process.wait(CLOSING_SECONDS)
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _parent_watch() -> Callable[[], None] | None:
    """What a new process does: ask the system to terminate it when its parent dies, however it dies. Linux alone can."""
    if sys.platform != "linux":
        return None
    import ctypes

    prctl = ctypes.CDLL(None).prctl  # looked up before the process forks
    return lambda: prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def read_run(outputs: Path, study: str, env: str) -> Run:
    """What the outputs of one seed hold.

    Raises:
        RuntimeError: no run of the study ended in this folder, or a table that is to be recorded is empty.
    """
    marker = _marker(outputs, study, env)
    if not marker.exists():
        raise RuntimeError(
            f"{marker} is not there: no run of {study} in {env} ended in this folder. Expected the outputs of one seed, "
            "data/records/seed_<seed>, of `kedro record`"
        )

    def read(layer: str, name: str) -> Any:
        return json.loads((outputs / layer / env / study / f"{name}.json").read_text(encoding="utf-8"))

    def table(name: str) -> list[dict[str, Any]]:
        import pandas as pd

        path = outputs / "07_model_output" / env / study / f"{name}.csv"
        rows = pd.read_csv(path, keep_default_na=False, na_values=[""], encoding="utf-8").to_dict("records")
        if not rows:
            raise RuntimeError(
                f"{path}: the table '{name}', which the study records, has no rows. Expected at least one; its evaluation "
                "leaves it empty, or too few variants were run"
            )
        return [{str(column): value for column, value in row.items()} for row in rows]

    resources = {
        path.name.removesuffix("_resources.json"): json.loads(path.read_text(encoding="utf-8"))
        for path in sorted((outputs / "06_models" / env / study).glob("*_resources.json"))
    }
    split = read("05_model_input", "split_card")
    card = read("08_reporting", "predictor/model")["config"][FACTS]["card"]
    return {
        **json.loads(marker.read_text(encoding="utf-8")),
        "metrics": read("07_model_output", "metrics"),
        "data": read("02_intermediate", "data_card"),
        "split": split,
        "chosen": card["variant"],
        "dev": card["dev_score"],
        "test_rows": _test_rows(outputs / "07_model_output" / env / study, study, split),
        "resources": {name: value for name, value in resources.items() if not value.get("skipped")},
        "tables": {entry.name: table(entry.name) for entry in load_study(study).tables},
    }


def _test_rows(folder: Path, study: str, split: Mapping[str, Any]) -> dict[str, int]:
    """By headline, how many test rows its metric is of: rows of one variant's predictions, or of the split."""
    found = load_study(study)
    counts = {}
    for headline in found.headlines or (found.headline,):
        count = split["test_rows"]
        if headline.rows:
            import pandas as pd

            table = pd.read_parquet(folder / "predictions.parquet", columns=["variant", *headline.rows])
            for column, value in headline.rows.items():
                table = table[table[column] == value]
            count = int(table["variant"].value_counts().max()) if len(table) else 0
        counts[headline.metric] = count
    return counts


def _commit(project: Path) -> str:
    """The commit of the project, with a plus where files in src and conf are not as it has them; ``unknown`` outside a repository."""
    try:
        told = [
            subprocess.run(
                ["git", *words], cwd=project, capture_output=True, text=True, check=True
            ).stdout.strip()
            for words in (
                ("rev-parse", "HEAD"),
                ("status", "--porcelain", "src", "conf"),
            )
        ]
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return told[0] + ("+" if told[1] else "")
