"""The runs of a record: each seed in a fresh process, into outputs of its own; what those hold afterwards."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from etudes.atomic import atomic_file
from etudes.models import FACTS
from etudes.study import load_study

CLOSING_SECONDS = 5.0
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


def run_seed(project: Path, outputs: Path, made_by: Mapping[str, Any], resume: bool) -> None:
    study, env, seed = made_by["study"], made_by["environment"], made_by["seed"]
    marker = _marker(outputs, study, env)
    marker.unlink(missing_ok=True)
    begun = resume and (outputs / "06_models" / env / study).exists()
    options = [
        f"run.seed={seed}",
        "run.register_model=false",
        *([made_by["parameters"]] * bool(made_by["parameters"])),
    ]
    if resume:
        options.append("run.resume=true")
    command = [sys.executable, "-m", "kedro", "run", f"--pipelines={study}", f"--env={env}"]
    start = time.perf_counter()
    status = _status_of(
        [*command, f"--params={','.join(options)}"], project, {**os.environ, "ETUDES_OUTPUTS": str(outputs)}
    )
    if status != 0:
        raise RuntimeError(
            f"The run with seed {seed} failed (exit {status}); nothing is recorded. With --resume the same command goes on "
            "from here"
        )
    with atomic_file(marker) as temporary:
        # A run that goes on from checkpoints does not know how long the first part took.
        seconds = None if begun else round(time.perf_counter() - start, 1)
        told = {**made_by, "wall_seconds": seconds}
        temporary.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def _status_of(command: list[str], folder: Path, environment: dict[str, str]) -> int:
    """Exit status of a command. An interrupted one is given time to close its run, which a kill would leave open."""
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        preexec_fn=_end_with_parent,  # noqa: PLW1509  it takes no lock that another thread may hold
    ) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            try:
                process.wait(CLOSING_SECONDS)  # a terminal interrupts both
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGINT)
            raise


def _end_with_parent() -> None:
    """In the new process: ask the system to terminate it when its parent dies, however it dies. Linux alone can."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


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
    return {
        **json.loads(marker.read_text(encoding="utf-8")),
        "metrics": read("07_model_output", "metrics"),
        "data": read("02_intermediate", "data_card"),
        "split": split,
        "chosen": read("08_reporting", "predictor/model")["config"][FACTS]["card"]["variant"],
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
