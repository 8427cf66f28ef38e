"""FGSM, its iterations, MI-FGSM and PGD against torchattacks and foolbox: the same network, pictures, radius and steps.

Pictures are those of the public data that ResNet-20 (CIFAR-10) and SqueezeNet 1.1 (ImageNet) know, in ``ETUDES_RAW``. All
results are rounded to 8 bits before they are scored. Times are of the processor, on one thread, the best of interleaved runs.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.table import Row, at_most
from benchmarks.timing import interleaved

PEERS = ("torchattacks", "foolbox")
STEPS, REPEATS, REPEATS_OF_ONE = 10, 3, 10
# Network, pictures, radius in levels of 255.
BOARDS = (("resnet20_cifar10", 100, 4), ("squeezenet1_1_caffe", 8, 2))
CLOSE = 0.01  # of success
EVEN = 1.05  # all steps are the same passes through the same network: a tie, and what the clock makes of it


def attacks_against_peers() -> list[Row]:
    """Success after rounding and time of each attack: all steps as in the peers, and stopping as in the study."""
    missing = [peer for peer in PEERS if importlib.util.find_spec(peer) is None]
    raw = Path(os.environ.get("ETUDES_RAW", "data/01_raw"))
    if missing or not (raw / "weights").is_dir():
        said = (
            f"{', '.join(missing)} not installed: pip install -e .[bench]"
            if missing
            else f"no weights in {raw}"
        )
        return [Row("gradient attacks against torchattacks and foolbox", said)]
    import torch

    torch.set_num_threads(1)
    return [row for board in BOARDS for row in compared(raw, *board)]


def compared(raw: Path, network: str, count: int, levels: int) -> Iterator[Row]:
    """The rows of one network."""
    import torch

    from etudes.vision.pretrained import Pretrained
    from etudes.vision.victims import View

    view = View(Pretrained(raw).network(network)).eval().to(memory_format=torch.channels_last)
    pictures, labels = known(raw, view, network, count)

    def success(found: Any) -> float:
        with torch.inference_mode():
            return float((view((found * 255).round() / 255).argmax(1) != labels).double().mean())

    for name, contestants in contests(view, pictures, labels, levels).items():
        results: dict[str, Any] = {}

        def noted(who: str, run: Callable[[], Any], results: dict[str, Any] = results) -> Callable[[], None]:
            return lambda: results.update({who: run()})

        repeats = REPEATS if "stopping" in contestants else REPEATS_OF_ONE
        times = interleaved({who: noted(who, run) for who, run in contestants.items()}, repeats)
        shares = {who: success(found) for who, found in results.items()}
        peers = {peer: shares[peer] for peer in PEERS}
        what = f"{name}, {network}, {len(labels)} pictures, {levels}/255"
        apart, told = (
            max(abs(shares["ours"] - v) for v in peers.values()),
            " / ".join(f"{v:.3f}" for v in peers.values()),
        )
        yield Row(
            f"success: {what}", f"{shares['ours']:.3f}", told, f"{apart:.3f}", f"<= {CLOSE}", apart <= CLOSE
        )
        if "stopping" in shares:
            least = max(peers.values()) - CLOSE
            ok = shares["stopping"] >= least
            yield Row("  as the study runs it", f"{shares['stopping']:.3f}", "", "", f">= {least:.3f}", ok)
        fastest = min(times[peer].cpu for peer in PEERS)
        yield at_most("  time, all steps", times["ours"].cpu, fastest, EVEN)
        if "stopping" in times:
            yield at_most("  time as the study runs it", times["stopping"].cpu, fastest, 1.0)


def known(raw: Path, view: Any, network: str, count: int) -> tuple[Any, Any]:
    """The first pictures (n, 3, H, W) that a network knows, with their labels."""
    import numpy as np
    import torch

    from etudes.datasets import RawFolderDataset
    from etudes.forms.archives import picture_files
    from etudes.forms.pictures import read_picture
    from etudes.vision.named_photos import parse_names
    from etudes.vision.victims import intensities

    small = network == "resnet20_cifar10"
    source, suffixes = ("cifar10", [".png", ".zip"]) if small else ("imagenet_samples", [".jpeg"])
    folder = RawFolderDataset(source=source, suffixes=suffixes, raw=str(raw)).load()
    if small:
        test = [(place, file) for place, file in picture_files(folder) if "test/" in place]
        classes = sorted({place.split("/")[-2] for place, _ in test})
        chosen = test[:: max(1, len(test) // (2 * count))]
        pixels = np.stack([read_picture(file) for _, file in chosen])
        labels = np.array([classes.index(place.split("/")[-2]) for place, _ in chosen])
    else:
        rows = parse_names(folder).iloc[:: 1000 // (2 * count)]
        pixels = np.stack([read_picture(folder.read(name), 256, 224) for name in rows["id"]])
        labels = rows["label"].to_numpy()
    pictures, truth = intensities(pixels, "cpu"), torch.from_numpy(np.array(labels, dtype=np.int64))
    with torch.inference_mode():
        right = view(pictures).argmax(1) == truth
    return pictures[right][:count].clone(), truth[right][:count].clone()


def contests(view: Any, pictures: Any, labels: Any, levels: int) -> dict[str, dict[str, Callable[[], Any]]]:
    """By attack and contestant what makes perturbed pictures."""
    import foolbox
    import numpy as np
    import torch
    import torchattacks

    from etudes.vision.bounded import perturbed
    from etudes.vision.parameters import StepsParameters

    eps, alpha = levels / 255, levels / 255 / 4
    wrapped = foolbox.PyTorchModel(view, bounds=(0, 1), device="cpu")
    # Name: our settings, and what the peers call the same.
    rows: dict[str, tuple[dict[str, Any], Any, Any]] = {
        "FGSM": (
            {"steps": 1, "step": 1.0},
            torchattacks.FGSM(view, eps=eps),
            foolbox.attacks.LinfFastGradientAttack(),
        ),
        "I-FGSM": (
            {},
            torchattacks.BIM(view, eps=eps, alpha=alpha, steps=STEPS),
            foolbox.attacks.LinfBasicIterativeAttack(abs_stepsize=alpha, steps=STEPS),
        ),
        "MI-FGSM": (
            {"momentum": 1.0},
            torchattacks.MIFGSM(view, eps=eps, alpha=alpha, steps=STEPS, decay=1.0),
            foolbox.attacks.LinfMomentumIterativeFastGradientMethod(
                momentum=1.0, abs_stepsize=alpha, steps=STEPS, random_start=False
            ),
        ),
        "PGD": (
            {"start": "uniform"},
            torchattacks.PGD(view, eps=eps, alpha=alpha, steps=STEPS),
            foolbox.attacks.LinfProjectedGradientDescentAttack(abs_stepsize=alpha, steps=STEPS),
        ),
    }
    if len(pictures) < 50:  # a large network: the first and the last
        rows = {name: rows[name] for name in ("FGSM", "PGD")}
    plain = {"norm": "linf", "steps": STEPS, "step": 0.25, "momentum": 0.0, "start": "picture"}
    plain |= {"loss": "cross_entropy", "rounded": False, "enough": None}
    radius = torch.full(labels.shape, eps)

    def ours(changes: dict[str, Any]) -> Callable[[], Any]:
        how = StepsParameters(**{**plain, **changes})
        return lambda: perturbed(view, pictures, labels, radius, how, np.random.default_rng(0))

    found = {}
    for name, (changes, theirs, others) in rows.items():
        torch.manual_seed(0)
        contestants: dict[str, Callable[[], Any]] = {"ours": ours(changes)}
        if changes.get("steps", STEPS) > 1:
            contestants["stopping"] = ours({**changes, "rounded": True, "enough": 0.0})
        contestants["torchattacks"] = lambda theirs=theirs: theirs(pictures, labels)
        contestants["foolbox"] = lambda others=others: others.run(wrapped, pictures, labels, epsilon=eps)
        found[name] = contestants
    return found
