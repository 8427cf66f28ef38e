"""What can be turned in this study; the values are in ``conf/<environment>/parameters``, in a file of its name."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

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
Term = Annotated[str, Field(min_length=1)]


class FormParameters(Strict):
    """How the file is written."""

    label: str = Field(min_length=1, description="the column that holds the label")
    text: str = Field(min_length=1, description="the column that holds the text")
    values: tuple[str, str] = Field(
        description="what stands for a text that is fine, and for one that is not"
    )
    separator: str = Field(min_length=1, max_length=1, description="between fields")

    @field_validator("values")
    @classmethod
    def _different(cls, values: tuple[str, str]) -> tuple[str, str]:
        if values[0] == values[1]:
            raise ValueError(f"expected two different values, found '{values[0]}' twice")
        return values


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

    terms: list[Term] = Field(min_length=1, description="adjectives that name a group")
    controls: list[Term] = Field(min_length=1, description="adjectives that name none")
    treated: list[Linear] = Field(description="variants that are trained again with each treatment")

    @model_validator(mode="after")
    def _once(self) -> Self:
        terms = [term.casefold() for term in (*self.terms, *self.controls)]
        if twice := sorted({term for term in terms if terms.count(term) > 1}):
            raise ValueError(f"expected each term once in terms and controls, found '{twice[0]}' again")
        return self


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
