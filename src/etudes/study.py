"""The contract of a study: its five stages, its variants, what it says of itself.

A study is a folder ``etudes/pipelines/<name>`` with a ``study.toml`` (what the study is, readable without
importing it), typed parameters, pure nodes and a pipeline. This module is the one place that knows the stages;
``tests/conformance`` holds every registered study to it.
"""

from __future__ import annotations

import importlib
import inspect
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from functools import cache, update_wrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from kedro.pipeline import Node, Pipeline

Stage = Literal["ingest", "preprocess", "train", "evaluate", "report"]
STAGES: tuple[Stage, ...] = ("ingest", "preprocess", "train", "evaluate", "report")
FIELDS = ("language", "vision", "generative", "adversarial", "reinforcement", "tabular", "adaptation")
DIFFERENCES = ("other data", "other split", "other measure", "other setting")
PIPELINES_FOLDER = Path(__file__).parent / "pipelines"


@dataclass(frozen=True)
class Reference:
    """A number to measure against.

    ``like_for_like`` is true only where data, split and metric are the same as ours; else ``differs`` says in two words
    what is not (one of `DIFFERENCES`), ``note`` in a sentence. ``variant`` is the one of ours that it is to be put
    beside, where that is not the chosen one.
    """

    name: str
    metric: str
    value: float
    source: str
    like_for_like: bool
    note: str = ""
    differs: str = ""
    variant: str = ""

    @property
    def likeness(self) -> str:
        """``like for like``, or what differs."""
        return "like for like" if self.like_for_like else self.differs or "not like for like"


@dataclass(frozen=True)
class Headline:
    """A number that the overview shows of a study: a metric, the data that it is of, the reference it stands beside.

    Args:
        metric: name of the metric.
        data: which data it is of, in words; the study's source if empty.
        unit: what its test set counts; the split's unit if empty.
        rows: which rows of the predictions are its test set, by column; all of the test split if empty.
        reference: name of the study's reference for this metric, or none.
    """

    metric: str
    data: str = ""
    unit: str = ""
    rows: Mapping[str, Any] = dataclass_field(default_factory=dict)
    reference: str = ""


@dataclass(frozen=True)
class RecordedTable:
    """A table of the evaluate stage (``<name>_table``) that `kedro record` keeps, averaged over seeds.

    Rows that agree in ``keys`` are the same row of different seeds; ``values`` are the averaged columns. READMEs show
    the different entries of the key ``across``, if one is named, side by side. ``metrics`` says by
    an entry of a key which known metric the values of its rows are, where their column is not called so.
    """

    name: str
    keys: tuple[str, ...]
    values: tuple[str, ...]
    across: str = ""
    metrics: Mapping[str, str] = dataclass_field(default_factory=dict)


@dataclass(frozen=True)
class Study:
    """What a study says of itself, read from its ``study.toml``.

    ``metric`` is the primary one on test, ``metrics`` the columns of its result tables (names of
    `etudes.metrics.KNOWN`), ``dev_metric`` the one in the histories that chooses the registered model.
    ``tables`` are recorded beside the metrics. ``support`` names networks that variants need and that are trained but not compared: a backbone, a judge, a victim.
    ``headlines`` are what the overview shows, the primary metric first. ``agents`` is a recorded table with a row for each of the
    agents that one run trains of a variant; the tables count these instead of the runs.
    """

    name: str
    title: str
    field: str
    summary: str
    data: tuple[str, ...]
    metric: str
    metrics: tuple[str, ...]
    maximise: bool
    dev_metric: str
    baseline: str
    variants: tuple[str, ...]
    references: tuple[Reference, ...]
    support: tuple[str, ...] = ()
    tables: tuple[RecordedTable, ...] = ()
    headlines: tuple[Headline, ...] = ()
    agents: str = ""

    @property
    def headline(self) -> Headline:
        """The one of the primary metric."""
        return next((h for h in self.headlines if h.metric == self.metric), Headline(self.metric))

    def reference_of(self, headline: Headline) -> Reference | None:
        """The reference that a headline stands beside."""
        wanted = (headline.reference, headline.metric)
        return next((r for r in self.references if (r.name, r.metric) == wanted), None)

    @property
    def dev_maximise(self) -> bool:
        """Whether the dev metric is better when it is larger; it need not go the way of the primary metric."""
        from etudes.metrics import as_metric

        return as_metric(self.dev_metric).maximise

    @property
    def folder(self) -> Path:
        return PIPELINES_FOLDER / self.name

    def best_on_dev(self, scores: Mapping[str, float]) -> str:
        """The variant with the best value of ``dev_metric``; the first of equals."""
        return (max if self.dev_maximise else min)(scores, key=lambda name: scores[name])

    def predictor_card(
        self, variant: str, dev_score: float, dev_fingerprint: str, data_card: Mapping[str, Any]
    ) -> dict[str, Any]:
        """What a registered model says of itself, so that a later run can tell whether its own is better.

        Args:
            variant: the one behind the predictor.
            dev_score: its value of ``dev_metric``.
            dev_fingerprint: of the dev data; scores on other data are not compared.
            data_card: of the study's data.
        """
        return {
            "variant": variant,
            "dev_metric": self.dev_metric,
            "dev_score": dev_score,
            "maximise": self.dev_maximise,
            "dev_fingerprint": dev_fingerprint,
            "embedded_sample": data_card["embedded_sample"],
        }


@dataclass(frozen=True)
class Skipped:
    """Stands for the model of a variant that the parameter ``variants`` left out."""

    variant: str


def study_names() -> list[str]:
    """Names of the studies in the package, from their ``study.toml`` files, sorted."""
    return sorted(path.parent.name for path in PIPELINES_FOLDER.glob("*/study.toml"))


@cache
def load_study(name: str) -> Study:
    """Read one study's ``study.toml``.

    Raises:
        ValueError: the study does not exist, or its file lacks a key or has one too many.
    """
    if name not in study_names():
        from difflib import get_close_matches

        near = get_close_matches(name, study_names())
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise ValueError(f"There is no study '{name}'.{hint} `kedro studies` lists them all.")
    path = PIPELINES_FOLDER / name / "study.toml"
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        references = tuple(Reference(**entry) for entry in raw.pop("references", []))
        for key in ("data", "metrics", "variants"):
            raw[key] = tuple(raw[key])
        raw["support"] = tuple(raw.get("support", ()))
        raw["tables"] = tuple(_recorded_table(entry) for entry in raw.get("tables", ()))
        raw["headlines"] = tuple(Headline(**entry) for entry in raw.get("headlines", ()))
        study = Study(name=name, references=references, **raw)
    except (KeyError, TypeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{path}: {error}; expected the keys of etudes.study.Study") from error
    if study.field not in FIELDS:
        raise ValueError(f"{path}: field = '{study.field}', expected one of {', '.join(FIELDS)}")
    if wrong := _wrong_numbers(study):
        raise ValueError(f"{path}: {wrong}")
    return study


def _recorded_table(entry: dict[str, Any]) -> RecordedTable:
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in entry.items()}
    return RecordedTable(**values)


def _wrong_numbers(study: Study) -> str:
    """What a study says wrongly of its headlines and references; empty if nothing."""
    for reference in study.references:
        if reference.differs not in (("",) if reference.like_for_like else DIFFERENCES):
            expected = (
                "nothing, as it is like for like" if reference.like_for_like else ", ".join(DIFFERENCES)
            )
            return f"reference '{reference.name}': differs = '{reference.differs}', expected {expected}"
        if reference.variant not in ("", *study.variants):
            return f"reference '{reference.name}': variant = '{reference.variant}' is none of the study's"
    for headline in study.headlines:
        if headline.metric not in study.metrics:
            return f"headline '{headline.metric}' is none of metrics = {', '.join(study.metrics)}"
        if headline.reference and study.reference_of(headline) is None:
            return f"headline '{headline.metric}': there is no reference '{headline.reference}' for it"
    if study.headlines and study.headlines[0].metric != study.metric:
        return f"the first headline is '{study.headlines[0].metric}', expected the primary metric '{study.metric}'"
    return ""


def load_studies() -> list[Study]:
    """All studies, in the order of their names."""
    return [load_study(name) for name in study_names()]


def import_models(name: str) -> None:
    """Import the model module of one study so that its model classes are registered.

    Only names of studies in the package are accepted: a name read from a file can never import anything else.

    Raises:
        ValueError: the study does not exist.
    """
    load_study(name)
    importlib.import_module(f"etudes.pipelines.{name}.model")


def parameters_model(name: str) -> type:
    """The pydantic root model of a study's parameters (class ``Parameters`` in its ``parameters.py``)."""
    load_study(name)
    module = importlib.import_module(f"etudes.pipelines.{name}.parameters")
    return module.Parameters


def stage_node(
    stage: Stage,
    func: Callable[..., Any],
    inputs: str | Sequence[str] | Mapping[str, str] | None,
    outputs: str | Sequence[str] | None,
    *,
    name: str | None = None,
    tags: Sequence[str] = (),
    preview_fn: Callable[..., Any] | None = None,
) -> Node:
    """A node of one stage. ``tags`` may add ``gpu`` where the node uses an accelerator."""
    from kedro.pipeline import Node

    listed = inputs if isinstance(inputs, str) or inputs is None else _plain(inputs)
    return Node(
        func,
        inputs=listed,
        outputs=outputs if isinstance(outputs, str) or outputs is None else list(outputs),
        name=name or func.__name__,
        tags=[stage, *tags],
        preview_fn=preview_fn,
    )


def _plain(inputs: Sequence[str] | Mapping[str, str]) -> list[str] | dict[str, str]:
    return dict(inputs) if isinstance(inputs, Mapping) else list(inputs)


def train_node(
    variant: str,
    func: Callable[..., Any],
    inputs: Sequence[str] | Mapping[str, str],
    *,
    tags: Sequence[str] = (),
    preview_fn: Callable[..., Any] | None = None,
) -> Node:
    """The training node of one variant: ``train_<variant>``.

    ``func(*inputs) -> (model, history)``; a mapping of inputs is passed as keywords, in the order of the signature.
    The node gets ``params:variants`` as a further input and gives ``<variant>_model``, ``<variant>_history`` and
    ``<variant>_resources``; an unselected variant gives `Skipped` without calling ``func``.
    """
    named = [
        p for p in inspect.signature(func).parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    all_inputs: Sequence[str] | Mapping[str, str]
    if isinstance(inputs, Mapping):
        items = list(inputs.items())
        items.insert(len(named), ("variants", "params:variants"))
        all_inputs = dict(items)
    else:
        all_inputs = [*inputs, "params:variants"]
    return stage_node(
        "train",
        _selectable(variant, func),
        all_inputs,
        [f"{variant}_model", f"{variant}_history", f"{variant}_resources"],
        name=f"train_{variant}",
        tags=tags,
        preview_fn=preview_fn,
    )


def support_node(
    name: str,
    func: Callable[..., Any],
    inputs: Sequence[str],
    *,
    tags: Sequence[str] = (),
    preview_fn: Callable[..., Any] | None = None,
) -> Node:
    """The training node ``train_<name>`` of a network that variants need; it runs whatever variants are selected.

    ``func(*inputs) -> (model, history)``; the node gives ``<name>_model``, ``<name>_history`` and ``<name>_resources``.
    """

    def train(*args: Any) -> tuple[Any, Any, Any]:
        return _measured(func, *args)

    update_wrapper(train, func)
    outputs = [f"{name}_model", f"{name}_history", f"{name}_resources"]
    return stage_node("train", train, inputs, outputs, name=f"train_{name}", tags=tags, preview_fn=preview_fn)


def _measured(func: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[Any, Any, Any]:
    from etudes.training.resources import measure

    with measure() as resources:
        model, history = func(*args, **kwargs)
    return model, history, resources.as_dict()


def _selectable(variant: str, func: Callable[..., Any]) -> Callable[..., Any]:
    def train(*args: Any, **kwargs: Any) -> tuple[Any, Any, Any]:
        variants = kwargs.pop("variants") if "variants" in kwargs else args[-1]
        if variant not in variants:
            return Skipped(variant), {"skipped": True}, {"skipped": True}
        return _measured(func, **kwargs) if kwargs else _measured(func, *args[:-1])

    # Kedro reads the type hints to build the typed parameters, so the wrapper must show those of `func`.
    update_wrapper(train, func)
    parameters = list(inspect.signature(func).parameters.values())
    rest = [p for p in parameters if p.kind is inspect.Parameter.VAR_KEYWORD]
    selection = inspect.Parameter("variants", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=list)
    named = [p for p in parameters if p not in rest]
    train.__signature__ = inspect.Signature([*named, selection, *rest])  # type: ignore[attr-defined]
    return train


def study_pipeline(name: str, nodes: Sequence[Node], raw: Sequence[str] = ()) -> Pipeline:
    """Put the nodes of a study under its namespace; the shared parameters ``params:run`` keep their name.

    Args:
        name: name of the study, which becomes the namespace of its nodes, datasets and parameters.
        nodes: nodes made by `stage_node` and `train_node`.
        raw: names of raw datasets shared with other studies, which keep their own names.
    """
    from kedro.pipeline import Pipeline

    from etudes.reporting.diagram import with_diagram

    study = load_study(name)
    uses_run = any("params:run" in node.inputs for node in nodes)
    return Pipeline(
        [with_diagram(name, node) for node in nodes],
        namespace=name,
        inputs=set(raw) or None,
        parameters={"params:run"} if uses_run else None,
        tags=[study.field],
    )


def selected(models: Mapping[str, Any]) -> dict[str, Any]:
    """The models that were trained: leaves out `Skipped` ones."""
    return {name: model for name, model in models.items() if not isinstance(model, Skipped)}
