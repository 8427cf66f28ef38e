"""Timing of two or more things beside each other: A B A B ..., the best of n of each.

The best run is the one least disturbed by what else the machine does; alternating lets slow minutes hit all alike.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass
class Best:
    """The smallest wall time and the smallest processor time (all threads, children included), in seconds."""

    wall: float = float("inf")
    cpu: float = float("inf")


def interleaved(contestants: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, Best]:
    """The best of ``repeats`` calls of each contestant."""
    best = {name: Best() for name in contestants}
    for _ in range(repeats):
        for name, contestant in contestants.items():
            wall, cpu = time.perf_counter(), _processor_seconds()
            contestant()
            best[name].wall = min(best[name].wall, time.perf_counter() - wall)
            best[name].cpu = min(best[name].cpu, _processor_seconds() - cpu)
    return best


def _processor_seconds() -> float:
    # `os.times` counts hundredths of a second, in which a fast contestant takes none.
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def child_environment() -> dict[str, str]:
    """The environment of a fresh process: nobody's tracker or outputs, no network, byte code kept."""
    left_out = ("MLFLOW_", "ETUDES_", "KEDRO_", "PYTHONDONTWRITEBYTECODE")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(left_out)}
    return {
        **environment,
        "HF_HUB_OFFLINE": "1",
        "KEDRO_DISABLE_TELEMETRY": "1",
        "COLUMNS": "200",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
    }


def python(*arguments: str, folder: Path, timeout: float = 240) -> str:
    """Run ``python ...`` in a fresh process and return what it printed.

    Raises:
        RuntimeError: it failed; the message holds the end of its output.
    """
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=child_environment(),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode != 0:
        raise RuntimeError(f"python {' '.join(arguments)} failed:\n{(done.stdout + done.stderr)[-2000:]}")
    return done.stdout


def fastest(module: str, contestants: Iterable[str], repeats: int) -> dict[str, float]:
    """The largest number that ``python -m MODULE NAME``, a fresh process each time, prints for each contestant."""
    best = dict.fromkeys(contestants, 0.0)
    for _ in range(repeats):
        for name in best:
            best[name] = max(best[name], float(python("-m", module, name, folder=ROOT, timeout=900)))
    return best


def kedro(project: Path, *arguments: str, timeout: float = 240) -> str:
    """Run ``kedro ...`` in a project in a fresh process."""
    return python("-m", "kedro", *arguments, folder=project, timeout=timeout)
