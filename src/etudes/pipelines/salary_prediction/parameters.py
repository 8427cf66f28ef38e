"""What can be turned in this study; the values are in ``conf/<environment>/parameters``, in a file of its name."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from etudes.benches.parameters import TreesParameters
from etudes.text.parameters import Positive, Runs
from etudes.training.parameters import FitParameters, Strict

Linear = Literal["ridge", "ridge_fields"]
Network = Literal["network", "network_lstm", "without_title", "without_description", "without_categories"]
Variant = Literal["median", Linear, "boosting", "combination", Network]


class FormParameters(Strict):
    """How the file is written."""

    separator: str = Field(min_length=1, max_length=1, description="between fields")


class SplitParameters(Strict):
    """Folds: each advertisement is answered once, by models of the other folds; the first fold is the study's own test split."""

    folds: int = Field(ge=2, description="drawn anew with each run.seed")
    dev_fraction: float = Field(
        gt=0, lt=0.5, description="share of the training groups that compare variants"
    )
    shingle: int = Field(ge=1, description="words in a row by which advertisements are compared")
    resemblance: float = Field(
        gt=0, le=1, description="share of common runs from which two advertisements are near-duplicates"
    )


class TermsParameters(Strict):
    """Terms that linear methods count."""

    title_runs: int = Field(ge=1, description="longest run of words of a title")
    characters: Runs = Field(description="shortest and longest run of characters of a title")
    description_runs: int = Field(ge=1, description="longest run of words of a description")
    fewest: int = Field(ge=1, description="training advertisements that a term of descriptions is in")


class RidgeParameters(Strict):
    """Ridge regression; held-out training rows choose the penalty."""

    penalties: list[Positive] = Field(min_length=1)
    folds: int = Field(ge=2, description="folds among the training rows")


class BoostingParameters(TreesParameters):
    """Gradient boosting on singular vectors of the terms."""

    title: int = Field(ge=1, description="dimensions of titles")
    description: int = Field(ge=1, description="dimensions of descriptions")
    categories: int = Field(ge=1, description="dimensions of categories")


class NetworkParameters(Strict):
    """The network of three heads."""

    embedding: int = Field(ge=2, description="dimensions of a word")
    filters: int = Field(
        ge=2, multiple_of=2, description="filters of a head of text; even, for two directions"
    )
    hidden: int = Field(ge=1, description="units of the head of categories")
    dropout: float = Field(ge=0, lt=1)
    word_dropout: float = Field(ge=0, lt=1, description="share of words hidden in training")
    fewest: int = Field(ge=1, description="training advertisements that a word or category is in")
    title_words: int = Field(ge=1, description="words of a title that are read")
    description_words: int = Field(ge=1, description="words of a description that are read")
    recurrent_words: int = Field(ge=1, description="the same for the recurrent reader, which is slow")
    fit: FitParameters


class LearningParameters(Strict):
    """How all variants learn."""

    coverage: float = Field(gt=0.5, lt=1, description="share of salaries that intervals shall hold")
    terms: TermsParameters
    ridge: RidgeParameters
    boosting: BoostingParameters
    network: NetworkParameters


class EvaluationParameters(Strict):
    """How answers are scored."""

    resamples: int = Field(ge=100, description="bootstrap resamples behind every interval")
    fewest: int = Field(ge=1, description="advertisements of a category or place with an error of its own")
    resemblances: list[Annotated[float, Field(gt=0, le=1)]] = Field(
        description="further limits of resemblance, to show what the split decides"
    )


class Parameters(Strict):
    """The study's root group."""

    variants: list[Variant] = Field(min_length=1)
    form: FormParameters
    split: SplitParameters
    learning: LearningParameters
    evaluation: EvaluationParameters
