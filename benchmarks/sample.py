"""The embedded sample of the first study and its parameters, as the configuration has them, without a Kedro run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

STUDY = "genre_classification"
CONF = Path(__file__).parents[1] / "conf"


@dataclass(frozen=True)
class Sample:
    """Splits of the embedded sample and the parameters of an environment."""

    train: pd.DataFrame
    dev: pd.DataFrame
    test: pd.DataFrame
    card: dict[str, Any]
    parameters: Any
    run: Any

    @property
    def classes(self) -> int:
        return len(self.card["classes"])


def changed(parameters: Any, **changes: Any) -> Any:
    """A parameter group with other values, checked like the original."""
    return type(parameters).model_validate({**parameters.model_dump(), **changes})


@cache
def load_sample(environment: str = "base") -> Sample:
    """Ingest and split the embedded sample; training is on the CPU, and writes nothing."""
    from kedro.io import DataCatalog

    from etudes.config import EtudesConfigLoader
    from etudes.pipelines.genre_classification import films
    from etudes.pipelines.genre_classification.parameters import Parameters
    from etudes.settings import CONFIG_LOADER_ARGS
    from etudes.training.parameters import RunParameters

    arguments: dict[str, Any] = CONFIG_LOADER_ARGS
    loader = EtudesConfigLoader(str(CONF), env=environment, **arguments)
    catalog = DataCatalog.from_config(loader["catalog"])
    parameters = Parameters.model_validate(loader["parameters"][STUDY])
    run = RunParameters.model_validate({**loader["parameters"]["run"], "device": "cpu"})
    train, test, _ = films.ingest(catalog.load(f"{STUDY}.raw_train"), catalog.load(f"{STUDY}.raw_test"))
    return Sample(*films.split(train, test, parameters.split), parameters, run)
