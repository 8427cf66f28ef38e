"""Settings and small networks for the tests of this study; values come from conf/test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from etudes.pipelines.decoder_transformer import data
from etudes.pipelines.decoder_transformer.decoder import DecoderTransformer
from etudes.pipelines.decoder_transformer.parameters import NetworkParameters, Parameters
from etudes.samples import prose, recurrences
from study_settings import whole_settings


@pytest.fixture(scope="session")
def parameters() -> Parameters:
    """The study's parameters in `test`."""
    return whole_settings("decoder_transformer", Parameters)


@pytest.fixture
def make_network() -> Callable[..., DecoderTransformer]:
    """``make_network(positions=32)``: an untrained network whose attention is far from even."""

    def build(vocabulary: int = 7, positions: int = 32, **changes: Any) -> DecoderTransformer:
        sizes = {"layers": 3, "hidden": 32, "heads": 4, "feed_forward": 48, "theta": 10000.0, "dropout": 0.0}
        torch.manual_seed(0)
        settings = NetworkParameters.model_validate({**sizes, **changes})
        network = DecoderTransformer(vocabulary, positions, settings).eval()
        with torch.no_grad():  # the small first weights attend almost evenly, which hides a wrong mask
            for weights in network.parameters():
                weights.add_(0.3 * torch.randn_like(weights))
        return network

    return build


@pytest.fixture(scope="session")
def splits(parameters: Parameters) -> dict[str, Any]:
    """Every output of ingest and preprocess: splits and cards by their names."""
    raw = recurrences.raw_file("sequences", [3, 5], 200, 17, 0.1, seed=3), prose.raw_file("text", 4000)
    recurrences_frame, text_frame, data_card = data.ingest(*raw)
    names = ("train", "dev", "test", "text_train", "text_dev", "text_test", "split_card")
    found = data.cut(recurrences_frame, text_frame, parameters.split, parameters.text)
    return {**dict(zip(names, found, strict=True)), "data_card": data_card, "frame": recurrences_frame}
