"""What grows with what is asked at once: studies on workers, studies in a project, seeds in a sweep."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from benchmarks.table import Row, at_most
from benchmarks.timing import Best, interleaved, kedro
from benchmarks.trivial import OTHER_NODES, add_copies, make_project, make_trivial_project
from benchmarks.trivial import STUDY as TRIVIAL

# Nine studies whose embedded sample needs no raw data; each takes seconds in `test`.
SIDE_BY_SIDE = (
    "air_quality",
    "cluster_then_label",
    "gan_digits",
    "income_classification",
    "meta_learning",
    "revnet",
    "self_training",
    "tabular_q_learning",
    "vae",
)
COUNTS = (50, 200, 1_000)
SEEDS = int(os.environ.get("ETUDES_BENCH_SEEDS", "100"))
SWEPT = "income_classification"
DASK = "--runner=etudes.runners.DaskRunner"
NODES = (8, 60)  # of a study whose nodes do nothing
WAITING = 6  # nodes of a study of which two wait for something
WAIT = 2.0  # seconds
SPEED_UP = 1.8  # of two workers where nodes wait: what the processors do cannot hide it
UNTRACKED = "--params=run.track=false"
LONGEST = 60.0  # seconds for the largest project
LONG = 4 * 3600.0  # seconds after which a measurement is given up
PER_TASK = 0.1  # seconds that a worker may add to a node


def workers() -> list[Row]:
    """The studies on one worker and on two beside the sequential runner, and what a worker adds to a node."""
    command = ["run", "--env=test", f"--pipelines={','.join(SIDE_BY_SIDE)}", UNTRACKED]
    ways = {
        "sequential": [],
        "one": [DASK, "--runner-params=workers=1"],
        "two": [DASK, "--runner-params=workers=2"],
    }
    with tempfile.TemporaryDirectory() as temporary:
        project = make_project(Path(temporary) / "studies")
        times = interleaved(
            {name: partial(kedro, project, *command, *more, timeout=LONG) for name, more in ways.items()}, 1
        )
        nodes = {}
        for count in NODES:
            trivial = make_trivial_project(Path(temporary) / str(count), count)
            run = ["run", "--env=test", f"--pipelines={TRIVIAL}", UNTRACKED]
            calls = {
                name: partial(kedro, trivial, *run, *ways[name], timeout=LONG)
                for name in ("sequential", "one")
            }
            nodes[count] = interleaved(calls, 2)
        spans = _spans(Path(temporary) / "waiting", ways)
    few, many = NODES
    each = {
        (name, what): (getattr(nodes[many][name], what) - getattr(nodes[few][name], what)) / (many - few)
        for name in ("sequential", "one")
        for what in ("wall", "cpu")
    }
    setup = nodes[few]["one"].wall - nodes[few]["sequential"].wall
    studies = f"kedro run of {len(SIDE_BY_SIDE)} studies in test"
    return [
        Row(f"{studies}: two workers against one", *_seconds(times["two"], times["one"])),
        Row("  two workers against the sequential runner", *_seconds(times["two"], times["sequential"])),
        Row("  one worker against the sequential runner", *_seconds(times["one"], times["sequential"])),
        Row(
            f"{len(SIDE_BY_SIDE)} studies, of each {WAITING - OTHER_NODES} nodes that wait {WAIT:g} s: two workers against one",
            *(f"{spans[name]:.1f} s" for name in ("two", "one")),
            f"{spans['one'] / spans['two']:.2f}x",
            f">= {SPEED_UP}x",
            spans["one"] / spans["two"] >= SPEED_UP,
        ),
        *(
            Row(
                f"a node that does nothing on a worker, {few} to {many} nodes (best of 2): {words}",
                f"{1000 * each['one', what]:.0f} ms",
                f"{1000 * each['sequential', what]:.0f} ms",
                f"+{1000 * (each['one', what] - each['sequential', what]):.0f} ms",
                f"<= +{1000 * PER_TASK:.0f} ms",
                each["one", what] - each["sequential", what] <= PER_TASK,
            )
            for what, words in (("wall", "time"), ("cpu", "processor time"))
        ),
        Row("  set-up of one worker", f"{setup:.1f} s"),
    ]


def _spans(folder: Path, ways: Mapping[str, list[str]]) -> dict[str, float]:
    """Seconds from the begin of the first waiting node to the end of the last one, by the times of what they wrote."""
    project = make_trivial_project(folder, WAITING)
    nodes = project / "src/etudes/pipelines" / TRIVIAL / "nodes.py"
    text = nodes.read_text(encoding="utf-8").replace(
        "    epochs = [", f"    time.sleep({WAIT})\n    epochs = ["
    )
    nodes.write_text(text.replace("from typing", "import time\nfrom typing"), encoding="utf-8")
    there = len(list(project.glob("src/etudes/pipelines/*/study.toml")))
    add_copies(project, TRIVIAL, there + len(SIDE_BY_SIDE) - 1)
    spans = {}
    for name, more in ways.items():
        kedro(project, "run", "--env=test", f"--pipelines={_copies(project)}", UNTRACKED, *more, timeout=LONG)
        ends = [path.stat().st_mtime for path in project.glob("data/06_models/test/*/*_history.json")]
        spans[name] = max(ends) - min(ends) + WAIT
    return spans


def _copies(project: Path) -> str:
    """The study that does nothing and its copies, as a run is asked for them."""
    found = project.glob(f"src/etudes/pipelines/{TRIVIAL}*/study.toml")
    return ",".join(sorted(path.parent.name for path in found))


def studies() -> list[Row]:
    """Registry, catalog and runner with 50, 200 and 1,000 studies, most of them copies of one that does nothing."""
    rows, measured = [], {}
    with tempfile.TemporaryDirectory() as temporary:
        project = make_trivial_project(Path(temporary) / "project", 5)
        for count in COUNTS:
            add_copies(project, TRIVIAL, count)
            run = ["run", "--env=test", UNTRACKED]
            commands = {
                "registry": ["registry", "list"],
                "one": [*run, f"--pipelines={TRIVIAL}"],
                "all": [*run, "--all", "--tags=ingest"],
            }
            calls = {name: partial(kedro, project, *words, timeout=LONG) for name, words in commands.items()}
            measured[count] = interleaved(calls, 1)
    for name, what in (
        ("registry", "kedro registry list, which loads all"),
        ("one", "kedro run of one study of five nodes"),
        ("all", "kedro run --all --tags=ingest, the first nodes of every study"),
    ):
        for count in COUNTS:
            best = measured[count][name]
            ok = best.cpu <= LONGEST if count == COUNTS[-1] else None
            asked = f"<= {LONGEST:.0f} s cpu" if count == COUNTS[-1] else ""
            times = (f"{best.wall:.1f} s", f"{best.cpu:.1f} s cpu")
            rows.append(Row(f"{what}: {count:,} studies", *times, "", asked, ok))
    few, some, most = COUNTS
    slopes = {
        name: tuple(
            (measured[b][name].cpu - measured[a][name].cpu) / (b - a) for a, b in ((few, some), (some, most))
        )
        for name in ("registry", "all")
    }
    for name, (first, second) in slopes.items():
        rows.append(at_most(f"  {name}: seconds a study, from {some} on against before", second, first, 1.3))
    return rows


def seeds() -> list[Row]:
    """Seeds of a small study through a sweep; then the same command again, which has nothing to run."""
    command = ["sweep", SWEPT, "--env=test", f"--seeds={SEEDS}", "--workers=2"]
    command += [f"--params={SWEPT}.variants=[majority,logistic]", "--params=run.track=false"]
    with tempfile.TemporaryDirectory() as temporary:
        project = make_project(Path(temporary) / "project")
        call = partial(kedro, project, *command, timeout=LONG)
        first = interleaved({"run": call}, 1)["run"]
        again = interleaved({"run": call}, 1)["run"]
        size = sum(path.stat().st_size for path in (project / "data/sweeps").rglob("*") if path.is_file())
    return [
        Row(
            f"kedro sweep of {SEEDS} seeds of a small study in test, two at once: a run",
            f"{first.wall / SEEDS:.2f} s",
            f"{first.cpu / SEEDS:.2f} s cpu",
        ),
        Row("  the same command again, nothing to run", f"{again.wall:.1f} s", f"{again.cpu:.1f} s cpu"),
        Row("  outputs of a run on disk", f"{size / SEEDS / 1e6:.2f} MB"),
    ]


def _seconds(ours: Best, peer: Best) -> tuple[str, str, str]:
    return f"{ours.wall:.1f} s", f"{peer.wall:.1f} s", f"{ours.wall / peer.wall:.2f}x"
