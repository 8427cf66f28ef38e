"""What grows with the number of studies: commands and the contract test, with the studies of today and with fifty."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

from benchmarks.table import Row, at_most
from benchmarks.timing import Best, interleaved, python
from benchmarks.trivial import add_copies, make_project

STUDY = "gan_digits"
MANY = 50
REPEATS = 3
LIST = ("kedro", "registry", "list")
INGEST = ("kedro", "run", "--env=test", f"--pipelines={STUDY}", "--tags=ingest")
CONTRACT = (
    "pytest",
    "-qp",
    "no:cacheprovider",
    "-o",
    "pythonpath=src tests",
    "tests/conformance/test_contract.py",
)


def scale() -> list[Row]:
    """The project filled up with copies of a study (ours) beside the project as it is (peer)."""
    with tempfile.TemporaryDirectory() as temporary:
        many, today = (make_project(Path(temporary) / name) for name in ("many", "today"))
        count = len(list(today.glob("src/etudes/pipelines/*/study.toml")))
        add_copies(many, STUDY, MANY)

        def measure(command: tuple[str, ...], repeats: int = REPEATS) -> tuple[Best, Best]:
            calls = {
                project.name: partial(python, "-m", *command, folder=project, timeout=1800)
                for project in (many, today)
            }
            best = interleaved(calls, repeats)
            return best["many"], best["today"]

        measure(INGEST, 1)  # makes the databases
        run, listed, contract = measure(INGEST), measure(LIST), measure(CONTRACT, 1)
    return [
        at_most(
            f"kedro run of one study, start and ingest: {MANY} studies against {count} (best of {REPEATS})",
            run[0].wall,
            run[1].wall,
            1.2,
        ),
        Row("  the same, processor time", *_seconds(run[0].cpu, run[1].cpu)),
        Row("  kedro registry list, which loads all", *_seconds(listed[0].wall, listed[1].wall)),
        at_most(
            "  contract test, processor time a study", contract[0].cpu / MANY, contract[1].cpu / count, 1.2
        ),
    ]


def _seconds(many: float, today: float) -> tuple[str, str, str]:
    return f"{many:.2f} s", f"{today:.2f} s", f"{many / today:.2f}x"
