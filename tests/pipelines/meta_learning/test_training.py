"""The outer loop: it learns, resumes, and says when it cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from etudes.pipelines.meta_learning import learning, nodes
from etudes.pipelines.meta_learning.families import CharacterFamily, SinusoidFamily
from etudes.training.session import training_session

CPU = torch.device("cpu")
TRAINED = ("pretrained", "reptile", "maml_first_order", "maml")


@pytest.fixture
def family(settings: Any) -> SinusoidFamily:
    torch.manual_seed(0)
    return SinusoidFamily(settings("sinusoids", hidden=[40, 40], dev_tasks=100), CPU)


def train(name: str, parts: Any, settings: Any, run: Any) -> tuple[Any, dict[str, Any]]:
    train_part, dev, _, card = parts
    groups = settings("sinusoids"), settings("characters"), settings(name), run
    return getattr(nodes, f"train_{name}")(train_part, dev, card, *groups)


def test_maml_learns_sinusoids(family: SinusoidFamily, settings: Any, run_settings: Any) -> None:
    """A few hundred updates: one gradient step on ten points then does what it could not do before."""
    part = settings(
        "maml",
        sinusoids={
            "steps": 400,
            "watch_steps": 400,
            "inner_steps": 1,
            "inner_rate": 0.02,
            "learning_rate": 0.01,
        },
    ).sinusoids
    start = family.learner.initial()
    before = family.dev(start, 0.02)
    learned = learning.learn_maml(family, start, part, run_settings(), "key", first_order=False)
    assert learned.dev["mse_after_1"] < 0.75 * before["mse_after_1"]
    assert learned.dev["mse_after_1"] < 0.75 * learned.dev["mse_after_0"]


def test_reptile_learns_sinusoids(family: SinusoidFamily, settings: Any, run_settings: Any) -> None:
    part = settings("reptile", sinusoids={"steps": 150, "watch_steps": 150}).sinusoids
    start = family.learner.initial()
    before = family.dev(start, 0.02)
    learned = learning.learn_reptile(family, start, part, run_settings(), "key")
    assert learned.dev["mse_after_10"] < 0.75 * before["mse_after_10"]


def test_joint_training_of_sinusoids_finds_their_mean(
    family: SinusoidFamily, settings: Any, run_settings: Any
) -> None:
    """With phases all around the circle the mean of all tasks is zero everywhere."""
    part = settings("pretrained", sinusoids={"steps": 200, "watch_steps": 200}).sinusoids
    found = learning.learn_pretrained(family, family.learner.initial(), part, run_settings(), "key")
    weights = found.weights
    answer = family.learner.answer(weights, torch.linspace(-5, 5, 50)[:, None])
    assert float(answer.abs().max()) < 1.0 < family.parameters.amplitude[1]


def test_step_size_of_new_tasks_is_chosen_on_dev(family: SinusoidFamily) -> None:
    start = family.learner.initial()
    rates = (0.0001, 0.001, 0.01)
    row = learning.watch_rates(family, rates)(start)
    errors = {rate: family.dev(start, rate)["mse_after_10"] for rate in rates}
    assert row["rate"] == min(errors, key=lambda rate: errors[rate])
    assert row["mse_after_10"] == min(errors.values())


def test_all_variants_begin_with_the_same_weights(parts: Any, settings: Any, run_settings: Any) -> None:
    """Before any update a variant's dev scores are those of ``random`` at the same step size."""
    settings_of = settings("random", sinusoids={"rates": [0.02]}, characters={"rates": [0.4]})
    train_part, dev, _, _ = parts
    groups = settings("sinusoids"), settings("characters")
    _, history = nodes.train_random(train_part, dev, *groups, settings_of, run_settings())
    _, other = train("maml", parts, settings, run_settings())
    for name in ("sinusoids", "characters"):
        assert other["epochs"][name][0] == history["epochs"][name][0]


def test_start_for_new_characters_has_an_output_layer_at_zero(
    parts: Any, settings: Any, run_settings: Any
) -> None:
    model, _ = train("pretrained", parts, settings, run_settings())
    weights = model.characters.weights
    assert weights["output.weight"].shape[0] == 5 and not weights["output.weight"].any()
    assert weights["convolutions.0.weight"].any()


@pytest.mark.parametrize("name", ["reptile", "maml"])
def test_same_seed_same_start_and_another_seed_another(
    parts: Any, settings: Any, run_settings: Any, name: str
) -> None:
    one, two, other = (train(name, parts, settings, run_settings(seed=seed))[0] for seed in (0, 0, 1))
    for key, value in one.sinusoids.weights.items():
        assert torch.equal(value, two.sinusoids.weights[key])
    for key, value in one.characters.weights.items():
        assert torch.equal(value, two.characters.weights[key])
    key = "hidden.0.weight"
    assert not torch.equal(one.sinusoids.weights[key], other.sinusoids.weights[key])


class Killed(Exception):
    """Stands for the end of the process."""


@pytest.mark.parametrize(
    ("name", "family_killed"), [("maml", "sinusoids"), *((name, "characters") for name in TRAINED)]
)
def test_killed_training_resumes_to_the_same_numbers(
    parts: Any, settings: Any, run_settings: Any, tmp_path: Path, name: str, family_killed: str
) -> None:
    whole, history = train(name, parts, settings, run_settings())
    seen: list[tuple[int, dict[str, float]]] = []

    def kill(step: int, metrics: dict[str, float]) -> None:
        seen.append((step, metrics))
        # The row of the last look is sent before its checkpoint is written: the one before it is what remains.
        if step and any(key.startswith(family_killed) for key in metrics) and step == last[family_killed]:
            raise Killed

    last = {family: history["epochs"][family][-1]["step"] for family in ("sinusoids", "characters")}
    with pytest.raises(Killed), training_session(name, tmp_path, kill):
        train(name, parts, settings, run_settings())
    assert (tmp_path / family_killed / "checkpoint.pt").exists()
    rows: list[tuple[int, dict[str, float]]] = []
    with training_session(name, tmp_path, lambda step, metrics: rows.append((step, metrics))):
        resumed, again = train(name, parts, settings, run_settings(resume=True))
    assert again == history
    for part in ("sinusoids", "characters"):
        for key, value in getattr(whole, part).weights.items():
            assert torch.equal(value, getattr(resumed, part).weights[key])
    sent = [step for step, metrics in rows if any(key.startswith("sinusoids") for key in metrics)]
    assert sent == [row["step"] for row in history["epochs"]["sinusoids"]], "the whole curve is sent again"


def test_other_settings_start_afresh(
    parts: Any, settings: Any, run_settings: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train_part, dev, _, card = parts
    groups = settings("sinusoids"), settings("characters")
    with training_session("maml", tmp_path, lambda step, metrics: None):
        nodes.train_maml(train_part, dev, card, *groups, settings("maml"), run_settings())
        changed = settings("maml", sinusoids={"inner_rate": 0.013})
        nodes.train_maml(train_part, dev, card, *groups, changed, run_settings(resume=True))
    assert "training starts afresh" in caplog.text


def test_diverging_training_is_named(parts: Any, settings: Any, run_settings: Any) -> None:
    train_part, dev, _, card = parts
    wild = settings("maml", sinusoids={"inner_rate": 1e20})
    with pytest.raises(ValueError, match=r"sinusoids: training loss .* lower learning_rate"):
        nodes.train_maml(
            train_part, dev, card, settings("sinusoids"), settings("characters"), wild, run_settings()
        )


def test_batches_of_reptile_hold_each_character_as_often(parts: Any, settings: Any) -> None:
    family = CharacterFamily(settings("characters"), parts[0], parts[1], CPU)
    inputs, targets = family.batches(np.random.default_rng(0), 3, 4, batch=2, shots=5)
    assert inputs.shape == (3, 4, 10, 1, 28, 28) and targets.shape == (3, 4, 10)
    assert (torch.bincount(targets.reshape(-1)) == 24).all()
    flat = inputs.reshape(3, 4, 5, 2, -1)
    assert not torch.equal(flat[:, :, :, 0], flat[:, :, :, 1]), "a batch holds different drawings"
    assert inputs.min() >= 0 and inputs.max() <= 1
