"""Pairs of runs at the same time, into the same outputs and the same store: what each leaves is its own and whole.

One pair in `WHOLE` are two commands, the others two sessions of two processes that live on (a command costs seconds of
imports before it meets the other). A run is *mixed* where its metrics or weights, in MLflow or on disk, are not those
that the same study and seed leave alone.
"""

# ruff: noqa: T201
from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.table import Row
from benchmarks.timing import child_environment
from benchmarks.trivial import add_copies, make_project

STUDY, ENV = "income_classification", "test"
FEWER = "  variants: [majority, naive_bayes]\n"  # the cheap ones
WHOLE = 10
LATEST = 0.4  # seconds that one of the two starts later, at most
REFUSED = "is being run by process"
WEIGHTS = ("model.json", "weights.safetensors")


@dataclass(frozen=True)
class Asked:
    """A run: its study, its seed, whether it waits for another one."""

    study: str
    seed: int
    wait: bool = False

    @property
    def options(self) -> dict[str, Any]:
        return {"seed": self.seed, "wait": self.wait}


@dataclass(frozen=True)
class Left:
    """Metrics and digests of the weights, by file, that a run leaves."""

    metrics: Mapping[str, float]
    weights: Mapping[str, str]


@dataclass
class Tally:
    """What became of the pairs of one kind."""

    pairs: int = 0
    ends: Counter[str] = field(default_factory=Counter)


def concurrent(pairs: int = 20) -> list[Row]:
    """Two studies, and one study with the same and with different seeds, refused or waiting, at the same time.

    Args:
        pairs: how many, of all kinds in turn.
    """
    with tempfile.TemporaryDirectory() as temporary:
        project = make_project(Path(temporary) / "project")
        others = set(_studies(project))
        with (project / "conf" / ENV / "parameters" / f"{STUDY}.yml").open("a") as parameters:
            parameters.write(FEWER)
        add_copies(project, STUDY, len(others) + 1)
        (copy,) = set(_studies(project)) - others
        kinds = {
            "two studies": (Asked(STUDY, 0), Asked(copy, 1)),
            "one study, the same seed": (Asked(STUDY, 0), Asked(STUDY, 0)),
            "one study, two seeds": (Asked(STUDY, 0), Asked(STUDY, 1)),
            "one study, the same seed, waiting": (Asked(STUDY, 1, True), Asked(STUDY, 1, True)),
            "one study, two seeds, waiting": (Asked(STUDY, 0, True), Asked(STUDY, 1, True)),
        }
        witness = Witness(project)
        processes = [Session(project) for _ in range(2)]
        try:
            for asked in dict.fromkeys(
                Asked(each.study, each.seed) for pair in kinds.values() for each in pair
            ):
                processes[0].start(asked, 0.0)
                if (end := processes[0].end()) != "finished":
                    raise RuntimeError(f"{asked} does not even run alone: {end}")
                witness.remember(asked)
            tallies = _all_pairs(project, witness, kinds, processes, pairs)
        finally:
            for process in processes:
                process.close()
    rows = [_row(kind, tally) for kind, tally in tallies.items() if tally.pairs]
    mixed = sum(tally.ends["mixed"] + tally.ends["failed"] for tally in tallies.values())
    commands = sum(number % WHOLE == 0 for number in range(pairs))
    told = f"{pairs} pairs of runs in `{ENV}`, {commands} of them whole commands: mixed or failed runs"
    return [Row(told, str(mixed), asked="0", ok=not mixed), *rows]


def _studies(project: Path) -> list[str]:
    return [path.parent.name for path in project.glob("src/etudes/pipelines/*/study.toml")]


def _row(kind: str, tally: Tally) -> Row:
    ends = tally.ends
    told = f"{ends['finished']} finished, {ends['refused']} refused, {ends['mixed']} mixed, {ends['failed']} failed"
    return Row(f"  {kind}: {tally.pairs} pairs", told)


def _all_pairs(
    project: Path,
    witness: Witness,
    kinds: Mapping[str, tuple[Asked, Asked]],
    processes: list[Session],
    pairs: int,
) -> dict[str, Tally]:
    chance, names = random.Random(pairs), list(kinds)
    tallies = {kind: Tally() for kind in names}
    for number in range(pairs):
        # Commands come in rounds of their own, so that every kind has some.
        kind = names[(number + number // WHOLE) % len(names)]
        pair = list(kinds[kind])
        chance.shuffle(pair)
        starts = [0.0, chance.uniform(0.0, LATEST)]
        running = [Command(project), Command(project)] if number % WHOLE == 0 else processes
        for process, asked, start in zip(running, pair, starts, strict=True):
            process.start(asked, start)
        ends = [process.end() for process in running]
        wrong = witness.mixed(list(zip(pair, ends, strict=True)))
        tally = tallies[kind]
        tally.pairs += 1
        tally.ends.update(end if end in ("finished", "refused") else "failed" for end in ends)
        tally.ends["mixed"] += len(wrong)
        for told in [*wrong, *(end for end in ends if end not in ("finished", "refused"))]:
            print(f"pair {number} ({kind}): {told}", file=sys.stderr)
        if number % 10 == 9:
            ends_so_far = dict(sum((tally.ends for tally in tallies.values()), Counter[str]()))
            print(f"{number + 1} pairs: {ends_so_far}", file=sys.stderr, flush=True)
    return tallies


class Witness:
    """What the runs of a project left, beside what each leaves alone."""

    def __init__(self, project: Path) -> None:
        self.project = project
        self.alone: dict[tuple[str, int], Left] = {}
        self.seen: set[str] = set()

    def remember(self, asked: Asked) -> None:
        """Take what lies on disk for what this study and seed leave."""
        self.alone[asked.study, asked.seed] = self._on_disk(asked.study)
        self._new_runs()

    def mixed(self, pair: list[tuple[Asked, str]]) -> list[str]:
        """What is wrong with what the two runs left, in words."""
        wrong = []
        for study in dict.fromkeys(asked.study for asked, _ in pair):
            finished = {asked.seed for asked, end in pair if asked.study == study and end == "finished"}
            if finished and self._on_disk(study) not in [self.alone[study, seed] for seed in finished]:
                wrong.append(
                    f"the outputs of {study} on disk are of no one run of the seeds {sorted(finished)}"
                )
        left = [(asked.study, asked.seed) for asked, end in pair if end == "finished"]
        for run in self._new_runs():
            name = (run.info.run_name, int(run.data.tags["etudes.seed"]))
            if name not in left or run.info.status != "FINISHED":
                wrong.append(f"a run of {name} is {run.info.status}, though no such one finished")
                continue
            left.remove(name)
            wrong += [f"the run of {name} {told}" for told in self._differences(run, self.alone[name])]
        return wrong + [f"the finished run of {name} is not in MLflow" for name in left]

    def _differences(self, run: Any, alone: Left) -> list[str]:
        values = {name: run.data.metrics.get(name) for name in alone.metrics}
        wrong = [f"has other metrics: {values}"] if values != alone.metrics else []
        versions = self.client.search_model_versions(f"run_id='{run.info.run_id}'")
        if len(versions) != 1:
            wrong.append(f"has {len(versions)} model versions")
        artifacts = Path(run.info.artifact_uri.removeprefix("file://"))
        predictor = {name: digest for name, digest in alone.weights.items() if name.startswith("predictor")}
        if _digests(artifacts / "model" / "artifacts", "predictor") != predictor or not predictor:
            wrong.append("has other weights in its registered model")
        return wrong

    def _on_disk(self, study: str) -> Left:
        data = self.project / "data"
        metrics = json.loads((data / "07_model_output" / ENV / study / "metrics.json").read_text("utf-8"))
        models = _digests(data / "06_models" / ENV, study)
        predictor = _digests(data / "08_reporting" / ENV / study, "predictor")
        values = {name: value for name, value in metrics.items() if not name.endswith((".low", ".high"))}
        return Left(values, {**models, **predictor})

    @property
    def client(self) -> Any:
        from mlflow.tracking import MlflowClient

        return MlflowClient(f"sqlite:///{self.project / 'mlflow.db'}")

    def _new_runs(self) -> list[Any]:
        experiments = [experiment.experiment_id for experiment in self.client.search_experiments()]
        runs = [
            run
            for run in self.client.search_runs(experiments, max_results=10)
            if run.info.run_id not in self.seen
        ]
        self.seen |= {run.info.run_id for run in runs}
        return runs


def _digests(folder: Path, name: str) -> dict[str, str]:
    """Digests of the weights below ``folder/name``, by their path from ``folder``."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((folder / name).rglob("*"))
        if path.name in WEIGHTS
    }


class Command:
    """A run as a whole ``kedro run``."""

    def __init__(self, project: Path) -> None:
        self.project = project

    def start(self, asked: Asked, delay: float) -> None:
        time.sleep(delay)
        options = ",".join(f"run.{name}={str(value).lower()}" for name, value in asked.options.items())
        command = ["-m", "kedro", "run", f"--pipelines={asked.study}", f"--env={ENV}", f"--params={options}"]
        self.process = _python(self.project, command, stderr=subprocess.PIPE)

    def end(self) -> str:
        _, told = self.process.communicate(timeout=1800)
        if self.process.returncode == 0:
            return "finished"
        return "refused" if REFUSED in " ".join(told.split()) else told[-500:]


class Session:
    """Runs as Kedro sessions of one process, one after the other."""

    def __init__(self, project: Path) -> None:
        self.process = _python(
            project, ["-m", "benchmarks.concurrent"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def start(self, asked: Asked, delay: float) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({**asdict(asked), "delay": delay}) + "\n")
        self.process.stdin.flush()

    def end(self) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("ended: "):
                return str(json.loads(line.removeprefix("ended: ")))
        raise RuntimeError("the process of the sessions is gone")

    def close(self) -> None:
        self.process.communicate(timeout=120)  # its input ends, and so does it


def _python(project: Path, arguments: list[str], **streams: Any) -> subprocess.Popen[str]:
    environment = {
        **child_environment(),
        "OMP_NUM_THREADS": "1",
        "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING": "false",
    }
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=project,
        env=environment,
        text=True,
        **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, **streams},
    )


def _serve() -> None:
    """Run what is asked for, a line of JSON each, and say how it ended."""
    from kedro.framework.session import KedroSession
    from kedro.framework.startup import bootstrap_project

    project = Path.cwd()
    bootstrap_project(project)
    for line in sys.stdin:
        asked = json.loads(line)
        options = Asked(asked["study"], asked["seed"], asked["wait"]).options
        time.sleep(asked["delay"])
        try:
            with KedroSession.create(project, env=ENV, runtime_params={"run": options}) as session:
                session.run(pipeline_names=[asked["study"]])
            end = "finished"
        except Exception as error:
            end = "refused" if REFUSED in str(error) else f"{type(error).__name__}: {error}"[:500]
        print(f"ended: {json.dumps(end)}", flush=True)


if __name__ == "__main__":
    _serve()
