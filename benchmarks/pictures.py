"""Small pictures: several networks in one asked beside as many networks, and training on bytes beside picture after picture."""

from __future__ import annotations

from typing import Any

from benchmarks.table import Row, at_least, at_most
from benchmarks.timing import interleaved

MEMBERS, WIDTH, SIDE, REPEATS = 3, 16, 32, 15
STEPS, BATCH = 10, 128


def mimo_against_an_ensemble() -> list[Row]:
    """Milliseconds of an answer of one network with three inputs and of three networks, random weights, from bytes to
    probabilities; and pictures a second of training with altered pictures, against transforms of torchvision picture by picture."""
    import numpy as np
    import torch

    from etudes.benches.uncertain import Ensemble
    from etudes.examples import Examples
    from etudes.pipelines.mimo_ensemble.model import Network
    from etudes.vision.cifar_networks import CifarResNet

    torch.manual_seed(0)
    pixels = np.random.default_rng(0).integers(0, 256, (STEPS * BATCH, SIDE, SIDE, 3), dtype=np.uint8)

    def network(members: int) -> Any:
        config = {"blocks": 1, "classes": 10 * members, "width": WIDTH, "channels": 3 * members, "stride": 2}
        return Network(CifarResNet(**config), config, inputs=members, passes=0, seed=0)

    ours, peer = network(MEMBERS), Ensemble([network(1) for _ in range(MEMBERS)])
    rows = []
    for count, limit in ((1, 0.5), (100, 0.6)):
        asked = Examples(_rows(count), {"pixels": pixels[:count]})
        contestants = {
            "ours": lambda a=asked: ours.predict_proba(a),
            "peer": lambda a=asked: peer.predict_proba(a),
        }
        best = {name: 1e3 * times.wall for name, times in _warm(contestants).items()}
        what = f"{MEMBERS} networks in one against {MEMBERS} networks, {count} pictures (best of {REPEATS})"
        rows.append(at_most(what, best["ours"], best["peer"], limit, "ms"))
    return [*rows, _training(pixels)]


def _training(pixels: Any) -> Row:
    import numpy as np
    import torch
    from torch.utils.data import DataLoader, Dataset
    from torchvision import transforms

    from etudes.vision.cifar_networks import CifarResNet
    from etudes.vision.classifying import PictureProblem
    from etudes.vision.imagenet import IMAGENET_MEAN, IMAGENET_STD

    labels = np.arange(len(pixels)) % 10
    model = CifarResNet(blocks=1, width=WIDTH, stride=2).train()
    problem = PictureProblem(model, pixels, labels, pixels[:10], labels[:10], BATCH, shift=3, mirror=True)

    class Pictures(Dataset):
        def __init__(self) -> None:
            self.altered = transforms.Compose(
                [
                    transforms.ToPILImage(),
                    transforms.RandomCrop(SIDE, padding=3, padding_mode="edge"),
                    transforms.RandomHorizontalFlip(),
                    transforms.ToTensor(),
                    transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD),
                ]
            )

        def __len__(self) -> int:
            return len(pixels)

        def __getitem__(self, place: int) -> Any:
            return self.altered(pixels[place]), int(labels[place])

    optimizer = torch.optim.AdamW(model.parameters())

    def step(batch: Any) -> None:
        torch.nn.functional.cross_entropy(model(batch[0]), batch[1]).backward()
        optimizer.step()
        optimizer.zero_grad()

    def ours() -> None:
        for indices in problem.batches(np.random.default_rng(0)):
            step(problem.collate(indices, torch.device("cpu")))

    def peer() -> None:
        for batch in DataLoader(Pictures(), BATCH, shuffle=True):
            step(batch)

    best = interleaved({"ours": ours, "peer": peer}, 3)
    speed = {name: len(pixels) / times.wall for name, times in best.items()}
    what = f"training on altered pictures, width {WIDTH}, against torchvision's transforms in a DataLoader (best of 3)"
    return at_least(what, speed["ours"], speed["peer"], 1.2, "pictures/s")


def _warm(contestants: Any) -> Any:
    for call in contestants.values():
        call()
    return interleaved(contestants, REPEATS)


def _rows(count: int) -> Any:
    import pandas as pd

    return pd.DataFrame({"id": range(count)})
