"""The lines of a study's ``pipeline.py``."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from etudes.assembly.signatures import absolute, arguments_in_source, module_of
from etudes.study import Stage

Function = Callable[..., Any] | str


@dataclass(frozen=True)
class Dataset:
    """An argument that is the dataset ``name`` of the study, or what that holds under ``key``."""

    name: str
    key: str = ""


@dataclass(frozen=True)
class Each:
    """An argument that is a mapping: the dataset ``<name>_<kind>`` under each name; what was left out is not in it."""

    kind: str
    names: tuple[str, ...]


def dataset(name: str, key: str = "") -> Dataset:
    """Give an argument the dataset ``name``, or the group ``params:<name>`` of the study's parameters, or the entry ``key`` of either."""
    return Dataset(name, key)


def each(kind: str, *names: str) -> Each:
    """Give an argument the ``model``, ``history`` or ``resources`` of several networks, as a mapping by name."""
    return Each(kind, names)


@dataclass(frozen=True)
class Target:
    """A function, and how it is called."""

    function: Function
    settings: Mapping[str, Any] = field(default_factory=dict)

    def load(self, package: str) -> Callable[..., Any]:
        """The function itself; its module is imported if it was named."""
        if callable(self.function):
            return self.function
        path = absolute(self.function, package)
        module = module_of(path)
        found: Any = importlib.import_module(module)
        for part in path.removeprefix(f"{module}.").split("."):
            found = getattr(found, part)
        return found

    @property
    def name(self) -> str:
        return self.function.rpartition(".")[2] if isinstance(self.function, str) else self.function.__name__

    def arguments(self, package: str) -> tuple[str, ...]:
        """Names of the arguments that the study gives: those without a default that ``settings`` does not set."""
        if isinstance(self.function, str):
            names = arguments_in_source(absolute(self.function, package))
        else:
            parameters = inspect.signature(self.function).parameters.values()
            names = tuple(p.name for p in parameters if p.default is p.empty)
        inputs = [name for name, value in self.settings.items() if isinstance(value, Dataset | Each)]
        return tuple(dict.fromkeys([*(n for n in names if n not in self.settings), *inputs]))


@dataclass(frozen=True)
class Step:
    """One line of a study's pipeline."""

    stage: Stage
    name: str
    targets: Mapping[str, Target]
    outputs: tuple[str, ...]
    group: str = ""
    tags: tuple[str, ...] = ()
    kind: str = ""  # page or predictor: a standard node
    call: Callable[..., Any] | None = None
    always: tuple[str, ...] = ()


def ingest(function: Function, /, *outputs: str, **settings: Any) -> Step:
    """Read and check the raw data."""
    return _stage("ingest", function, outputs, settings)


def preprocess(function: Function, /, *outputs: str, **settings: Any) -> Step:
    """Make model inputs; nothing is fitted on dev or test."""
    return _stage("preprocess", function, outputs, settings)


def evaluate(function: Function, /, *outputs: str, **settings: Any) -> Step:
    """Score on the test split, which no earlier stage reads."""
    return _stage("evaluate", function, outputs, settings)


def report(function: Function, /, *outputs: str, **settings: Any) -> Step:
    """Anything of the report stage that `draw`, `show`, `page` and `predictor` do not cover."""
    return _stage("report", function, outputs, settings)


def _stage(stage: Stage, function: Function, outputs: tuple[str, ...], settings: dict[str, Any]) -> Step:
    target = Target(function, settings)
    return Step(stage, target.name, {"": target}, outputs, group=target.name)


def train(name: str, function: Function, /, *, gpu: bool = False, group: str = "", **settings: Any) -> Step:
    """The training node ``train_<name>`` of a variant, or of a network that variants need.

    ``function(...) -> (model, history)``. The node gives ``<name>_model``, ``<name>_history`` and ``<name>_resources``;
    a variant that the parameter ``variants`` leaves out gives `Skipped` and its function is not called.

    Args:
        name: of the variant, as in ``study.toml``.
        function: what trains it.
        gpu: whether the node uses an accelerator.
        group: of the study's parameters that arrives as ``parameters``; the variant's name if empty.
        settings: keywords of the function: values, or datasets by `each` and `dataset`.
    """
    outputs = tuple(f"{name}_{kind}" for kind in ("model", "history", "resources"))
    tags = ("gpu",) if gpu else ()
    return Step("train", f"train_{name}", {"": Target(function, settings)}, outputs, group or name, tags)


def draw(*functions: Function, **named: Function) -> Step:
    """All figures: each function gives the plotly figure ``<function>_figure``, or ``<name>_figure`` by its keyword."""
    return _gallery("draw", "figure", functions, named)


def show(*functions: Function, **named: Function) -> Step:
    """All pictures: each function gives the PNG bytes of ``<function>_image``."""
    return _gallery("show", "image", functions, named)


def _gallery(name: str, kind: str, functions: Sequence[Function], named: Mapping[str, Function]) -> Step:
    targets = {Target(function).name: _partial(function) for function in functions}
    targets |= {short: _partial(function) for short, function in named.items()}
    return Step("report", name, targets, tuple(f"{short}_{kind}" for short in targets))


def page(*words: Function) -> Step:
    """The report from the study's ``report.md``; ``words`` are the functions that it calls by name."""
    named = {Target(word).name: Target(word) for word in words}
    return Step("report", "write_report", named, ("report",), kind="page")


def predictor(cls: Function, /, **settings: Any) -> Step:
    """The variant that is best on dev behind a user's raw input.

    ``cls(model, card, ...)`` gets that variant's model, what is said of it, and every other argument by its name.
    """
    return Step("report", "choose_predictor", {"": Target(cls, settings)}, ("predictor",), kind="predictor")


class set_to:
    """``set_to(function, key=value)``: the function with keywords set, for `draw` and `show`."""

    def __init__(self, function: Function, /, **settings: Any) -> None:
        self.target = Target(function, settings)
        self.__name__ = self.target.name

    def __call__(self, **inputs: Any) -> Any:
        raise TypeError("a function with set keywords is called by the study's pipeline")


def _partial(function: Function) -> Target:
    return function.target if isinstance(function, set_to) else Target(function)
