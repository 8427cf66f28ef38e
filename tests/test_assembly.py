"""From lines to nodes: inputs by argument names, what is left out, what cannot be found."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pydantic import BaseModel

from etudes.assembly import Step, assemble, dataset, draw, each, evaluate, ingest, preprocess, set_to, train
from etudes.assembly import nodes as nodes_module
from etudes.assembly.signatures import arguments_in_source
from etudes.study import Skipped, load_study
from etudes.training.parameters import RunParameters
from study_settings import run_parameters


class Gain(BaseModel):
    """A group."""

    rate: float = 0.5


class Parameters(BaseModel):
    """The root group."""

    variants: list[str] = []
    good: Gain = Gain()
    scoring: Gain = Gain(rate=2.0)


STUDY = replace(
    load_study("income_classification"), name="scratch", variants=("base", "good"), support=("judge",)
)


def read(raw_rows: list[int], letters: str = "") -> tuple[list[int], dict[str, Any]]:
    return sorted(raw_rows), {"letters": letters}


def learn(train_split: list[int], parameters: Gain, run: RunParameters) -> tuple[Any, dict[str, Any]]:
    return ("learned", sum(train_split) * parameters.rate), {"seed": run.seed}


def count(train_split: list[int]) -> tuple[Any, dict[str, Any]]:
    return ("counted", len(train_split)), {}


def score(models: dict[str, Any], histories: dict[str, Any], scoring: Gain, size: int) -> dict[str, Any]:
    return {"models": models, "histories": histories, "scoring": scoring, "size": size}


def bend(metrics: dict[str, Any], by: str = "x") -> tuple[str, Any]:
    return by, metrics


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """``nodes(steps...)``: the assembled nodes by their names without the namespace."""
    monkeypatch.setattr(nodes_module, "load_study", lambda _: STUDY)
    monkeypatch.setattr("etudes.reporting.diagram.with_diagram", lambda _, node: node)
    monkeypatch.setattr(nodes_module, "_check_variants", lambda *_: None)  # these tests look at single steps

    def build(*steps: Step) -> dict[str, Any]:
        return {
            node.name.removeprefix("scratch."): node for node in assemble("scratch", Parameters, steps).nodes
        }

    return build


def run(node: Any, **inputs: Any) -> dict[str, Any]:
    """The node's outputs by short names; inputs are given by short names too."""
    given = {
        name: inputs[name.removeprefix("params:").removeprefix("scratch.").replace(":", "_")]
        for name in node.inputs
    }
    return {name.removeprefix("scratch."): value for name, value in node.run(given).items()}


def test_inputs_are_the_arguments_and_settings_stay_settings(nodes: Any) -> None:
    node = nodes(ingest(read, "train_split", "data_card", letters="ab"))["read"]
    assert node.inputs == ["scratch.raw_rows"] and {"ingest", STUDY.field} <= set(node.tags)
    assert run(node, raw_rows=[3, 1]) == {"train_split": [1, 3], "data_card": {"letters": "ab"}}


def test_parameters_are_the_group_of_the_variant_and_arrive_typed(nodes: Any) -> None:
    node = nodes(train("good", learn, gpu=True))["train_good"]
    assert set(node.inputs) == {
        "scratch.train_split",
        "params:scratch.good",
        "params:run",
        "params:scratch.variants",
    }
    assert node.func.__annotations__["params_good"] is Gain and "gpu" in node.tags
    found = run(node, train_split=[1, 2], good=Gain(), run=run_parameters(seed=3), variants=["good"])
    assert found["good_model"] == ("learned", 1.5) and found["good_history"] == {"seed": 3}
    assert found["good_resources"]["seconds"] >= 0


def test_a_variant_that_is_left_out_is_not_trained_and_support_always_is(nodes: Any) -> None:
    def never(train_split: list[int]) -> Any:
        raise AssertionError("it was called")

    built = nodes(train("good", never), train("judge", count))
    found = run(built["train_good"], train_split=[1], variants=["base"])
    assert isinstance(found["good_model"], Skipped) and found["good_history"] == {"skipped": True}
    assert built["train_judge"].inputs == ["scratch.train_split"]
    assert run(built["train_judge"], train_split=[1])["judge_model"] == ("counted", 1)


def test_models_and_histories_are_those_that_were_trained(nodes: Any) -> None:
    node = nodes(evaluate(score, "metrics", size=dataset("split_card", "rows")))["score"]
    found = run(
        node,
        base_model="b",
        good_model=Skipped("good"),
        base_history={"dev": 1},
        good_history={"skipped": True},
        scoring=Gain(rate=2.0),
        split_card={"rows": 7},
    )["metrics"]
    assert found["models"] == {"base": "b"} and found["histories"] == {"base": {"dev": 1}}
    assert found["scoring"].rate == 2.0 and found["size"] == 7


def test_a_mapping_of_some_networks_and_another_group(nodes: Any) -> None:
    step = evaluate(score, "metrics", models=each("model", "judge"), histories=each("history"), size=1)
    assert set(nodes(step)["score"].inputs) == {"scratch.judge_model", "params:scratch.scoring"}
    other = train("good", learn, group="scoring")
    assert "params:scratch.scoring" in nodes(other)["train_good"].inputs


def test_one_function_draws_several_figures(nodes: Any) -> None:
    node = nodes(draw(bend, second=set_to(bend, by="y")))["draw"]
    assert run(node, metrics={"a": 1}) == {"bend_figure": ("x", {"a": 1}), "second_figure": ("y", {"a": 1})}


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (
            train("judge", learn),
            "there is no group 'judge' in Parameters; expected one of variants, good, scoring",
        ),
        (
            preprocess("nowhere.cut", "train_split"),
            "'etudes.pipelines.scratch.nowhere.cut': there is no such module",
        ),
        (preprocess("etudes.splits.nothing", "train_split"), r"splits\.py defines no nothing"),
    ],
)
def test_what_cannot_be_wired_is_named(nodes: Any, step: Step, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        nodes(step)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("etudes.splits.stratified", ("labels", "fraction", "seed")),
        ("etudes.pipelines.genre_classification.doc2vec.Doc2VecClassifier.train", 5),
        # A method that a base class in another module defines.
        ("etudes.pipelines.genre_classification.model.FilmBiLSTM.train", 6),
        ("etudes.pipelines.income_classification.model.IncomePredictor", ("model", "card")),
    ],
)
def test_arguments_are_read_from_the_source(path: str, expected: Any) -> None:
    found = arguments_in_source(path)
    assert len(found) == expected if isinstance(expected, int) else found == expected


def test_no_study_is_imported_to_build_its_graph() -> None:
    import subprocess

    code = (
        "import sys; from etudes.pipelines.genre_classification import create_pipeline; create_pipeline()\n"
        "print([m for m in ('torch', 'spacy', 'sklearn', 'gensim', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_variants_that_only_one_of_both_files_names_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes_module, "load_study", lambda _: STUDY)
    steps = [train("good", learn), train("judge", count), train("extra", count)]
    with pytest.raises(ValueError, match=r"only in pipeline\.py: extra; only in study\.toml: base$"):
        assemble("scratch", Parameters, steps)
