"""The outer loop against closed forms, and what each variant's training is."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from etudes.config import EtudesConfigLoader
from etudes.pipelines.meta_learning.adaptation import meta_gradient
from etudes.pipelines.meta_learning.evaluation import evaluate
from etudes.pipelines.meta_learning.families import CPU, CharacterFamily, SinusoidFamily
from etudes.pipelines.meta_learning.learning import RULES, Rule, Search, clip, maml
from etudes.pipelines.meta_learning.networks import OUTPUT
from etudes.pipelines.meta_learning.parameters import OuterPart, Parameters
from etudes.settings import CONFIG_LOADER_ARGS
from etudes.training.session import training_session
from study_settings import CONF, run_parameters

RATE, STEPS = 0.3, 8


def outer(**changes: Any) -> OuterPart:
    values = {"steps": STEPS, "tasks": 1, "learning_rate": RATE, "gradient_clip": 10.0, "watch_steps": 2}
    return OuterPart(**{**values, "rates": (0.1,), **changes})


class Hill:
    """Stands for a family: dev scores are what is asked for, look by look."""

    name, metric, maximise, better = "hill", "accuracy_1shot", True, CharacterFamily.better

    def __init__(self, *scores: float) -> None:
        self.scores = iter(scores)

    def dev(self, weights: Any, rates: Any) -> dict[str, float]:
        return {"accuracy_1shot": next(self.scores), "rate": rates[0]}


def constant(plain: bool) -> Rule:
    return Rule(
        {"w": torch.zeros(2)}, lambda theta, t, generator: ({"w": torch.ones(2)}, theta["w"].sum()), plain
    )


@pytest.mark.parametrize("plain", [True, False])
def test_updates_follow_the_half_cosine(plain: bool) -> None:
    """Under a constant direction a step of either optimiser has the size of the rate: theta is minus their sum."""
    search = Search(Hill(*[0.0] * 9), constant(plain), outer(watch_steps=1), run_parameters(), "key").follow()  # type: ignore[arg-type]
    rates = [RATE * (1 + math.cos(math.pi * t / STEPS)) / 2 for t in range(STEPS)]
    torch.testing.assert_close(search.theta["w"], torch.full((2,), -sum(rates)), atol=1e-5, rtol=0)
    assert sum(rates) == pytest.approx(RATE * (STEPS + 1) / 2)
    assert [row["learning_rate"] for row in search.looks[1:]] == pytest.approx(rates)
    places = [0.0, *itertools.accumulate(-2 * rate for rate in rates)][:-1]
    assert [row["train_loss"] for row in search.looks[1:]] == pytest.approx(places, abs=1e-5)


def test_gradient_is_shortened_as_a_whole_and_then_followed() -> None:
    gradient = {"a": torch.tensor([3.0]), "b": torch.tensor([4.0])}
    clip(gradient, 10.0)
    assert [float(value) for value in gradient.values()] == [3.0, 4.0]
    clip(gradient, 1.0)
    assert [float(value) for value in gradient.values()] == pytest.approx([0.6, 0.8], abs=1e-5)
    small = outer(gradient_clip=math.sqrt(2) / 2)
    search = Search(Hill(*[0.0] * 5), constant(True), small, run_parameters(), "key").follow()  # type: ignore[arg-type]
    torch.testing.assert_close(
        search.theta["w"], torch.full((2,), -RATE * (STEPS + 1) / 4), atol=1e-4, rtol=0
    )


def test_start_that_is_kept_is_the_best_on_dev_and_means_are_taken_between_looks() -> None:
    search = Search(Hill(0.1, 0.2, 0.9, 0.9, 0.3), constant(True), outer(), run_parameters(), "key").follow()  # type: ignore[arg-type]
    assert [row["step"] for row in search.looks] == [0, 2, 4, 6, 8]
    assert search.best_row["step"] == 4, "the first of equals"
    places = np.cumsum([0, *(-RATE * (1 + math.cos(math.pi * t / STEPS)) / 2 for t in range(STEPS))])
    assert float(search.best["w"][0]) == pytest.approx(places[4], abs=1e-5)
    assert search.looks[2]["train_loss"] == pytest.approx(2 * (places[2] + places[3]) / 2, abs=1e-5)


@pytest.mark.parametrize("name", ["maml", "reptile"])
def test_killed_training_resumes_to_the_same_numbers(
    settings: Any, sinusoids: SinusoidFamily, tmp_path: Path, name: str
) -> None:
    part = settings(name).sinusoids
    rule = RULES[name](sinusoids, sinusoids.learner.initial(), part)
    assert rule.plain is (name == "reptile"), "its direction is a difference of weights already"

    def search(rule: Rule, resume: bool = False) -> Search:
        with training_session(name, tmp_path, lambda step, metrics: sent.append(step)):
            return Search(sinusoids, rule, part, run_parameters(resume=resume), "key").follow()

    def dies(theta: Any, number: int, generator: Any) -> Any:
        if number == 6:
            raise KeyboardInterrupt
        return rule.direction(theta, number, generator)

    sent: list[int] = []
    whole = search(rule)
    with pytest.raises(KeyboardInterrupt):
        search(replace(rule, direction=dies))
    sent.clear()
    resumed = search(rule, resume=True)
    assert resumed.looks == whole.looks and sent == [0, 4, 8], "the whole curve is sent again"
    assert all(torch.equal(value, resumed.theta[key]) for key, value in whole.theta.items())
    assert all(torch.equal(value, resumed.best[key]) for key, value in whole.best.items())
    other = Search(sinusoids, rule, part, run_parameters(seed=1), "key").follow()
    assert other.looks[-1]["train_loss"] != whole.looks[-1]["train_loss"], "another seed meets other tasks"


@pytest.mark.parametrize("first_order", [False, True])
def test_maml_takes_its_shots_in_turn_and_its_order(
    settings: Any, sinusoids: SinusoidFamily, first_order: bool
) -> None:
    part, theta = settings("maml", sinusoids={"shots": [5, 10]}).sinusoids, sinusoids.learner.initial()
    rule = maml(sinusoids, theta, part, first_order)
    for number, shots in enumerate(part.shots):
        tasks = sinusoids.tasks(np.random.default_rng(3), part.tasks, shots, part.queries)
        inner = part.inner_steps, part.inner_rate
        expected = meta_gradient(sinusoids.learner, theta, tasks, *inner, first_order)
        torch.testing.assert_close(rule.direction(theta, number, np.random.default_rng(3)), expected)


@pytest.mark.parametrize("adapts", ["", OUTPUT])
def test_maml_and_anil_learn_sinusoids(settings: Any, sinusoids: SinusoidFamily, adapts: str) -> None:
    """After a few updates ten gradient steps do what they could not do before."""
    torch.manual_seed(0)
    family = SinusoidFamily(sinusoids.parameters, CPU, adapts)
    changes = {"steps": 50, "watch_steps": 50, "inner_steps": 2, "inner_rate": 0.02, "rates": [0.02]}
    part = settings("maml", sinusoids={**changes, "learning_rate": 0.01}).sinusoids
    search = Search(family, maml(family, family.learner.initial(), part), part, run_parameters()).follow()
    assert search.looks[-1]["mse_after_10"] < 0.8 * search.looks[0]["mse_after_10"]


def test_joint_training_of_sinusoids_finds_their_mean(settings: Any, sinusoids: SinusoidFamily) -> None:
    """With phases all around the circle the mean of all tasks is zero everywhere."""
    part = settings("pretrained", sinusoids={"steps": 100, "watch_steps": 100}).sinusoids
    rule = RULES["pretrained"](sinusoids, sinusoids.learner.initial(), part)
    found = Search(sinusoids, rule, part, run_parameters()).follow()
    answer = sinusoids.learner.answer(found.theta, torch.linspace(-5, 5, 50)[:, None])
    assert float(answer.detach().abs().max()) < 1.0 < sinusoids.parameters.amplitude[1]


def test_joint_network_shares_its_features_with_all_variants_and_gives_them_to_a_start_that_answers_alike(
    settings: Any, characters: CharacterFamily
) -> None:
    weights = characters.learner.initial()
    rule = RULES["pretrained"](characters, weights, settings("pretrained").characters)
    assert rule.begin["output.weight"].shape[0] == 32, "one output for each training character and turn"
    assert all(
        torch.equal(rule.begin[name], value) for name, value in weights.items() if "output" not in name
    )
    start = rule.start_of(rule.begin)
    assert start["output.weight"].shape[0] == 5 and not start["output.weight"].any()


def test_step_size_of_new_tasks_is_the_best_on_dev(
    sinusoids: SinusoidFamily, characters: CharacterFamily
) -> None:
    for family, best in ((sinusoids, min), (characters, max)):
        start = family.learner.initial()
        single = {rate: family.dev(start, (rate,))[family.metric] for rate in (0.001, 0.1)}
        found = family.dev(start, tuple(single))
        assert found[family.metric] == single[found["rate"]] == best(single.values())


def test_all_variants_begin_with_the_same_weights(settings: Any, trained: Any, random_starts: Any) -> None:
    history = trained("reptile", rule="reptile")[1]
    same = settings("random", sinusoids={"rates": [0.01]}, characters={"rates": [0.1]})
    for name in ("sinusoids", "characters"):
        assert getattr(same, name).rates == getattr(settings("reptile"), name).rates
        assert history["epochs"][name][0] == random_starts[1]["epochs"][name][0]
    assert set(history["dev"]) >= {"mse_after_10", "mse_5shot", "accuracy_1shot", "accuracy_5shot"}


def test_diverging_training_is_named(settings: Any, sinusoids: SinusoidFamily) -> None:
    part = settings("maml", sinusoids={"inner_rate": 1e20}).sinusoids
    rule = maml(sinusoids, sinusoids.learner.initial(), part)
    with pytest.raises(ValueError, match=r"sinusoids: training loss .* lower learning_rate"):
        Search(sinusoids, rule, part, run_parameters()).follow()


def test_anil_is_trained_judged_and_kept_with_its_last_layer_and_queries_are_answered_alone(
    parts: Any, settings: Any, trained: Any
) -> None:
    """Trained with the queries' own statistics, scored with those of the support set."""
    shape = settings("characters", normalisation="query")
    starts, history = trained("anil", shape, rule="maml", adapts=OUTPUT)
    assert starts.sinusoids.adapts == starts.characters.adapts == OUTPUT
    assert starts.characters.parameters == settings("characters", normalisation="support")
    for adapts, same in ((OUTPUT, True), ("", False)):
        families = (
            SinusoidFamily(settings("sinusoids"), CPU, adapts),
            CharacterFamily(starts.characters.parameters, *parts[:2], CPU, adapts),
        )
        for family in families:
            start = getattr(starts, family.name)
            scores = family.dev(start.weights, (start.rate,))
            close = all(abs(history["dev"][key] - scores[key]) < 1e-6 for key in scores if key != "rate")
            assert close is same


@pytest.mark.parametrize("environment", ["base", "full", "test"])
def test_every_variant_takes_its_step_on_sinusoids_from_the_same_list(environment: str) -> None:
    study = EtudesConfigLoader(str(CONF), env=environment, **CONFIG_LOADER_ARGS)["parameters"][
        "meta_learning"
    ]
    parameters = Parameters.model_validate(study)
    assert len({getattr(parameters, name).sinusoids.rates for name in parameters.variants}) == 1


def test_sinusoids_do_not_depend_on_the_characters(parts: Any, trained: Any, settings: Any) -> None:
    """So that they can be recorded alone, beside characters that are hardly trained."""
    other = settings("characters", filters=2, dev_tasks=3, queries=1)
    ours, theirs = (trained("maml", characters, rule="maml") for characters in (None, other))
    assert ours[1]["epochs"]["sinusoids"] == theirs[1]["epochs"]["sinusoids"]
    assert ours[1]["epochs"]["characters"] != theirs[1]["epochs"]["characters"]
    groups = settings("sinusoids"), settings("evaluation")
    few = settings("characters", queries=1, test_tasks=3)
    found = [
        evaluate({"maml": starts}, parts[2], {"ways": 0, "rates": {}}, groups[0], characters, groups[1])
        for (starts, _), characters in ((ours, settings("characters")), (theirs, few))
    ]
    alone = [{k: v for k, v in metrics.items() if "mse" in k} for metrics, *_ in found]
    assert alone[0] and alone[0] == alone[1]
