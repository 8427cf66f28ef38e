"""What can be turned in this study. The values are in ``conf/<environment>/parameters/mimo_ensemble.yml``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from etudes.benches.parameters import ScoringParameters
from etudes.training.parameters import DevSplitParameters, Strict
from etudes.vision.corruptions import SEVERITIES
from etudes.vision.parameters import SmallNetworkParameters

Variant = Literal[
    "majority",
    "plain",
    "temperature",
    "mimo_2",
    "mimo_3",
    "mimo_4",
    "mimo_temperature",
    "mc_dropout",
    "narrow_ensemble",
    "ensemble",
    "ensemble_temperature",
]
Share = Annotated[float, Field(ge=0, le=1)]
Kept = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Severity = Annotated[int, Field(ge=SEVERITIES[0], le=SEVERITIES[-1])]


class MimoParameters(Strict):
    """How a network with several inputs is trained."""

    batch_repetition: int = Field(
        ge=1, description="times that a picture stands in a step, with others beside it"
    )
    input_repetition: Share = Field(description="share of the rows in which all inputs are one picture")


class DropoutParameters(Strict):
    """A network with dropout, which stays on."""

    rate: float = Field(gt=0, lt=1, description="share of the values that is dropped inside of the blocks")
    passes: int = Field(ge=2, description="thinned networks that are asked")


class EnsembleParameters(Strict):
    """Several networks."""

    networks: int = Field(ge=2, description="networks; `plain` is the first of them")


class NarrowParameters(EnsembleParameters):
    """Several networks that together cost about what one of the others does."""

    width: int = Field(ge=1, description="channels of the first stage of each")


class WidthsParameters(Strict):
    """The curve against width."""

    widths: tuple[Count, ...] = Field(min_length=1, description="besides that of the study's network")
    members: int = Field(ge=2, le=4, description="inputs that are compared with one")


class RepetitionsParameters(Strict):
    """Other ways to show pictures together, with the study's network."""

    members: int = Field(ge=2, le=4, description="inputs")
    input: tuple[Share, ...] = Field(
        description="shares of rows with one picture, besides that of the variants"
    )
    batch: tuple[Count, ...] = Field(
        description="repetitions of a batch, besides those of the variants; in as many times fewer epochs"
    )


class EvaluationParameters(ScoringParameters):
    """How the test split is scored."""

    severities: tuple[Severity, ...] = Field(min_length=1, description="of corrupted pictures, 1 to 5")
    kept: tuple[Kept, ...] = Field(min_length=1, description="shares of test that are still answered")
    rounds: int = Field(ge=1, description="measured answers behind each time")
    batch: int = Field(ge=2, description="pictures that are asked at once for the second time")
    shown: int = Field(ge=1, description="pictures on the page on which members disagree")


class Parameters(Strict):
    """The study's root group."""

    variants: list[Variant] = Field(min_length=1)
    split: DevSplitParameters
    network: SmallNetworkParameters
    mimo: MimoParameters
    mc_dropout: DropoutParameters
    ensemble: EnsembleParameters
    narrow_ensemble: NarrowParameters
    widths: WidthsParameters
    repetitions: RepetitionsParameters
    evaluation: EvaluationParameters
