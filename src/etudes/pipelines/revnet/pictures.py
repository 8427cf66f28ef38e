"""The convolutional network as a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from etudes.digits.judge import intensities
from etudes.examples import Examples
from etudes.models import register_model
from etudes.networks import NetworkModel
from etudes.pipelines.revnet.convolutional import ConvolutionalRevNet

BATCH = 500


@register_model("revnet.convolutional")
class ConvolutionalModel(NetworkModel):
    """`ConvolutionalRevNet` with its weights."""

    network_class: ClassVar[Callable[..., nn.Module]] = ConvolutionalRevNet

    def predict_proba(self, examples: Examples) -> NDArray[np.float64]:
        """(N, K)."""
        pixels = np.asarray(examples["pixels"])
        with torch.inference_mode():
            parts = [
                self.network(intensities(pixels[start : start + BATCH])).double().softmax(1).numpy()
                for start in range(0, len(pixels), BATCH)
            ]
        return np.concatenate(parts)
