"""The study's DQN against Stable-Baselines3's: the same network, batch, buffer and updates a step, one thread each.

Ours trains ten agents as one stack, as the study does, and the steps of all count; the peer trains one. Ours computes
double-Q targets and a running average of the weights in every update; the peer neither.
``python -m benchmarks.lander NAME`` is one contestant in a fresh process and prints its steps a second.
"""

# ruff: noqa: T201
from __future__ import annotations

import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from benchmarks.table import Row, at_least
from benchmarks.timing import fastest

STEPS, WARMUP, REPEATS, AGENTS = 5000, 500, 3, 10
ENVIRONMENTS, RATIO, BATCH, HIDDEN, CAPACITY = 8, 1, 128, (128, 128), 50_000
RATE, DISCOUNT, EPSILON, EPSILON_SHARE = 5e-4, 0.99, 0.05, 0.1
ENVIRONMENT = "LunarLander-v3"


def ours() -> float:
    """Steps a second of processor time: acting, storing and learning, with one short evaluation at the end."""
    from benchmarks.sample import changed
    from etudes.pipelines.lunar_lander_bbf.training import AgentJob, train_agents_together
    from etudes.rl.environments import EnvironmentSpec, inspect_environment

    settings = changed(
        _parameters(),
        steps=STEPS,
        warmup_steps=WARMUP,
        replay_ratio=RATIO,
        batch_size=BATCH,
        capacity=CAPACITY,
        hidden=HIDDEN,
        layer_norm=False,
        learning_rate=RATE,
        learning_rate_end=RATE,
        discount=DISCOUNT,
        epsilon_end=EPSILON,
        epsilon_share=EPSILON_SHARE,
        evaluate_every=STEPS,
    )
    spec = EnvironmentSpec(ENVIRONMENT, 200)
    agents = tuple(range(AGENTS))
    seeds = tuple(tuple(range(100 * agent, 100 * agent + ENVIRONMENTS)) for agent in agents)
    job = AgentJob(spec, inspect_environment(spec), agents, seeds, (99,), settings, None, None, None, False)
    return AGENTS * _speed(lambda: train_agents_together(job))


def _parameters() -> object:
    import yaml

    from etudes.pipelines.lunar_lander_bbf.parameters import TrainingParameters

    path = Path(__file__).parents[1] / "conf" / "base" / "parameters" / "lunar_lander_bbf.yml"
    values = yaml.safe_load(path.read_text(encoding="utf-8"))["lunar_lander_bbf"]["training"]
    return TrainingParameters.model_validate(values)


def peer(environments: int) -> float:
    """The same of Stable-Baselines3's DQN, with one environment (four steps, then four updates) or several."""
    from stable_baselines3 import DQN
    from stable_baselines3.common.env_util import make_vec_env

    rounds = 4 if environments == 1 else 1
    model = DQN(
        "MlpPolicy",
        make_vec_env(ENVIRONMENT, n_envs=environments, seed=0),
        learning_rate=RATE,
        buffer_size=CAPACITY,
        learning_starts=WARMUP,
        batch_size=BATCH,
        gamma=DISCOUNT,
        train_freq=rounds,
        gradient_steps=RATIO * rounds * environments,
        target_update_interval=250,
        exploration_fraction=EPSILON_SHARE,
        exploration_final_eps=EPSILON,
        policy_kwargs={"net_arch": list(HIDDEN)},
        device="cpu",
        seed=0,
    )
    return _speed(lambda: model.learn(STEPS))


def _speed(train: Callable[[], object]) -> float:
    import torch

    torch.set_num_threads(1)
    start = time.process_time()
    train()
    return STEPS / (time.process_time() - start)


CONTESTANTS: dict[str, Callable[[], float]] = {
    "ours": ours,
    "peer_1": lambda: peer(1),
    "peer_8": lambda: peer(ENVIRONMENTS),
}


def dqn_against_stable_baselines3() -> list[Row]:
    """Environment steps a second of both, the peer in the better of its two arrangements.

    Raises:
        RuntimeError: Stable-Baselines3 is not installed.
    """
    if find_spec("stable_baselines3") is None:
        raise RuntimeError("this benchmark needs Stable-Baselines3: install the optional group `bench`")
    best = fastest("benchmarks.lander", CONTESTANTS, REPEATS)
    what = f"DQN on {ENVIRONMENT}, steps a second of one core, our {AGENTS} agents together, {RATIO} update of {BATCH} a step (best of {REPEATS})"
    rows = [at_least(what, best["ours"], max(best["peer_1"], best["peer_8"]), 1.5, "steps/s")]
    for name, text in (("peer_1", "1 environment"), ("peer_8", f"{ENVIRONMENTS} environments")):
        ratio = best["ours"] / best[name]
        rows.append(
            Row(
                f"  the peer with {text}",
                f"{best['ours']:,.0f} steps/s",
                f"{best[name]:,.0f} steps/s",
                f"{ratio:.2f}x",
            )
        )
    return rows


if __name__ == "__main__":
    print(CONTESTANTS[sys.argv[1]]())
