"""The contract of a study: its five stages, its variants, what it says of itself.

A study is a folder ``etudes/pipelines/<name>`` with a ``study.toml`` (what the study is, readable without
importing it), typed parameters, pure nodes and a pipeline. This module is the one place that knows the stages;
``tests/conformance`` holds every registered study to it.
"""

from __future__ import annotations

import importlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from functools import cache
from pathlib import Path
from typing import Any, Literal

Stage = Literal["ingest", "preprocess", "train", "evaluate", "report"]
STAGES: tuple[Stage, ...] = ("ingest", "preprocess", "train", "evaluate", "report")
FIELDS = ("language", "vision", "generative", "adversarial", "reinforcement", "tabular", "adaptation")
DIFFERENCES = ("other data", "other split", "other measure", "other setting")
OWN_DATA = "own data"  # the source of raw inputs that are in no table of sources
PIPELINES_FOLDER = Path(__file__).parent / "pipelines"


def unit_of(data_card: Mapping[str, Any], usual: str) -> str:
    """What the rows are called: the user's own word, or ``usual`` for the data that the study is about."""
    return data_card.get("unit") or ("rows" if data_card["source"] == OWN_DATA else usual)


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
    a column, or by an entry of a key, which known metric the values are, where their column is not called so. ``tested``
    is a value that is a difference: READMEs show beside it the p-value of none, by Holm's correction for the table's rows.
    """

    name: str
    keys: tuple[str, ...]
    values: tuple[str, ...]
    across: str = ""
    tested: str = ""
    metrics: Mapping[str, str] = dataclass_field(default_factory=dict)


@dataclass(frozen=True)
class RecordedPart:
    """A part of the study that `kedro record --part` records anew by itself: nothing outside of it enters its numbers.

    Args:
        name: of the part.
        metrics: which metrics of every variant are its own.
        tables: which recorded tables it has rows in.
        rows: which of their rows are its own, by key; all if empty.
    """

    name: str
    metrics: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    rows: Mapping[str, Any] = dataclass_field(default_factory=dict)


@dataclass(frozen=True)
class Study:
    """What a study says of itself, read from its ``study.toml``.

    ``takes`` and ``answers`` are what one may ask its predictor and what it answers, ``gpu`` which variants train on one (Markdown, a cell of a
    table each). ``metric`` is the primary one on test, ``metrics`` the columns of its result tables (names of
    `etudes.metrics.KNOWN`), ``dev_metric`` the one in the histories that chooses the registered model.
    ``tables`` are recorded beside the metrics. ``support`` names networks that variants need and that are trained but not compared: a backbone, a judge, a victim.
    ``headlines`` are what the overview shows, the primary metric first. ``agents`` is a recorded table with a row for each of the
    agents that one run trains of a variant; the tables count these instead of the runs. ``parts`` can be recorded alone.
    ``nouns`` are what its public data alone are called, in the singular: a page over a user's own data says none of them.
    """

    name: str
    title: str
    field: str
    summary: str
    data: tuple[str, ...]
    takes: str
    answers: str
    gpu: str
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
    parts: tuple[RecordedPart, ...] = ()
    nouns: tuple[str, ...] = ()

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

    def on(self, data_card: Mapping[str, Any]) -> Study:
        """The study as it stands over these data: a user's own have a title of their own, and no reference is of them."""
        if data_card.get("source") != OWN_DATA:
            return self
        return replace(self, title=data_card.get("title") or self.title, references=())

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
    path = PIPELINES_FOLDER / name / "study.toml"
    if not (name.isidentifier() and path.is_file()):  # the list of all would be read anew for each of them
        from difflib import get_close_matches

        near = get_close_matches(name, study_names())
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise ValueError(f"There is no study '{name}'.{hint} `kedro studies` lists them all.")
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        references = tuple(Reference(**entry) for entry in raw.pop("references", []))
        for key in ("data", "metrics", "variants"):
            raw[key] = tuple(raw[key])
        raw["support"] = tuple(raw.get("support", ()))
        raw["nouns"] = tuple(raw.get("nouns", ()))
        raw["tables"] = tuple(RecordedTable(**_hashable(entry)) for entry in raw.get("tables", ()))
        raw["parts"] = tuple(RecordedPart(**_hashable(entry)) for entry in raw.get("parts", ()))
        raw["headlines"] = tuple(Headline(**entry) for entry in raw.get("headlines", ()))
        study = Study(name=name, references=references, **raw)
    except (KeyError, TypeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{path}: {error}; expected the keys of etudes.study.Study") from error
    if study.field not in FIELDS:
        raise ValueError(f"{path}: field = '{study.field}', expected one of {', '.join(FIELDS)}")
    if wrong := _wrong_numbers(study):
        raise ValueError(f"{path}: {wrong}")
    return study


def _hashable(entry: dict[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in entry.items()}


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
    for part in study.parts:
        if unknown := set(part.tables) - {table.name for table in study.tables}:
            return f"part '{part.name}': {', '.join(sorted(unknown))} is none of the recorded tables"
    if study.headlines and study.headlines[0].metric != study.metric:
        return f"the first headline is '{study.headlines[0].metric}', expected the primary metric '{study.metric}'"
    return ""


def load_studies() -> list[Study]:
    """All studies, in the order of their names."""
    return [load_study(name) for name in study_names()]


def import_models(name: str, model: str = "") -> None:
    """Import what registers the model classes of one study, or one of them.

    A class that is asked for by name is looked for in the sources of the study, and its module alone is imported: a model
    that needs no torch does not wait for it. Only names of studies in the package are accepted: a name read from a file
    can never import anything else.

    Args:
        name: of the study.
        model: registered name; all that ``model.py`` imports if empty or not found.

    Raises:
        ValueError: the study does not exist.
    """
    load_study(name)
    line = f'@register_model("{model}")'
    sources = sorted((PIPELINES_FOLDER / name).glob("*.py"))
    found = [path.stem for path in sources if model and line in path.read_text(encoding="utf-8").splitlines()]
    importlib.import_module(f"etudes.pipelines.{name}.{found[0] if found else 'model'}")


def parameters_model(name: str) -> type:
    """The pydantic root model of a study's parameters (class ``Parameters`` in its ``parameters.py``)."""
    load_study(name)
    module = importlib.import_module(f"etudes.pipelines.{name}.parameters")
    return module.Parameters
