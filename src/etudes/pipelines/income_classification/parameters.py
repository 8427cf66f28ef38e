"""What can be turned in this study. The values are in ``conf/<environment>/parameters/income_classification.yml``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from etudes.training.parameters import DevSplitParameters, Strict

Variant = Literal["majority", "naive_bayes", "gaussian", "logistic", "boosting"]
Penalty = Annotated[float, Field(ge=0)]


class FeatureParameters(Strict):
    """What the models see of the answers; all that is learned here is learned on train."""

    leave_out: list[str] = Field(description="columns that no model sees")
    min_count: int = Field(
        ge=1, description="training people an answer needs for a level of its own; the rarer ones share one"
    )
    bins: int = Field(ge=1, description="most levels of age, hours and years of education; 1 for none")
    amount_bins: int = Field(
        ge=1, description="most levels of a capital gain or loss above zero; 1 for none but zero"
    )

    @field_validator("leave_out")
    @classmethod
    def _columns(cls, value: list[str]) -> list[str]:
        from etudes.pipelines.income_classification.people import COLUMNS

        if unknown := sorted(set(value) - set(COLUMNS)):
            raise ValueError(f"no column {', '.join(unknown)}; expected some of {', '.join(COLUMNS)}")
        return value


class GenerativeParameters(Strict):
    """The Gaussian model and naive Bayes."""

    penalties: list[Penalty] = Field(
        min_length=1, description="strengths of the prior, in training people it is worth; dev chooses"
    )


class LogisticParameters(Strict):
    """Logistic regression by mini-batch gradient descent with momentum."""

    penalties: list[Annotated[float, Field(gt=0)]] = Field(
        min_length=1, description="strengths of the L2 penalty, 1/C of scikit-learn; dev chooses"
    )
    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    learning_rate: float = Field(
        gt=0, description="step at the start; it falls to zero with the square of what is left"
    )
    momentum: float = Field(ge=0, lt=1)
    checkpoint_epochs: int = Field(ge=1, description="epochs between two checkpoints")


class BoostingParameters(Strict):
    """Gradient boosting of histogram trees."""

    trees: int = Field(ge=1, description="most trees; dev chooses how many of them are kept")
    learning_rate: float = Field(gt=0, le=1)
    leaves: int = Field(ge=2, description="most leaves of a tree")
    min_leaf: int = Field(ge=1, description="fewest training people in a leaf")
    l2: float = Field(ge=0, description="penalty on the leaves' values")
    feature_share: float = Field(
        gt=0, le=1, description="share of the columns that each split may choose from"
    )


class LearningCurveParameters(Strict):
    """Generative against discriminative on growing parts of train."""

    smallest: int = Field(ge=10, description="training people of the smallest part")
    growth: float = Field(gt=1, description="factor from one size to the next; the last is all of train")
    draws: int = Field(ge=2, description="independent sequences of nested parts")
    folds: int = Field(
        ge=2, description="folds of the cross-validation that chooses the penalty in each part"
    )
    penalties: list[Annotated[float, Field(gt=0)]] = Field(
        min_length=1, description="what each method chooses its penalty from, the same for all"
    )

    @field_validator("penalties")
    @classmethod
    def _rising(cls, value: list[float]) -> list[float]:
        if sorted(set(value)) != value:
            raise ValueError("expected rising penalties, each once")
        return value


class EvaluationParameters(Strict):
    """How the test split is scored."""

    resamples: int = Field(ge=100, description="bootstrap resamples behind every interval")
    bins: int = Field(ge=2, description="bins of the calibration error and of the calibration figure")
    smallest_group: int = Field(ge=1, description="test people a group needs for a row of the fairness table")


class Parameters(Strict):
    """The study's root group."""

    variants: list[Variant] = Field(min_length=1)
    split: DevSplitParameters
    features: FeatureParameters
    generative: GenerativeParameters
    logistic: LogisticParameters
    boosting: BoostingParameters
    learning_curve: LearningCurveParameters
    evaluation: EvaluationParameters
