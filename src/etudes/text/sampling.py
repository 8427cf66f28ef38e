"""From logits to tokens: greedy, temperature, nucleus; one network's continuation of many prompts at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

ROUNDING = 1e-6  # logits are float32: a sum of probabilities that should reach p may miss it by this much


class Steps(Protocol):
    """Takes the tokens (batch, new) that follow the earlier ones, gives logits of the next token (batch, vocabulary)."""

    def __call__(self, tokens: Tensor) -> Tensor: ...


class RecomputedSteps:
    """The reference: the whole sequence goes through ``logits`` (batch, time) -> (batch, time, vocabulary) each time."""

    def __init__(self, logits: Callable[[Tensor], Tensor]) -> None:
        self.logits = logits
        self.history: Tensor | None = None

    def __call__(self, tokens: Tensor) -> Tensor:
        self.history = tokens if self.history is None else torch.cat([self.history, tokens], dim=1)
        return self.logits(self.history)[:, -1]


@dataclass(frozen=True)
class Continuations:
    """What was generated: ``tokens`` (batch, new) and the ``entropy`` (batch, new), in bits, of the law of each."""

    tokens: np.ndarray
    entropy: np.ndarray


def sampling_law(logits: Tensor, temperature: Tensor, top_p: Tensor) -> tuple[Tensor, Tensor]:
    """The law that a token is drawn from, largest probability first.

    1. Temperature: p ∝ exp(logits / t); t = 0 puts all on the largest logit (greedy).
    2. Nucleus (Holtzman et al. 1904.09751, eq. (2) and (3)): keep the smallest set of tokens whose mass reaches
       ``top_p`` - tokens by falling probability, until the sum is there - and divide by its mass. The most
       probable token is always kept, so ``top_p`` = 0 is greedy; 1 keeps everything.

    Args:
        logits: (batch, vocabulary).
        temperature, top_p: (batch,), one setting a row.

    Returns:
        Probabilities (batch, vocabulary), float64, falling along the row, and the tokens that they belong to.
    """
    greedy = temperature <= 0
    scaled = logits.double() / torch.where(greedy, 1.0, temperature.double())[:, None]
    probabilities, order = scaled.softmax(-1).sort(stable=True, dim=-1, descending=True)
    mass_before = probabilities.cumsum(-1) - probabilities
    keep = (mass_before < top_p.double()[:, None] - ROUNDING) | (top_p >= 1)[:, None]
    keep &= ~greedy[:, None]
    keep[:, 0] = True
    kept = probabilities * keep
    return kept / kept.sum(-1, keepdim=True), order


def entropy_bits(law: Tensor) -> Tensor:
    """-Σ p log₂ p along the last dimension."""
    return -torch.special.xlogy(law, law).sum(-1) / np.log(2)


def choose(law: Tensor, order: Tensor, uniforms: Tensor) -> Tensor:
    """Tokens (batch,): where the cumulated ``law`` (batch, vocabulary) passes ``uniforms`` (batch,) in [0, 1)."""
    place = (law.cumsum(-1) <= uniforms.double()[:, None]).sum(-1)
    # Rounding may leave the sum short of a uniform number next to 1: then it is the last token with any mass.
    place = torch.minimum(place, (law > 0).sum(-1) - 1)
    return order.gather(1, place[:, None])[:, 0]


def draw_uniforms(batch: int, new: int, seed: int) -> Tensor:
    """The random numbers of a generation, (batch, new) in [0, 1): one seed, one text."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, new, generator=generator, dtype=torch.float64)


@torch.inference_mode()
def generate(
    steps: Steps,
    prompts: Tensor,
    lengths: Tensor,
    uniforms: Tensor,
    temperature: Tensor,
    top_p: Tensor,
    forbidden: int | None = None,
) -> Continuations:
    """Continue every prompt by as many tokens as ``uniforms`` has columns.

    Prompts of unequal length go through together: what all of them have is read at once, then a row whose prompt goes on
    takes its own next token where the others take the one that was drawn.

    Args:
        steps: reads tokens and gives the next logits; has read nothing yet.
        prompts: (batch, longest) tokens; behind a row's end anything.
        lengths: (batch,) tokens of each prompt, at least 1.
        uniforms: (batch, new), from `draw_uniforms`.
        temperature, top_p: (batch,).
        forbidden: a token that is never written.

    Raises:
        ValueError: shapes that do not fit together, or an empty prompt.
    """
    batch, longest = prompts.shape
    new = uniforms.shape[1]
    shapes = {lengths.shape, temperature.shape, top_p.shape, uniforms.shape[:1]}
    if shapes != {(batch,)} or int(lengths.min()) < 1 or int(lengths.max()) != longest:
        raise ValueError(
            f"prompts {tuple(prompts.shape)} with lengths {tuple(lengths.shape)} from {int(lengths.min())} to "
            f"{int(lengths.max())}, uniforms {tuple(uniforms.shape)}, temperature {tuple(temperature.shape)} and top_p "
            f"{tuple(top_p.shape)}; expected one of each for every row, and lengths from 1 to {longest}"
        )
    start = int(lengths.min())
    end = longest + new
    tokens = torch.zeros(batch, end, dtype=torch.long)
    tokens[:, :longest] = prompts
    entropy = torch.zeros(batch, end, dtype=torch.float64)
    # The k-th number of a row belongs to its k-th new token, wherever its prompt ends.
    numbers = (torch.arange(start, end) - lengths[:, None]).clamp(0, new - 1)
    numbers = uniforms.gather(1, numbers)
    never = None if forbidden is None else torch.tensor([forbidden])
    all_greedy = bool(((temperature <= 0) | (top_p <= 0)).all())
    unread = tokens[:, :start]
    for t in range(start, end):
        logits = steps(unread)
        if never is not None:
            logits = logits.index_fill(1, never, float("-inf"))
        if all_greedy:
            drawn = logits.argmax(-1)
        else:
            law, order = sampling_law(logits, temperature, top_p)
            drawn = choose(law, order, numbers[:, t - start])
            entropy[:, t] = entropy_bits(law)
        tokens[:, t] = drawn if t >= longest else torch.where(t < lengths, tokens[:, t], drawn)
        unread = tokens[:, t : t + 1]
    own = lengths[:, None] + torch.arange(new)
    return Continuations(tokens.gather(1, own).numpy(), entropy.gather(1, own).numpy())


def generate_each(
    steps: Callable[[int, int], Steps],
    prompts: np.ndarray,
    new: int,
    settings: Sequence[tuple[float, float]],
    forbidden: int | None = None,
) -> list[Continuations]:
    """Continuations (N, new) of the prompts (N, P) under each (temperature, top_p), from the same random numbers.

    All settings go through in one batch; ``steps(batch, positions)`` makes what reads it. Cells of a grid of settings
    so differ by their settings alone. Other arguments as for `generate`.
    """
    count, times = len(prompts), len(settings)
    temperature, top_p = torch.tensor(settings, dtype=torch.float64).repeat_interleave(count, dim=0).T
    made = generate(
        steps(times * count, prompts.shape[1] + new),
        torch.from_numpy(np.tile(prompts, (times, 1))),
        torch.full((times * count,), prompts.shape[1]),
        draw_uniforms(count, new, seed=0).repeat(times, 1),
        temperature,
        top_p,
        forbidden,
    )
    pairs = zip(np.split(made.tokens, times), np.split(made.entropy, times), strict=True)
    return [Continuations(tokens, entropy) for tokens, entropy in pairs]
