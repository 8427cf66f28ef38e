"""The methods of the study and the model that answers users.

Importing this module registers every class that a model file may name.
"""

from __future__ import annotations

from etudes.digits.judge import DigitJudge
from etudes.digits.predictor import DigitPredictor
from etudes.digits.vae import BernoulliPixels, ConvolutionalDigitVAE
from etudes.models import register_model
from etudes.pipelines.vae.colour import PhotographVAE
from etudes.pipelines.vae.mlp import BetaSweep, MLPDigitVAE

__all__ = ["BetaSweep", "Convolutional", "Judge", "MLPDigitVAE", "PhotographVAE", "Pixels", "VAEPredictor"]


@register_model("vae.judge")
class Judge(DigitJudge):
    """The digit classifier that judges what the variants draw."""


@register_model("vae.pixels")
class Pixels(BernoulliPixels):
    """Independent pixels, the trivial baseline."""


@register_model("vae.convolutional")
class Convolutional(ConvolutionalDigitVAE):
    """The convolutional network, with or without labels."""


@register_model("vae.predictor")
class VAEPredictor(DigitPredictor):
    """The chosen variant behind a user's wish for a digit."""
