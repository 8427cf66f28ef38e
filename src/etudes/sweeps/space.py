"""What a sweep varies: ``a.b=1,2`` are choices, ``a.b=1..5`` and ``a.b=1e-4..1e-1:log`` ranges, ``a.b=1`` is fixed."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from etudes.config import split_parameters

NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
RANGE = re.compile(rf"(?P<low>{NUMBER})\.\.(?P<high>{NUMBER})(?P<log>:log)?")
SET_BY_SWEEP = ("run.seed", "run.resume", "run.register_model")
MOST = 1_000  # settings of a grid

Setting = Mapping[str, str]  # parameter -> value as text, as `--params` takes it


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, both included; whole ones, or evenly spread over their logarithms."""

    low: float
    high: float
    whole: bool
    log: bool

    def holds(self, value: Any) -> bool:
        return isinstance(value, int | float) and self.low <= value <= self.high


@dataclass(frozen=True)
class Space:
    """Parameters by name: those with one value, those with several, and those of which a search draws."""

    fixed: dict[str, str]
    choices: dict[str, tuple[str, ...]]
    ranges: dict[str, Range]

    @property
    def varied(self) -> list[str]:
        return [*self.choices, *self.ranges]

    @property
    def size(self) -> int:
        """How many settings the choices make."""
        return math.prod(map(len, self.choices.values()))

    def grid(self) -> list[Setting]:
        """Every combination of the choices."""
        return [
            dict(zip(self.choices, values, strict=True))
            for values in itertools.product(*self.choices.values())
        ]

    def ends(self) -> Iterator[Setting]:
        """Settings that hold every choice and both ends of every range, one parameter at a time."""
        for name, values in self.choices.items():
            yield from ({name: value} for value in values)
        for name, span in self.ranges.items():
            yield from ({name: text_of(end)} for end in (span.low, span.high))


def parse_space(given: Sequence[str], search: bool) -> Space:
    """The space of all ``--params`` of a command.

    Raises:
        click.UsageError: something that is not NAME=VALUES, a name twice, a range without a search, or none with one.
    """
    values: dict[str, list[str]] = {}
    for text in given:
        name = ""
        for item in split_parameters(text):
            before, equals, value = item.partition("=")
            if equals:
                name, item = before.strip(), value.strip()  # noqa: PLW2901
                if name in values:
                    raise click.UsageError(f"--params: '{name}' is given twice; name all its values at once")
                values[name] = []
            if not name or not item:
                raise click.UsageError(
                    f"--params: '{item or text}' is not NAME=VALUE[,VALUE...]; expected for example run.device=cpu"
                )
            values[name].append(item)
    for name in set(values) & set(SET_BY_SWEEP):
        raise click.UsageError(f"--params: a sweep sets {name} itself; --seeds=N runs seeds 0 to N-1")
    ranges = {}
    for name, texts in values.items():
        found = [match for text in texts if (match := RANGE.fullmatch(text))]
        if found and not search:
            raise click.UsageError(
                f"--params: {name}={texts[0]} is a range, of which only a search draws (--search=tpe --trials=50); "
                "without one name the values"
            )
        if found and len(texts) > 1:
            raise click.UsageError(f"--params: {name} is a range or a list of values, not both")
        if found:
            ranges[name] = _range(name, found[0])
    several = {name: tuple(texts) for name, texts in values.items() if name not in ranges and len(texts) > 1}
    for name, options in several.items():
        if len(set(options)) < len(options):
            raise click.UsageError(f"--params: {name} has a value twice: {','.join(options)}")
    fixed = {name: texts[0] for name, texts in values.items() if name not in ranges and name not in several}
    if search and not (several or ranges):
        raise click.UsageError(
            "--search has nothing to choose from; expected --params with several values or a range, for example "
            "STUDY.fit.learning_rate=1e-4..1e-1:log"
        )
    space = Space(fixed, several, ranges)
    if space.size > MOST and not search:
        raise click.UsageError(
            f"--params: {space.size} settings, more than {MOST}; name fewer values, or --search=tpe"
        )
    return space


def _range(name: str, found: re.Match[str]) -> Range:
    low, high = float(found["low"]), float(found["high"])
    whole = not re.search(r"[.eE]", found["low"] + found["high"])
    if not low < high or (found["log"] and low <= 0):
        wanted = "0 < LOW < HIGH" if found["log"] else "LOW < HIGH"
        raise click.UsageError(f"--params: {name}={found[0]} is no range; expected {wanted}")
    return Range(low, high, whole, bool(found["log"]))


def text_of(value: float | int | str) -> str:
    """A drawn value as `--params` takes it: six digits tell a number."""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e6 else f"{value:.6g}"
    return str(value)


def nested(setting: Setting) -> dict[str, Any]:
    """A setting as nested parameters, values as YAML reads them."""
    from omegaconf import OmegaConf

    found = OmegaConf.to_container(OmegaConf.from_dotlist([f"{k}={v}" for k, v in setting.items()]))
    return {str(key): value for key, value in found.items()} if isinstance(found, dict) else {}


def value_at(parameters: Mapping[str, Any], name: str) -> Any:
    """The value of a dotted name; None where there is none."""
    found: Any = parameters
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def checked(space: Space, study: str, parameters: Mapping[str, Any]) -> Space:
    """The space, once all its settings are known to be parameters of the study; whole numbers of a real parameter are not.

    Args:
        parameters: as configured.

    Raises:
        etudes.hooks.ParameterError: a name or a value that the study refuses, with what was probably meant.
    """
    from omegaconf import OmegaConf

    from etudes.hooks import ParameterError, check_names, check_parameters
    from etudes.study import study_names

    for name in [*space.fixed, *space.varied]:
        if name.partition(".")[0] in set(study_names()) - {study}:
            raise ParameterError(
                f"--params: '{name}' is of a study that does not run here; expected {study} or run"
            )

    configured = OmegaConf.create(dict(parameters))
    # A search meets combinations of which there are too many to try; a trial that fails is named then.
    whole = not space.ranges and space.size <= MOST
    for setting in space.grid() if whole else list(space.ends()):
        given = nested({**space.fixed, **setting})
        check_names(dict(parameters), given, [study])
        merged = OmegaConf.to_container(OmegaConf.merge(configured, given))
        check_parameters(merged, given, [study])  # type: ignore[arg-type]
    spans = {
        name: Range(
            span.low, span.high, span.whole and not isinstance(value_at(parameters, name), float), span.log
        )
        for name, span in space.ranges.items()
    }
    return Space(space.fixed, space.choices, spans)
