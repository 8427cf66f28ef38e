"""What can be turned in this study. The values are in ``conf/<environment>/parameters/decoder_transformer.yml``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from etudes.text.parameters import ContinuationParameters
from etudes.training.parameters import FitParameters, Strict

Variant = Literal["unigram", "kneser_ney", "lookup", "transformer", "relabelled"]
Part = Annotated[float, Field(gt=0, lt=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Temperature = Annotated[float, Field(ge=0)]
Tokens = Annotated[int, Field(ge=2)]


class SplitParameters(Strict):
    """How recurrences are split: by coefficient vector, then by start tokens, then by sequence."""

    heldout: Part = Field(description="share of the coefficient vectors that training never sees")
    starts: Part = Field(
        description="share of the other vectors' start tokens that training never sees with them"
    )
    dev: float = Field(gt=0, lt=0.5, description="share of the remaining sequences that go to dev")
    test: float = Field(gt=0, lt=0.5, description="share of them that go to test")
    most: int = Field(ge=1, description="most dev and most test sequences of each modulus and group")
    seed: int = Field(ge=0, description="of the split, apart from run.seed so that seeds share one split")


class TextParameters(Strict):
    """How the text is cut: train, dev and test one after the other, in windows."""

    context: int = Field(ge=8, description="characters that a prediction may look back, plus one")
    dev: float = Field(gt=0, lt=0.5, description="share of the text, after train")
    test: float = Field(gt=0, lt=0.5, description="share of the text, at its end")


class NetworkParameters(Strict):
    """Size of a decoder."""

    layers: int = Field(ge=1)
    hidden: int = Field(ge=2, description="width of the residual stream")
    heads: int = Field(ge=1)
    feed_forward: int = Field(ge=1, description="width inside the feed-forward part")
    theta: float = Field(gt=1, description="base of the wavelengths of the rotary positions")
    dropout: float = Field(ge=0, lt=1)

    @model_validator(mode="after")
    def _even_heads(self) -> NetworkParameters:
        if self.hidden % (2 * self.heads):
            raise ValueError(
                f"hidden = {self.hidden} must be a multiple of 2 x heads = {2 * self.heads}: positions rotate pairs"
            )
        return self


class TaskParameters(Strict):
    """A network and its training."""

    network: NetworkParameters
    fit: FitParameters


class NetworksParameters(Strict):
    """A network for each modulus, and one for the text where ``text`` is given."""

    share: Share = Field(0.0, description="share of the sequences whose symbols are renamed in training")
    recurrences: TaskParameters
    text: TaskParameters | None = None


class EvaluationParameters(Strict):
    """How the test splits are scored."""

    resamples: int = Field(ge=100, description="bootstrap resamples behind every interval")


class GenerationParameters(Strict):
    """The grid of sampling settings."""

    temperatures: tuple[Temperature, ...] = Field(min_length=1)
    top_p: tuple[Share, ...] = Field(min_length=1)
    sequences: int = Field(ge=1, description="continuations of each setting, of recurrences and of text")
    prompt: Tokens = Field(description="tokens given of a recurrence")
    text_prompt: Tokens = Field(description="characters given of a text")
    text_length: Tokens = Field(description="characters to write")


class Parameters(Strict):
    """The study's root group."""

    variants: list[Variant] = Field(min_length=1)
    split: SplitParameters
    text: TextParameters
    transformer: NetworksParameters
    relabelled: NetworksParameters
    evaluation: EvaluationParameters
    generation: GenerationParameters
    predictor: ContinuationParameters
