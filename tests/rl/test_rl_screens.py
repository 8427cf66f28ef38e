"""Screens: grey, small, stacked; lives and FIRE; the same episode from the same seed; refusals."""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium
import numpy as np
import pytest

from etudes.rl.controllers import breakout_rule
from etudes.rl.environments import Environments, EnvironmentSpec, inspect_environment
from etudes.rl.screens import FIRE, Screens
from rl.toy_environments import toy

BREAKOUT = EnvironmentSpec(
    "ALE/Breakout-v5",
    30.5,
    {"obs_type": "grayscale"},
    max_episode_steps=60,
    screens={"size": 84, "stack": 4, "fire": True},
)


class Arcade(gymnasium.Env):
    """Screens of 4 x 6 pixels that are as bright as the time; a life of three is lost every third step; notes what is pressed."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}

    def __init__(self, kind: Any = np.uint8) -> None:
        self.observation_space = gymnasium.spaces.Box(0, 255, (4, 6), kind)
        self.action_space = gymnasium.spaces.Discrete(3)
        self.time, self.pressed, self.seeds = 0, list[int](), list[int | None]()

    def get_action_meanings(self) -> list[str]:
        return ["NOOP", "FIRE", "RIGHT"]

    def _told(self) -> tuple[Any, dict[str, Any]]:
        return np.full((4, 6), 10 * self.time, np.uint8), {"lives": 3 - self.time // 3}

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.seeds.append(seed)
        self.time = 0
        return self._told()

    def step(self, action: Any) -> Any:
        self.time += 1
        self.pressed.append(int(action))
        screen, told = self._told()
        return screen, 1.0, told["lives"] == 0, False, told


def test_screens_are_stacked_and_begin_with_the_first() -> None:
    wrapped = Screens(Arcade(), size=2, stack=3)
    seen, _ = wrapped.reset(seed=1)
    assert seen.shape == (3, 2, 2) and seen.dtype == np.uint8 and (seen == 0).all()
    for time in range(1, 4):
        seen, _, _, _, told = wrapped.step(2)
        assert seen[:, 0, 0].tolist() == [10 * max(0, time - back) for back in (2, 1, 0)]
        assert told["life_lost"] == (time == 3)


def test_a_screen_is_averaged_down() -> None:
    wrapped = Screens(Arcade(), size=2, stack=1)
    screen = np.arange(24, dtype=np.uint8).reshape(4, 6) * 10
    means = screen.reshape(2, 2, 2, 3).mean((1, 3))
    np.testing.assert_allclose(wrapped._small(screen), means, atol=1)


def test_fire_is_pressed_where_the_game_waits_for_it() -> None:
    arcade = Arcade()
    wrapped = Screens(arcade, size=2, stack=1, fire=True)
    wrapped.reset(seed=0)
    assert arcade.pressed == [FIRE]
    wrapped.step(2)
    _, reward, *_, told = wrapped.step(2)  # the third step: a life is lost, and FIRE is a step of its own
    assert arcade.pressed == [FIRE, 2, 2, FIRE] and told["life_lost"] and reward == 2


def test_an_episode_without_a_seed_begins_from_the_environments_generator() -> None:
    """The emulator has chance of its own, which a generator that goes on must seed anew each time."""
    arcade = Arcade()
    wrapped = Screens(arcade, size=2, stack=1)
    drawn = []
    for _ in range(2):
        arcade.np_random = np.random.default_rng(3)
        wrapped.reset()
        wrapped.reset()
        drawn.append(arcade.seeds[-2:])
    assert drawn[0] == drawn[1] and drawn[0][0] != drawn[0][1] and None not in drawn[0]


@pytest.mark.parametrize(
    ("environment", "settings", "message"),
    [
        (Arcade(np.float32), {}, r"expected grey screens \(height, width\) uint8"),
        (toy("Chain").make(), {}, "expected grey screens"),
        (Arcade(), {"size": 0}, "size 0, stack 2: expected one or more"),
    ],
)
def test_what_is_no_screen_is_refused(
    environment: gymnasium.Env, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Screens(environment, **{"size": 2, "stack": 2, **settings})


def test_a_specification_says_what_is_wrong_with_its_screens() -> None:
    chain = toy("Chain")
    for screens, message in (({"size": 84, "stack": 4}, "expected grey screens"), ({"colour": 1}, "colour")):
        spec = EnvironmentSpec(chain.id, 1, screens=screens)
        with pytest.raises(ValueError, match=f"the screens of '{chain.id}': .*{message}"):
            inspect_environment(spec)
    assert "screens" not in chain.as_dict()  # fingerprints of environments without are as they were
    assert EnvironmentSpec.from_dict(BREAKOUT.as_dict()) == BREAKOUT


@pytest.fixture
def breakout() -> EnvironmentSpec:
    pytest.importorskip("ale_py", reason="the optional package ale-py is not installed")
    return BREAKOUT


def test_breakout_is_84_pixels_four_times_and_repeats_itself(breakout: EnvironmentSpec) -> None:
    facts = inspect_environment(breakout)
    assert (facts.shape, facts.dtype, facts.actions) == ((4, 84, 84), "uint8", 4)
    games = Environments(breakout, [1, 2])
    actions = np.random.default_rng(0).integers(0, 4, (80, 2))
    for some in actions[:70]:  # past the limit of 60 steps, into a second game
        games.step(some)
    again = Environments(breakout, [5, 6])
    again.restore(games.state())
    for some in actions[70:]:
        np.testing.assert_array_equal(games.step(some).observations, again.step(some).observations)
    games.close()
    again.close()


def test_the_rule_follows_the_ball_of_breakout() -> None:
    """A ball left of the paddle: left (3); right of it: right (2); above it, or nowhere: stay."""
    seen = np.zeros((4, 4, 84, 84), np.uint8)
    seen[:, -1, 75:77, 40:48] = 150
    for row, column in enumerate((20, 70, 44)):
        seen[row, -1, 60, column] = 150
    assert breakout_rule(seen).tolist() == [3, 2, 0, 0]


def test_another_game_or_none_is_refused_in_a_sentence(breakout: EnvironmentSpec) -> None:
    with pytest.raises(ValueError, match="the environment 'ALE/Breakdown-v5' cannot be made"):
        inspect_environment(EnvironmentSpec("ALE/Breakdown-v5", 1))
    colour = EnvironmentSpec(breakout.id, 1, screens=breakout.screens)
    with pytest.raises(ValueError, match="obs_type: grayscale"):
        inspect_environment(colour)


def test_without_the_optional_package_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ale_py", None)
    with pytest.raises(ValueError, match=r"pip install 'etudes\[atari\]'"):
        BREAKOUT.make()
