"""Parameters of the environment ``test`` for tests; a new parameter needs no change here, its value comes from conf."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from etudes.config import EtudesConfigLoader
from etudes.settings import CONFIG_LOADER_ARGS
from etudes.training.parameters import RunParameters

Model = TypeVar("Model", bound=BaseModel)
CONF = Path(__file__).parents[1] / "conf"


@cache
def _configured() -> dict[str, Any]:
    return EtudesConfigLoader(str(CONF), env="test", **CONFIG_LOADER_ARGS)["parameters"]


def merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """``values`` with ``changes``, mappings inside mappings merged as well."""
    result = dict(values)
    for name, change in changes.items():
        old = result.get(name)
        both = isinstance(old, Mapping) and isinstance(change, Mapping)
        result[name] = merged(old, change) if both else change  # type: ignore[arg-type]
    return result


def settings_of(study: str, parameters: type[BaseModel]) -> Callable[..., Any]:
    """``settings_of("vae", Parameters)("mlp", latent=2)``: a group of a study's parameters, changed."""

    def build(group: str, **changes: Any) -> Any:
        return getattr(parameters.model_validate(merged(_configured()[study], {group: changes})), group)

    return build


def whole_settings(study: str, parameters: type[Model]) -> Model:
    """All parameters of a study."""
    return parameters.model_validate(_configured()[study])


def run_parameters(**changes: Any) -> RunParameters:
    """The shared parameters, on the CPU, changed."""
    return RunParameters.model_validate({**_configured()["run"], "device": "cpu", **changes})
