"""Settings and small networks for the tests of this study; values come from conf/test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from etudes.examples import Examples
from etudes.forms.raw import RawFile
from etudes.pipelines.decoder_transformer import nodes
from etudes.pipelines.decoder_transformer.decoder import DecoderTransformer
from etudes.pipelines.decoder_transformer.parameters import NetworkParameters, Parameters
from etudes.samples import prose, recurrences
from etudes.training.parameters import RunParameters
from study_settings import run_parameters, whole_settings


@pytest.fixture(scope="session")
def parameters() -> Parameters:
    """The study's parameters in `test`."""
    return whole_settings("decoder_transformer", Parameters)


@pytest.fixture(scope="session")
def run_settings() -> Callable[..., RunParameters]:
    """``run_settings(seed=1)``: the shared parameters, on the CPU, changed."""
    return run_parameters


@pytest.fixture
def make_network() -> Callable[..., DecoderTransformer]:
    """``make_network(positions=32)``: an untrained network whose attention is far from even."""

    def build(vocabulary: int = 7, positions: int = 32, seed: int = 0, **changes: Any) -> DecoderTransformer:
        values = {
            "layers": 3,
            "hidden": 32,
            "heads": 4,
            "feed_forward": 48,
            "theta": 10000.0,
            "dropout": 0.0,
            **changes,
        }
        torch.manual_seed(seed)
        network = DecoderTransformer(vocabulary, positions, NetworkParameters.model_validate(values)).eval()
        with torch.no_grad():  # the small first weights attend almost evenly, which hides a wrong mask
            for weights in network.parameters():
                weights.add_(0.3 * torch.randn_like(weights))
        return network

    return build


@pytest.fixture(scope="session")
def raw_recurrences() -> RawFile:
    return recurrences.raw_file("sequences", [3, 5], 200, 17, 0.1, seed=3)


@pytest.fixture(scope="session")
def raw_text() -> RawFile:
    return prose.raw_file("text", 4000)


Splits = dict[str, Any]


@pytest.fixture(scope="session")
def splits(parameters: Parameters, raw_recurrences: RawFile, raw_text: RawFile) -> Splits:
    """Every output of ingest and preprocess, by its name."""
    recurrences_frame, text_frame, data_card = nodes.ingest(raw_recurrences, raw_text)
    names = ("train_split", "dev_split", "test_split", "split_card")
    found: Splits = dict(
        zip(names, nodes.split_recurrences(recurrences_frame, parameters.split), strict=True)
    )
    names = ("text_train_split", "text_dev_split", "text_test_split", "text_card")
    found |= zip(names, nodes.split_text(text_frame, parameters.text), strict=True)
    return {**found, "data_card": data_card}


def of_group(examples: Examples, modulus: int, group: str) -> Examples:
    rows = examples.rows
    return examples.take(np.flatnonzero((rows["modulus"] == modulus) & (rows["group"] == group)))
