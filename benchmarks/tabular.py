"""Q-learning in Taxi: agents in step as array operations against a plain Python loop over gymnasium's environment.

Both make the same update after every step and begin anew after each episode; nothing is evaluated.
``python -m benchmarks.tabular NAME`` is one contestant in a fresh process and prints its steps a second.
"""

# ruff: noqa: T201
from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np

from benchmarks.table import Row
from benchmarks.timing import fastest

ENVIRONMENT, RATE, DISCOUNT, EPSILON = "Taxi-v4", 0.5, 0.99, 0.1
AGENTS = (1, 10, 100, 1000)
STEPS, REPEATS, ASKED = (
    20_000,
    3,
    200_000,
)  # steps of the loop; ours make as many updates in all, or two blocks


def ours(agents: int) -> float:
    """Environment steps a second of processor time, those of all agents counted."""
    from etudes.pipelines.tabular_q_learning.learning import Learning
    from etudes.pipelines.tabular_q_learning.parameters import ArmParameters, TrainingParameters
    from etudes.pipelines.tabular_q_learning.tables import Cells, Stack
    from etudes.rl.environments import EnvironmentSpec
    from etudes.rl.simulators import simulator_of

    simulator = simulator_of(EnvironmentSpec(ENVIRONMENT, 0))
    assert simulator is not None
    arm = ArmParameters(
        bins=(),
        epsilon=EPSILON,
        epsilon_decay=1.0,
        epsilon_end=EPSILON,
        initial=0.0,
        learning_rate=RATE,
        learning_rate_end=RATE,
    )
    steps = max(STEPS // agents, 2000)
    settings = TrainingParameters(
        steps=steps,
        discount=DISCOUNT,
        reaches=(),
        evaluate_every=steps,
        checkpoint_points=1,
        keep="last",
        arms={"only": arm},
    )
    first = simulator.draw(np.full((1, 1), 0.5))
    arms, seeds = [arm] * agents, list(range(agents))
    learning = Learning(
        "q_learning", simulator, Stack([Cells(500)] * agents), 6, arms, seeds, first, settings
    )
    start = time.process_time()
    for _ in range(steps):
        learning.advance()
    return agents * steps / (time.process_time() - start)


def loop() -> float:
    """The same of one agent whose table is an array, in gymnasium's own environment."""
    import gymnasium

    environment = gymnasium.make(ENVIRONMENT, disable_env_checker=True)
    generator = np.random.default_rng(0)
    values = 1e-6 * generator.random((500, 6))
    state, _ = environment.reset(seed=0)
    start = time.process_time()
    for _ in range(STEPS):
        explores = generator.random() < EPSILON
        action = int(generator.integers(6)) if explores else int(values[state].argmax())
        following, reward, terminated, truncated, _ = environment.step(action)
        worth = 0.0 if terminated else values[following].max()
        values[state, action] += RATE * (reward + DISCOUNT * worth - values[state, action])
        state = environment.reset()[0] if terminated or truncated else following
    return STEPS / (time.process_time() - start)


CONTESTANTS: dict[str, Callable[[], float]] = {
    "loop": loop,
    **{f"ours_{agents}": lambda agents=agents: ours(agents) for agents in AGENTS},  # type: ignore[misc]
}


def q_learning_against_a_loop() -> list[Row]:
    """Environment steps a second of one core; asked are 200,000 by as many agents as one likes."""
    best = fastest("benchmarks.tabular", CONTESTANTS, REPEATS)
    peer, most = best["loop"], max(AGENTS)
    return [
        Row(
            f"Q-learning on {ENVIRONMENT}, steps a second of one core, {agents:,} agents in step (best of {REPEATS})",
            f"{best[f'ours_{agents}']:,.0f} steps/s",
            f"{peer:,.0f} steps/s",
            f"{best[f'ours_{agents}'] / peer:.1f}x",
            f">= {ASKED:,} steps/s" if agents == most else "",
            best[f"ours_{agents}"] >= ASKED if agents == most else None,
        )
        for agents in AGENTS
    ]


if __name__ == "__main__":
    print(CONTESTANTS[sys.argv[1]]())
