"""Raw inputs of every study that are missing or spoilt."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from runs import Run
from spoilers import missing, refused
from subjects import MOVED, subject_of

of_every_study = pytest.mark.parametrize("name", MOVED)


@of_every_study
def test_missing_data_end_in_a_message_that_says_where_they_belong(name: str) -> None:
    for dataset in subject_of(name).raw:
        missing(dataset)


@of_every_study
@pytest.mark.slow
def test_spoilt_data_end_in_a_message_that_names_the_file(name: str, finished: Callable[[str], Run]) -> None:
    for dataset in subject_of(name).raw:
        refused(finished(name), dataset)
