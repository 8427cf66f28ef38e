"""Settings for the tests of this study; values come from conf, so a new one needs no change here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from etudes.pipelines.adversarial_strip.parameters import Parameters
from study_settings import settings_of


@pytest.fixture(scope="session")
def settings() -> Callable[..., Any]:
    """``settings("attack", learning={"iterations": 3})``: a group of the study's `test` parameters, changed."""
    return settings_of("adversarial_strip", Parameters)
