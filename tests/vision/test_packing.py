"""Grids of weights, their bytes, and files: against PyTorch's quantisation, finer searches and the network itself."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from compression_toys import CONFIG, TEST, lived
from etudes.models import ModelFileError, load_model, save_model
from etudes.vision.compact import folded, layers_of
from etudes.vision.packing import kilobytes, packed
from etudes.vision.rounding import (
    codes_of,
    from_bytes,
    length,
    rounded,
    scales_of,
    to_bytes,
)

WEIGHTS = torch.randn(6, 40, generator=torch.Generator().manual_seed(0))


def test_codes_are_those_of_pytorchs_quantisation() -> None:
    scales = scales_of(WEIGHTS, 8)
    theirs = torch.fake_quantize_per_channel_affine(
        WEIGHTS, scales, torch.zeros(6, dtype=torch.int32), 0, -127, 127
    )
    ours = codes_of(WEIGHTS, scales, 8) * scales[:, None]
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(rounded(WEIGHTS, 8), theirs)


@pytest.mark.parametrize("bits", [4, 8])
def test_no_other_step_of_the_grid_errs_much_less(bits: int) -> None:
    most, largest = 2 ** (bits - 1) - 1, WEIGHTS.abs().amax(1)

    def errors(scales: torch.Tensor) -> torch.Tensor:
        return torch.square(codes_of(WEIGHTS, scales, bits) * scales[:, None] - WEIGHTS).sum(1)

    found = errors(scales_of(WEIGHTS, bits))
    finer = torch.stack([errors(largest * share / most) for share in np.linspace(0.4, 1, 200)]).amin(0)
    assert (found <= 1.25 * finer).all() and (found <= errors(largest / most) + 1e-9).all()
    if bits == 4:
        assert (found < errors(largest / most)).any()  # the ends of the grid are not the largest weights


def test_the_gradient_goes_through_and_the_grid_stays() -> None:
    weights = WEIGHTS.clone().requires_grad_()
    on_grid = rounded(weights, 4)
    (on_grid * torch.arange(40.0)).sum().backward()
    torch.testing.assert_close(weights.grad, torch.arange(40.0).expand(6, 40))
    torch.testing.assert_close(rounded(on_grid.detach(), 4), on_grid.detach())
    assert all(len(row.unique()) <= 15 for row in on_grid.detach())
    assert torch.equal(rounded(torch.zeros(2, 3), 4), torch.zeros(2, 3))


@pytest.mark.parametrize("bits", [32, 16, 8, 4])
@pytest.mark.parametrize("count", [0, 1, 7, 12])
def test_codes_survive_their_bytes(bits: int, count: int) -> None:
    most = 2 ** (min(bits, 8) - 1) - 1
    codes = np.random.default_rng(count).integers(-most, most + 1, count)
    stored = to_bytes(codes, bits)
    assert stored.dtype == np.uint8 and len(stored) == length(count, bits)
    np.testing.assert_array_equal(from_bytes(stored, count, bits), codes)


@pytest.mark.parametrize("bits", [32, 16, 8, 4])
@pytest.mark.parametrize("design", ["dense", "separable"])
def test_a_file_holds_the_folded_network_on_its_grid(bits: int, design: str) -> None:
    network = lived(design=design)
    model = packed(network, {**CONFIG, "design": design}, bits)
    pairs = list(zip(layers_of(folded(network)), layers_of(model.network), strict=True))
    for place, ((_, theirs), (_, ours)) in enumerate(pairs):
        depth = max(bits, 8) if place in (0, len(pairs) - 1) else bits
        wanted = theirs.weight
        if depth == 16:
            wanted = wanted.half().float()
        if depth <= 8:
            wanted = rounded(wanted, depth)
        torch.testing.assert_close(ours.weight, wanted)
        torch.testing.assert_close(ours.bias, theirs.bias)
    pictures = torch.randn(3, 3, 16, 16)
    with torch.no_grad():
        close = (model.network(pictures) - network(pictures)).abs().max()
    assert close < {32: 1e-3, 16: 0.02, 8: 0.3, 4: 8}[bits]


def test_zeros_are_not_there_and_the_answers_the_same() -> None:
    network = lived()
    for name, value in network.named_parameters():
        if "layer" in name and "conv" in name:
            value.data *= torch.rand(value.shape) < 0.2
    dense, sparse = (packed(network, CONFIG, 16, sparse=s) for s in (False, True))
    np.testing.assert_array_equal(dense.predict_proba(TEST), sparse.predict_proba(TEST))
    weights = sum(layer.weight.numel() for _, layer in layers_of(network))
    there = sum(int(layer.weight.count_nonzero()) for _, layer in layers_of(network))
    assert len(dense.codes) == 2 * weights and len(sparse.codes) == 2 * there
    assert len(sparse.kept) == sum(length(layer.weight.numel(), 1) for _, layer in layers_of(network))
    assert kilobytes(sparse) < 0.6 * kilobytes(dense)


@pytest.mark.parametrize("bits", [32, 16, 8, 4])
def test_kilobytes_are_what_a_saved_model_takes(tmp_path: Path, bits: int) -> None:
    model = packed(lived(), CONFIG, bits)
    save_model(model, tmp_path / "model")
    size = sum(file.stat().st_size for file in (tmp_path / "model").iterdir())
    assert kilobytes(model) == size / 1000
    weights = sum(layer.weight.numel() for _, layer in layers_of(model.network))
    assert size == pytest.approx(
        weights * bits / 8, abs=3500
    )  # biases, scales, heads, and ends with more bits
    again = load_model(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_proba(TEST), model.predict_proba(TEST))


def test_files_of_other_networks_and_damaged_ones_are_refused(tmp_path: Path) -> None:
    model = packed(lived(), CONFIG, 8)
    for changes, said in (
        ({"codes": model.codes[:-1]}, "codes has another length"),
        ({"codes": np.append(model.codes, np.uint8(1))}, "codes has another length"),
        ({"scales": model.scales[1:]}, "scales has another length"),
        (
            {"biases": model.biases.astype(np.float64)},
            "biases is 1-dimensional of type float64; expected one",
        ),
        ({"codes": model.codes.reshape(1, -1)}, "codes is 2-dimensional"),
        ({"config": {**CONFIG, "width": 12}}, "belong to another network"),
        ({"bits": 5}, "5 bits a weight; expected one of 32, 16, 8, 4"),
        ({"bits": 4}, "has another length"),
    ):
        with pytest.raises(ModelFileError, match=said):
            replace(model, **changes)
    save_model(model, tmp_path / "model")
    description = json.loads((tmp_path / "model" / "model.json").read_text())
    description["config"]["attributes"]["config"]["blocks"] = 2
    (tmp_path / "model" / "model.json").write_text(json.dumps(description))
    with pytest.raises(ModelFileError, match="its weights belong to another network"):
        load_model(tmp_path / "model")
    with pytest.raises(ValueError, match="3 bits a weight"):
        packed(lived(), CONFIG, 3)


def test_no_pictures_no_answers() -> None:
    assert packed(lived(), CONFIG, 8).predict_proba(TEST.take(np.arange(0))).shape == (0, 4)
