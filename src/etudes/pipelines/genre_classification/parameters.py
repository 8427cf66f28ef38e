"""What can be turned in this study. The values are in ``conf/<environment>/parameters/genre_classification.yml``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from etudes.benches.parameters import ScoringParameters
from etudes.text.parameters import BiLSTMParameters, EncoderParameters, EncoderProbeParameters
from etudes.training.parameters import DevSplitParameters, FitParameters, Strict

Variant = Literal[
    "majority", "tfidf", "doc2vec", "bilstm", "spacy", "encoder_probe", "encoder", "combination"
]


class TfidfParameters(Strict):
    """TF-IDF of words and character n-grams with a linear classifier."""

    word_ngrams: int = Field(ge=1, le=3, description="longest word n-gram")
    char_ngrams: tuple[int, int] = Field(description="shortest and longest character n-gram inside words")
    min_documents: int = Field(ge=1, description="documents a term must occur in")
    form_weight: float = Field(ge=0, description="weight of form and decade against words and characters")
    penalty: float = Field(gt=0, description="ridge penalty: larger fits less closely")
    balance: float = Field(ge=0, le=1, description="class weights n^-balance: 0 none, 1 fully balanced")

    @field_validator("char_ngrams")
    @classmethod
    def _ordered(cls, value: tuple[int, int]) -> tuple[int, int]:
        if not 1 <= value[0] <= value[1]:
            raise ValueError("expected 1 <= shortest <= longest")
        return value


class Doc2VecParameters(Strict):
    """Paragraph vectors of plot and title, with the year, in front of a small network."""

    plot_size: int = Field(ge=1, description="dimensions of a plot's vector")
    title_size: int = Field(ge=1, description="dimensions of a title's vector")
    window: int = Field(ge=1)
    negative: int = Field(ge=1, description="noise words per word")
    min_count: int = Field(ge=1)
    epochs: int = Field(ge=1)
    inference_epochs: int = Field(ge=1)
    hidden: int = Field(ge=1)
    dropout: float = Field(ge=0, lt=1)
    fit: FitParameters


class SpacyParameters(Strict):
    """spaCy's text categoriser."""

    architecture: Literal["bow", "ensemble"]
    ngrams: int = Field(ge=1, le=5)
    length: int = Field(ge=64, description="rows of the hashed bag of words")
    dropout: float = Field(ge=0, lt=1)
    learning_rate: float = Field(gt=0)
    l2: float = Field(ge=0)
    balance: float = Field(ge=0, le=1, description="films are drawn with chances n^-balance of their class")
    prior_shift: float = Field(
        ge=0, le=1, description="share of the class prior taken out of the probabilities"
    )
    batch_size: int = Field(ge=1)
    epochs: int = Field(ge=1)
    patience: int = Field(ge=1)


class CombinationParameters(Strict):
    """Weighted log-probabilities of other variants, with weights found on dev."""

    members: tuple[Variant, ...]
    prior_shift: float = Field(
        ge=0, le=1, description="share of the class prior taken out of the log-probabilities"
    )

    @field_validator("members")
    @classmethod
    def _no_self(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if "combination" in value or len(set(value)) < len(value):
            raise ValueError("members are other variants, each once")
        return value


class Parameters(Strict):
    """The study's root group."""

    variants: list[Variant] = Field(min_length=1)
    split: DevSplitParameters
    tfidf: TfidfParameters
    doc2vec: Doc2VecParameters
    bilstm: BiLSTMParameters
    spacy: SpacyParameters
    encoder_probe: EncoderProbeParameters
    encoder: EncoderParameters
    combination: CombinationParameters
    evaluation: ScoringParameters
