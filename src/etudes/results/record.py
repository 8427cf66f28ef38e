"""Repeat a study over seeds, each in a fresh process, and write ``docs/results/<study>.json``."""

from __future__ import annotations

import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from etudes.atomic import atomic_file
from etudes.evaluation import mean_interval
from etudes.lock import OutputsLock
from etudes.study import RecordedTable, load_study

PACKAGES = (
    "etudes",
    "kedro",
    "mlflow",
    "torch",
    "torchvision",
    "transformers",
    "scikit-learn",
    "spacy",
    "gensim",
    "pandas",
    "numpy",
)
CLOSING_SECONDS = 10.0
LONGEST = 4_000  # characters of one value of a card that a record keeps


def record_study(project: Path, study: str, env: str, seeds: int, params: str = "") -> Path:
    """Run ``kedro run --pipelines=STUDY`` once for each seed and write the record; registers nothing.

    With ``params`` ``run.resume=true`` a call that was interrupted goes on from the checkpoints of its trainings.

    Args:
        project: the project's folder.
        env: configuration environment.
        seeds: number of runs, with seeds 0 .. seeds - 1.
        params: further ``--params``, comma-separated.

    Raises:
        RuntimeError: a run failed; the record is then as it was.
        LockedError: the study is being recorded by another process.
    """
    load_study(study)
    # Each run holds its own outputs; here they are held until they have been read.
    lock = OutputsLock(records_folder(project) / ".runs" / env, [], [f"{study}.record"])
    lock.acquire()
    try:
        runs = [_run_seed(project, study, env, seed, params) for seed in range(seeds)]
    finally:
        lock.release()
    path = project / "docs" / "results" / f"{study}.json"
    text = json.dumps(summarise(study, env, params, runs), indent=1, sort_keys=True)
    with atomic_file(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    return path


def records_folder(project: Path) -> Path:
    """Where recorded runs put their outputs: a folder of their own, so that they never replace those of a usual run."""
    return project / "data" / "records"


def _run_seed(project: Path, study: str, env: str, seed: int, params: str) -> dict[str, Any]:
    outputs = records_folder(project) / f"seed_{seed}"
    options = f"run.seed={seed},run.register_model=false" + (f",{params}" if params else "")
    command = [
        sys.executable,
        "-m",
        "kedro",
        "run",
        f"--pipelines={study}",
        f"--env={env}",
        f"--params={options}",
    ]
    start = time.perf_counter()
    status = _status_of(command, project, {**os.environ, "ETUDES_OUTPUTS": str(outputs)})
    if status != 0:
        raise RuntimeError(f"The run with seed {seed} failed (exit {status}); nothing is recorded")
    return {
        "seed": seed,
        "wall_seconds": round(time.perf_counter() - start, 1),
        **_read_outputs(outputs, env, study),
    }


def _status_of(command: list[str], folder: Path, environment: dict[str, str]) -> int:
    """Exit status of a command. An interrupted one is given time to close its run, which a kill would leave open."""
    with subprocess.Popen(command, cwd=folder, env=environment) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            try:
                process.wait(CLOSING_SECONDS)  # a terminal interrupts both
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGINT)
            raise


def _read_outputs(outputs: Path, env: str, study: str) -> dict[str, Any]:
    def read(layer: str, name: str) -> Any:
        return json.loads((outputs / layer / env / study / f"{name}.json").read_text(encoding="utf-8"))

    def table(name: str) -> list[dict[str, Any]]:
        import pandas as pd

        path = outputs / "07_model_output" / env / study / f"{name}.csv"
        rows = pd.read_csv(path, keep_default_na=False, na_values=[""], encoding="utf-8").to_dict("records")
        return [{str(column): value for column, value in row.items()} for row in rows]

    models = outputs / "06_models" / env / study
    resources = {
        path.name.removesuffix("_resources.json"): json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(models.glob("*_resources.json"))
    }
    return {
        "metrics": read("07_model_output", "metrics"),
        "data": read("02_intermediate", "data_card"),
        "split": read("05_model_input", "split_card"),
        "resources": {name: value for name, value in resources.items() if not value.get("skipped")},
        "tables": {entry.name: table(entry.name) for entry in load_study(study).tables},
    }


def _short(card: dict[str, Any]) -> dict[str, Any]:
    """A card without its long lists: a record says how data were split, the run's own card which rows went where."""
    return {key: value for key, value in card.items() if len(json.dumps(value)) <= LONGEST}


def _split(cards: list[dict[str, Any]]) -> dict[str, Any]:
    """The seeds' cards as one: what all agree on as it is; where a study holds out other data with each seed, their list."""
    names = dict.fromkeys(name for card in cards for name in card)
    found: dict[str, Any] = {}
    for name in names:
        values = [card.get(name) for card in cards]
        found[name] = values[0] if all(value == values[0] for value in values) else values
    return found


def summarise(study: str, env: str, params: str, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """One record from the runs of all seeds: mean, spread and interval over seeds of every metric.

    Raises:
        RuntimeError: the runs saw different data.
    """
    fingerprints = {run["data"]["fingerprint"] for run in runs}
    if len(fingerprints) > 1:
        raise RuntimeError(
            f"The runs saw different data ({', '.join(sorted(fingerprints))}); record them again"
        )
    names = [name for name in runs[0]["metrics"] if not name.endswith((".low", ".high"))]
    metrics = {name: mean_interval([run["metrics"][name] for run in runs]) for name in names}
    for name, summary in metrics.items():
        low, high = f"{name}.low", f"{name}.high"
        if (
            low in runs[0]["metrics"]
        ):  # how far the test set's size alone lets the number vary, averaged over seeds
            summary["test_low"] = statistics.fmean(run["metrics"][low] for run in runs)
            summary["test_high"] = statistics.fmean(run["metrics"][high] for run in runs)
    return {
        "study": study,
        "environment": env,
        "parameters": params,
        "recorded": datetime.now(UTC).strftime("%Y-%m-%d"),
        "seeds": [run["seed"] for run in runs],
        "data": runs[0]["data"],
        "split": _short(_split([run["split"] for run in runs])),
        "metrics": _rounded(metrics),
        "tables": _rounded(
            {
                entry.name: average_table(entry, [run["tables"][entry.name] for run in runs])
                for entry in load_study(study).tables
            }
        ),
        "resources": _rounded(_average([run["resources"] for run in runs])),
        "wall_seconds": [run["wall_seconds"] for run in runs],
        "device": _device(),
        "versions": {package: version(package) for package in PACKAGES}
        | {"python": platform.python_version()},
    }


def average_table(entry: RecordedTable, tables: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Rows of the same keys in all seeds as one row: keys as they are, values as mean, spread and count.

    Raises:
        RuntimeError: a table lacks one of the columns that the study asks to record, or a key occurs twice.
    """
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for rows in tables:
        for row in rows:
            missing = [name for name in (*entry.keys, *entry.values) if name not in row]
            if missing:
                raise RuntimeError(
                    f"table {entry.name} has no column {', '.join(missing)}; it has {', '.join(map(str, row))}"
                )
            groups.setdefault(tuple(row[name] for name in entry.keys), []).append(row)
    if any(len(found) > len(tables) for found in groups.values()):
        raise RuntimeError(f"table {entry.name}: {', '.join(entry.keys)} do not tell its rows apart")
    result = []
    for key, found in groups.items():
        values = {}
        for name in entry.values:
            numbers = [float(row[name]) for row in found if row[name] == row[name]]  # a gap is not a number
            values[name] = mean_interval(numbers) if numbers else None
        result.append({**dict(zip(entry.keys, key, strict=True)), **values})
    return result


def _average(values: list[Any]) -> Any:
    """Element-wise mean of equally shaped nested dicts of numbers."""
    first = values[0]
    if isinstance(first, dict):
        return {key: _average([value[key] for value in values]) for key in first}
    return statistics.fmean(values)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return round(value, 5) if isinstance(value, float) else value


def _device() -> str:
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name(0)
    return f"CPU, {os.cpu_count()} cores ({platform.machine()})"
