"""What a node costs: wall time and the largest memory it held.

On Linux the kernel's own high-water mark is reset and read (`/proc/self/clear_refs`, `VmHWM`), so no short peak is
missed; elsewhere the process is sampled ten times a second.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MIB = 2**20


@dataclass
class Resources:
    """Cost of a block. ``seconds`` is wall time; memory in MiB; ``added`` is the peak above the level at the start."""

    seconds: float = 0.0
    peak_memory_mib: float = 0.0
    added_memory_mib: float = 0.0
    gpu_peak_memory_mib: float = 0.0

    def as_dict(self) -> dict[str, float]:
        return {name: round(value, 3) for name, value in vars(self).items()}


@contextmanager
def measure() -> Iterator[Resources]:
    """Measure the code inside the ``with`` block; the numbers are filled in when it ends."""
    resources = Resources()
    watch = _KernelPeak() if _KernelPeak.works() else _SampledPeak()
    before = watch.start()
    gpu = _gpu()
    if gpu is not None:
        gpu.reset_peak_memory_stats()
    start = time.perf_counter()
    try:
        yield resources
    finally:
        resources.seconds = time.perf_counter() - start
        resources.peak_memory_mib = watch.stop() / MIB
        resources.added_memory_mib = max(0.0, resources.peak_memory_mib - before / MIB)
        if gpu is not None:
            resources.gpu_peak_memory_mib = gpu.max_memory_allocated() / MIB


def _gpu() -> Any:
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_available() else None


def _resident() -> int:
    import psutil

    return int(psutil.Process().memory_info().rss)


class _KernelPeak:
    """Peak resident size from the Linux kernel."""

    @staticmethod
    def works() -> bool:
        try:
            Path("/proc/self/clear_refs").write_text("5")
        except OSError:
            return False
        return True

    def start(self) -> int:
        Path("/proc/self/clear_refs").write_text("5")
        return _resident()

    def stop(self) -> int:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        return _resident()


class _SampledPeak:
    """Peak resident size by sampling, for systems without ``/proc``."""

    def start(self) -> int:
        self._peak = _resident()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self._peak

    def _sample(self) -> None:
        while not self._stop.wait(0.1):
            self._peak = max(self._peak, _resident())

    def stop(self) -> int:
        self._stop.set()
        self._thread.join()
        return max(self._peak, _resident())
