"""DQN with the cart and the pole: the study's agents in step against Stable-Baselines3's, one thread each.

Like for like: the same network, batch, memory, learning rate and exploration, an update after every step, a copy of the network every
500 updates, Gymnasium's rules. Ours steps arrays and has its gradient written out, the peer Gymnasium and automatic
differentiation; the peer clips the gradient's norm as well. Ours are ten agents in step, as the study trains them, and one alone.
``python -m benchmarks.cartpole NAME`` is one contestant in a fresh process and prints its steps a second.
"""

# ruff: noqa: T201
from __future__ import annotations

import sys
import time
from collections.abc import Callable
from importlib.util import find_spec

from benchmarks.table import Row, at_least
from benchmarks.timing import fastest

ENVIRONMENT, STEPS, WARMUP, REPEATS, AGENTS = "CartPole-v1", 4000, 500, 3, 10
HIDDEN, BATCH, CAPACITY, COPY, RATE, DISCOUNT = (64, 64), 32, 10_000, 500, 1e-3, 0.99
EPSILON, EPSILON_SHARE = 0.05, 0.2


def ours(agents: int) -> float:
    """Environment steps a second of processor time, those of all agents counted: acting, storing, learning."""
    from etudes.pipelines.approximate_q_learning.learning import Arm, Learning
    from etudes.pipelines.approximate_q_learning.parameters import TrainingParameters
    from etudes.rl.environments import EnvironmentSpec, inspect_environment

    settings = TrainingParameters(
        steps=STEPS,
        warmup_steps=WARMUP,
        hidden=HIDDEN,
        learning_rates=(RATE,),
        adam_epsilon=1e-8,
        huber=1.0,
        discount=DISCOUNT,
        batch_size=BATCH,
        capacity=CAPACITY,
        target_every=COPY,
        epsilon_start=1.0,
        epsilon_end=EPSILON,
        epsilon_share=EPSILON_SHARE,
        evaluate_every=STEPS // 2,
        checkpoint_points=1,
        keep="last",
    )
    spec, seeds = EnvironmentSpec(ENVIRONMENT, 475), list(range(agents))
    learning = Learning(
        Arm(replay=True, target=True),
        spec,
        inspect_environment(spec),
        [RATE] * agents,
        seeds,
        seeds,
        [0],
        settings,
    )

    def train() -> None:
        for _ in range(STEPS):
            learning.advance()

    return agents * _speed(train)


def peer() -> float:
    """The same of Stable-Baselines3's DQN, which trains one agent."""
    import torch
    from stable_baselines3 import DQN
    from stable_baselines3.common.env_util import make_vec_env

    torch.set_num_threads(1)
    model = DQN(
        "MlpPolicy",
        make_vec_env(ENVIRONMENT, n_envs=1, seed=0),
        learning_rate=RATE,
        buffer_size=CAPACITY,
        learning_starts=WARMUP,
        batch_size=BATCH,
        gamma=DISCOUNT,
        train_freq=1,
        gradient_steps=1,
        target_update_interval=COPY,
        exploration_fraction=EPSILON_SHARE,
        exploration_final_eps=EPSILON,
        policy_kwargs={"net_arch": list(HIDDEN)},
        device="cpu",
        seed=0,
    )
    return _speed(lambda: model.learn(STEPS))


def _speed(train: Callable[[], object]) -> float:
    start = time.process_time()
    train()
    return STEPS / (time.process_time() - start)


CONTESTANTS: dict[str, Callable[[], float]] = {
    "one": lambda: ours(1),
    "many": lambda: ours(AGENTS),
    "peer": peer,
}


def dqn_with_the_cart_against_stable_baselines3() -> list[Row]:
    """Environment steps a second of one core.

    Raises:
        RuntimeError: Stable-Baselines3 is not installed.
    """
    if find_spec("stable_baselines3") is None:
        raise RuntimeError("this benchmark needs Stable-Baselines3: install the optional group `bench`")
    best = fastest("benchmarks.cartpole", CONTESTANTS, REPEATS)
    what = f"DQN on {ENVIRONMENT}, steps a second of one core, 1 update of {BATCH} a step"
    return [
        at_least(
            f"{what}, our {AGENTS} agents in step (best of {REPEATS})",
            best["many"],
            best["peer"],
            1.5,
            "steps/s",
        ),
        Row(
            "  the same, ours one agent alone",
            f"{best['one']:,.0f} steps/s",
            f"{best['peer']:,.0f} steps/s",
            f"{best['one'] / best['peer']:.2f}x",
        ),
    ]


if __name__ == "__main__":
    print(CONTESTANTS[sys.argv[1]]())
