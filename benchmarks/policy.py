"""The study's A2C and PPO against Stable-Baselines3's: the same networks, batch and passes over it, one thread each.

Ours with one agent in the environments that Gymnasium makes, as the peer has them; with one agent in the environment as arrays; and
with ten agents in step there, as the study trains them, where the steps of all count. Nothing is evaluated.
``python -m benchmarks.policy NAME`` is one contestant in a fresh process and prints its steps a second.
"""

# ruff: noqa: T201
from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Literal

from benchmarks.table import Row, at_least
from benchmarks.timing import fastest

ENVIRONMENT, ENVIRONMENTS, HIDDEN, REPEATS, AGENTS = "CartPole-v1", 8, (64, 64), 3, 10
Name = Literal["a2c", "ppo"]
WINDOWS: dict[Name, int] = {"a2c": 16, "ppo": 128}
STEPS: dict[Name, int] = {"a2c": 8192, "ppo": 16384}
EPOCHS, MINIBATCHES, CLIP = 4, 4, 0.2
RATE, DISCOUNT, TRACE, ENTROPY, NORM = 1e-3, 0.99, 0.95, 0.01, 0.5


def ours(method: Name, agents: int, arrays: bool) -> float:
    """Steps a second of processor time, acting and learning."""
    from etudes.pipelines.policy_gradients.learning import Learning
    from etudes.pipelines.policy_gradients.parameters import (
        ProximalParameters,
        RolloutParameters,
        TrainingParameters,
    )
    from etudes.rl.environments import Environments, EnvironmentSpec
    from etudes.rl.simulated import side_by_side

    spec, window, steps = EnvironmentSpec(ENVIRONMENT, 475), WINDOWS[method], STEPS[method]
    rollout = RolloutParameters(environments=ENVIRONMENTS, window=window)
    settings = TrainingParameters(
        steps=10 * steps,  # never reached: batches are counted here
        agents=None,
        hidden=HIDDEN,
        discount=DISCOUNT,
        trace=TRACE,
        entropy=ENTROPY,
        scale=50,
        gradient_clip=NORM,
        learning_rates={method: RATE},
        episodes=1,
        a2c=rollout,
        ppo=ProximalParameters(**rollout.model_dump(), epochs=EPOCHS, minibatches=MINIBATCHES, clip=CLIP),
        evaluate_every=10 * steps,
        checkpoint_points=1,
        keep="last",
    )
    seeds = list(range(agents * ENVIRONMENTS))
    environments = side_by_side(spec, seeds) if arrays else Environments(spec, seeds)
    learning = Learning(method, environments, 2, seeds[:agents], [1], settings)
    learning.advance()  # the first one draws the first point of the curve

    def train() -> None:
        for _ in range(steps // (window * ENVIRONMENTS)):
            learning.advance()

    return agents * _speed(train, steps)


def peer(method: Name) -> float:
    """The same of Stable-Baselines3."""
    from stable_baselines3 import A2C, PPO
    from stable_baselines3.common.env_util import make_vec_env

    steps, window = STEPS[method], WINDOWS[method]
    shared = {
        "env": make_vec_env(ENVIRONMENT, n_envs=ENVIRONMENTS, seed=0),
        "learning_rate": RATE,
        "n_steps": window,
        "gamma": DISCOUNT,
        "gae_lambda": TRACE,
        "ent_coef": ENTROPY,
        "max_grad_norm": NORM,
        "policy_kwargs": {"net_arch": {"pi": list(HIDDEN), "vf": list(HIDDEN)}},
        "device": "cpu",
        "seed": 0,
    }
    if method == "a2c":
        model = A2C("MlpPolicy", **shared, use_rms_prop=False)
    else:
        size = window * ENVIRONMENTS // MINIBATCHES
        model = PPO("MlpPolicy", **shared, n_epochs=EPOCHS, batch_size=size, clip_range=CLIP)
    model.learn(window * ENVIRONMENTS)
    return _speed(lambda: model.learn(steps), steps)


def _speed(train: Callable[[], object], steps: int) -> float:
    import torch

    torch.set_num_threads(1)
    start = time.process_time()
    train()
    return steps / (time.process_time() - start)


FORMS = {
    "gymnasium": ("1 agent in Gymnasium's environments", 1, False),
    "arrays": ("1 agent, environments as arrays", 1, True),
    "together": (f"{AGENTS} agents in step, environments as arrays", AGENTS, True),
}
CONTESTANTS: dict[str, Callable[[], float]] = {}
for _method in WINDOWS:
    CONTESTANTS[f"{_method}_peer"] = partial(peer, _method)
    for _form, (_, _agents, _arrays) in FORMS.items():
        CONTESTANTS[f"{_method}_{_form}"] = partial(ours, _method, _agents, _arrays)


def policy_gradients_against_stable_baselines3() -> list[Row]:
    """Environment steps a second of both; asked is not to be slower, with one agent in the same environments.

    Raises:
        RuntimeError: Stable-Baselines3 is not installed.
    """
    if find_spec("stable_baselines3") is None:
        raise RuntimeError("this benchmark needs Stable-Baselines3: install the optional group `bench`")
    best = fastest("benchmarks.policy", CONTESTANTS, REPEATS)
    rows = []
    for method in WINDOWS:
        for form, (text, _, _) in FORMS.items():
            what = (
                f"{method.upper()} on {ENVIRONMENT}, steps a second of one core, {text} (best of {REPEATS})"
            )
            rows.append(at_least(what, best[f"{method}_{form}"], best[f"{method}_peer"], 1.0, "steps/s"))
    return rows


if __name__ == "__main__":
    print(CONTESTANTS[sys.argv[1]]())
