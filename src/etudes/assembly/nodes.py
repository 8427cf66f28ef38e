"""From the lines of a study to its Kedro pipeline."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from etudes.assembly.choice import best_on_dev, trained
from etudes.assembly.signatures import PIPELINES
from etudes.assembly.steps import Dataset, Each, Step, Target
from etudes.study import Skipped, Study, load_study
from etudes.training.parameters import RunParameters

if TYPE_CHECKING:
    from kedro.pipeline import Node, Pipeline
    from pydantic import BaseModel

KINDS = {"models": "model", "histories": "history", "resources": "resources"}
SPEEDS = "inference_resources"  # what answers cost; the page tells it beside what training cost
DATA_CARD = "data_card"


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
        self.package = f"{PIPELINES}.{study.name}"

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
        value = found[""]
        if not self.key:
            return value
        return value[self.key] if isinstance(value, Mapping) else getattr(value, self.key)


def _argument(source: str) -> str:
    """A dataset's name as the keyword of a node's function: Kedro passes inputs by keyword."""
    return source.replace("params:", "params_")


def _later(answer: Callable[..., Any], short: str, inputs: Mapping[str, Any]) -> Callable[[], Any]:
    return lambda: answer(short, inputs)
