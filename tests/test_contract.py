"""Every registered study, held to the contract of `etudes.study`."""

from __future__ import annotations

import inspect
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import yaml
from kedro.framework.project import configure_project, pipelines
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline
from pydantic import BaseModel

from etudes.config import EtudesConfigLoader
from etudes.reporting.metric import KNOWN
from etudes.settings import CONFIG_LOADER_ARGS
from etudes.study import STAGES, load_study, parameters_model, study_names

ROOT = Path(__file__).parents[1]
ENVIRONMENTS = ("base", "full", "test")
LAYERS = ("raw", "intermediate", "model_input", "models", "model_output", "reporting")
pytestmark = pytest.mark.parametrize("name", study_names())


@pytest.fixture(scope="module")
def graphs() -> dict[str, Pipeline]:
    configure_project("etudes")
    return dict(pipelines)


# Made once for all studies: what one test costs does not grow with their number.
@cache
def parameters_of(environment: str) -> dict[str, Any]:
    return EtudesConfigLoader(str(ROOT / "conf"), env=environment, **CONFIG_LOADER_ARGS)["parameters"]


@cache
def catalog_of(environment: str) -> DataCatalog:
    loader = EtudesConfigLoader(str(ROOT / "conf"), env=environment, **CONFIG_LOADER_ARGS)
    return DataCatalog.from_config(loader["catalog"])


def stage_of(node: Any) -> str:
    stages = [tag for tag in node.tags if tag in STAGES]
    assert len(stages) == 1, f"{node.name} has the stage tags {stages}, expected exactly one"
    return stages[0]


def test_study_is_registered_under_its_folder_name(name: str, graphs: dict[str, Pipeline]) -> None:
    assert name in graphs
    assert {node.namespace for node in graphs[name].nodes} == {name}


def test_every_stage_is_present_and_data_flows_one_way(name: str, graphs: dict[str, Pipeline]) -> None:
    pipeline = graphs[name]
    assert {stage_of(node) for node in pipeline.nodes} == set(STAGES)
    order = {stage: index for index, stage in enumerate(STAGES)}
    for node, parents in pipeline.node_dependencies.items():
        for parent in parents:
            assert order[stage_of(parent)] <= order[stage_of(node)], (
                f"{parent.name} -> {node.name} runs backwards"
            )


def test_only_evaluate_and_report_read_the_test_split(name: str, graphs: dict[str, Pipeline]) -> None:
    for node in graphs[name].nodes:
        if f"{name}.test_split" in node.inputs:
            assert stage_of(node) in ("evaluate", "report"), f"{node.name} reads the test split"


def test_every_variant_has_a_training_node_of_its_own(name: str, graphs: dict[str, Pipeline]) -> None:
    trained = {node.name.rpartition("train_")[2] for node in graphs[name].nodes if stage_of(node) == "train"}
    study = load_study(name)
    assert trained == {*study.variants, *study.support} and not set(study.variants) & set(study.support)
    for variant in trained:
        expected = {f"{name}.{variant}_{kind}" for kind in ("model", "history", "resources")}
        assert expected <= graphs[name].all_outputs()


def test_contract_outputs_are_there(name: str, graphs: dict[str, Pipeline]) -> None:
    outputs = {output.partition(".")[2] for output in graphs[name].all_outputs()}
    assert {"data_card", "split_card", "metrics", "report", "test_split"} <= outputs
    assert "predictions" in outputs or any(output.endswith("samples") for output in outputs)
    assert any(output.endswith("_figure") for output in outputs)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_dataset_is_declared_and_persistent(
    name: str, environment: str, graphs: dict[str, Pipeline]
) -> None:
    catalog = catalog_of(environment)
    for dataset in sorted(graphs[name].datasets()):
        if dataset.startswith("params:"):
            continue
        assert dataset in catalog, f"{dataset} matches no catalog entry and would stay in memory"
        described = type(catalog.get(dataset)).__name__
        assert described != "MemoryDataset", dataset


def test_layers_of_the_lineage_never_run_backwards(name: str, graphs: dict[str, Pipeline]) -> None:
    """kedro-viz orders layers by the data flow of all studies; one arrow back and it shows none."""
    catalog = catalog_of("base")

    def layer(dataset: str) -> int:
        return LAYERS.index(catalog.get(dataset).metadata["kedro-viz"]["layer"])

    for node in graphs[name].nodes:
        inputs = [dataset for dataset in node.inputs if not dataset.startswith("params:")]
        for source in inputs:
            for output in node.outputs:
                assert layer(source) <= layer(output), f"{node.name}: {source} -> {output} runs backwards"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_outputs_carry_the_environment_in_their_path(
    name: str, environment: str, graphs: dict[str, Pipeline]
) -> None:
    catalog = catalog_of(environment)
    for output in graphs[name].all_outputs():
        path = Path(catalog.get(output)._filepath)
        assert path.is_absolute()
        assert environment in path.parts and name in path.parts, path


def test_no_catalog_entry_is_unused(name: str, graphs: dict[str, Pipeline]) -> None:
    used = graphs[name].datasets()
    for path in ROOT.glob(f"conf/*/catalog/{name}.yml"):
        entries = {key for key in yaml.safe_load(path.read_text()) if not key.startswith("_")}
        assert entries <= used, f"{path}: {sorted(entries - used)} is read by no node"
        assert all(entry in graphs[name].inputs() for entry in entries), f"{path} may declare raw inputs only"


def test_full_declares_the_same_raw_inputs_as_base(name: str) -> None:
    for environment in ("base", "full"):
        assert (ROOT / "conf" / environment / "catalog" / f"{name}.yml").exists()
        assert (ROOT / "conf" / environment / "parameters" / f"{name}.yml").exists()


def test_nodes_get_their_parameters_as_typed_models(name: str, graphs: dict[str, Pipeline]) -> None:
    groups = parameters_model(name).model_fields
    for node in graphs[name].nodes:
        hints = get_type_hints(node.func)
        arguments = list(inspect.signature(node.func).parameters)
        for position, dataset in enumerate(node.inputs):
            if not dataset.startswith("params:") or dataset == f"params:{name}.variants":
                continue
            hint = hints.get(arguments[position])
            assert isinstance(hint, type), f"{node.name}: no type hint for {dataset}"
            assert issubclass(hint, BaseModel), f"{node.name}: {dataset} is no pydantic model"
            group = dataset.rpartition(".")[2] if "." in dataset else None
            assert group is None or groups[group].annotation is hint, (
                f"{node.name}: {dataset} has another type"
            )


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_parameters_of_every_environment_are_valid(name: str, environment: str) -> None:
    parameters_model(name).model_validate(parameters_of(environment)[name])


def test_no_parameter_group_is_unused(name: str, graphs: dict[str, Pipeline]) -> None:
    used = {
        dataset for node in graphs[name].nodes for dataset in node.inputs if dataset.startswith("params:")
    }
    for group in parameters_model(name).model_fields:
        assert f"params:{name}.{group}" in used, f"parameter group {group} is read by no node"


def test_study_describes_itself(name: str) -> None:
    study = load_study(name)
    assert study.baseline in study.variants
    assert len(study.summary) < 200 and study.title
    assert study.references, "a study measures itself against something"
    assert all(reference.source for reference in study.references)
    assert study.metric in study.metrics and {*study.metrics, study.dev_metric} <= set(KNOWN)
    readme = (study.folder / "README.md").read_text()
    for heading in ("## Run it", "## Results", "## Details that matter", "## Your own data"):
        assert heading in readme, f"{name}/README.md lacks the section {heading[3:]}"
    assert f"<!-- results:{name} -->" in readme


def test_field_and_gpu_are_tags(name: str, graphs: dict[str, Pipeline]) -> None:
    study = load_study(name)
    allowed = {*STAGES, study.field, "gpu"}
    for node in graphs[name].nodes:
        assert study.field in node.tags
        assert set(node.tags) <= allowed, f"{node.name}: {set(node.tags) - allowed}"
