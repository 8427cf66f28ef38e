"""The replay buffer: targets by hand and against a plain implementation, ring, stacks, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from etudes.rl.replay import Batch, ReplayBuffer

GAMMA = 0.5


def filled(script: str, capacity: int = 100) -> ReplayBuffer:
    """One environment that lived through ``script``: ``.`` a step, ``T`` a true end, ``C`` cut off by the time limit; the
    step that resets follows an end by itself. Action number i is the i-th letter, its reward 10^i, and the observation
    before it is i; the last observation of an episode that ends at letter i is i + 0.5."""
    buffer = ReplayBuffer(capacity, 1, (1,), np.float32)
    buffer.start([[0.0]])
    for i, letter in enumerate(script):
        over = letter in "TC"
        following = i + 0.5 if over else i + 1.0
        add(buffer, i, 10.0**i, letter == "T", letter == "C", following)
        if over:
            add(buffer, 999, 777.0, False, False, i + 1.0, real=False)
    return buffer


def add(
    buffer: ReplayBuffer,
    action: int,
    reward: float,
    ended: bool,
    cut: bool,
    following: float,
    real: bool = True,
) -> None:
    buffer.add(
        np.array([action]),
        np.array([reward]),
        np.array([ended]),
        np.array([cut]),
        [[following]],
        np.array([real]),
    )


def by_action(
    buffer: ReplayBuffer, n: int, discount: float = GAMMA
) -> dict[int, tuple[float, float, float, float]]:
    """(observation, return, discount, next observation) of every action, from many draws."""
    batch = buffer.sample(np.random.default_rng(0), 2000, n, discount)
    rows = zip(
        batch.actions,
        batch.observations[:, 0],
        batch.returns,
        batch.discounts,
        batch.next_observations[:, 0],
        strict=True,
    )
    found: dict[int, tuple[float, float, float, float]] = {}
    for action, *values in rows:
        told = tuple(float(value) for value in values)
        assert found.setdefault(int(action), told) == told, "the same transition always gives the same target"
    return found


def test_targets_of_an_episode_that_ends_by_hand() -> None:
    """Rewards 1, 10, 100, 1000, a true end after the third; n = 2, γ = 0.5."""
    found = by_action(filled("..T."), n=2)
    assert found == {
        0: (0, 1 + 0.5 * 10, 0.25, 2),
        1: (1, 10 + 0.5 * 100, 0.0, 2.5),  # the window ends with the episode: no value is added
        2: (2, 100, 0.0, 2.5),
        3: (3, 1000, 0.5, 4),  # the newest transition: one reward, then the observation that follows it
    }


def test_targets_of_an_episode_that_is_cut_off_by_hand() -> None:
    """The same, cut off by the time limit: the value of the episode's own last observation is added, γ^m away."""
    found = by_action(filled("..C."), n=3)
    assert found == {
        0: (0, 1 + 5 + 25, 0.125, 2.5),
        1: (1, 10 + 50, 0.25, 2.5),
        2: (2, 100, 0.5, 2.5),
        3: (3, 1000, 0.5, 4),
    }


def test_n_and_discount_are_those_of_the_draw() -> None:
    buffer = filled("....")
    assert by_action(buffer, n=1, discount=0.9)[0][1:3] == pytest.approx((1.0, 0.9))
    assert by_action(buffer, n=3, discount=0.1)[0][1:3] == pytest.approx((1 + 1 + 1, 0.001))
    assert by_action(buffer, n=10, discount=0.1)[0][1:3] == pytest.approx((4.0, 1e-4)), (
        "no further than the newest"
    )


def test_windows_never_cross_the_place_where_the_ring_is_written() -> None:
    """Ten steps in a ring of four: six to nine are left, whatever lies behind the newest."""
    found = by_action(filled("..........", capacity=4), n=3)
    assert sorted(found) == [6, 7, 8, 9]
    assert found[9][1:] == pytest.approx((1e9, 0.5, 10))
    assert found[8][1:] == pytest.approx((1e8 + 0.5e9, 0.25, 10))
    assert found[6][1:] == pytest.approx((1e6 + 0.5e7 + 0.25e8, 0.125, 9))


def test_steps_that_only_reset_are_never_drawn() -> None:
    buffer = filled("T.C..TT.", capacity=6)
    assert len(buffer) == 4 and 999 not in by_action(buffer, n=4)


def plain_targets(
    steps: list[dict[str, Any]], start: int, n: int, discount: float
) -> tuple[float, float, Any]:
    """One environment's window, one step after the other: what the buffer does at once."""
    total, m = 0.0, 0
    while m < n and start + m < len(steps):
        step = steps[start + m]
        total += discount**m * step["reward"]
        m += 1
        if step["terminated"] or step["truncated"]:
            return total, 0.0 if step["terminated"] else discount**m, step["next"]
    return total, discount**m, steps[start + m - 1]["next"]


@pytest.mark.parametrize("n", [1, 2, 5, 10])
@pytest.mark.parametrize("capacity", [60, 1000])
def test_targets_equal_a_plain_implementation(n: int, capacity: int) -> None:
    generator = np.random.default_rng(n)
    count, length = 3, 200
    buffer = ReplayBuffer(capacity, count, (1,), np.float32)
    observations = np.arange(count, dtype=np.float32)[:, None]
    buffer.start(observations)
    lives: list[list[dict[str, Any]]] = [[] for _ in range(count)]
    pending, name = np.zeros(count, bool), 0
    for _ in range(length):
        following = generator.random((count, 1)).astype(np.float32)
        terminated = (generator.random(count) < 0.1) & ~pending
        truncated = (generator.random(count) < 0.1) & ~pending & ~terminated
        rewards = generator.normal(size=count) * ~pending
        actions = np.arange(name, name + count)
        name += count
        buffer.add(actions, rewards, terminated, truncated, following, ~pending)
        for e in range(count):
            lives[e].append(
                {
                    "action": actions[e],
                    "reward": rewards[e],
                    "terminated": terminated[e],
                    "truncated": truncated[e],
                }
                | {"next": following[e, 0], "observation": observations[e, 0], "real": not pending[e]}
            )
        observations, pending = following, terminated | truncated
    batch = buffer.sample(np.random.default_rng(0), 500, n, 0.9)
    kept = min(length, capacity // count)
    for row in range(len(batch)):
        environment = int(batch.actions[row]) % count
        start = int(batch.actions[row]) // count
        step = lives[environment][start]
        assert step["real"] and start >= length - kept
        expected = plain_targets(lives[environment], start, n, 0.9)
        assert batch.observations[row, 0] == step["observation"]
        assert (batch.returns[row], batch.discounts[row]) == pytest.approx(expected[:2], abs=1e-5)
        assert batch.next_observations[row, 0] == expected[2]


def test_draws_are_uniform_over_transitions() -> None:
    batch = filled("..T.C...").sample(np.random.default_rng(1), 40_000, 1, GAMMA)
    counts = np.bincount(batch.actions)
    assert len(counts) == 8 and np.abs(counts / 5000 - 1).max() < 0.06


def test_pictures_stay_bytes_and_frames_are_stacked_within_an_episode() -> None:
    buffer = ReplayBuffer(50, 1, (2, 2), np.uint8, stack=3)

    def frame(value: int) -> Any:
        return np.full((1, 2, 2), value, np.uint8)

    def step(action: int, following: int, ended: bool = False, real: bool = True) -> None:
        no = np.array([False])
        buffer.add(np.array([action]), np.zeros(1), np.array([ended]), no, frame(following), np.array([real]))

    buffer.start(frame(10))
    step(10, 11)
    step(11, 12, ended=True)
    step(99, 20, real=False)
    for value in range(20, 24):
        step(value, value + 1)
    batch = buffer.sample(np.random.default_rng(0), 400, 1, GAMMA)
    assert batch.observations.dtype == np.uint8 and batch.observations.shape == (400, 3, 2, 2)
    stacks = {
        int(action): (now[:, 0, 0].tolist(), following[:, 0, 0].tolist())
        for action, now, following in zip(
            batch.actions, batch.observations, batch.next_observations, strict=True
        )
    }
    assert stacks[10] == ([10, 10, 10], [10, 10, 11])
    assert stacks[11] == ([10, 10, 11], [10, 11, 12])
    assert stacks[20] == ([20, 20, 20], [20, 20, 21]), "no frame of the episode before"
    assert stacks[23] == ([21, 22, 23], [22, 23, 24])


def test_stacks_of_a_full_ring_use_no_overwritten_frame() -> None:
    buffer = ReplayBuffer(5, 1, (1,), np.float32, stack=3)
    buffer.start([[0.0]])
    for i in range(50):
        add(buffer, i, 0.0, False, False, i + 1.0)
    batch = buffer.sample(np.random.default_rng(0), 200, 2, GAMMA)
    expected = batch.actions[:, None] + np.array([-2, -1, 0])
    np.testing.assert_array_equal(batch.observations[:, :, 0], expected)
    assert set(batch.actions) == {47, 48, 49}


def test_state_goes_to_another_buffer() -> None:
    one, other = filled("..T..C...", capacity=5), ReplayBuffer(5, 1, (1,), np.float32)
    other.restore(one.state())
    draws = [buffer.sample(np.random.default_rng(3), 64, 3, GAMMA) for buffer in (one, other)]
    for name in Batch.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(draws[0], name), getattr(draws[1], name))


def test_wrong_shapes_and_types_are_refused() -> None:
    buffer = ReplayBuffer(10, 2, (3,), np.float32)
    with pytest.raises(ValueError, match=r"shape \(2,\), expected \(2, 3\)"):
        buffer.start(np.zeros(2))
    buffer.start(np.zeros((2, 3)))
    flags, good = np.zeros(2, bool), np.zeros((2, 3))
    with pytest.raises(ValueError, match=r"rewards has the shape \(2, 1\)"):
        buffer.add(np.zeros(2, int), np.zeros((2, 1)), flags, flags, good)
    with pytest.raises(ValueError, match="holds no transitions"):
        buffer.sample(np.random.default_rng(0), 4, 1, GAMMA)
    buffer.add(np.zeros(2, int), np.zeros(2), flags, flags, good)
    with pytest.raises(ValueError, match="n = 0"):
        buffer.sample(np.random.default_rng(0), 4, 0, GAMMA)
    with pytest.raises(ValueError, match="expected uint8"):
        ReplayBuffer(10, 1, (2,), np.uint8).start([[0.5, 0.5]])
    with pytest.raises(ValueError, match="at least one environment"):
        ReplayBuffer(1, 2, (3,), np.float32)
