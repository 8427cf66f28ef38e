"""What can be turned in this study; the values are in ``conf/<environment>/parameters``, in a file of its name."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from etudes.benches.parameters import ScoringParameters
from etudes.text.parameters import EncoderParameters, FrozenParameters, LinearParameters
from etudes.training.parameters import Strict

Linear = Literal[
    "bow",
    "multinomial_nb",
    "tfidf",
    "characters",
    "words_and_characters",
    "nb_svm",
    "nb_svm_characters",
    "mean_vectors",
    "idf_vectors",
    "encoder_probe",
    "combination",
]
Variant = Literal["majority", Linear, "encoder"]


class FormParameters(Strict):
    """How the file is written."""

    label: str = Field(min_length=1, description="the column that holds the label")
    text: str = Field(min_length=1, description="the column that holds the text")
    values: tuple[str, str] = Field(
        description="what stands for a text that is fine, and for one that is not"
    )
    separator: str = Field(min_length=1, max_length=1, description="between fields")


class SplitParameters(Strict):
    """Folds: each text is tested once, by models of the other folds; the first fold is the study's own test split."""

    folds: int = Field(ge=2, description="stratified folds, drawn anew with each run.seed")
    dev_fraction: float = Field(
        gt=0,
        lt=0.5,
        description="share of the training rows of a fold by whose held-out scores variants are compared",
    )


class IdentityParameters(Strict):
    """The check of terms that name a group of people."""

    terms: list[str] = Field(min_length=1, description="adjectives that name a group")
    controls: list[str] = Field(min_length=1, description="adjectives that name none")
    treated: list[Linear] = Field(description="variants that are trained again with each treatment")


class QuestionParameters(Strict):
    """Whether word vectors are worse than a bag of words."""

    glove: bool = Field(description="whether vectors of the catalog entry `vectors` take part")


class Parameters(Strict):
    """The study's root group."""

    variants: list[Variant] = Field(min_length=1)
    form: FormParameters
    split: SplitParameters
    frozen: FrozenParameters
    methods: LinearParameters
    encoder: EncoderParameters
    identity: IdentityParameters
    question: QuestionParameters
    evaluation: ScoringParameters
