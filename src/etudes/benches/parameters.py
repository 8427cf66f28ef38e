"""Parameter groups that studies on one bench share. Light: a study's graph is built from them."""

from __future__ import annotations

from pydantic import Field

from etudes.training.parameters import Strict


class ScoringParameters(Strict):
    """How the test split of a classifier is scored."""

    resamples: int = Field(ge=100, description="bootstrap resamples behind every interval")
    bins: int = Field(ge=2, description="bins of the calibration error")


class TableSplitParameters(Strict):
    """How dev and test are cut from a table."""

    dev_fraction: float = Field(gt=0, lt=0.5, description="share of each class for dev, at least one row")
    test_fraction: float = Field(gt=0, lt=0.5, description="share of each class for test, at least one row")
    seed: int = Field(ge=0, description="seed of the split, apart from run.seed so that seeds share a split")
