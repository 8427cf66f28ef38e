"""Weights of pretrained networks: the right file is used as it is, any other is refused with its name."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision import models

from etudes.datasets import PretrainedDataset
from etudes.sources.table import MissingDataError, load_sources
from etudes.vision import cifar_networks
from etudes.vision.pretrained import NETWORKS, Pretrained, WeightsError


def written(state: object) -> bytes:
    stream = io.BytesIO()
    torch.save(state, stream)
    return stream.getvalue()


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A raw folder with random weights of SqueezeNet, in half precision."""
    entry = NETWORKS["squeezenet1_1"]
    (tmp_path / entry.source).mkdir(parents=True)
    torch.manual_seed(0)
    state = {name: value.half() for name, value in models.squeezenet1_1(weights=None).state_dict().items()}
    (tmp_path / entry.source / entry.file).write_bytes(written(state))
    return tmp_path


def weights_path(raw: Path) -> Path:
    return raw / NETWORKS["squeezenet1_1"].source / NETWORKS["squeezenet1_1"].file


def test_every_file_is_in_the_table_of_sources() -> None:
    sources = load_sources()
    for entry in NETWORKS.values():
        assert entry.file in {file.name for file in sources[entry.source].files}
        assert hasattr(models, entry.constructor) or hasattr(cifar_networks, entry.constructor)


def test_a_network_has_the_weights_of_its_file_and_is_frozen(raw: Path) -> None:
    pretrained = PretrainedDataset(raw=str(raw)).load()
    network = pretrained.network("squeezenet1_1")
    stored = torch.load(weights_path(raw), weights_only=True)
    for name, value in network.state_dict().items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, stored[name].float(), rtol=0, atol=0)
    assert not network.training and not any(p.requires_grad for p in network.parameters())
    assert len(pretrained.fingerprint("squeezenet1_1")) == 32


def test_a_missing_file_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="kedro data fetch torchvision_weights"):
        Pretrained(tmp_path).network("resnet18")
    with pytest.raises(ValueError, match="no network 'resnet19'; expected one of resnet18"):
        Pretrained(tmp_path).network("resnet19")


@pytest.mark.parametrize("fault", ["cut", "text", "other network", "shape", "nan", "list"])
def test_a_wrong_file_is_refused(raw: Path, fault: str) -> None:
    path = weights_path(raw)
    state = torch.load(path, weights_only=True)
    if fault == "cut":
        path.write_bytes(path.read_bytes()[:100_000])
    elif fault == "text":
        path.write_bytes(b"<html>404</html>")
    elif fault == "other network":
        path.write_bytes(written({"conv1.weight": torch.zeros(3)}))
    elif fault == "shape":
        path.write_bytes(written({**state, "features.0.bias": torch.zeros(3)}))
    elif fault == "nan":
        path.write_bytes(written({**state, "features.0.bias": torch.full((64,), torch.nan)}))
    else:
        path.write_bytes(written([torch.zeros(3)]))
    parts = {
        "cut": "no weights can be read",
        "text": "no weights can be read",
        "other network": r"belongs to another network than SqueezeNet: 52 tensors are missing",
        "shape": r"features\.0\.bias has the shape \(3,\), expected \(64,\)",
        "nan": r"features\.0\.bias holds values that are not finite",
        "list": "found a list, expected a state dict",
    }
    with pytest.raises(WeightsError, match=rf"squeezenet1_1-b8a52dc0\.pth.*{parts[fault]}"):
        Pretrained(raw).network("squeezenet1_1")


def test_a_pickle_that_would_run_code_is_refused(raw: Path, tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> tuple[object, tuple[str, bytes]]:
            return Path.write_bytes, (tmp_path / "harm", b"done")  # type: ignore[return-value]

    weights_path(raw).write_bytes(pickle.dumps(Harm()))
    with pytest.raises(WeightsError, match="no weights can be read"):
        Pretrained(raw).network("squeezenet1_1")
    assert not (tmp_path / "harm").exists()


@pytest.mark.real_data
def test_the_real_weights_know_photographs(raw_data: Path) -> None:
    from etudes.datasets import RawFolderDataset
    from etudes.forms.pictures import read_picture
    from etudes.vision.imagenet import normalised

    if not (raw_data / "weights" / "squeezenet1_1").is_dir() or not (raw_data / "imagenet_samples").is_dir():
        pytest.skip("needs weights/squeezenet1_1 and imagenet_samples")
    folder = RawFolderDataset(source="imagenet_samples", raw=str(raw_data), suffixes=[".jpeg"]).load()
    assert len(folder) == 1000
    classes = list(range(0, 1000, 10))
    names = list(folder)
    pixels = np.stack([read_picture(folder.read(names[k]), size=256, crop=224) for k in classes])
    with torch.inference_mode():
        logits = Pretrained(raw_data).network("squeezenet1_1_caffe")(normalised(pixels))
    assert (logits.argmax(1).numpy() == np.array(classes)).mean() >= 0.5


def test_a_checkpoint_of_the_cifar_network_is_read_through_its_prefix(tmp_path: Path) -> None:
    """As its author's files are: inside a dictionary, behind ``module.``, and without the counts of batches."""
    entry = NETWORKS["resnet20_cifar10"]
    torch.manual_seed(0)
    network = cifar_networks.resnet20_cifar10().eval()
    assert sum(p.numel() for p in network.parameters()) == 269_722
    state = {f"module.{n}": v for n, v in network.state_dict().items() if "num_batches" not in n}
    folder = tmp_path / entry.source
    folder.mkdir(parents=True)
    (folder / entry.file).write_bytes(written({"state_dict": state, "best_prec1": 91.78}))
    read = Pretrained(tmp_path).network("resnet20_cifar10")
    pictures = torch.rand(2, 3, 32, 32)
    assert torch.equal(read(pictures), network(pictures)) and read(pictures).shape == (2, 10)
    state.pop("module.linear.bias")
    (folder / entry.file).write_bytes(written({"state_dict": state}))
    with pytest.raises(WeightsError, match=r"1 tensors are missing \(linear\.bias\)"):
        Pretrained(tmp_path).network("resnet20_cifar10")


def test_the_cifar_networks_shortcut_halves_and_widens_without_weights() -> None:
    block = cifar_networks.Block(4, 8).eval()
    torch.nn.init.zeros_(block.bn2.weight)
    found = block(torch.arange(64.0).reshape(1, 4, 4, 4))
    assert found.shape == (1, 8, 2, 2)
    assert (
        found[0, 2:6].flatten().tolist()
        == torch.arange(64.0).reshape(4, 4, 4)[:, ::2, ::2].flatten().tolist()
    )
    assert not found[0, [0, 1, 6, 7]].any()
