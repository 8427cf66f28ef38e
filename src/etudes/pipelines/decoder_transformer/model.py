"""The methods of the study, and the model that answers users.

Importing this module registers every class that a model file may name.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
import torch

from etudes.forms.files import unix_lines
from etudes.models import ModelState, register_model, registered_class
from etudes.pipelines.decoder_transformer.ngrams import ContextLookup, NGrams
from etudes.pipelines.decoder_transformer.parameters import PredictorParameters
from etudes.pipelines.decoder_transformer.sampling import (
    CachedSteps,
    RecomputedSteps,
    draw_uniforms,
    generate,
)
from etudes.pipelines.decoder_transformer.texts import Alphabet
from etudes.pipelines.decoder_transformer.transformer import TransformerModels
from etudes.serving.questions import json_fields, text_or_file

__all__ = ["ContextLookup", "NGrams", "TextPredictor", "TransformerModels"]

TASK = "text"
LONGEST = 10_000  # characters of a continuation
COLUMNS = "prompt, and (optional) temperature, top_p, characters and seed"


@register_model("decoder_transformer.predictor")
class TextPredictor:
    """Continues a text. Columns ``prompt``, and where wanted ``temperature``, ``top_p``, ``characters`` and ``seed``.

    The same row gives the same continuation, whatever other rows stand beside it.
    """

    registered_name: str

    def __init__(
        self,
        model: Any,
        alphabet: Alphabet,
        context: int,
        defaults: PredictorParameters,
        card: dict[str, Any],
    ) -> None:
        self.model, self.alphabet, self.context = model, alphabet, context
        self.defaults, self.card = defaults, card

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """One row a prompt: its ``continuation``.

        Raises:
            ValueError: no column ``prompt``, an empty prompt, a character that the training text does not have, or a
                setting out of its range.
        """
        prompts = self._prompts(frame)
        temperature = self._setting(frame, "temperature", self.defaults.temperature, 0.0, float("inf"))
        top_p = self._setting(frame, "top_p", self.defaults.top_p, 0.0, 1.0)
        characters = self._setting(frame, "characters", self.defaults.characters, 1, LONGEST).astype(int)
        seeds = self._setting(frame, "seed", 0, 0, 2**32 - 1).astype(int)
        most = int(characters.max(initial=1))
        uniforms = (
            torch.stack([draw_uniforms(1, most, int(seed))[0] for seed in seeds]) if len(seeds) else None
        )
        written: list[list[int]] = [[] for _ in prompts]
        if uniforms is not None:
            # The context is finite: write half of it, go on from the end of what is there.
            for start in range(0, most, self.context // 2):
                numbers = uniforms[:, start : start + self.context // 2]
                so_far = [[*prompt, *own] for prompt, own in zip(prompts, written, strict=True)]
                made = self._continue(so_far, numbers, torch.tensor(temperature), torch.tensor(top_p))
                for row, ids in enumerate(made.tolist()):
                    written[row].extend(ids)
        texts = [self.alphabet.decode(ids[:count]) for ids, count in zip(written, characters, strict=True)]
        return pd.DataFrame({"continuation": pd.array(texts, dtype="str")})

    def _continue(
        self, prompts: list[list[int]], uniforms: torch.Tensor, temperature: torch.Tensor, top_p: torch.Tensor
    ) -> np.ndarray:
        room = self.context - uniforms.shape[1]
        tails = [prompt[-room:] for prompt in prompts]
        lengths = torch.tensor([len(tail) for tail in tails])
        longest = int(lengths.max())
        ids = torch.tensor([tail + [0] * (longest - len(tail)) for tail in tails])
        if isinstance(self.model, TransformerModels):
            steps: Any = CachedSteps(self.model.networks[TASK], len(tails), longest + uniforms.shape[1])
        else:
            steps = RecomputedSteps(
                lambda tokens: torch.from_numpy(self.model.log_probs(TASK, tokens.numpy()))
            )
        return generate(steps, ids, lengths, uniforms, temperature, top_p, forbidden=0).tokens

    def _prompts(self, frame: pd.DataFrame) -> list[list[int]]:
        if "prompt" not in frame.columns:
            raise ValueError(f"expected the columns {COLUMNS}; found {list(frame.columns)}")
        prompts = [unix_lines(prompt) if isinstance(prompt, str) else "" for prompt in frame["prompt"]]
        empty = [i for i, prompt in enumerate(prompts) if not prompt]
        if empty:
            raise ValueError(f"prompt is empty or no text in rows {empty[:5]}; expected a character or more")
        for row, prompt in enumerate(prompts):
            strange = sorted(set(prompt) - set(self.alphabet.characters[1:]))
            if strange:
                known = "".join(self.alphabet.characters[1:]).replace("\n", "\\n")
                raise ValueError(
                    f"prompt of row {row}: {' '.join(map(repr, strange[:5]))} is not among the characters of the "
                    f"training text; expected some of: {known}"
                )
        return [self.alphabet.encode(prompt).tolist() for prompt in prompts]

    @staticmethod
    def _setting(frame: pd.DataFrame, name: str, default: float, low: float, high: float) -> np.ndarray:
        """A column of numbers (N,), float64; the default where there is none."""
        if name not in frame.columns:
            return np.full(len(frame), float(default))
        numbers = pd.to_numeric(frame[name], errors="coerce").mask(frame[name].isna(), default)
        values = numbers.to_numpy(dtype=np.float64)
        wrong = np.flatnonzero(~((values >= low) & (values <= high) & (values < np.inf)))
        if len(wrong):
            limit = f"from {low:g} to {high:g}" if high < np.inf else f"of {low:g} or more"
            raise ValueError(
                f"{name} of row {wrong[0]} is {frame[name].iloc[wrong[0]]}; expected a number {limit}"
            )
        return values

    def example(self) -> pd.DataFrame:
        known = set(self.alphabet.characters[1:])  # of a user's own text, it may lack any of these
        prompts = ["".join(filter(known.__contains__, text)) or min(known) for text in ("The ", "If ")]
        return pd.DataFrame({"prompt": prompts, "temperature": [0.8, 0.0], "top_p": [0.9, 1.0]})

    def parse(self, text: str) -> pd.DataFrame:
        """A prompt; or JSON with ``prompt`` and, where wanted, the settings; or the path of a text file with a prompt."""
        known = ("prompt", "temperature", "top_p", "characters", "seed")
        fields = json_fields(text, '{"prompt": ..., "temperature": ...}', known)
        return pd.DataFrame([{"prompt": text_or_file(text)} if fields is None else fields])

    def describe(self, answer: pd.DataFrame) -> str:
        """The continuation of the first row."""
        return str(answer["continuation"].iloc[0])

    def state(self) -> ModelState:
        config = {
            "alphabet": self.alphabet.characters,
            "context": self.context,
            "defaults": self.defaults.model_dump(),
            "card": self.card,
            "class": self.model.registered_name,
        }
        state = ModelState(config)
        state.nest("model", self.model.state())
        return state

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        config = state.config
        model = registered_class(config["class"]).from_state(state.nested("model"))
        defaults = PredictorParameters.model_validate(config["defaults"])
        return cls(model, Alphabet(config["alphabet"]), config["context"], defaults, config["card"])
