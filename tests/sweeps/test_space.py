"""What `--params` of a sweep means, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest

from etudes.config import EtudesConfigLoader
from etudes.hooks import ParameterError
from etudes.settings import CONFIG_LOADER_ARGS
from etudes.sweeps.space import Range, Space, checked, parse_space, text_of

STUDY = "genre_classification"
RATE = f"{STUDY}.bilstm.fit.learning_rate"


@pytest.fixture(scope="module")
def parameters() -> Any:
    loader = EtudesConfigLoader(str(Path(__file__).parents[2] / "conf"), env="test", **CONFIG_LOADER_ARGS)
    return loader["parameters"]


def test_values_lists_and_ranges_are_told_apart() -> None:
    given = ("a.b=1,2,c.d=[3,4],[5]", "e=x", "f=1..8", "g=1e-4..1e-1:log")
    space = parse_space(given, search=True)
    assert space.fixed == {"e": "x"}
    assert space.choices == {"a.b": ("1", "2"), "c.d": ("[3,4]", "[5]")}
    assert space.ranges == {
        "f": Range(1.0, 8.0, whole=True, log=False),
        "g": Range(1e-4, 1e-1, whole=False, log=True),
    }


def test_a_grid_is_every_combination_in_the_order_given() -> None:
    space = parse_space(("a=1,2", "b=x,y", "c=0"), search=False)
    assert space.grid() == [{"a": a, "b": b} for a in "12" for b in "xy"]
    assert parse_space((), search=False).grid() == [{}]


@pytest.mark.parametrize(
    ("given", "search", "message"),
    [
        (("12",), False, "'12' is not NAME=VALUE"),
        (("a=",), False, "'a=' is not NAME=VALUE"),
        (("a=1", "a=2"), False, "'a' is given twice"),
        (("a=1,1",), False, "has a value twice"),
        (("a=1..5",), False, "is a range, of which only a search draws"),
        (("a=1..5,7",), True, "a range or a list of values, not both"),
        (("a=5..1",), True, "expected LOW < HIGH"),
        (("a=0..1:log",), True, "expected 0 < LOW < HIGH"),
        (("a=1",), True, "--search has nothing to choose from"),
        (("run.seed=1,2",), False, "a sweep sets run.seed itself"),
        (("a=" + ",".join(map(str, range(1001))),), False, "1001 settings, more than 1000"),
    ],
)
def test_what_is_no_space_is_refused_in_one_line(given: tuple[str, ...], search: bool, message: str) -> None:
    with pytest.raises(click.UsageError) as refused:
        parse_space(given, search)
    assert message in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (f"{STUDY}.bilstm.fit.learning_rte", "0.1,0.2", "did you mean 'learning_rate'?"),
        ("bilstm.fit.learning_rate", "0.1,0.2", f"did you mean '{RATE}'"),
        (f"{STUDY}.bilstm.fit.epochs", "1,none", f"{STUDY}.bilstm.fit.epochs: "),
        (f"{STUDY}.bilstm.fit.epochs", "0..3", "greater than or equal to 1 (found 0)"),
        (f"{STUDY}.bilstm.fit.epochs", "1.5..3.0", "found 1.5"),
        ("vae.fit.epochs", "1,2", f"is of a study that does not run here; expected {STUDY} or run"),
    ],
)
def test_unknown_parameters_and_bad_values_are_refused_before_anything_runs(
    name: str, value: str, message: str, parameters: Any
) -> None:
    space = parse_space((f"{name}={value}",), search=True)
    with pytest.raises(ParameterError) as refused:
        checked(space, STUDY, parameters)
    assert message in str(refused.value)


def test_whole_ends_of_a_real_parameter_are_real(parameters: Any) -> None:
    given = (f"{RATE}=1..2", f"{STUDY}.bilstm.fit.epochs=1..2")
    space = checked(parse_space(given, search=True), STUDY, parameters)
    assert [span.whole for span in space.ranges.values()] == [False, True]
    assert isinstance(space, Space)


def test_six_digits_tell_a_number() -> None:
    assert [text_of(value) for value in (0.1234567891, 3.0, 7, "x", 1e-9)] == [
        "0.123457",
        "3",
        "7",
        "x",
        "1e-09",
    ]
