"""From functions to the nodes of a study.

A study's ``pipeline.py`` is a list that reads from raw data to page. A step is a line: the function and what it gives.
What it reads are the function's own argument names:

- a group of the study's `Parameters` arrives as that group's model, ``parameters`` as the group of the step itself,
  ``run`` as the shared parameters;
- ``study`` is what the study says of itself;
- ``models``, ``histories`` and ``resources`` arrive as mappings from the name of each variant that was trained;
- every other name is a dataset of the study.

Arguments with a default are settings of the function, not inputs: `partial`-like keywords of a step set them, or say
with `each` and `dataset` which datasets they are.

A function is given itself, or as ``"module.function"`` of the study's package where importing the module would load
torch: its arguments are then read from its source, and the module is imported when the node runs.
"""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etudes.study import Skipped, Stage, Study, load_study
from etudes.training.parameters import RunParameters

if TYPE_CHECKING:
    from kedro.pipeline import Node, Pipeline
    from pydantic import BaseModel

Function = Callable[..., Any] | str
KINDS = {"models": "model", "histories": "history", "resources": "resources"}
SPEEDS = "inference_resources"  # what answers cost; the page tells it beside what training cost
DATA_CARD = "data_card"
SPLITS = ("train_split", "dev_split", "test_split", "split_card")


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
    """Give an argument the dataset ``name``, or the group ``params:<name>`` of the study's parameters, or the entry ``key`` of a card."""
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
        path = _absolute(self.function, package)
        module = _module_of(path)
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
            names = _arguments_in_source(_absolute(self.function, package))
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


def assemble(name: str, parameters: type[BaseModel], steps: Sequence[Step]) -> Pipeline:
    """The study's pipeline under its namespace.

    Args:
        name: of the study.
        parameters: its root model of parameters.
        steps: in the order of reading.

    Raises:
        ValueError: a step asks for a group of parameters that there is not, its function cannot be found, or the networks
            that are trained are not those that ``study.toml`` names.
    """
    from kedro.pipeline import Pipeline

    from etudes.reporting.diagram import with_diagram

    study = load_study(name)
    _check_variants(study, steps)
    given = {output for step in steps for output in step.outputs}
    nodes = [with_diagram(name, _Assembler(study, parameters, step, given).node()) for step in steps]
    uses_run = any("params:run" in node.inputs for node in nodes)
    return Pipeline(
        nodes, namespace=name, parameters={"params:run"} if uses_run else None, tags=[study.field]
    )


def _check_variants(study: Study, steps: Sequence[Step]) -> None:
    named = {*study.variants, *study.support}
    trained_here = {step.outputs[0].removesuffix("_model") for step in steps if step.stage == "train"}
    if trained_here and trained_here != named:
        alone = {"pipeline.py": trained_here - named, "study.toml": named - trained_here}
        said = "; ".join(
            f"only in {file}: {', '.join(sorted(names))}" for file, names in alone.items() if names
        )
        raise ValueError(
            f"{study.name}: its variants and support networks in study.toml are not those that pipeline.py trains. {said}"
        )


class _Assembler:
    """Makes one node of one step."""

    def __init__(self, study: Study, parameters: type[BaseModel], step: Step, given: set[str]) -> None:
        self.study, self.groups, self.step = study, parameters.model_fields, step
        self.given = given  # outputs of all steps
        self.package = f"{_PIPELINES}.{study.name}"

    def node(self) -> Node:
        from kedro.pipeline import Node

        step = self._completed()
        wired = {short: self._wiring(step, target) for short, target in step.targets.items()}
        inputs: dict[str, str] = {}
        hints: dict[str, Any] = {}
        for wiring in wired.values():
            for wire in wiring.values():
                inputs |= {_argument(source): source for source in wire.sources.values()}
                hints |= {_argument(source): wire.hint for source in wire.sources.values() if wire.hint}
        inputs |= {source: source for source in step.always}
        selectable = step.stage == "train" and step.outputs[0].removesuffix("_model") in self.study.variants
        if selectable:
            inputs["variants"] = "params:variants"
        func = self._function(step, wired, selectable)
        func.__name__ = func.__qualname__ = step.name
        func.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [
                inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=hints.get(name, Any))
                for name in inputs
            ]
        )
        func.__annotations__ = dict(hints)  # Kedro builds typed parameters from these
        single = len(step.outputs) == 1
        return Node(
            func,
            inputs=inputs or None,
            outputs=step.outputs[0] if single else list(step.outputs),
            name=step.name,
            tags=[step.stage, *step.tags],
        )

    def _completed(self) -> Step:
        """The step with what it needs besides what the study names."""
        if self.step.kind == "page":
            from etudes.reporting.document import Document

            document = Document(self.study)
            needs = [*document.without(set(self.step.targets)), *(self.given & {SPEEDS})]
            needs += [f"{network}_resources" for network in self._names("resources")]
            return replace(self.step, call=document.render, always=tuple(needs))
        if self.step.kind == "predictor":
            always = [DATA_CARD, "split_card"]
            for name in self.study.variants:
                always += [f"{name}_model", f"{name}_history"]
            return replace(self.step, always=tuple(always))
        asked = [target.arguments(self.package) for target in self.step.targets.values()]
        if self.step.stage == "report" and any("study" in names for names in asked):
            return replace(self.step, always=(DATA_CARD,))  # over other data the study has no references
        return self.step

    def _names(self, argument: str) -> tuple[str, ...]:
        return self.study.variants + (self.study.support if argument == "resources" else ())

    def _wiring(self, step: Step, target: Target) -> dict[str, _Wire]:
        chosen = ("study", "model", "card") if step.kind == "predictor" else ("study",)
        return {
            name: self._wire(step, name, target.settings.get(name))
            for name in target.arguments(self.package)
            if name not in chosen
        }

    def _wire(self, step: Step, name: str, given: Any) -> _Wire:
        if isinstance(given, Dataset):
            group = given.name.removeprefix("params:")
            hint = self.groups[group].annotation if group != given.name else None
            return _Wire({"": given.name}, hint=hint, key=given.key)
        if isinstance(given, Each):
            return _Wire({n: f"{n}_{given.kind}" for n in given.names}, mapping=True)
        if name in KINDS:
            return _Wire({n: f"{n}_{KINDS[name]}" for n in self._names(name)}, mapping=True)
        if name == "run":
            return _Wire({"": "params:run"}, hint=RunParameters)
        group = step.group if name == "parameters" else name
        if group in self.groups:
            return _Wire({"": f"params:{group}"}, hint=self.groups[group].annotation)
        if name == "parameters":
            raise ValueError(
                f"{self.study.name}, {step.name}: there is no group '{group}' in Parameters; expected one of "
                f"{', '.join(self.groups)}"
            )
        return _Wire({"": name})

    def _function(
        self, step: Step, wired: Mapping[str, Mapping[str, _Wire]], selectable: bool
    ) -> Callable[..., Any]:
        package, study = self.package, self.study

        def arguments(short: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
            values = {name: wire.value(inputs) for name, wire in wired[short].items()}
            wanted = "study" in step.targets[short].arguments(package)
            own = (
                {"study": study.on(inputs["data_card"]) if DATA_CARD in step.always else study}
                if wanted
                else {}
            )
            return {**step.targets[short].settings, **values, **own}

        def answer(short: str, inputs: Mapping[str, Any]) -> Any:
            return step.targets[short].load(package)(**arguments(short, inputs))

        if step.stage == "train":
            name = step.outputs[0].removesuffix("_model")

            def run(**inputs: Any) -> Any:
                if selectable and name not in inputs["variants"]:
                    return Skipped(name), {"skipped": True}, {"skipped": True}
                from etudes.training.resources import measure

                function, values = step.targets[""].load(package), arguments("", inputs)
                with measure() as resources:
                    model, history = function(**values)
                return model, history, resources.as_dict()

        elif step.kind == "predictor":

            def run(**inputs: Any) -> Any:
                model, card = best_on_dev(study, inputs)
                return step.targets[""].load(package)(model, card, **arguments("", inputs))

        elif step.call is not None:
            render = step.call

            def run(**inputs: Any) -> Any:
                words = {short: _later(answer, short, inputs) for short in step.targets}
                return render(inputs, words)

        elif "" in step.targets:

            def run(**inputs: Any) -> Any:
                return answer("", inputs)

        else:

            def run(**inputs: Any) -> Any:
                found = [answer(short, inputs) for short in step.targets]
                return found[0] if len(found) == 1 else tuple(found)

        return run


def best_on_dev(study: Study, inputs: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The model of the variant with the best dev score, and the card of a predictor made of it."""
    models = trained({name: inputs[f"{name}_model"] for name in study.variants})
    dev = {name: inputs[f"{name}_history"]["dev"] for name in models}
    scores = {name: found[study.dev_metric] for name, found in dev.items() if study.dev_metric in found}
    if not scores:
        raise ValueError(
            f"{study.name}.variants = {list(models)}: none of them has the dev score {study.dev_metric} that chooses the "
            "model to register; add one that has"
        )
    best = study.best_on_dev(scores)
    fingerprint = inputs["split_card"]["dev_fingerprint"]
    return models[best], study.predictor_card(best, scores[best], fingerprint, inputs["data_card"])


def trained(found: Mapping[str, Any]) -> dict[str, Any]:
    """Without what the parameter ``variants`` left out: `Skipped` models, histories and costs marked as skipped."""
    return {name: value for name, value in found.items() if not left_out(value)}


def left_out(value: Any) -> bool:
    """Whether a model, a history or costs are those of a variant that did not run."""
    return isinstance(value, Skipped) or (isinstance(value, Mapping) and bool(value.get("skipped")))


@dataclass(frozen=True)
class _Wire:
    """From datasets to one argument: the dataset itself, or a mapping of several."""

    sources: Mapping[str, str]
    mapping: bool = False
    hint: Any = None
    key: str = ""

    def value(self, inputs: Mapping[str, Any]) -> Any:
        found = {name: inputs[_argument(source)] for name, source in self.sources.items()}
        if self.mapping:
            return trained(found)
        return found[""][self.key] if self.key else found[""]


def _argument(source: str) -> str:
    """A dataset's name as the keyword of a node's function: Kedro passes inputs by keyword."""
    return source.replace("params:", "params_")


def _later(answer: Callable[..., Any], short: str, inputs: Mapping[str, Any]) -> Callable[[], Any]:
    return lambda: answer(short, inputs)


_PIPELINES = "etudes.pipelines"
_SOURCE = Path(__file__).parent


def _absolute(path: str, package: str) -> str:
    return path if path.startswith("etudes.") else f"{package}.{path}"


def _file_of(module: str) -> Path:
    return _SOURCE.joinpath(*module.split(".")[1:]).with_suffix(".py")


def _module_of(path: str) -> str:
    parts = path.split(".")
    for end in range(len(parts) - 1, 1, -1):
        if _file_of(".".join(parts[:end])).is_file():
            return ".".join(parts[:end])
    raise ValueError(
        f"'{path}': there is no such module in {_SOURCE}; expected 'module.function' of the study"
    )


@cache
def _parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def _arguments_in_source(path: str) -> tuple[str, ...]:
    """Arguments without a default of a function, a class method or a class (its ``__init__``), without importing it."""
    module = _module_of(path)
    parts = path.removeprefix(f"{module}.").split(".")
    found = _defined(module, parts)
    if isinstance(found, ast.ClassDef):
        found = _defined(module, [*parts, "__init__"])
        if found is None:  # a predictor's is the base class's, which stands elsewhere
            return ("model", "card")
    if not isinstance(found, ast.FunctionDef):
        raise ValueError(
            f"'{path}': {_file_of(module)} defines no {'.'.join(parts)}; a function that is named must stand there"
        )
    given = [*found.args.posonlyargs, *found.args.args]
    given = given[: len(given) - len(found.args.defaults)]
    keywords = [
        a for a, default in zip(found.args.kwonlyargs, found.args.kw_defaults, strict=True) if default is None
    ]
    names = [a.arg for a in (*given, *keywords)]
    return tuple(names[1:] if names[:1] in (["self"], ["cls"]) else names)


def _defined(module: str, parts: Sequence[str]) -> ast.stmt | None:
    """The definition of ``parts`` in a module, a method also where a base class of the project defines it."""
    body = _parsed(_file_of(module)).body
    named = {s.name: s for s in body if isinstance(s, ast.FunctionDef | ast.ClassDef)}
    first = named.get(parts[0])
    if len(parts) == 1 or not isinstance(first, ast.ClassDef):
        if first is None:
            for source in body:
                if isinstance(source, ast.ImportFrom) and (source.module or "").startswith("etudes."):
                    for alias in source.names:
                        if (alias.asname or alias.name) == parts[0]:
                            return _defined(str(source.module), [alias.name, *parts[1:]])
        return first if len(parts) == 1 else None
    methods = {s.name: s for s in first.body if isinstance(s, ast.FunctionDef)}
    if parts[1] in methods:
        return methods[parts[1]]
    bases = (_defined(module, [base.id, *parts[1:]]) for base in first.bases if isinstance(base, ast.Name))
    return next((found for found in bases if found is not None), None)
