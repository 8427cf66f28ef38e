"""Colour photographs: what is refused, how they are split, the likelihood of bytes, and the network around it."""

from __future__ import annotations

import io
import math
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from etudes.pipelines.vae.photographs import read_photographs

from etudes.datasets import RawFolderDataset
from etudes.digits.variational import bounds
from etudes.examples import Examples
from etudes.forms.pictures import png_bytes
from etudes.forms.raw import RawFolder
from etudes.models import load_model, save_model
from etudes.pipelines.vae import nodes
from etudes.pipelines.vae.colour import (
    ColourVAE,
    PhotographVAE,
    bits_per_dimension,
    channels_first,
    discretised_logistic,
    independent_bytes,
)
from etudes.pipelines.vae.parameters import Parameters
from etudes.samples.scenes import raw_file
from study_settings import run_parameters, settings_of

PILE = {np.zeros((32, 32, 3), np.uint8).tobytes(), np.full((32, 32, 3), 255, np.uint8).tobytes()}
Parts = tuple[Examples, Examples, Examples, dict[str, Any]]
settings = settings_of("vae", Parameters)


@pytest.fixture(scope="module")
def folder() -> RawFolder:
    return raw_file("photographs", train=100, test=20, side=16, seed=7)


@pytest.fixture(scope="module")
def parts(folder: RawFolder) -> Parts:
    examples, card = nodes.ingest_photographs(folder)
    return nodes.split_photographs(examples, card, settings("photographs"))


@pytest.fixture(scope="module")
def trained(parts: Parts) -> PhotographVAE:
    fit = {"epochs": 25, "batch_size": 16, "learning_rate": 0.005, "average": 0.0}
    chosen = settings("photographs", channels=4, width=8, fit=fit)
    return nodes.train_photographs(parts[0], parts[1], chosen, run_parameters())[0]


def png(side: int = 16, seed: int = 0) -> bytes:
    return png_bytes(np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8))


def folder_of(**changes: bytes | None) -> RawFolder:
    """Four pictures of each part, and what a test changes; a name is ``part__class__file``."""
    names = [f"{part}__cat__{i}.png" for part in ("train", "test") for i in range(4)]
    entries = {name: png(seed=i) for i, name in enumerate(names)}
    for name, content in changes.items():
        if content is None:
            del entries[name.replace("_png", ".png")]
        else:
            entries[name.replace("_png", ".png")] = content
    return RawFolder("pictures", {name.replace("__", "/"): content for name, content in entries.items()})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"other__cat__1_png": png()}, r"other/cat/1\.png lies outside the layout; expected <train or test>"),
        ({"train__cat__9_png": png(24)}, "24 x 24 pixels, the others have 16 x 16; expected one size"),
        (
            {"train__cat__9_png": png(18)},
            "18 x 18 pixels; expected a square with a side that is a multiple of 4",
        ),
        ({"train__cat__9_png": png()[:60]}, "train/cat/9.png"),
        ({"test__cat__0_png": None}, "3 pictures in test; expected at least 4"),
        ({"deep__train__cat__0_png": png()}, "there are two pictures train/cat/0.png"),
    ],
)
def test_bad_photographs_are_refused_in_one_message(changes: dict[str, bytes | None], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_photographs(folder_of(**changes))


def test_an_archive_stands_for_the_pictures_in_it(folder: RawFolder) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as bundle:
        bundle.writestr("index.csv", "split,class\n")
        for name in folder:
            bundle.writestr(f"data/{name}", folder.read(name).content)
    packed, card = read_photographs(RawFolder("packed", {"pictures.zip": stream.getvalue()}))
    plain, other = read_photographs(folder)
    assert packed.rows.equals(plain.rows) and card["fingerprint"] == other["fingerprint"]
    np.testing.assert_array_equal(packed["pixels"], plain["pixels"])
    with pytest.raises(ValueError, match="expected a whole zip file"):
        read_photographs(RawFolder("packed", {"pictures.zip": stream.getvalue()[:900]}))


def test_copies_of_test_pictures_leave_the_training_part() -> None:
    copies = {"train__cat__copy_png": png(seed=4), "train__cat__twice_png": png(seed=0)}
    examples, card = read_photographs(folder_of(**copies))
    train, dev, test, found = nodes.split_photographs(examples, card, settings("photographs"))
    assert (found["dropped_because_in_test"], found["dropped_because_repeated"]) == (1, 1)
    assert (len(train) + len(dev), len(test)) == (4, 4) and len(dev) == found["dev_rows"] == 1
    keys = [{picture.tobytes() for picture in part["pixels"]} for part in (train, dev, test)]
    assert not (keys[0] & keys[1] or keys[0] & keys[2] or keys[1] & keys[2])


@pytest.mark.parametrize(
    ("mean", "log_scale"), [(0.5, -2.0), (0.0, -4.0), (1.3, -1.0), (0.502, -7.0), (-0.4, 0.5)]
)
def test_the_law_of_a_byte_sums_to_one_and_is_the_integral_of_its_density(
    mean: float, log_scale: float
) -> None:
    bytes_ = torch.arange(256, dtype=torch.float64).view(256, 1, 1, 1) / 255
    full = torch.full_like(bytes_, mean), torch.full_like(bytes_, log_scale)
    found = discretised_logistic(*full, bytes_).exp().numpy()
    assert found.sum() == pytest.approx(1, abs=1e-9)
    ends = (np.arange(1, 256) - 0.5) / 255
    law = np.diff(
        1 / (1 + np.exp(-(np.concatenate([[-np.inf], ends, [np.inf]]) - mean) / math.exp(log_scale)))
    )
    np.testing.assert_allclose(found, law, atol=1e-9)


def test_the_law_keeps_its_gradient_far_from_the_byte() -> None:
    """A difference of sigmoids would be 0 there, and its logarithm minus infinity."""
    mean = torch.full((1, 3, 1, 1), 30.0, requires_grad=True)
    found = discretised_logistic(mean, torch.full((1, 3, 1, 1), -3.0), torch.full((1, 3, 1, 1), 100 / 255))
    found.backward(torch.ones(1))
    assert torch.isfinite(found).all() and found.item() < -1000
    assert mean.grad is not None and (mean.grad < 0).all(), "a smaller mean is better"


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="expected one shape"):
        discretised_logistic(torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, 4), torch.zeros(2, 1, 4, 4))


def test_independent_bytes_are_histograms_with_one_half() -> None:
    train = np.zeros((3, 1, 1, 3), np.uint8)
    train[0, 0, 0, 0] = 5
    test = np.array([0, 0, 0, 5, 0, 0, 9, 0, 0], np.uint8).reshape(3, 1, 1, 3)
    whole = 3 + 128
    same = 2 * math.log(3.5 / whole)
    expected = [math.log(2.5 / whole) + same, math.log(1.5 / whole) + same, math.log(0.5 / whole) + same]
    np.testing.assert_allclose(independent_bytes(train, test), expected)


def test_colours_keep_their_places() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    tensor = channels_first(pixels)
    assert tensor.shape == (2, 3, 8, 8) and tensor[1, 2, 3, 4] == pixels[1, 3, 4, 2]


def test_bounds_are_those_of_the_likelihood_by_hand() -> None:
    torch.manual_seed(0)
    network = ColourVAE(side=16, channels=2, width=4).eval()
    stored = torch.randint(0, 256, (5, 3, 16, 16), dtype=torch.uint8)
    labels = torch.zeros(5, dtype=torch.int64)
    found = bounds(network, stored, labels, 2, 0, torch.device("cpu"))
    noise = torch.randn((2, 5, 32), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        posterior = network.encode(stored.float() / 255, labels)
        mean, scale = network.decode(posterior.draw(noise[1]), labels).chunk(2, 1)
        second = discretised_logistic(mean, scale, stored / 255)
        first = network.log_likelihood(network.decode(posterior.draw(noise[0]), labels), stored / 255)
    torch.testing.assert_close(found.reconstruction, (first + second) / 2)
    assert (found.iwae >= found.reconstruction - found.kl - 200).all()


def test_training_beats_independent_bytes_and_pictures_come_out(parts: Parts, trained: PhotographVAE) -> None:
    train, _, test, _ = parts
    settings_ = settings("photographs", draws=8, shown=16)
    table, panels = nodes.evaluate_photographs(train, test, trained, settings_, run_parameters())
    bits = dict(zip(table["model"], table["bits_per_dimension"], strict=True))
    assert bits["uniform bytes"] == 8
    elbo = bits["variational autoencoder, evidence bound"]
    assert bits["variational autoencoder, 8 weighted draws"] <= elbo < bits["independent bytes"] < 8
    assert (table["low"] <= table["bits_per_dimension"]).all()
    assert (table["bits_per_dimension"] <= table["high"]).all()
    assert panels["pixels"].shape == (48, 16, 16, 3) and panels["pixels"].dtype == np.uint8
    real, rebuilt = (panels["pixels"][panels.rows["row"] == row].astype(float) for row in (0, 1))
    flat = np.asarray(train["pixels"]).mean(0)
    assert ((real - rebuilt) ** 2).mean() < ((real - flat) ** 2).mean(), (
        "a code holds more than the mean picture"
    )


def test_a_saved_model_answers_the_same(parts: Parts, trained: PhotographVAE, tmp_path: Any) -> None:
    save_model(trained, tmp_path / "model")
    again = load_model(tmp_path / "model")
    np.testing.assert_array_equal(again.sample(3, 1), trained.sample(3, 1))
    assert not np.array_equal(again.sample(3, 1), again.sample(3, 2))
    torch.testing.assert_close(again.bounds(parts[2], 2, 0).elbo, trained.bounds(parts[2], 2, 0).elbo)


def test_bits_are_nats_of_a_byte(parts: Parts) -> None:
    assert bits_per_dimension(-math.log(2) * 16 * 16 * 3 * 5, parts[2]) == pytest.approx(5)


@pytest.mark.real_data
def test_the_public_photographs_hold_what_they_should() -> None:
    raw = Path(os.environ.get("ETUDES_RAW", ""))
    if not os.environ.get("ETUDES_RAW") or not (raw / "cifar10").is_dir():
        pytest.skip("needs CIFAR-10: set ETUDES_RAW to a folder that holds cifar10")
    files = RawFolderDataset(source="cifar10", suffixes=[".png", ".zip"], raw=str(raw)).load()
    examples, card = read_photographs(files)
    assert len(card["classes"]) == 10 and card["side"] == 32
    assert (examples.rows["part"] == "test").sum() >= 2000
    assert not PILE & {picture.tobytes() for picture in examples["pixels"]}, "no picture is blank"
