"""The page of every study: of the whole run, of one variant beside the baseline, of the baseline alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from run_checks import on_own_data, only, page
from runs import Run
from subjects import STUDIES

from etudes.reporting.document import Document

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("name", STUDIES)]
LARGEST_PAGE = 1_500_000
Finished = Callable[[str], Run]


def test_the_whole_page(name: str, finished: Finished) -> None:
    run = finished(name)
    page(run.load("report"), Document(run.subject.study), everything=True)
    size = run.path("report").stat().st_size
    assert size <= LARGEST_PAGE, f"the page takes {size:,} bytes, {LARGEST_PAGE:,} are the limit"


def test_one_variant_and_the_baseline(name: str, finished: Finished, tmp_path: Path) -> None:
    study = finished(name).subject.study
    first = next(variant for variant in study.variants if variant != study.baseline)
    only(finished(name), (study.baseline, first), tmp_path)


def test_the_baseline_alone(name: str, finished: Finished, tmp_path: Path) -> None:
    only(finished(name), (finished(name).subject.study.baseline,), tmp_path)


def test_a_users_own_data(name: str, finished: Finished) -> None:
    on_own_data(finished(name))
