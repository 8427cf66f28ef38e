"""Simulators that ship inside Gymnasium, as the raw input of a reinforcement study: their name and arguments.

There is no file to fetch: the data are what an agent sees while it plays. So the "file" says which environment is meant
(`etudes.rl.environments.EnvironmentSpec`, as JSON), and the same reader serves a user's own.
"""

from __future__ import annotations

import json
from typing import Any

from etudes.forms.raw import RawFile


def raw_file(part: str, embedded_sample: bool, **specification: Any) -> RawFile:
    """The specification of one environment, or of several.

    Args:
        part: ``environment``; or ``several``, whose specification is the list ``environments``.
        embedded_sample: true where the run is a small one, whose model is registered as a sample's; the environment is the
            same either way.
        specification: the fields of `EnvironmentSpec`: ``id``, ``solved`` and what else is needed.

    Raises:
        ValueError: an unknown part.
    """
    if part not in ("environment", "several"):
        raise ValueError(f"part = '{part}', expected environment or several")
    found = [specification] if part == "environment" else specification["environments"]
    name = " and ".join(str(one.get("id")) for one in found)
    facts = {"embedded_sample": embedded_sample, "source": f"Gymnasium's {name}"}
    return RawFile(
        f"the environment{'s' * (len(found) > 1)} {name}",
        json.dumps(specification, sort_keys=True).encode(),
        facts,
    )
