"""What can be turned in this study; the values are in ``conf/<environment>/parameters``, in a file of its name."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from etudes.benches.parameters import ScoringParameters
from etudes.training.parameters import Strict
from etudes.vision.parameters import ViewsParameters

Pseudo = Literal["most_confident", "threshold", "per_class", "soft"]
Networks = Literal["supervised", "augmented", Pseudo, "consistency"]
Variant = Literal["most_frequent", "nearest_neighbours", "logistic", "label_spreading", Networks]
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, le=1)]


class DigitsParameters(Strict):
    """The digits: which labels are known, and what of them is seen."""

    labels: int = Field(ge=20, description="labelled pictures, ten classes in their shares")
    dev: int = Field(
        ge=20, description="further labelled pictures, which choose the registered variant and nothing else"
    )
    viewed: int = Field(ge=20, description="training pictures with views; the labelled ones are among them")
    seed: int = Field(ge=0, description="seed of the split, apart from run.seed so that seeds share a split")
    views: ViewsParameters


class LeavesParameters(Strict):
    """The leaves."""

    side: int = Field(ge=16, le=512, description="of the square that is cut from a photograph, pixels")
    backbone: str | None = Field(
        description="pretrained network whose features are used; null: gradient histograms"
    )
    duplicate_bits: int = Field(
        ge=0,
        lt=64,
        description="photographs whose hashes differ in at most so many of 128 bits stay together",
    )
    labels: list[Count] = Field(min_length=1, description="numbers of labelled photographs")
    test_fraction: float = Field(gt=0, lt=1, description="share of each class's groups for test")
    seed: int = Field(ge=0, description="seed of the views")
    views: ViewsParameters


class LearningParameters(Strict):
    """The network and its descent, the same in all arms."""

    components: int = Field(ge=2, description="principal components of the features")
    hidden: int = Field(ge=1, description="units")
    steps: int = Field(ge=1, description="of one training")
    batch: int = Field(ge=1, description="labelled pictures of a step")
    ratio: int = Field(ge=1, description="unlabelled pictures of a step for each labelled one")
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    weight: float = Field(gt=0, description="of the loss on unlabelled pictures")


class ArmsParameters(Strict):
    """What tells the arms apart."""

    rounds: int = Field(ge=1, description="times that pseudo-labels are given")
    share: Share = Field(
        description="of the unlabelled pictures with a pseudo-label in the last round, for those that rank them"
    )
    threshold: float = Field(gt=0, lt=1, description="least probability of a pseudo-label, for threshold")
    temperature: float = Field(gt=0, le=1, description="of the soft labels; 1 leaves them as they are")
    agreement: float = Field(gt=0, lt=1, description="least probability on the weak view, for consistency")


class CheapParameters(Strict):
    """What the methods beside the networks choose from among the labelled pictures; the first where they are too few."""

    folds: int = Field(ge=2, description="most folds of the labelled pictures")
    neighbours: list[Count] = Field(min_length=1, description="labelled pictures that are asked")
    penalties: list[Annotated[float, Field(gt=0)]] = Field(
        min_length=1, description="L2 penalties of logistic regression"
    )
    graphs: list[Count] = Field(min_length=1, description="neighbours in the graph of label spreading")
    retain: float = Field(
        gt=0, lt=1, description="share of its own label that a picture keeps in label spreading"
    )
    spread_over: int = Field(ge=20, description="most training pictures in that graph")


class RepeatsParameters(Strict):
    """Repeated splits."""

    splits: int = Field(
        ge=2, description="independent draws of labelled pictures and test pictures, on each data set"
    )
    looks: int = Field(
        ge=2, description="pictures added one by one, as the original did, with a look at test after each"
    )
    looks_labels: int = Field(ge=4, description="labelled pictures that this starts from")
    looks_steps: int = Field(ge=1, description="of each of its trainings")


class Parameters(Strict):
    """The study's root group."""

    variants: list[Variant] = Field(min_length=1)
    digits: DigitsParameters
    leaves: LeavesParameters
    learning: LearningParameters
    arms: ArmsParameters
    cheap: CheapParameters
    repeats: RepeatsParameters
    evaluation: ScoringParameters
