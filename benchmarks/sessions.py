"""Whole episodes side by side: arrays and processes against a loop over Gymnasium's environments and its own vectors of them.

Actions are uniform, so that nothing but playing is timed; a session ends of itself or after 500 steps. ``python -m benchmarks.sessions
NAME`` is one contestant in a fresh process and prints its steps a second by the clock.
"""

# ruff: noqa: T201
from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.table import Row
from benchmarks.timing import fastest

CART, LANDER, HORIZON, REPEATS = "CartPole-v1", "LunarLander-v3", 500, 2
SESSIONS = 2048  # of the pole, in rounds of so many at once as are asked, at most 128 rounds
STEPS = {CART: 20_000, LANDER: 5_000}  # of the loop and of the vectors; a session of ours is as long as it is
WIDTHS, PROCESSES = (1, 4, 16, 512), (1, 2, 4, 16)
ACTIONS = {CART: 2, LANDER: 4}


def _act(actions: int) -> Callable[..., Any]:
    return lambda seen, uniforms: (uniforms * actions).astype(np.int64)


def arrays(width: int) -> float:
    """Our sessions of the pole, so many at once."""
    from etudes.pipelines.cross_entropy_method.sessions import world_of
    from etudes.rl.environments import EnvironmentSpec

    world, steps = world_of(EnvironmentSpec(CART, 475), [0], HORIZON), 0
    act = _act(ACTIONS[CART])
    world.play(0, 1, 1, act)
    start = time.perf_counter()
    for number in range(min(128, SESSIONS // width)):
        steps += int(world.play(number, width, 1, act).lengths.sum())
    return steps / (time.perf_counter() - start)


def play_some(seed: int) -> tuple[int, float, float]:
    """A share of the lander's sessions in a process of its own: steps, and when they began and ended."""
    from etudes.pipelines.cross_entropy_method.sessions import GymnasiumWorld
    from etudes.rl.environments import EnvironmentSpec

    world, act = GymnasiumWorld(EnvironmentSpec(LANDER, 200), [seed], HORIZON), _act(ACTIONS[LANDER])
    world.play(0, 16, 1, act)  # environments are made
    start, steps = time.time(), 0
    for number in range(4):
        steps += int(world.play(number, 16, 1, act).lengths.sum())
    return steps, start, time.time()


def processes(count: int) -> float:
    """Our sessions of the lander, in so many processes."""
    from etudes.rl.processes import run_side_by_side

    done = run_side_by_side(play_some, {f"share_{n}": n for n in range(count)}, count)
    steps, begun, ended = zip(*done, strict=True)
    return sum(steps) / (max(ended) - min(begun))


def loop(name: str) -> float:
    """One of Gymnasium's environments in a plain loop."""
    import gymnasium

    environment, generator = gymnasium.make(name, disable_env_checker=True), np.random.default_rng(0)
    environment.reset(seed=0)
    start = time.perf_counter()
    for _ in range(STEPS[name]):
        if any(environment.step(int(generator.integers(ACTIONS[name])))[2:4]):
            environment.reset()
    return STEPS[name] / (time.perf_counter() - start)


def vector(name: str, kind: str, count: int) -> float:
    """Gymnasium's own vector of environments: ``sync`` in one process, ``async`` in a process each."""
    import gymnasium

    made = gymnasium.make_vec(name, num_envs=count, vectorization_mode=kind)
    generator = np.random.default_rng(0)
    made.reset(seed=0)
    start, steps = time.perf_counter(), 0
    while steps < STEPS[name]:
        made.step(generator.integers(ACTIONS[name], size=count))
        steps += count
    speed = steps / (time.perf_counter() - start)
    made.close()
    return speed


CONTESTANTS: dict[str, Callable[[], float]] = {
    **{f"arrays_{width}": partial(arrays, width) for width in WIDTHS},
    **{f"processes_{count}": partial(processes, count) for count in PROCESSES},
    **{f"loop_{name}": partial(loop, name) for name in STEPS},
    "vector": partial(vector, CART, "sync", 16),
    "workers": partial(vector, LANDER, "async", 2),
}


def sessions_against_gymnasium() -> list[Row]:
    """Steps a second by the clock, so that processes count; on a busy machine they gain less."""
    best = fastest("benchmarks.sessions", CONTESTANTS, REPEATS)

    def row(what: str, ours: str, peer: str) -> Row:
        numbers = (f"{best[name]:,.0f} steps/s" for name in (ours, peer))
        return Row(what, *numbers, f"{best[ours] / best[peer]:.1f}x")

    return [
        *(
            row(f"{CART}, {n} sessions as arrays, against a loop", f"arrays_{n}", f"loop_{CART}")
            for n in WIDTHS
        ),
        row(f"{CART}, 16 sessions as arrays, against Gymnasium's vector of 16", "arrays_16", "vector"),
        *(
            row(
                f"{LANDER}, sessions in {n} process{'es' * (n > 1)}, against a loop",
                f"processes_{n}",
                f"loop_{LANDER}",
            )
            for n in PROCESSES
        ),
        row(f"{LANDER}, 2 processes, against Gymnasium's 2 workers", "processes_2", "workers"),
    ]


if __name__ == "__main__":
    print(CONTESTANTS[sys.argv[1]]())
