"""Every training that writes checkpoints resumes to equal numbers, and knows by its key what it depends on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from runs import Run
from subjects import STUDIES
from trainings import complete_key, different_keys, resumable, resumes, stable_key

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("name", STUDIES)]
Finished = Callable[[str], Run]


def test_interrupted_trainings_end_with_equal_numbers(name: str, finished: Finished, tmp_path: Path) -> None:
    for label in resumable(finished(name))[0]:
        resumes(finished(name), label, tmp_path / label)


@pytest.mark.heavy
def test_all_other_trainings_end_with_equal_numbers(name: str, finished: Finished, tmp_path: Path) -> None:
    for label in resumable(finished(name))[1]:
        resumes(finished(name), label, tmp_path / label)


def test_a_key_holds_all_that_a_training_reads(name: str, finished: Finished) -> None:
    run = finished(name)
    different_keys(run.notes["checkpoints"])
    for label in run.notes["checkpoints"]:
        stable_key(run, label)
        complete_key(run, label)
