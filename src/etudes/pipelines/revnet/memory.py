"""What one step of training costs in memory and time, by depth, each measured in a fresh process.

``python -m etudes.pipelines.revnet.memory '{"network": "reversible", "blocks": 8, ...}'`` prints one measurement as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from etudes.pipelines.revnet.networks import network_of

if TYPE_CHECKING:
    from etudes.pipelines.revnet.parameters import MemoryParameters

MIB = 2**20
CLASSES = 10
SIDE = 28
KINDS = ("plain", "stored", "reversible")
CONVOLUTIONAL = ("convolutional_stored", "convolutional")
TIMEOUT = 600.0  # seconds of one measurement


def measurements(settings: MemoryParameters, seed: int) -> Iterator[dict[str, Any]]:
    """All networks at all depths, one after the other: ``network``, ``blocks``, ``peak_mib``, ``step_ms``.

    Args:
        settings: what is measured.
        seed: of weights and rows.
    """
    shared = {
        "width": settings.width,
        "batch": settings.batch_size,
        "repeats": settings.repeats,
        "seed": seed,
    }
    asked = [(kind, depth) for depth in settings.depths for kind in KINDS]
    asked += [(kind, depth) for depth in settings.convolutional_depths for kind in CONVOLUTIONAL]
    for kind, depth in asked:
        yield {
            "network": kind,
            "blocks": depth,
            **in_fresh_process({"network": kind, "blocks": depth, **shared}),
        }


def in_fresh_process(asked: dict[str, Any]) -> dict[str, float]:
    """One measurement where nothing else has ever been allocated.

    Raises:
        RuntimeError: the process failed; the message holds the last line of what it said.
    """
    command = [sys.executable, "-m", "etudes.pipelines.revnet.memory", json.dumps(asked)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise RuntimeError(f"measuring {asked} failed (exit {done.returncode}): {said[0]}")
    return json.loads(done.stdout)


def measure_step(asked: dict[str, Any]) -> dict[str, float]:
    """Peak memory of one step beyond weights, their gradients and the batch (MiB), and the fastest step (ms of the
    processor).

    Of numpy every allocation is counted (tracemalloc). PyTorch allocates on its own, so there the high-water mark of the
    process counts, above what it was before the step; the first step, which also loads kernels, is on a single row.
    """
    step = _convolutional_step(asked) if asked["network"] in CONVOLUTIONAL else _numpy_step(asked)
    peak = _process_peak(step) if asked["network"] in CONVOLUTIONAL else _traced_peak(step)
    return {"peak_mib": peak, "step_ms": 1e3 * min(_seconds(step) for _ in range(asked["repeats"]))}


def _numpy_step(asked: dict[str, Any]) -> Callable[[], Any]:
    kind, blocks = asked["network"], asked["blocks"]
    layers = blocks // 2 if kind == "plain" else blocks  # a plain layer has the weights of two blocks
    network = network_of(
        kind, inputs=SIDE**2, width=asked["width"], blocks=layers, outputs=CLASSES, seed=asked["seed"]
    )
    x, labels = _batch(asked)
    return lambda: network.loss_and_gradient(x, labels)


def _convolutional_step(asked: dict[str, Any]) -> Callable[[], Any]:
    import torch

    from etudes.pipelines.revnet.convolutional import ConvolutionalRevNet

    torch.manual_seed(asked["seed"])
    stored = asked["network"] == "convolutional_stored"
    network = ConvolutionalRevNet(16, asked["blocks"], CLASSES, stored)
    x, labels = _batch(asked)
    pictures, truth = torch.from_numpy(x).view(-1, 1, SIDE, SIDE), torch.from_numpy(labels)

    def step(rows: int | None = None) -> None:
        network.zero_grad(set_to_none=False)
        torch.nn.functional.cross_entropy(network(pictures[:rows]), truth[:rows]).backward()

    step(1)
    return step


def _batch(asked: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(asked["seed"])
    x = generator.random((asked["batch"], SIDE**2), dtype=np.float32)
    return x, generator.integers(CLASSES, size=asked["batch"])


def _traced_peak(step: Callable[[], Any]) -> float:
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    step()
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    return peak / MIB


def _process_peak(step: Callable[[], Any]) -> float:
    from etudes.training.resources import measure

    with measure() as resources:
        step()
    return resources.added_memory_mib


def _seconds(step: Callable[[], Any]) -> float:
    start = time.process_time()  # of the processor: another process on the machine does not count
    step()
    return time.process_time() - start


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure_step(json.loads(sys.argv[1]))))
