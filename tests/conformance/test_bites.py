"""The checks of this folder fail where what they hold is broken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import checks
import numpy as np
import pytest
import run_checks
import spoilers
import trainings
from kedro.pipeline import Node, Pipeline
from pydantic import create_model
from runs import Run
from subjects import Subject, stage_of, subject_of

from etudes.models import ModelState
from etudes.reporting.document import Document
from etudes.training.checkpoint import checkpoint_key

STUDY, AGENTS = "gan_digits", "lunar_lander_bbf"
Finished = Callable[[str], Run]
Break = Callable[[Subject], Subject]


def graph(change: Callable[[Node], Node | None], *more: Node) -> Break:
    """The study with each node changed, or left out where nothing is given back, and with more nodes."""

    def broken(subject: Subject) -> Subject:
        nodes = [other for node in subject.graph.nodes if (other := change(node)) is not None]
        return replace(subject, graph=Pipeline([*nodes, *more]))

    return broken


def only(short: str, **changes: Any) -> Break:
    """One node with other inputs, outputs, tags or function."""

    def change(node: Node) -> Node:
        if node.name != f"{STUDY}.{short}":
            return node
        new = {name: value(node) if callable(value) else value for name, value in changes.items()}
        return node._copy(**{"func": anything, **new})

    return graph(change)


def anything(*values: Any, **named: Any) -> None:
    """A function that takes whatever it is given."""


def extra(source: str, output: str) -> Break:
    node = Node(anything, f"{STUDY}.{source}", f"{STUDY}.{output}", name="extra", tags=["report"])
    return graph(lambda same: same, node)


def stated(**changes: Any) -> Break:
    return lambda subject: replace(subject, study=replace(subject.study, **changes))


def without(subject: Subject, stage: str) -> Subject:
    return graph(lambda node: None if stage_of(node) == stage else node)(subject)


def steps(**changes: Any) -> Break:
    """The step that trains the VAE, changed."""

    def broken(subject: Subject) -> Subject:
        return replace(
            subject,
            steps=tuple(replace(s, **changes) if s.name == "train_vae" else s for s in subject.steps),
        )

    return broken


def more_inputs(*names: str) -> Callable[[Node], list[str]]:
    return lambda node: [*node.inputs, *(f"{STUDY}.{name}" for name in names)]


BROKEN: list[tuple[Callable[[Subject], None], Break]] = [
    (checks.registered, graph(lambda node: node._copy(namespace="elsewhere"))),
    (checks.stages, lambda subject: without(subject, "preprocess")),
    (checks.stages, only("train_gan", tags=["report"])),
    (checks.test_split, only("train_gan", inputs=more_inputs("test_split"))),
    (checks.variants, graph(lambda node: None if node.name.endswith("train_gan") else node)),
    (checks.outputs, graph(lambda node: None if node.name.endswith("choose_predictor") else node)),
    (checks.datasets, extra("metrics", "something")),
    (checks.layers, extra("metrics", "something_frame")),
    (checks.raw_inputs, extra("nobody_frame", "something_frame")),
    (checks.raw_inputs, graph(lambda node: None if node.name.endswith(".ingest") else node)),
    (checks.typed_parameters, only("train_gan")),
    (checks.typed_parameters, graph(lambda node: None if node.name.endswith("train_gan") else node)),
    (
        checks.valid_parameters,
        lambda subject: replace(
            subject, parameters=create_model("More", __base__=subject.parameters, more=(int, ...))
        ),
    ),
    (checks.description, stated(baseline="nobody")),
    (checks.description, stated(references=())),
    (checks.description, stated(metrics=("fid", "furlongs"))),
    (checks.tags, only("train_gan", tags=["train", "generative", "fast"])),
    (checks.page_names, extra("metrics", "hidden_figure")),
    (checks.page_names, graph(lambda node: None if node.name.endswith(".draw") else node)),
    (checks.functions, steps(group="gan")),
]


@pytest.mark.parametrize(("check", "broken"), BROKEN, ids=lambda value: getattr(value, "__name__", ""))
def test_the_contract_bites(check: Callable[[Subject], None], broken: Break) -> None:
    check(subject_of(STUDY))
    with pytest.raises(AssertionError):
        check(broken(subject_of(STUDY)))


def test_the_contract_bites_where_the_source_is_read_wrongly() -> None:
    with (
        mock.patch("checks.arguments_in_source", lambda path: ("something",)),
        pytest.raises(AssertionError, match="the assembly read"),
    ):
        checks.functions(subject_of(STUDY))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("kedro run --pipelines=gan_digit", "expected studies"),
        ("kedro run --pipelines=gan_digits --env=ful", "no environment ful"),
        ("kedro run --pipelines=gan_digits --params=gan_digits.gan.widht=2", "did you mean 'width'"),
        ("kedro run --pipelines=gan_digits --params=gan_digits.gan.width=-2", "greater than"),
        ("kedro run --pipline=gan_digits", "No such option"),
        ("kedro dta fetch mnist", "no command dta"),
    ],
)
def test_commands_that_do_not_exist_are_found(words: str, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        checks.readme(subject_of(STUDY), [words.split()])


def document(tmp_path: Path, old: str, new: str) -> Document:
    """The study's ``report.md`` with another text in place of ``old``."""
    study = subject_of(STUDY).study
    text = (study.folder / "report.md").read_text()
    assert old in text
    (tmp_path / "report.md").write_text(text.replace(old, new))
    with mock.patch.object(type(study), "folder", tmp_path):
        return Document(study)


@pytest.mark.parametrize(
    ("check", "old", "new", "message"),
    [
        (checks.page_names, '{{ figure("losses"', '{{ figure("loses"', "which no node gives"),
        (checks.page_names, "{{ costs() }}", '{{ table("lost") }}', "which no node gives"),
        (checks.page_names, "{{ costs() }}", "{{ lost_card.value }}", "which no node gives"),
        (checks.page_words, '{{ table("last_answers") }}', "", "does not say"),
        (checks.page_words, "{{ costs() }}", '{{ say("nothing") }}', "not in page"),
        (checks.page_words, "{{ costs() }}", '{{ say("cl" ~ "aim") }}', "literal"),
    ],
)
def test_a_page_that_names_the_wrong_things_is_found(
    check: Callable[..., None], old: str, new: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(AssertionError, match=message):
        check(subject_of(STUDY), document(tmp_path, old, new))


PAGE = "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'\">"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("default-src", "default", "no content security policy"),
        ("FID on dev by epoch", "\ue0003\ue001", "marks of the template"),
        ("FID on dev by epoch", "{{ fid }}", "marks of the template"),
        ("FID on dev by epoch", "FID", "the page lacks 'FID on dev by epoch"),
    ],
)
@pytest.mark.slow
def test_a_page_that_is_not_whole_is_found(finished: Finished, old: str, new: str, message: str) -> None:
    run = finished(STUDY)
    text = run.load("report")
    assert old in text
    with pytest.raises(AssertionError, match=message):
        run_checks.page(text.replace(old, new), Document(run.subject.study), everything=True)


@pytest.mark.slow
def test_scores_and_predictors_of_what_did_not_run_are_found(finished: Finished, tmp_path: Path) -> None:
    run = finished(STUDY)
    whole = {short: run.load(short) for short in ("report", "metrics", "predictor")}
    with (
        mock.patch.object(run_checks, "left_out", lambda *_: whole),
        pytest.raises(AssertionError, match="metrics are of"),
    ):
        run_checks.only(run, ("class_pixels",), tmp_path)
    variant = whole["predictor"].card["variant"]
    kept = [name for name in run.subject.study.variants if name != variant]
    scored = {key: value for key, value in whole["metrics"].items() if not key.startswith(f"{variant}.")}
    with (
        mock.patch.object(run_checks, "left_out", lambda *_: {**whole, "metrics": scored}),
        pytest.raises(AssertionError, match="a variant that did not run"),
    ):
        run_checks.only(run, kept, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "lose",
    [
        lambda state: state.arrays.pop("snapshots", None) or state.arrays.popitem(),
        lambda state: state.arrays.update({n: a + 1 for n, a in state.arrays.items()}),
        lambda state: state.arrays.update({n: a.astype(np.float64) for n, a in state.arrays.items()}),
        lambda state: state.config.update(more=1),
        lambda state: state.blobs.update(more=b""),
    ],
)
def test_a_model_that_loses_something_is_found(finished: Finished, lose: Callable[[Any], Any]) -> None:
    run = finished(STUDY)
    model, stored = run.load("gan_model"), run_checks.stored_state(run.path("gan_model"))
    run_checks.reloads(model, stored)
    whole: ModelState = model.state()
    lost = ModelState(dict(whole.config), dict(whole.arrays), dict(whole.blobs))
    lose(lost)
    with mock.patch.object(type(model), "state", lambda self: lost), pytest.raises(AssertionError):
        run_checks.reloads(model, stored)


@pytest.mark.parametrize(
    "other",
    [[], [{"a": 1.0}], [{"a": 1.001, "b": ["x"]}], [{"a": 1.0, "b": ["y"]}], [{"a": "1", "b": ["x"]}]],
)
def test_other_answers_are_found(other: Any) -> None:
    answers = [{"a": 1.0, "b": ["x"]}]
    run_checks.same_answers([{"a": 1 + 1e-7, "b": ["x"]}], answers)
    with pytest.raises(AssertionError):
        run_checks.same_answers(other, answers)


@pytest.mark.slow
def test_a_training_that_resumes_to_something_else_is_found(finished: Finished, tmp_path: Path) -> None:
    from etudes.pipelines.gan_digits.game import Game
    from etudes.training.checkpoint import Checkpoint

    run = finished(STUDY)
    kept = tuple(name for name in Game.keep if name != "optimizers")
    with mock.patch.object(Game, "keep", kept), pytest.raises(AssertionError, match="another"):
        trainings.resumes(run, "gan", tmp_path / "forgetful")
    with (
        mock.patch.object(Checkpoint, "load", lambda self: None),
        pytest.raises(AssertionError, match="began anew"),
    ):
        trainings.resumes(run, "gan", tmp_path / "blind")
    with (
        mock.patch.object(Checkpoint, "save", lambda self, state: None),
        mock.patch.dict(run.notes, {"checkpoints": {"gan": [{"saved": 99}]}}),
        pytest.raises(AssertionError, match="was not interrupted"),
    ):
        trainings.resumes(run, "gan", tmp_path / "whole")


@pytest.mark.slow
def test_a_key_that_lacks_something_is_found(finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    from etudes.pipelines.lunar_lander_bbf.training import AgentJob

    run, agents = finished(STUDY), finished(AGENTS)
    trainings.complete_key(run, "vae")
    fit_alone = "etudes.training.fit.checkpoint_key"
    with mock.patch(fit_alone, lambda data, settings, *more: checkpoint_key(data, *more)):
        with pytest.raises(AssertionError, match=r"reads .*fit\.gradient_clip.*fit\.patience"):
            trainings.complete_key(run, "vae")
        with pytest.raises(AssertionError, match="the same inputs give other keys"):
            trainings.stable_key(run, "vae")
    with (
        mock.patch("etudes.digits.vae.examples_fingerprint", lambda examples: ""),
        pytest.raises(AssertionError, match=r"reads gan_digits\.(train|dev)_split"),
    ):
        trainings.complete_key(run, "vae")
    key = AgentJob.key
    monkeypatch.setattr(
        AgentJob, "key", lambda job: key(replace(job, horizon=None, discounting=None, resets=None))
    )
    with pytest.raises(AssertionError, match=r"reads .*annealing\.n_end.*resets\.every"):
        trainings.complete_key(agents, "bbf")


def test_trainings_that_share_a_key_are_found() -> None:
    one, other = [{"key": "a"}], [{"key": "b"}]
    trainings.different_keys({"first": one, "second": other})
    with pytest.raises(AssertionError, match="first and second have one key"):
        trainings.different_keys({"first": one, "second": one})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("said", "message"),
    [(KeyError("label"), "KeyError"), (ValueError("something is wrong"), "does not name")],
)
def test_spoilt_data_that_are_not_named_are_found(finished: Finished, said: Exception, message: str) -> None:
    with (
        mock.patch("etudes.digits.files.read_digits", side_effect=said),
        pytest.raises(AssertionError, match=message),
    ):
        spoilers.refused(finished(STUDY), f"{STUDY}.raw_train_images")


@pytest.mark.slow
def test_spoilt_data_that_are_taken_are_found(finished: Finished) -> None:
    with (
        mock.patch.object(spoilers, "answer_to", lambda *_: None),
        pytest.raises(AssertionError, match="was taken as it is"),
    ):
        spoilers.refused(finished(STUDY), f"{STUDY}.raw_train_images")


def test_missing_data_that_are_not_named_are_found() -> None:
    name = f"{STUDY}.raw_train_images"
    raw = spoilers.nothing_fetched().get(name)
    with (
        mock.patch.object(type(raw), "load", lambda self: None),
        pytest.raises(AssertionError, match="were read"),
    ):
        spoilers.missing(name)
