"""Whole commands in fresh processes: a run with and without tracking, and start-up."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from functools import partial
from pathlib import Path

from benchmarks.table import Row, at_most
from benchmarks.timing import child_environment, interleaved, kedro, python
from benchmarks.trivial import STUDY, make_trivial_project

REPEATS = 5
RUN = ("run", f"--pipelines={STUDY}")
IMPORT_TIME = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)")


def hooks() -> list[Row]:
    """A tracked run of eight trivial nodes against the same run with no hook at all."""
    with tempfile.TemporaryDirectory() as temporary:
        ours = make_trivial_project(Path(temporary) / "ours")
        bare = make_trivial_project(Path(temporary) / "bare", hooks=False)
        kedro(bare, *RUN)  # compiles the source, so that the first tracked run is not charged for it
        start = time.perf_counter()
        kedro(ours, *RUN)
        first = time.perf_counter() - start
        best = interleaved({"ours": partial(kedro, ours, *RUN), "bare": partial(kedro, bare, *RUN)}, REPEATS)
        if (bare / "mlflow.db").exists() or not (ours / "mlflow.db").exists():
            raise RuntimeError("the bare run was tracked, or the other was not: the comparison means nothing")
        parts = _parts(ours)
    note = f"kedro run, 8 trivial nodes, all hooks (best of {REPEATS})"
    largest = sorted(parts, key=lambda part: -parts[part])[:6]
    return [
        at_most(note, best["ours"].wall, best["bare"].wall, 1.6),
        Row(
            "  the same, processor time",
            f"{best['ours'].cpu:.2f} s",
            f"{best['bare'].cpu:.2f} s",
            f"{best['ours'].cpu / best['bare'].cpu:.2f}x",
        ),
        Row("  first run of all: the database is made (once)", f"{first:.2f} s"),
        *(Row(f"  of it: {part}", f"{parts[part]:.2f} s") for part in largest),
    ]


def _parts(project: Path) -> dict[str, float]:
    lines = [python("-m", "benchmarks.explain", folder=project).splitlines()[-1] for _ in range(2)]
    first, second = map(json.loads, lines)
    return {part: min(first[part], second[part]) for part in first}


def node() -> list[Row]:
    """What tracking adds to each of many trivial nodes, start and end of the run included."""
    count = 60
    with tempfile.TemporaryDirectory() as temporary:
        project = make_trivial_project(Path(temporary) / "project", nodes=count)
        untracked = (*RUN, "--params=run.track=false")
        kedro(project, *RUN)
        contestants = {"on": partial(kedro, project, *RUN), "off": partial(kedro, project, *untracked)}
        best = interleaved(contestants, REPEATS)
        writing = 1000 * _parts(project)["writing batches and artifacts"] / count
    on, off = best["on"].wall, best["off"].wall
    each = 1000 * (on - off) / count
    note = f"kedro run, {count} trivial nodes, tracked against run.track=false; extra per node (best of {REPEATS})"
    return [
        Row(note, f"{on:.2f} s", f"{off:.2f} s", f"{each:.1f} ms", "<= 25 ms", each <= 25),
        Row("  of it: writing batches and artifacts, per node", f"{writing:.1f} ms"),
    ]


def startup() -> list[Row]:
    """``kedro registry list`` against ``kedro --version``, and whose imports make the difference."""
    with tempfile.TemporaryDirectory() as temporary:
        project = make_trivial_project(Path(temporary) / "project")
        contestants = {
            "list": partial(kedro, project, "registry", "list"),
            "version": partial(kedro, project, "--version"),
        }
        for warm_up in contestants.values():
            warm_up()
        best = interleaved(contestants, REPEATS)
        listed = _imports(project, "registry", "list")
        known = _imports(project, "--version")
    packages: Counter[str] = Counter()
    for module in listed.keys() - known.keys():
        packages[module.partition(".")[0]] += listed[module]
    note = f"kedro registry list against kedro --version (best of {REPEATS})"
    return [
        at_most(note, best["list"].wall, best["version"].wall, 1.2),
        Row(
            "  the same, processor time",
            f"{best['list'].cpu:.2f} s",
            f"{best['version'].cpu:.2f} s",
            f"{best['list'].cpu / best['version'].cpu:.2f}x",
        ),
        *(
            Row(f"  imports of `registry list` alone: {name}", f"{micros / 1e6:.2f} s")
            for name, micros in packages.most_common(4)
        ),
    ]


def _imports(project: Path, *arguments: str) -> dict[str, int]:
    """Own import time of every module that a command loads, in microseconds."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "kedro", *arguments],
        cwd=project,
        env=child_environment(),
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    return {module: int(micros) for micros, module in IMPORT_TIME.findall(done.stderr)}
