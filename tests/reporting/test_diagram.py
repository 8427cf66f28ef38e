"""The diagram of a model in the side panel of kedro-viz."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from kedro.pipeline import Node
from torch import nn

from etudes.config import EtudesConfigLoader
from etudes.models import ModelState, register_model, save_model
from etudes.reporting.diagram import draw, loaded_models_folder, method_of, preview, tree, with_diagram
from etudes.settings import CONFIG_LOADER_ARGS
from etudes.study import Skipped, load_studies

STUDY = "genre_classification"


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(4)
        self.expand = nn.Linear(4, 8)
        self.contract = nn.Linear(8, 4)
        self.gate = nn.Linear(4, 4, bias=False)


class Network(nn.Module):
    """Layers whose order of declaration is not that of the alphabet."""

    def __init__(self) -> None:
        super().__init__()
        self.start = nn.Embedding(5, 4)
        self.blocks = nn.ModuleList(Block() for _ in range(3))
        self.end = nn.Linear(4, 5)


@register_model("diagram_test.model")
class Model:
    registered_name: str

    def __init__(self, network: nn.Module, config: dict[str, object] | None = None) -> None:
        self.network, self.config = network, config or {}

    def state(self) -> ModelState:
        arrays = {f"network/{name}": value.numpy() for name, value in self.network.state_dict().items()}
        return ModelState(self.config, arrays, {"words.txt": b""})

    @classmethod
    def from_state(cls, state: ModelState) -> Model:
        raise NotImplementedError


def stored(model: object, folder: Path) -> dict[str, object]:
    save_model(model, folder)  # type: ignore[arg-type]
    return json.loads((folder / "model.json").read_text(encoding="utf-8"))


def test_layers_stand_in_the_order_of_their_declaration_and_equal_blocks_once(tmp_path: Path) -> None:
    text = draw(STUDY, "bilstm", ["train_split"], stored(Model(Network()), tmp_path / "model"))
    places = [
        text.index(part)
        for part in ("network.start<br/>5×4", "network.blocks.0 to 2 (3 alike)", "network.end")
    ]
    assert places == sorted(places)
    assert text.count("expand: 8×4 + 8") == 1
    assert "norm: 4 (4 times)" in text, "weight, bias, mean and variance; the counter of batches is no weight"
    assert "gate: 4×4<br/>" in text or 'gate: 4×4"' in text
    assert "words.txt" in text


def test_the_count_is_that_of_all_weights_and_buffers(tmp_path: Path) -> None:
    network = Network()
    text = draw(STUDY, "bilstm", [], stored(Model(network), tmp_path / "model"))
    count = sum(value.numel() for value in network.state_dict().values() if value.ndim)
    assert f"bilstm_model: {count:,} numbers" in text
    assert tree({"a.b": (2, 3), "a/c.d": (4,), "steps": ()}).numbers == 10


def test_a_plain_array_and_settings_are_shown_by_name(tmp_path: Path) -> None:
    class Shares(Model):
        def state(self) -> ModelState:
            return ModelState(
                {"fit": {"rate": 0.25}, "name": 'a "b" <c>', "classes": ["x"]}, {"shares": np.ones(27)}
            )

    Shares.registered_name = "diagram_test.model"
    text = draw(
        STUDY, "majority", ["train_split", "params:run"], stored(Shares(nn.Identity()), tmp_path / "model")
    )
    assert '["shares: 27"]' in text and "fit.rate: 0.25" in text
    assert "name: a #34;b#34; #60;c#62;" in text, "what would be markup stays text"
    assert 'data["train_split"] --> method' in text and 'parameters("run") --> method' in text


def test_before_a_run_the_method_stands_in_the_words_of_the_readme(tmp_path: Path) -> None:
    text = draw(STUDY, "majority", ["train_split"], None)
    assert "the class shares of the training films" in text and "not trained yet" in text
    skipped = stored(Skipped("majority"), tmp_path / "model")
    assert "left out of the last run" in draw(STUDY, "majority", [], skipped)


@pytest.mark.parametrize("study", load_studies(), ids=lambda study: study.name)
def test_every_readme_has_the_method_of_every_variant(study: object) -> None:
    assert [name for name in study.variants if not method_of(study.name, name)] == []  # type: ignore[attr-defined]


def test_many_layers_end_in_a_note(tmp_path: Path) -> None:
    deep = nn.Sequential(
        *(nn.Sequential(*(nn.Linear(2, 2 + i % 2 + j) for j in range(9))) for i in range(70))
    )
    text = draw(STUDY, "bilstm", [], stored(Model(deep), tmp_path / "model"))
    assert text.count("layer0_") < 150 and "model.json lists all" in text and len(text) < 50_000


def test_a_model_without_weights_is_one_box_and_an_old_file_is_not_said_to_have_none(tmp_path: Path) -> None:
    assert 'model["bilstm_model: no weights"]' in draw(STUDY, "bilstm", [], {"arrays": {}, "config": {}})
    assert "train it again to see its layers" in draw(STUDY, "bilstm", [], {"config": {}})


def test_the_preview_reads_the_environment_that_was_loaded_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ETUDES_OUTPUTS", raising=False)
    monkeypatch.chdir(tmp_path)  # the folder above this conf is no project, so the one we are in would count
    (tmp_path / "conf" / "base").mkdir(parents=True)
    for environment in ("test", "full"):
        (tmp_path / "conf" / environment).mkdir()
    (tmp_path / "conf" / "base" / "parameters.yml").write_text("run: {}")
    save_model(Model(nn.Linear(2, 3)), tmp_path / "data" / "06_models" / "test" / STUDY / "bilstm")
    shown = {}
    for environment in ("test", "full"):
        EtudesConfigLoader(str(tmp_path / "conf"), env=environment, **CONFIG_LOADER_ARGS)["parameters"]
        assert loaded_models_folder() == tmp_path / "data" / "06_models" / environment
        shown[environment] = preview(STUDY, "bilstm", ["train_split"]).content
    assert "3×2 + 3" in shown["test"] and "not trained yet" in shown["full"]


def test_a_training_node_gets_the_diagram_and_no_other_node_does() -> None:
    train = with_diagram(
        STUDY, Node(torch.relu, ["train_split"], "bilstm_model", name="train_bilstm", tags=["train"])
    )
    other = Node(torch.relu, ["bilstm_model"], "metrics", name="evaluate", tags=["evaluate"])
    assert isinstance(train, Node) and train.preview().kind == "mermaid"
    assert with_diagram(STUDY, other) is other and other.preview() is None
