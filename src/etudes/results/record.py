"""Repeat a study over seeds, each in a fresh process, and write ``docs/results/<study>.json``.

A record is made of runs: what the outputs of one seed hold, read by `read_run`. `summarise` makes a record of all of
them at once, `with_run` adds one to a record that is there, `with_part` renews what a study says can be recorded alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from etudes.atomic import atomic_file
from etudes.lock import OutputsLock
from etudes.models import FACTS
from etudes.results.summaries import (
    average_table,
    mean_resources,
    merge_resources,
    merge_table,
    rounded,
    row_key,
    summarise_metrics,
    with_value,
)
from etudes.sources.table import load_sources
from etudes.study import RecordedPart, RecordedTable, load_study

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
CLOSING_SECONDS = 5.0
LONGEST = 4_000  # characters of one value of a card that a record keeps
SAME = ("study", "environment", "parameters", "data", "test_rows")  # of a record and of a run added to it
HOW = (
    "command",
    "commit",
    "parameters",
    "recorded",
    "device",
    "versions",
    "wall_seconds",
)  # what is said of a part

Run = dict[str, Any]


def record_study(
    project: Path, study: str, env: str, seeds: int, params: str = "", resume: bool = False, part: str = ""
) -> Path:
    """Run ``kedro run --pipelines=STUDY`` once for each seed and write the record; registers nothing.

    Args:
        project: the project's folder.
        env: configuration environment.
        seeds: number of runs, with seeds 0 .. seeds - 1.
        params: further ``--params``, comma-separated.
        resume: take over the outputs of seeds that ended with the same code, configuration and parameters, and let the
            others go on from the checkpoints of their trainings.
        part: name of the study's part to renew in the record that is there; empty for a record of all.

    Raises:
        RuntimeError: a run failed, or runs saw different data; the record is then as it was. The outputs of the seeds
            that ended are kept for ``resume``. Or there is no such part, or no record to renew it in.
        LockedError: the study is being recorded by another process.
    """
    load_study(study)
    there = (_record_of(project, study), _part_of(study, part)) if part else None
    folders = [records_folder(project) / f"seed_{seed}" for seed in range(seeds)]
    # Each run holds its own outputs; here they are held until they have been read.
    lock = OutputsLock(records_folder(project) / ".runs" / env, [], [f"{study}.record"])
    lock.acquire()
    try:
        for seed, outputs in enumerate(folders):
            made_by = {**origin(project, study, env, params), "seed": seed}
            if not (resume and ended_alike(outputs, made_by)):
                _run_seed(project, outputs, made_by, resume)
        runs = [read_run(outputs, study, env) for outputs in folders]
    finally:
        lock.release()
    found = summarise(runs) | {"recorded": datetime.now(UTC).strftime("%Y-%m-%d")}
    return write_record(project, with_part(there[0], found, there[1]) if there else found)


def records_folder(project: Path) -> Path:
    """Where recorded runs put their outputs: a folder of their own, so that they never replace those of a usual run."""
    return project / "data" / "records"


def add_run(project: Path, study: str, env: str, outputs: Path) -> Path:
    """Add the outputs of one further seed, which an earlier `record_study` left behind, to the record that is there.

    Raises:
        RuntimeError: there is no record, it holds the seed, or it is of other data, parameters or another split.
    """
    return write_record(project, with_run(_record_of(project, study), read_run(outputs, study, env)))


def _record_of(project: Path, study: str) -> dict[str, Any]:
    path = project / "docs" / "results" / f"{study}.json"
    if not path.exists():
        raise RuntimeError(f"{path} is not there; record the study first")
    return json.loads(path.read_text(encoding="utf-8"))


def _part_of(study: str, name: str) -> RecordedPart:
    parts = {part.name: part for part in load_study(study).parts}
    if name not in parts:
        raise RuntimeError(
            f"{study} has no part '{name}' that can be recorded alone; its study.toml declares {', '.join(parts) or 'none'}"
        )
    return parts[name]


def write_record(project: Path, record: Mapping[str, Any]) -> Path:
    """Write ``docs/results/<study>.json``."""
    path = project / "docs" / "results" / f"{record['study']}.json"
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return path


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


def _run_seed(project: Path, outputs: Path, made_by: Mapping[str, Any], resume: bool) -> None:
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
    with subprocess.Popen(command, cwd=folder, env=environment) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            try:
                process.wait(CLOSING_SECONDS)  # a terminal interrupts both
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGINT)
            raise


def read_run(outputs: Path, study: str, env: str) -> Run:
    """What the outputs of one seed hold.

    Raises:
        RuntimeError: no run of the study ended in this folder.
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


def public_rows(data: Mapping[str, Any]) -> dict[str, list[int]]:
    """By part, how many rows of the public data set there were of how many; empty for data that are made."""
    source = load_sources().get(str(data.get("source")))
    if source is None or data["embedded_sample"]:
        return {}
    used = {part: data.get(f"{part}_rows", data.get(part)) for part in source.rows}
    return {part: [int(rows), source.rows[part]] for part, rows in used.items() if rows is not None}


def summarise(runs: Sequence[Run]) -> dict[str, Any]:
    """One record from the runs of all seeds: of every metric the values, their mean and their interval.

    Raises:
        RuntimeError: the runs saw different data.
    """
    fingerprints = sorted({run["data"]["fingerprint"] for run in runs})
    if len(fingerprints) > 1:
        raise RuntimeError(f"The runs saw different data ({', '.join(fingerprints)}); record them again")
    first, study = runs[0], load_study(runs[0]["study"])
    tables = {
        entry.name: average_table(entry, [run["tables"][entry.name] for run in runs])
        for entry in study.tables
    }
    return {
        **{name: first[name] for name in ("study", "environment", "parameters", "data")},
        "command": command(first, len(runs)),
        "commit": _agreed([run["commit"] for run in runs]),
        "seeds": [run["seed"] for run in runs],
        "public_rows": public_rows(first["data"]),
        "test_rows": _agreed_by_name([run["test_rows"] for run in runs]),
        "split": _short(_agreed_by_name([run["split"] for run in runs])),
        "chosen": [run["chosen"] for run in runs],
        "metrics": rounded(summarise_metrics([run["metrics"] for run in runs])),
        "tables": rounded(tables),
        "resources": rounded(mean_resources([run["resources"] for run in runs])),
        "wall_seconds": [run["wall_seconds"] for run in runs],
        "device": _device(),
        "versions": {package: version(package) for package in PACKAGES}
        | {"python": platform.python_version()},
    }


def with_run(record: Mapping[str, Any], run: Run) -> dict[str, Any]:
    """A record with one seed more, as if all had been recorded together.

    A record that lacks the values of its seeds keeps their mean and spread, to which the new value is added.

    Raises:
        RuntimeError: the record holds the seed, or is of other data, parameters or another split, or a part of it was
            recorded alone.
    """
    record, seed, n = dict(record), run["seed"], len(record["seeds"])
    if "parts" in record:
        raise RuntimeError(
            f"{record['study']}: {', '.join(told['part'] for told in record['parts'])} of the record was made by other runs; "
            "record all seeds again"
        )
    if seed in record["seeds"]:
        raise RuntimeError(f"{record['study']}: the record holds seed {seed} already")
    there = {**record, **_short({f"split.{name}": value for name, value in record["split"].items()})}
    new = {**run, **_short({f"split.{name}": value for name, value in run["split"].items()})}
    other = [
        name
        for name in (*SAME, *(key for key in there if key.startswith("split.")))
        if there.get(name) != new.get(name)
    ]
    if other:
        raise RuntimeError(
            f"{record['study']}: seed {seed} differs from the record in {', '.join(other)}; record all seeds again"
        )
    place = sum(other < seed for other in record["seeds"])

    def inserted(name: str, value: Any) -> list[Any]:
        values = record[name] if isinstance(record[name], list) else [record[name]] * n
        return [*values[:place], value, *values[place:]]

    entries = {entry.name: entry for entry in load_study(record["study"]).tables}
    metrics = {
        name: with_value(name, summary, run["metrics"], place) for name, summary in record["metrics"].items()
    }
    tables = {
        name: merge_table(entries[name], rows, run["tables"][name], place)
        for name, rows in record["tables"].items()
    }
    return record | {
        "seeds": inserted("seeds", seed),
        "command": command(record, n + 1),
        "commit": _agreed(inserted("commit", run["commit"])),
        **({"chosen": inserted("chosen", run["chosen"])} if "chosen" in record else {}),
        "metrics": rounded(metrics),
        "tables": rounded(tables),
        "resources": rounded(merge_resources(record["resources"], run["resources"], n)),
        "wall_seconds": inserted("wall_seconds", run["wall_seconds"]),
    }


def with_part(record: Mapping[str, Any], renewed: Mapping[str, Any], part: RecordedPart) -> dict[str, Any]:
    """A record with the numbers of one part from another one, made by further runs of as many seeds on the same data.

    They are of the variants that these runs trained. All else stays as it was recorded, costs and split included, but for
    rows that set a variant with new numbers beside one that was not trained again. ``parts`` says how the new numbers were
    made.

    Raises:
        RuntimeError: the two are of other seeds, data or another environment.
    """
    study = load_study(record["study"])
    pairs = {name: (record[name], renewed[name]) for name in ("study", "environment", "seeds")}
    pairs["data"] = (record["data"]["fingerprint"], renewed["data"]["fingerprint"])
    if other := [name for name, (old, new) in pairs.items() if old != new]:
        raise RuntimeError(
            f"{study.name}: the runs of part '{part.name}' differ from the record in {', '.join(other)}; record all again"
        )

    metrics = {n: s for n, s in renewed["metrics"].items() if n.partition(".")[2] in part.metrics}
    told = {name: record["metrics"].get(name, {}).get("mean") for name in metrics}
    changed = {_variant(name) for name, new in metrics.items() if new["mean"] != told[name]}
    renewed_variants = sorted(set(map(_variant, metrics)))
    everyone = set(map(_variant, record["metrics"])) <= set(renewed_variants)
    tables = {
        entry.name: _renewed_rows(
            entry, part, record["tables"].get(entry.name, []), renewed["tables"][entry.name], changed
        )
        for entry in study.tables
        if entry.name in part.tables
    }
    rows = {metric: count for metric, count in renewed["test_rows"].items() if metric in part.metrics}
    how = {
        **{name: renewed[name] for name in HOW},
        "command": f"{renewed['command']} --part={part.name}",
        "part": part.name,
        "variants": [] if everyone else renewed_variants,
    }
    before = [
        told
        for told in record.get("parts", [])
        if told["part"] != part.name or not (everyone or set(told["variants"]) <= set(renewed_variants))
    ]
    return {
        **record,
        "metrics": {**record["metrics"], **metrics},
        "tables": {**record["tables"], **tables},
        "test_rows": {**record["test_rows"], **rows},
        "parts": [*before, how],
        **({"chosen": renewed["chosen"]} if everyone and study.dev_metric in part.metrics else {}),
    }


def _variant(name: str) -> str:
    """Of whom a flat metric is."""
    return name.partition(".")[0]


def _renewed_rows(
    entry: RecordedTable,
    part: RecordedPart,
    old: Sequence[dict[str, Any]],
    new: Sequence[dict[str, Any]],
    changed: set[str],
) -> list[dict[str, Any]]:
    """The old table with the part's rows of the new one, less the part's rows that speak of ``changed`` variants' old numbers."""

    def own(row: Mapping[str, Any]) -> bool:
        return all(row[name] == value for name, value in part.rows.items())

    fresh = {row_key(entry, row): row for row in new if own(row)}
    rows = [
        fresh.pop(key, row)
        for row in old
        if (key := row_key(entry, row)) in fresh or not (own(row) and changed & set(key))
    ]
    return [*rows, *fresh.values()]


def command(made_by: Mapping[str, Any], seeds: int) -> str:
    """The command that makes a record."""
    given = f" --params={made_by['parameters']}" if made_by["parameters"] else ""
    return f"kedro record {made_by['study']} --env={made_by['environment']} --seeds={seeds}{given}"


def _short(card: Mapping[str, Any]) -> dict[str, Any]:
    """A card without its long lists: a record says how data were split, the run's own card which rows went where."""
    return {key: value for key, value in card.items() if len(json.dumps(value)) <= LONGEST}


def _agreed(values: list[Any]) -> Any:
    """The value that all seeds agree on, or the list of theirs."""
    return values[0] if all(value == values[0] for value in values) else values


def _agreed_by_name(cards: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        name: _agreed([card.get(name) for card in cards])
        for name in dict.fromkeys(name for card in cards for name in card)
    }


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


def _device() -> str:
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name(0)
    return f"CPU, {os.cpu_count()} cores ({platform.machine()})"
