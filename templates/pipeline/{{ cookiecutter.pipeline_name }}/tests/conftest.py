"""Splits for the tests of this study."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from etudes.pipelines.{{ cookiecutter.pipeline_name }} import nodes
from etudes.pipelines.{{ cookiecutter.pipeline_name }}.parameters import SplitParameters
from etudes.samples.tables import raw_file

Splits = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict[str, Any]]


@pytest.fixture(scope="package")
def splits() -> Splits:
    """Train, dev and test of the whole embedded table, and the card; tests only read them."""
    frame, _ = nodes.ingest(raw_file("wine", rows=178, seed=0))
    return nodes.split(frame, SplitParameters(dev_fraction=0.2, test_fraction=0.3, seed=0))
