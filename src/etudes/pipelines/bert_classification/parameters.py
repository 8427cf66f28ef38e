"""What can be turned in this study; the values are in ``conf/<environment>/parameters``, in a file of its name."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from etudes.benches.parameters import ScoringParameters
from etudes.text.parameters import EncoderParameters, FrozenParameters, Positive
from etudes.training.parameters import DevSplitParameters, Strict

Linear = Literal["tfidf", "words_and_characters", "probe_first", "probe_mean"]
Tuned = Literal["lora", "fine_tuned"]
Variant = Literal["majority", Linear, Tuned]


class FormParameters(Strict):
    """How the files are written."""

    label: str = Field(min_length=1, description="the column that holds the label")
    text: str = Field(min_length=1, description="the column that holds the sentence")
    values: tuple[str, str] = Field(description="what stands for the first class, and for the second")
    classes: tuple[str, str] = Field(description="what the classes are called")
    separator: str = Field(min_length=1, max_length=1, description="between fields")
    columns: tuple[str, ...] = Field(description="names of the columns; none: the first line names them")


class PenaltyParameters(Strict):
    """What the linear methods choose from, by dev."""

    penalties: list[Positive] = Field(min_length=1, description="L2 penalties of logistic regression")
    characters: tuple[int, int] = Field(description="shortest and longest run of characters inside a word")


class LoraParameters(EncoderParameters):
    """The encoder with adapters of low rank."""

    trainable_layers: Literal[0] = Field(description="none: its own weights stay as they are")
    rank: int = Field(ge=1, description="r, of every adapter")
    alpha: float = Field(gt=0, description="an adapter's change is multiplied by alpha / r")
    targets: list[str] = Field(
        description="ends of the names of the linear layers that get an adapter; none: all of the encoder's layers"
    )


class CurveParameters(Strict):
    """Learning from fewer labels."""

    sizes: list[int] = Field(description="labelled training rows; what train does not have is left out")
    least_updates: int = Field(
        ge=1, description="of the encoder, for which a small part is gone through more often"
    )
    pooling_size: int = Field(
        ge=0, description="rows from which the encoder learns with either pooling; 0: none"
    )


class Parameters(Strict):
    """The study's root group."""

    variants: list[Variant] = Field(min_length=1)
    form: FormParameters
    split: DevSplitParameters
    frozen: FrozenParameters
    linear: PenaltyParameters
    lora: LoraParameters
    fine_tuned: EncoderParameters
    curve: CurveParameters
    evaluation: ScoringParameters
