"""Every registered study, held to the contract of `etudes.study`."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from checks import CONTRACT
from subjects import STUDIES, Subject, subject_of


@pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", STUDIES)
def test_contract(name: str, check: Callable[[Subject], None]) -> None:
    check(subject_of(name))
