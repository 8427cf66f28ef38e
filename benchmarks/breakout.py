"""DQN from the screen of Breakout: the study's agent against Stable-Baselines3's, one thread each, and the bytes of a transition.

Like for like: the same environment (our screens), the network of Mnih et al. 2015, batch, memory, learning rate, exploration, an update of
32 for every four steps, a copy every 250 updates. Ours learns with the weights' channels last and takes numbers below 1e-38 for 0; a row
has the peer with that too. ``python -m benchmarks.breakout NAME`` is one contestant in a fresh process.
"""

# ruff: noqa: T201
from __future__ import annotations

import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from benchmarks.table import Row, at_least, at_most
from benchmarks.timing import fastest

STEPS, WARMUP, REPEATS, ENVIRONMENTS, CAPACITY = 2000, 400, 2, 8, 5000
BATCH, EVERY, COPY, RATE, DISCOUNT, EPSILON, HIDDEN = 32, 4, 250, 2.5e-4, 0.99, 0.05, 512
CONVOLUTIONS = ((32, 8, 4), (64, 4, 2), (64, 3, 1))


def _spec() -> Any:
    from etudes.rl.environments import EnvironmentSpec

    screens = {"size": 84, "stack": 4, "fire": True}
    return EnvironmentSpec(
        "ALE/Breakout-v5", 30.5, {"obs_type": "grayscale"}, max_episode_steps=5000, screens=screens
    )


def _learning() -> Any:
    from etudes.pipelines.breakout_dqn.learning import Arm, Learning
    from etudes.pipelines.breakout_dqn.parameters import NetworkParameters, TrainingParameters
    from etudes.rl.environments import inspect_environment

    settings = TrainingParameters(
        steps=STEPS,
        warmup_steps=WARMUP,
        train_every=EVERY,
        batch_size=BATCH,
        capacity=CAPACITY,
        learning_rate=RATE,
        adam_epsilon=1e-8,
        gradient_clip=10.0,
        huber=1.0,
        discount=DISCOUNT,
        target_every=COPY,
        n_step=1,
        epsilon_start=1.0,
        epsilon_end=EPSILON,
        epsilon_share=0.2,
        evaluate_every=STEPS,
        checkpoint_points=1,
        keep="last",
    )
    spec, seeds = _spec(), range(ENVIRONMENTS)
    network = NetworkParameters(convolutions=CONVOLUTIONS, hidden=HIDDEN)
    return Learning(Arm(), spec, inspect_environment(spec), 0, seeds, [0], network, settings)


def ours() -> float:
    """Steps a second of processor time: acting, storing, learning."""
    import torch

    torch.set_flush_denormal(True)
    learning = _learning()

    def train() -> None:
        while learning.steps < STEPS:
            learning.advance()

    return _speed(train)


def peer(environments: int, flush: bool = False) -> float:
    """The same of Stable-Baselines3's DQN."""
    import torch

    torch.set_flush_denormal(flush)
    model = _model(environments)
    return _speed(lambda: model.learn(STEPS))


def _model(environments: int, **settings: Any) -> Any:
    from stable_baselines3 import DQN
    from stable_baselines3.common.vec_env import DummyVecEnv

    several = environments > 1
    return DQN(
        "CnnPolicy",
        DummyVecEnv([lambda: _spec().make() for _ in range(environments)]),
        learning_rate=RATE,
        buffer_size=CAPACITY,
        learning_starts=WARMUP,
        batch_size=BATCH,
        gamma=DISCOUNT,
        train_freq=1 if several else EVERY,
        gradient_steps=environments // EVERY if several else 1,
        target_update_interval=COPY * EVERY,
        exploration_fraction=0.2,
        exploration_final_eps=EPSILON,
        policy_kwargs={"net_arch": []},
        device="cpu",
        seed=0,
        **settings,
    )


def our_bytes() -> float:
    """Bytes of a transition."""
    return _learning().buffer.nbytes / CAPACITY


def peer_bytes(sparing: bool) -> float:
    """The same of the peer; ``sparing``: as its option for less memory has it, which cannot tell ends from time limits."""
    import numpy as np

    options = {"handle_timeout_termination": False} if sparing else {}
    buffer = _model(1, optimize_memory_usage=sparing, replay_buffer_kwargs=options).replay_buffer
    return sum(part.nbytes for part in vars(buffer).values() if isinstance(part, np.ndarray)) / CAPACITY


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
    "peer_8_flushed": lambda: peer(ENVIRONMENTS, flush=True),
    "our_bytes": our_bytes,
    "peer_bytes": lambda: peer_bytes(sparing=False),
    "peer_bytes_spared": lambda: peer_bytes(sparing=True),
}


def dqn_from_pictures_against_stable_baselines3() -> list[Row]:
    """Steps a second of one core, the peer in the better of its two arrangements, and bytes of a transition.

    Raises:
        RuntimeError: Stable-Baselines3 or ale-py is not installed.
    """
    for package, extra in (("stable_baselines3", "bench"), ("ale_py", "atari")):
        if find_spec(package) is None:
            raise RuntimeError(f"this benchmark needs {package}: install the optional group `{extra}`")
    speeds = [name for name in CONTESTANTS if "bytes" not in name]
    best = fastest("benchmarks.breakout", speeds, REPEATS)
    best |= fastest("benchmarks.breakout", [name for name in CONTESTANTS if name not in speeds], 1)
    what = f"DQN on ALE/Breakout-v5, steps a second of one core, an update of {BATCH} every {EVERY} (best of {REPEATS})"
    rows = [at_least(what, best["ours"], max(best["peer_1"], best["peer_8"]), 1.5, "steps/s")]
    for name, text in (
        ("peer_1", "1 environment"),
        ("peer_8", f"{ENVIRONMENTS} environments"),
        ("peer_8_flushed", f"{ENVIRONMENTS} environments, tiny numbers taken for 0"),
    ):
        ratio = f"{best['ours'] / best[name]:.2f}x"
        rows.append(
            Row(
                f"  the peer with {text}", f"{best['ours']:,.0f} steps/s", f"{best[name]:,.0f} steps/s", ratio
            )
        )
    rows.append(at_most("replay, bytes of a transition", best["our_bytes"], best["peer_bytes"], 0.25, "B"))
    spared = best["our_bytes"] / best["peer_bytes_spared"]
    ends = (f"{best['our_bytes']:,.0f} B", f"{best['peer_bytes_spared']:,.0f} B", f"{spared:.3f}x")
    return [*rows, Row("  the peer without next observations", *ends)]


if __name__ == "__main__":
    print(CONTESTANTS[sys.argv[1]]())
