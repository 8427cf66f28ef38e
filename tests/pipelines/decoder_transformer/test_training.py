"""The networks learn, resume where they were killed, and come back from disk; the predictor answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from etudes.models import load_model, save_model
from etudes.pipelines.decoder_transformer import nodes, report, transformer
from etudes.pipelines.decoder_transformer.model import TextPredictor
from etudes.pipelines.decoder_transformer.parameters import Parameters, TaskParameters
from etudes.pipelines.decoder_transformer.problem import SequenceProblem
from etudes.pipelines.decoder_transformer.transformer import TaskData, train_networks
from etudes.study import Skipped
from etudes.training.parameters import RunParameters
from etudes.training.session import training_session

Runs = Callable[..., RunParameters]


def counting(n: int, length: int, seed: int) -> np.ndarray:
    """x, x+1, x+2, ... modulo 5: learned in a moment."""
    starts = np.random.default_rng(seed).integers(0, 5, size=n)
    return (starts[:, None] + np.arange(length)) % 5


def small(parameters: Parameters, **fit: Any) -> TaskParameters:
    task = parameters.transformer.recurrences
    return TaskParameters(network=task.network, fit=task.fit.model_copy(update=fit))


@pytest.fixture
def data() -> dict[str, TaskData]:
    none = np.empty((0, 10), dtype=np.int64)
    rows = TaskData(5, counting(120, 10, 0), counting(20, 10, 1), none, crops=False)
    text = TaskData(5, counting(1, 600, 0)[0], counting(20, 10, 1), none, crops=True)
    return {"modulus_5": rows, "text": text}


def weights_of(models: transformer.TransformerModels) -> dict[str, torch.Tensor]:
    return {
        f"{task}/{name}": value
        for task, network in models.networks.items()
        for name, value in network.state_dict().items()
    }


def test_counting_is_learned_from_rows_and_from_a_stream(
    data: dict[str, TaskData], parameters: Parameters, run_settings: Runs
) -> None:
    settings = dict.fromkeys(data, small(parameters, epochs=12, learning_rate=0.02, patience=12))
    models, epochs = train_networks(data, settings, 0.0, run_settings())
    for task, rows in epochs.items():
        assert rows[-1]["dev_accuracy"] > 0.99, (task, rows[-1])
        assert rows[-1]["train_loss"] < rows[0]["train_loss"] / 2
    assert models.tasks == ["modulus_5", "text"]


def test_killed_training_ends_with_the_same_weights(
    data: dict[str, TaskData],
    parameters: Parameters,
    run_settings: Runs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = dict.fromkeys(data, small(parameters, epochs=3, checkpoint_steps=2))
    seen: list[str] = []

    def train(folder: Path, resume: bool) -> transformer.TransformerModels:
        with training_session("transformer", folder, lambda step, metrics: seen.extend(metrics)):
            return train_networks(data, settings, 0.5, run_settings(resume=resume))[0]

    whole = weights_of(train(tmp_path / "whole", resume=False))
    calls = 0
    loss = SequenceProblem.loss

    def killed(self: SequenceProblem, model: Any, batch: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 38:  # in the second network's second epoch: 3 x 8 steps, then 4 x 3 an epoch
            raise KeyboardInterrupt
        return loss(self, model, batch)

    monkeypatch.setattr(SequenceProblem, "loss", killed)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "killed", resume=False)
    after_kill = calls
    resumed = weights_of(train(tmp_path / "killed", resume=True))
    for name, value in whole.items():
        assert torch.equal(value, resumed[name]), name
    assert calls - after_kill < 20, "the finished network is not trained again"
    assert {"modulus_5.train_loss", "text.dev_accuracy"} <= set(seen)
    assert sorted(p.name for p in (tmp_path / "killed").iterdir()) == ["modulus_5", "text"]


def test_fingerprint_knows_what_training_depends_on(data: dict[str, TaskData], make_network: Any) -> None:
    rows = data["modulus_5"]
    base = {
        "model": make_network(5, 9),
        "vocabulary": 5,
        "train": rows.train,
        "dev": rows.dev,
        "heldout": rows.heldout,
        "batch_size": 8,
        "length": 9,
        "share": 0.0,
        "crops": False,
    }
    first = SequenceProblem(**base).fingerprint
    assert first == SequenceProblem(**base).fingerprint
    for change in ({"share": 0.5}, {"batch_size": 9}, {"train": rows.train[:-1]}):
        assert SequenceProblem(**{**base, **change}).fingerprint != first
    with pytest.raises(ValueError, match="expected \\(N, 10\\)"):
        SequenceProblem(**{**base, "dev": rows.dev[:, :-1]})
    with pytest.raises(ValueError, match="expected \\(N, 10\\)"):
        SequenceProblem(**{**base, "train": rows.train[0]})


def test_models_survive_saving(make_network: Any, tmp_path: Path) -> None:
    models = transformer.TransformerModels({"modulus_7": make_network(), "text": make_network(5, 9)})
    save_model(models, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    tokens = np.random.default_rng(0).integers(0, 5, size=(3, 9))
    for task in models.tasks:
        np.testing.assert_array_equal(loaded.log_probs(task, tokens), models.log_probs(task, tokens))


@pytest.fixture
def predictor(splits: dict[str, Any], parameters: Parameters, make_network: Any) -> TextPredictor:
    card = splits["text_card"]
    models = transformer.TransformerModels({"text": make_network(len(card["alphabet"]), card["context"])})
    return report.choose_predictor(
        splits["data_card"],
        card,
        parameters.predictor,
        **{name: Skipped(name) for name in ("unigram", "bigram", "trigram", "lookup", "relabelled")},
        transformer=models,
        transformer_history={"dev": {"text_accuracy": 0.5}},
    )


def test_predictor_survives_saving_and_is_repeatable(predictor: TextPredictor, tmp_path: Path) -> None:
    save_model(predictor, tmp_path / "predictor")
    loaded = load_model(tmp_path / "predictor")
    frame = pd.DataFrame({"prompt": ["The ", "An a", "The "], "temperature": 1.0, "characters": [40, 7, 40]})
    first, again = predictor.predict(frame), loaded.predict(frame)
    pd.testing.assert_frame_equal(first, again)
    assert first["continuation"].str.len().tolist() == [40, 7, 40], "also past the network's context of 16"
    assert first["continuation"][0] == first["continuation"][2]
    alone = predictor.predict(frame.iloc[1:2].reset_index(drop=True))
    assert alone["continuation"][0] == first["continuation"][1]
    other = predictor.predict(frame.assign(seed=1))
    assert other["continuation"][0] != first["continuation"][0]


def test_predictor_answers_what_is_left_out_by_its_defaults(predictor: TextPredictor) -> None:
    found = predictor.predict(predictor.parse("The "))
    assert len(found["continuation"][0]) == predictor.defaults.characters
    asked = predictor.predict(predictor.parse('{"prompt": "The ", "characters": 3, "temperature": 0}'))
    greedy = predictor.predict(pd.DataFrame({"prompt": ["The "], "characters": [3], "top_p": [0.0]}))
    assert asked["continuation"][0] == greedy["continuation"][0] and len(asked["continuation"][0]) == 3
    assert predictor.describe(asked) == asked["continuation"][0]
    assert len(predictor.predict(predictor.example())) == 2
    assert predictor.card["variant"] == "transformer" and predictor.card["dev_score"] == 0.5


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"text": ["a"]}, "expected the columns prompt"),
        ({"prompt": [""]}, "empty or no text in rows \\[0\\]"),
        ({"prompt": ["The ", None]}, "empty or no text in rows \\[1\\]"),
        ({"prompt": ["The ", "Thé "]}, "prompt of row 1: 'é' is not among the characters"),
        (
            {"prompt": ["The "], "temperature": [-1]},
            "temperature of row 0 is -1; expected a number of 0 or more",
        ),
        ({"prompt": ["The "], "top_p": [1.5]}, "top_p of row 0 is 1.5; expected a number from 0 to 1"),
        ({"prompt": ["The "], "temperature": ["warm"]}, "temperature of row 0 is warm"),
        ({"prompt": ["The "], "characters": [0]}, "characters of row 0 is 0"),
    ],
)
def test_predictor_names_what_is_wrong(predictor: TextPredictor, frame: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        predictor.predict(pd.DataFrame(frame))


@pytest.mark.parametrize(
    ("text", "message"), [('{"prompt": ', "looks like JSON"), ('{"promt": "x"}', "unknown fields promt")]
)
def test_faulty_question_is_named(predictor: TextPredictor, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        predictor.parse(text)


def test_line_ends_and_marks_of_a_prompt_do_not_count(predictor: TextPredictor, tmp_path: Path) -> None:
    (tmp_path / "PROMPT.TXT").write_bytes(b"\xef\xbb\xbfThe\r\nan a")
    frames = [
        *(
            pd.DataFrame({"prompt": [text]})
            for text in ("The\nan a", "The\r\nan a", "The\ran a", "\ufeffThe\nan a")
        ),
        predictor.parse('{"prompt": "The\\r\\nan a"}'),
        predictor.parse("The\r\nan a"),
        predictor.parse(str(tmp_path / "PROMPT.TXT")),
    ]
    found = {predictor.predict(frame.assign(characters=20))["continuation"][0] for frame in frames}
    assert len(found) == 1
    with pytest.raises(ValueError, match=r"empty or no text in rows \[0\]"):
        predictor.predict(pd.DataFrame({"prompt": ["\ufeff"]}))


@pytest.mark.parametrize("name", ["unigram", "bigram", "trigram", "lookup"])
def test_baselines_can_write_too(splits: dict[str, Any], parameters: Parameters, name: str) -> None:
    inputs = [splits[f"{part}_split"] for part in ("train", "dev", "text_train", "text_dev")]
    model, history = getattr(nodes, f"train_{name}")(*inputs, splits["text_card"])
    assert set(history["dev"]) == {"accuracy", "heldout_accuracy", "text_accuracy", "bits_per_character"}
    made = TextPredictor(
        model, nodes.Alphabet(splits["text_card"]["alphabet"]), 16, parameters.predictor, {"variant": name}
    )
    found = made.predict(pd.DataFrame({"prompt": ["The "], "characters": [30]}))
    assert len(found["continuation"][0]) == 30


def test_run_without_a_variant_that_writes_is_refused(splits: dict[str, Any], parameters: Parameters) -> None:
    models: dict[str, Any] = {
        name: Skipped(name) for name in ("unigram", "bigram", "trigram", "lookup", "transformer")
    }
    with pytest.raises(ValueError, match="none of them learns text"):
        report.choose_predictor(
            splits["data_card"],
            splits["text_card"],
            parameters.predictor,
            **models,
            relabelled=object(),
            relabelled_history={"dev": {"accuracy": 0.5}},
        )
