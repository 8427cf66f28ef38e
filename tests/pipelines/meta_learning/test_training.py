"""The outer loop: it learns, resumes, and says when it cannot."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from etudes.pipelines.meta_learning import learning, nodes
from etudes.pipelines.meta_learning.adaptation import adapt
from etudes.pipelines.meta_learning.families import CharacterFamily, SinusoidFamily
from etudes.pipelines.meta_learning.networks import OUTPUT
from etudes.pipelines.meta_learning.starts import Start
from etudes.training.session import training_session

CPU = torch.device("cpu")


@pytest.fixture
def family(settings: Any) -> SinusoidFamily:
    torch.manual_seed(0)
    return SinusoidFamily(settings("sinusoids", hidden=[40, 40], dev_tasks=100), CPU)


@pytest.fixture(scope="module")
def whole(parts: Any, settings: Any, run_settings: Any) -> Callable[[str], tuple[Any, dict[str, Any]]]:
    """``whole("maml")``: the starts and history of an undisturbed training with seed 0; each variant is trained once."""
    return cache(lambda name: train(name, parts, settings, run_settings()))


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


def test_anil_learns_features_that_its_last_layer_can_use(settings: Any, run_settings: Any) -> None:
    """Gradient steps in the last layer alone do more after the training of the start than before."""
    torch.manual_seed(0)
    family = SinusoidFamily(settings("sinusoids", hidden=[40, 40], dev_tasks=100), CPU, OUTPUT)
    assert family.learner.adapts == OUTPUT
    changes = {"steps": 200, "watch_steps": 200, "inner_steps": 3, "inner_rate": 0.02, "rates": [0.02]}
    part = settings("anil", sinusoids={**changes, "learning_rate": 0.01}).sinusoids
    start = family.learner.initial()
    before = family.dev(start, 0.02)
    learned = learning.learn_maml(family, start, part, run_settings(), "key", first_order=False)
    assert learned.dev["mse_after_10"] < 0.75 * before["mse_after_10"]
    assert not torch.equal(learned.weights["hidden.0.weight"], start["hidden.0.weight"])


def test_starts_of_anil_keep_their_features_in_new_tasks(parts: Any, whole: Any) -> None:
    starts = whole("anil")[0]
    for start in (starts.sinusoids, starts.characters):
        assert start.adapts == OUTPUT
        again = type(start).from_state(start.state())
        assert again.adapts == OUTPUT and again.learner.adapts == OUTPUT
    wider = starts.characters.for_ways(7, 0.1)
    assert starts.characters.transductive().adapts == wider.adapts == OUTPUT
    moved = adapt(wider.learner, wider.weights, torch.rand(7, 1, 28, 28), torch.arange(7), 3, 0.1)
    changed = {name for name, value in moved.items() if not torch.equal(value, wider.weights[name])}
    assert changed == {"output.weight", "output.bias"}
    state = whole("maml")[0].characters.state()
    del state.config["adapts"]
    assert Start.from_state(state).adapts == "", (
        "a start stored before there was a choice changes all its weights"
    )


def test_tasks_of_anil_are_trained_and_judged_with_the_last_layer_alone(
    parts: Any, settings: Any, whole: Any
) -> None:
    starts, history = whole("anil")
    for adapts, same in ((OUTPUT, True), ("", False)):
        families = (
            SinusoidFamily(settings("sinusoids"), CPU, adapts),
            CharacterFamily(settings("characters"), *parts[:2], CPU, adapts),
        )
        for family in families:
            start = getattr(starts, family.name)
            scores = family.dev(start.weights, start.rate)
            assert all(abs(history["dev"][name] - value) < 1e-6 for name, value in scores.items()) is same
    for name in ("sinusoids", "characters"):
        losses = [found["epochs"][name][-1]["train_loss"] for _, found in (whole("anil"), whole("maml"))]
        assert abs(losses[0] - losses[1]) > 1e-5, "MAML's training is another"


def test_reptile_learns_sinusoids(family: SinusoidFamily, settings: Any, run_settings: Any) -> None:
    changes = {"steps": 150, "watch_steps": 150, "inner_steps": 10, "rates": [0.02]}
    part = settings("reptile", sinusoids=changes).sinusoids
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


def test_all_variants_begin_with_the_same_weights(
    parts: Any, settings: Any, run_settings: Any, whole: Any
) -> None:
    """Before any update a variant's dev scores are those of ``random`` at the same step size."""
    part = settings("maml")
    rates = {name: {"rates": [getattr(part, name).inner_rate]} for name in ("sinusoids", "characters")}
    train_part, dev, _, _ = parts
    groups = settings("sinusoids"), settings("characters")
    _, history = nodes.train_random(train_part, dev, *groups, settings("random", **rates), run_settings())
    _, other = whole("maml")
    for name in rates:
        assert other["epochs"][name][0] == history["epochs"][name][0]


def test_start_for_new_characters_has_an_output_layer_at_zero(whole: Any) -> None:
    weights = whole("pretrained")[0].characters.weights
    assert weights["output.weight"].shape[0] == 5 and not weights["output.weight"].any()
    assert weights["convolutions.0.weight"].any()


@pytest.mark.parametrize("name", ["reptile", "maml"])
def test_same_seed_same_start(parts: Any, settings: Any, run_settings: Any, whole: Any, name: str) -> None:
    one, two = whole(name)[0], train(name, parts, settings, run_settings())[0]
    for family in ("sinusoids", "characters"):
        for key, value in getattr(one, family).weights.items():
            assert torch.equal(value, getattr(two, family).weights[key])


def test_another_seed_another_start(parts: Any, settings: Any, run_settings: Any, whole: Any) -> None:
    one, other = whole("reptile")[0], train("reptile", parts, settings, run_settings(seed=1))[0]
    for family, key in (("sinusoids", "hidden.0.weight"), ("characters", "convolutions.0.weight")):
        assert not torch.equal(getattr(one, family).weights[key], getattr(other, family).weights[key])


class Killed(Exception):
    """Stands for the end of the process."""


@pytest.mark.parametrize(
    ("name", "family_killed"),
    [
        ("maml", "sinusoids"),
        ("maml_first_order", "characters"),
        ("anil", "characters"),
        ("reptile", "characters"),
        ("pretrained", "characters"),
    ],
)
def test_killed_training_resumes_to_the_same_numbers(
    parts: Any, settings: Any, run_settings: Any, whole: Any, tmp_path: Path, name: str, family_killed: str
) -> None:
    undisturbed, history = whole(name)

    def kill(step: int, metrics: dict[str, float]) -> None:
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
        for key, value in getattr(undisturbed, part).weights.items():
            assert torch.equal(value, getattr(resumed, part).weights[key])
    sent = [step for step, metrics in rows if any(key.startswith("sinusoids") for key in metrics)]
    assert sent == [row["step"] for row in history["epochs"]["sinusoids"]], "the whole curve is sent again"


def test_other_settings_start_afresh(
    family: SinusoidFamily,
    settings: Any,
    run_settings: Any,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    start = family.learner.initial()
    with training_session("maml", tmp_path, lambda step, metrics: None):
        for rate, resume in ((0.02, False), (0.013, True)):
            part = settings("maml", sinusoids={"inner_rate": rate}).sinusoids
            learning.learn_maml(family, start, part, run_settings(resume=resume), "key", first_order=True)
    assert "belongs to other data, parameters, seed or code: training starts afresh" in caplog.text


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


def test_starts_trained_with_the_queries_statistics_answer_them_alone(
    parts: Any, settings: Any, run_settings: Any
) -> None:
    train_part, dev, _, card = parts
    characters = settings("characters", normalisation="query")
    groups = settings("sinusoids"), characters, settings("maml"), run_settings()
    starts, history = nodes.train_maml(train_part, dev, card, *groups)
    supported = settings("characters", normalisation="support")
    assert starts.characters.parameters == supported
    family = CharacterFamily(supported, train_part, dev, CPU)
    scores = family.dev(starts.characters.weights, starts.characters.rate)
    for name, value in scores.items():
        assert history["dev"][name] == pytest.approx(value, abs=1e-6)
    other = train("maml", parts, settings, run_settings())[1]
    losses = [found["epochs"]["characters"][-1]["train_loss"] for found in (history, other)]
    assert abs(losses[0] - losses[1]) > 1e-4, "the training was another"
