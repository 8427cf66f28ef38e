"""A model of characters behind a user's prompt: it continues the text."""

from __future__ import annotations

import pandas as pd
import torch
from torch.nn.utils.rnn import pad_sequence

from etudes.forms.files import unix_lines
from etudes.models import register_model
from etudes.serving.predictor import Column, Predictor
from etudes.text.characters import Alphabet
from etudes.text.parameters import ContinuationParameters
from etudes.text.sampling import RecomputedSteps, Steps, draw_uniforms, generate

TASK = "text"
LONGEST = 10_000  # characters of a continuation


@register_model("text.continuation")
class TextPredictor(Predictor):
    """Continues a text; the same row gives the same continuation, whatever other rows stand beside it.

    The model gives ``log_probs("text", tokens)``, (N, T) -> log p(next | tokens up to here) (N, T, V), over an alphabet of
    ``characters`` (`Alphabet`), and may give ``steps("text", batch, positions)``, which read a token at a time.
    """

    characters: list[str]
    context: int
    defaults: ContinuationParameters

    @property
    def columns(self) -> tuple[Column, ...]:
        wanted, known = self.defaults, set(self.characters[1:])
        # A user's own text may lack any character of the examples.
        prompts = ["".join(filter(known.__contains__, text)) or min(known) for text in ("The ", "If ")]
        return (
            Column("prompt", "text", about="what the text begins with", examples=tuple(prompts)),
            Column("temperature", "number", False, default=wanted.temperature, low=0, examples=(0.8, 0.0)),
            Column("top_p", "number", False, default=wanted.top_p, low=0, high=1, examples=(0.9, 1.0)),
            Column("characters", "whole", False, default=wanted.characters, low=1, high=LONGEST),
            Column("seed", "whole", False, default=0, low=0, high=2**32 - 1),
        )

    def answer(self, frame: pd.DataFrame) -> pd.DataFrame:
        """One row a prompt: its ``continuation``."""
        alphabet, known = Alphabet(self.characters), self.characters[1:]
        prompts = [unix_lines(prompt) for prompt in frame["prompt"]]
        for row, prompt in enumerate(prompts):
            if not prompt:  # a byte order mark alone
                raise ValueError(f"prompt in row {row} is empty; expected a text")
            if strange := sorted(set(prompt) - set(known)):
                raise ValueError(
                    f"prompt in row {row}: {' '.join(map(repr, strange[:5]))} is not among the characters of the "
                    f"training text; expected some of: {''.join(known)!r}"
                )
        written = [alphabet.encode(prompt).tolist() for prompt in prompts]
        most = int(frame["characters"].max())
        uniforms = torch.cat([draw_uniforms(1, most, int(seed)) for seed in frame["seed"]])
        temperature, top_p = torch.from_numpy(frame[["temperature", "top_p"]].to_numpy(copy=True)).T
        # The context is finite: write half of it, go on from the end of what is there.
        for start in range(0, most, self.context // 2):
            numbers = uniforms[:, start : start + self.context // 2]
            tails = [torch.tensor(ids[numbers.shape[1] - self.context :]) for ids in written]
            ids = pad_sequence(tails, batch_first=True)
            lengths = torch.tensor([len(tail) for tail in tails])
            steps = self._steps(len(ids))
            made = generate(steps, ids, lengths, numbers, temperature, top_p, forbidden=0).tokens
            written = [[*known, *new] for known, new in zip(written, made.tolist(), strict=True)]
        counts = zip(prompts, written, frame["characters"], strict=True)
        texts = [alphabet.decode(ids[len(prompt) :][:count]) for prompt, ids, count in counts]
        return pd.DataFrame({"continuation": pd.array(texts, dtype="str")})

    def _steps(self, batch: int) -> Steps:
        if hasattr(self.model, "steps"):
            return self.model.steps(TASK, batch, self.context)
        return RecomputedSteps(lambda tokens: torch.from_numpy(self.model.log_probs(TASK, tokens.numpy())))

    def describe(self, answer: pd.DataFrame) -> str:
        """The continuation of each row."""
        return "\n\n".join(answer["continuation"])
