"""One episode to look at: its frames, a strip of them, and an animation."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from etudes.rl.environments import EnvironmentSpec
from etudes.rl.evaluation import Policy
from etudes.splits import spread_evenly

USUAL_RATE = 30.0  # frames a second, of an environment that does not say
SMOOTH = 25.0  # frames a second that are enough to the eye
LONGEST = 300  # frames of an animation
WIDEST = 600  # pixels
COLOURS = 64
LAST_FRAME = 1500  # milliseconds that the end stands still


@dataclass(frozen=True)
class Rollout:
    """One episode of T steps: ``observations`` (T + 1, *shape), ``actions`` (T,), ``rewards`` (T,), whether it
    ``terminated`` of itself, and ``frames`` (T + 1) pictures (H, W, 3) uint8, ``rate`` of them a second."""

    observations: NDArray
    actions: NDArray[np.int64]
    rewards: NDArray[np.float64]
    terminated: bool
    frames: list[NDArray[np.uint8]]
    rate: float = USUAL_RATE

    @property
    def total(self) -> float:
        """The undiscounted return."""
        return float(self.rewards.sum())


def play(policy: Policy, spec: EnvironmentSpec, seed: int) -> Rollout:
    """Play and draw the episode that starts from ``seed``."""
    environment = spec.make(render=True)
    try:
        rate = float(environment.metadata.get("render_fps") or USUAL_RATE)
        observation, _ = environment.reset(seed=int(seed))
        observations, frames = [observation], [_frame(environment.render())]
        actions, rewards, over, terminated = [], [], False, False
        while not over:
            action = int(policy(np.asarray(observation)[None])[0])
            observation, reward, terminated, truncated, _ = environment.step(action)
            observations.append(observation)
            frames.append(_frame(environment.render()))
            actions.append(action)
            rewards.append(float(reward))
            over = terminated or truncated
    finally:
        environment.close()
    return Rollout(
        np.stack(observations), np.array(actions), np.array(rewards), bool(terminated), frames, rate
    )


def filmstrip(frames: Sequence[NDArray], captions: Sequence[str], columns: int, tile: int = 150) -> bytes:
    """Frames in reading order as one PNG, each with its caption."""
    from etudes.reporting import image_grid

    return image_grid(frames, captions, columns, tile=tile)


def animation(frames: Sequence[NDArray[np.uint8]], rate: float) -> bytes:
    """Frames (H, W, 3), ``rate`` a second, as a GIF that plays in real time.

    At most `SMOOTH` frames a second and `LONGEST` altogether are kept, at even steps, with the last; the colours are those
    of a few frames. An episode takes tens to hundreds of kilobytes.

    Raises:
        ValueError: no frames, or a rate that is not positive.
    """
    from PIL import Image

    if not len(frames) or not rate > 0:
        raise ValueError(f"{len(frames)} frames at {rate} a second: expected one or more, and a rate above 0")
    step = max(1, round(rate / SMOOTH), -(-len(frames) // LONGEST))
    kept = sorted({*range(0, len(frames), step), len(frames) - 1})
    shrink = -(-frames[0].shape[1] // WIDEST)
    pictures = [Image.fromarray(frames[position]).reduce(shrink) for position in kept]
    sheet = np.concatenate([np.asarray(pictures[i]) for i in spread_evenly(len(pictures), 8)])
    palette = Image.fromarray(sheet).quantize(COLOURS)
    plain = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    # A GIF counts hundredths of a second; rounding the moments, not the pauses, keeps the whole in time.
    moments = [round(100 * position / rate) * 10 for position in kept]
    pauses = [max(20, after - before) for before, after in pairwise(moments)]
    stream = io.BytesIO()
    plain[0].save(
        stream, "GIF", save_all=True, append_images=plain[1:], duration=[*pauses, LAST_FRAME], loop=0
    )
    return stream.getvalue()


def _frame(picture: object) -> NDArray[np.uint8]:
    frame = np.asarray(picture)
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        raise ValueError(f"the environment draws {frame.dtype} {frame.shape}; expected uint8 (H, W, 3)")
    return frame
