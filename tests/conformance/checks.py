"""What every study must be, as functions that raise an `AssertionError`: its declaration, its page, its models."""

from __future__ import annotations

import inspect
import re
import shlex
import types
import typing
from itertools import zip_longest
from pathlib import Path
from typing import Any, get_type_hints

import click
import yaml
from jinja2 import nodes as jinja
from pydantic import BaseModel, ValidationError
from subjects import ENVIRONMENTS, ROOT, STUDIES, Subject, catalog_of, parameters_of, stage_of

from etudes.assembly.signatures import absolute, arguments_in_source
from etudes.cli import cli
from etudes.hooks import ParameterError, check_parameters
from etudes.metrics import KNOWN
from etudes.reporting.document import SHOWN, Document
from etudes.study import STAGES
from study_settings import merged

LAYERS = ("raw", "intermediate", "model_input", "models", "model_output", "reporting")
WORDS = ("say", "table", "examples")  # what a page calls with the name of a function
HEADINGS = ("## Run it", "## Results", "## Details that matter", "## Your own data")


def registered(subject: Subject) -> None:
    """All nodes are in the study's own namespace."""
    assert {node.namespace for node in subject.graph.nodes} == {subject.name}


def stages(subject: Subject) -> None:
    """Every stage is there, and data flow one way."""
    assert {stage_of(node) for node in subject.graph.nodes} == set(STAGES)
    order = {stage: index for index, stage in enumerate(STAGES)}
    for node, parents in subject.graph.node_dependencies.items():
        for parent in parents:
            backwards = order[stage_of(parent)] > order[stage_of(node)]
            assert not backwards, f"{parent.name} -> {node.name} runs backwards"


def test_split(subject: Subject) -> None:
    """No stage before evaluate sees the test split."""
    for node in subject.nodes("ingest", "preprocess", "train"):
        assert f"{subject.name}.test_split" not in node.inputs, f"{node.name} reads the test split"


def variants(subject: Subject) -> None:
    """Every variant and every network that they need has a training node of its own."""
    study = subject.study
    trained = {node.name.rpartition("train_")[2] for node in subject.nodes("train")}
    assert trained == {*study.variants, *study.support} and not set(study.variants) & set(study.support)
    for name in trained:
        expected = {f"{subject.name}.{name}_{kind}" for kind in ("model", "history", "resources")}
        assert expected <= subject.graph.all_outputs()


def outputs(subject: Subject) -> None:
    """The outputs that all studies have."""
    found = {subject.short(output) for output in subject.graph.all_outputs()}
    assert {"data_card", "split_card", "metrics", "report", "predictor", "test_split"} <= found
    assert "predictions" in found or any(output.endswith("samples") for output in found)
    assert any(output.endswith("_figure") for output in found)


def datasets(subject: Subject) -> None:
    """Every dataset is declared and persistent; outputs carry environment and study in their paths."""
    for environment in ENVIRONMENTS:
        catalog = catalog_of(environment)
        for name in sorted(subject.graph.datasets()):
            if name.startswith("params:"):
                continue
            assert name in catalog, f"{name} matches no catalog entry and would stay in memory"
            assert type(catalog.get(name)).__name__ != "MemoryDataset", name
        for output in subject.graph.all_outputs():
            path = Path(catalog.get(output)._filepath)
            assert path.is_absolute() and {environment, subject.name} <= set(path.parts), path


def layers(subject: Subject) -> None:
    """kedro-viz orders layers by the data flow of all studies; one arrow back and it shows none."""
    catalog = catalog_of("base")

    def layer(dataset: str) -> int:
        return LAYERS.index(catalog.get(dataset).metadata["kedro-viz"]["layer"])

    for node in subject.graph.nodes:
        for source in (dataset for dataset in node.inputs if not dataset.startswith("params:")):
            for output in node.outputs:
                assert layer(source) <= layer(output), f"{node.name}: {source} -> {output} runs backwards"


def raw_inputs(subject: Subject) -> None:
    """What no node gives is declared in the study's catalog, and nothing else is."""
    for environment in ("base", "full"):
        for kind in ("catalog", "parameters"):
            assert (ROOT / "conf" / environment / kind / f"{subject.name}.yml").exists()
    own = {name for name in subject.raw if name.startswith(f"{subject.name}.")}
    for path in sorted(ROOT.glob(f"conf/*/catalog/{subject.name}.yml")):
        declared = {key for key in yaml.safe_load(path.read_text()) if not key.startswith("_")}
        assert declared <= set(subject.raw), (
            f"{path}: {sorted(declared - set(subject.raw))} are no raw inputs"
        )
        if path.parts[-3] == "base":
            assert own <= declared, f"{sorted(own - declared)} are given by no node and declared in no {path}"


def typed_parameters(subject: Subject) -> None:
    """Every group arrives as its model, and every group is read."""
    groups, used = subject.parameters.model_fields, set()
    for node in subject.graph.nodes:
        hints = get_type_hints(node.func)
        arguments = list(inspect.signature(node.func).parameters)
        for argument, dataset in zip_longest(arguments, node.inputs):
            if not dataset.startswith("params:"):
                continue
            used.add(dataset)
            if dataset == f"params:{subject.name}.variants":
                continue
            hint = hints.get(argument)
            assert isinstance(hint, type), f"{node.name}: no type hint for {dataset}"
            assert issubclass(hint, BaseModel), f"{node.name}: {dataset} is no pydantic model"
            group = dataset.rpartition(".")[2] if "." in dataset else None
            right = group is None or groups[group].annotation is hint
            assert right, f"{node.name}: {dataset} has another type"
    for group in groups:
        assert f"params:{subject.name}.{group}" in used, f"parameter group {group} is read by no node"


def valid_parameters(subject: Subject) -> None:
    """The values of every environment are in their ranges."""
    for environment in ENVIRONMENTS:
        try:
            subject.parameters.model_validate(parameters_of(environment)[subject.name])
        except ValidationError as error:
            raise AssertionError(f"{environment}: {error}") from error


def description(subject: Subject) -> None:
    """What the study says of itself."""
    study = subject.study
    assert study.baseline in study.variants
    assert len(study.summary) < 200 and study.title
    assert study.takes and study.answers and "\n" not in study.takes + study.answers + study.gpu
    on_gpu = any("gpu" in node.tags for node in subject.graph.nodes)
    assert on_gpu != study.gpu.startswith("nothing"), f"gpu = '{study.gpu}', nodes with the tag: {on_gpu}"
    assert study.references, "a study measures itself against something"
    assert all(reference.source for reference in study.references)
    assert study.metric in study.metrics and {*study.metrics, study.dev_metric} <= set(KNOWN)
    readme = (study.folder / "README.md").read_text(encoding="utf-8")
    for heading in HEADINGS:
        assert heading in readme, f"{subject.name}/README.md lacks the section {heading[3:]}"
    assert f"<!-- results:{subject.name} -->" in readme


def tags(subject: Subject) -> None:
    """A node carries its stage, the field of the study, and perhaps that it uses an accelerator."""
    allowed = {*STAGES, subject.study.field, "gpu"}
    for node in subject.graph.nodes:
        assert subject.study.field in node.tags
        assert set(node.tags) <= allowed, f"{node.name}: {set(node.tags) - allowed}"


def page_names(subject: Subject, document: Document | None = None) -> None:
    """The page shows every figure and picture of the study, and names nothing that no node gives."""
    document = document or Document(subject.study)
    (step,) = [step for step in subject.steps if step.kind == "page"]
    given = {subject.short(output) for output in subject.graph.all_outputs()}
    unknown = set(document.without(set(step.targets))) - given
    assert not unknown, f"{document.path} names {sorted(unknown)}, which no node gives"
    shown = {name for name in given if name.endswith(("_figure", "_image"))}
    hidden = shown - set(document.inputs)
    assert not hidden, f"{document.path} does not show {sorted(hidden)}"


def page_words(subject: Subject, document: Document | None = None) -> None:
    """The page says every function that ``page()`` lists, and no other; names in it are literal."""
    document = document or Document(subject.study)
    (step,) = [step for step in subject.steps if step.kind == "page"]
    used = {name for kind, name in document.calls if kind in WORDS}
    unused, listed = set(step.targets) - used, set(step.targets)
    assert not unused, f"page() lists {sorted(unused)}, which {document.path} does not say"
    assert document.said <= listed, f"{document.path} says {sorted(document.said - listed)}, not in page()"
    named = [*SHOWN, *WORDS]
    for call in document.environment.parse(document.text).find_all(jinja.Call):
        if isinstance(call.node, jinja.Name) and call.node.name in named:
            literal = bool(call.args) and isinstance(call.args[0], jinja.Const)
            assert literal, f"{document.path}, line {call.lineno}: {call.node.name} needs a literal name"


def functions(subject: Subject) -> None:
    """What the assembly read from the source of a function is the function's signature; groups have the types it wants."""
    package, groups = f"etudes.pipelines.{subject.name}", subject.parameters.model_fields
    for step in subject.steps:
        for target in step.targets.values():
            function = target.load(package)
            if isinstance(target.function, str):
                read = arguments_in_source(absolute(target.function, package))
                real = tuple(
                    name
                    for name, parameter in inspect.signature(function).parameters.items()
                    if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD
                )
                assert read == real, f"{target.function} takes {real}, the assembly read {read}"
            hints = get_type_hints(function.__init__ if inspect.isclass(function) else function)
            for argument in set(target.arguments(package)) - set(target.settings):
                group = step.group if argument == "parameters" else argument
                if group in groups and argument in hints:
                    wanted, given = hints[argument], groups[group].annotation
                    fits = _fits(given, wanted)
                    assert fits, f"{target.name} wants {argument}: {wanted}, the group {group} is {given}"


def _fits(given: Any, wanted: Any) -> bool:
    """Whether a model is what a hint asks for: of that class, of one of several, or with all attributes of a protocol."""
    if wanted is Any:
        return True
    if typing.get_origin(wanted) in (typing.Union, types.UnionType):
        return any(_fits(given, each) for each in typing.get_args(wanted))
    if getattr(wanted, "_is_protocol", False):
        return set(get_type_hints(wanted)) <= set(given.model_fields)
    return given is wanted or (
        inspect.isclass(given) and inspect.isclass(wanted) and issubclass(given, wanted)
    )


def readme_commands(subject: Subject) -> list[list[str]]:
    """The commands ``kedro ...`` of the README's blocks, as words."""
    text = (subject.study.folder / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```bash\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [words for words in (shlex.split(line, comments=True) for line in lines) if words[:1] == ["kedro"]]


def readme(subject: Subject, commands: list[list[str]] | None = None) -> None:
    """Every command of the README is one that there is, with options, environment and parameters that are valid."""
    for words in commands or readme_commands(subject):
        group: Any = cli
        context = click.Context(cli)
        rest = words[1:]
        said = shlex.join(words)
        while isinstance(group, click.Group):
            assert rest, f"'{said}' is no whole command"
            name, *rest = rest
            group = group.get_command(context, name)
            assert group is not None, f"'{said}': there is no command {name}"
        try:
            options = group.make_context(group.name, [*rest]).params
        except click.UsageError as error:
            raise AssertionError(f"'{said}': {error.format_message()}") from error
        if options.get("env"):
            assert options["env"] in ENVIRONMENTS, f"'{said}': there is no environment {options['env']}"
        if group.name == "run":
            names = options["pipelines"]
            assert names and set(names) <= set(STUDIES), f"'{said}' runs {names}, expected studies"
            changed = options["params"]
            try:
                check_parameters(merged(parameters_of(options["env"] or "base"), changed), changed, names)
            except ParameterError as error:
                raise AssertionError(f"'{said}': {error}") from error


CONTRACT = (
    *(registered, stages, test_split, variants, outputs, datasets, layers, raw_inputs, typed_parameters),
    *(valid_parameters, description, tags, readme, page_names, page_words, functions),
)
