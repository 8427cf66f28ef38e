"""The attack of Carlini and Wagner against those of foolbox and torchattacks: the same network and pictures in one run.

Pictures are those of CIFAR-10's test part that ResNet-20 knows, in ``ETUDES_RAW``; distances are Euclidean, before rounding. Times
are of the processor, on one thread; the contestants follow each other once.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.attacks import known
from benchmarks.table import Row, at_most
from benchmarks.timing import interleaved

PEERS = ("torchattacks", "foolbox")
COUNT = 200
# Of torchattacks, which has one constant, and of foolbox; the rates are the best of three for each.
ONE = {"constant": 1.0, "steps": 50, "rate": 0.001}
SEARCH = {"constant": 0.05, "rate": 0.003}


def margins_against_peers() -> list[Row]:
    """Success, mean distance and time of each contestant, with one constant and with a search."""
    missing = [peer for peer in PEERS if importlib.util.find_spec(peer) is None]
    raw = Path(os.environ.get("ETUDES_RAW", "data/01_raw"))
    if missing or not (raw / "weights").is_dir():
        said = (
            f"{', '.join(missing)} not installed: pip install -e .[bench]"
            if missing
            else f"no weights in {raw}"
        )
        return [Row("Carlini and Wagner's attack against torchattacks and foolbox", said)]
    import torch

    from etudes.vision.pretrained import Pretrained
    from etudes.vision.victims import View

    torch.set_num_threads(1)
    view = View(Pretrained(raw).network("resnet20_cifar10")).eval().to(memory_format=torch.channels_last)
    pictures, labels = known(raw, view, "resnet20_cifar10", COUNT)
    rows = []
    for name, contestants in contests(view, pictures, labels).items():
        results: dict[str, Any] = {}

        def noted(who: str, run: Callable[[], Any], results: dict[str, Any] = results) -> Callable[[], None]:
            return lambda: results.update({who: run()})

        times = interleaved({who: noted(who, run) for who, run in contestants.items()}, 1)
        with torch.inference_mode():
            turned = {
                who: float((view(found).argmax(1) != labels).double().mean())
                for who, found in results.items()
            }
        length = {
            who: float((found - pictures).square().sum((1, 2, 3)).sqrt().mean())
            for who, found in results.items()
        }
        ours, peer = contestants
        title = f"{name}, {len(labels)} pictures: success"
        told = f"{turned[ours]:.3f}", f"{turned[peer]:.3f}"
        rows.append(Row(title, *told, "", "1", turned[ours] == 1))
        ratio = length[ours] / length[peer]
        told = f"{length[ours]:.4f}", f"{length[peer]:.4f}"
        rows.append(Row("  mean Euclidean change", *told, f"{ratio:.3f}x", "<= 1x", ratio <= 1))
        rows.append(at_most("  time", times[ours].cpu, times[peer].cpu, 1.0))
    return rows


def contests(view: Any, pictures: Any, labels: Any) -> dict[str, dict[str, Callable[[], Any]]]:
    """By comparison ours and a peer, what makes turned pictures."""
    import foolbox
    import torchattacks

    from etudes.pipelines.carlini_wagner.margins import nearest
    from etudes.pipelines.carlini_wagner.parameters import MarginParameters

    plain = {"confidence": 0.0, "factor": 5.0, "check": 10, "progress": 0.999}
    one = {"constant": ONE["constant"], "searches": 1, "steps": int(ONE["steps"]), "decay": 1.0, "check": 4}

    def ours(rate: float, **changes: Any) -> Callable[[], Any]:
        how = MarginParameters(**{**plain, **changes}, rates=(rate,))
        return lambda: nearest(view, pictures, labels, how, rate)

    wrapped = foolbox.PyTorchModel(view, bounds=(0, 1), device="cpu")
    search = foolbox.attacks.L2CarliniWagnerAttack(
        binary_search_steps=5,
        steps=60,
        stepsize=SEARCH["rate"],
        initial_const=SEARCH["constant"],
        abort_early=True,
    )
    default = torchattacks.CW(view)
    tuned = torchattacks.CW(view, c=ONE["constant"], steps=int(ONE["steps"]), lr=ONE["rate"])
    two = {"constant": ONE["constant"], "searches": 2, "steps": 30, "decay": 0.3}
    return {
        "torchattacks as it comes": {
            "ours, one constant": ours(0.005, **one),
            "torchattacks": lambda: default(pictures, labels),
        },
        "torchattacks at its best rate": {
            "ours, two constants": ours(ONE["rate"], **two),
            "torchattacks": lambda: tuned(pictures, labels),
        },
        "foolbox, search over c": {
            "ours": ours(0.005, constant=SEARCH["constant"], searches=4, steps=40, decay=0.1),
            "foolbox": lambda: search.run(wrapped, pictures, labels),
        },
    }
