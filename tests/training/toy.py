"""Small problems for the training loop. A module of its own, so that spawned ranks and child processes import it."""

from __future__ import annotations

import os
import random
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from etudes.training.fit import fit
from etudes.training.parameters import FitParameters, RunParameters
from etudes.training.session import record, training_session

FEATURES = 4


def settings(**changes: Any) -> FitParameters:
    values = {
        "epochs": 4,
        "batch_size": 8,
        "learning_rate": 0.05,
        "weight_decay": 0.01,
        "gradient_clip": 1.0,
        "warmup": 0.1,
        "average": 0.0,
        "patience": 10,
        "checkpoint_steps": 1,
    }
    return FitParameters(**{**values, **changes})


def run_parameters(**changes: Any) -> RunParameters:
    values = {
        "seed": 3,
        "device": "cpu",
        "precision": "no",
        "devices": 1,
        "nodes": 1,
        "rendezvous": None,
        "resume": False,
        "track": False,
        "register_model": False,
        "promote_new_data": False,
        "wait": False,
    }
    return RunParameters(**{**values, **changes})


def network(dropout: float = 0.0, seed: int = 0) -> nn.Module:
    """(n, FEATURES) -> (n, 2), with weights that depend on ``seed`` alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(FEATURES, 6), nn.Tanh(), nn.Dropout(dropout), nn.Linear(6, 2))


class Interrupted(Exception):
    """Stands for whatever ends a training."""


@dataclass
class Toy:
    """Two classes that a line separates, with unequal example weights.

    ``raise_at`` and ``kill_at`` end the training before that step (counted from one, in this process); ``noisy`` draws
    from Python's and numpy's global generators in every step; ``scores`` replaces the dev metric epoch by epoch.
    """

    model: nn.Module = field(default_factory=network)
    n: int = 30
    batch_size: int = 8
    data_seed: int = 0
    noisy: bool = False
    scale: float = 1.0
    raise_at: int | None = None
    kill_at: int | None = None
    scores: Sequence[float] | None = None
    monitor: str = "accuracy"
    maximise: bool = True
    steps: int = 0
    snapshots: list[dict[str, Tensor]] = field(default_factory=list)

    def __post_init__(self) -> None:
        generator = np.random.default_rng(self.data_seed)
        dtype = next(self.model.parameters()).dtype
        self.x = torch.tensor(generator.normal(size=(self.n, FEATURES)), dtype=dtype)
        self.y = (self.x.sum(1) > 0).long()
        self.x += 0.3 * (2 * self.y - 1)[:, None]
        self.weights = torch.tensor(generator.uniform(0.2, 3.0, self.n), dtype=dtype)

    @property
    def fingerprint(self) -> str:
        return f"toy {self.n} {self.data_seed} {self.batch_size}"

    def batches(self, generator: np.random.Generator) -> Sequence[np.ndarray]:
        order = generator.permutation(self.n)
        return [order[i : i + self.batch_size] for i in range(0, self.n, self.batch_size)]

    def collate(self, indices: np.ndarray, device: torch.device) -> Any:
        self.steps += 1
        if self.steps == self.raise_at:
            raise Interrupted(f"interrupted at step {self.steps}")
        if self.steps == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return tuple(values[indices].to(device) for values in (self.x, self.y, self.weights))

    def loss(self, model: nn.Module, batch: Any) -> tuple[Tensor, Tensor]:
        x, y, weights = batch
        if self.noisy:
            x = x * (1 + 0.1 * random.random()) + 0.1 * float(np.random.normal())  # noqa: NPY002 - it is the subject
        losses = nn.functional.cross_entropy(model(x).to(self.x.dtype), y, reduction="none")
        return self.scale * losses, weights

    def evaluate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        self.snapshots.append({name: value.clone() for name, value in model.state_dict().items()})
        logits = model(self.x.to(device)).cpu()
        metrics = {
            "accuracy": float((logits.argmax(1) == self.y).float().mean()),
            "log_loss": float(nn.functional.cross_entropy(logits, self.y)),
        }
        if self.scores is not None:
            metrics[self.monitor] = self.scores[len(self.snapshots) - 1]
        return metrics

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        return [{"params": list(self.model.parameters()), "lr": learning_rate}]


class Watched(Toy):
    """Shows its first weights."""

    watched: Tensor

    def watch(self, model: nn.Module, device: torch.device) -> Tensor:
        return next(model.parameters()).detach()


class ColumnLosses(Toy):
    """Losses (n, 1) against weights (n,)."""

    def loss(self, model: nn.Module, batch: Any) -> tuple[Tensor, Tensor]:
        losses, weights = super().loss(model, batch)
        return losses[:, None], weights


class ColumnWeights(Toy):
    """Losses (n,) against weights (n, 1)."""

    def loss(self, model: nn.Module, batch: Any) -> tuple[Tensor, Tensor]:
        losses, weights = super().loss(model, batch)
        return losses, weights[:, None]


class NoBatches(Toy):
    def batches(self, generator: np.random.Generator) -> Sequence[np.ndarray]:
        return []


class Uneven(Toy):
    """Batches of 8, 5 and 1 examples: no two ranks share the last two equally."""

    def batches(self, generator: np.random.Generator) -> Sequence[np.ndarray]:
        return np.split(generator.permutation(14), [8, 13])


def weights_of(problem: Toy) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in problem.model.state_dict().items()}


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    """Equal to the last bit."""
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def train(
    problem: Toy, folder: Path | None, fit_settings: FitParameters, **run: Any
) -> list[dict[str, float]]:
    """`fit` inside a session whose checkpoints lie in ``folder``."""
    with training_session("toy", folder, lambda step, metrics: None):
        return fit(problem, fit_settings, run_parameters(**run))


def describe_rank(base: int) -> dict[str, Any]:
    """What a rank sees; records two metrics, as every rank of a training does."""
    rank = int(os.environ.get("RANK", "-1"))
    world = 1
    total = base
    if rank >= 0:
        torch.distributed.init_process_group("gloo")
        world = torch.distributed.get_world_size()
        summed = torch.tensor([base + rank])
        torch.distributed.all_reduce(summed)
        total = int(summed)
    record(1, {"rank": float(rank), "loss": 0.5})
    record(2, {"rank": float(rank), "loss": 0.25})
    return {"rank": rank, "world": world, "total": total, "pid": os.getpid()}


def fail_on_rank_one() -> None:
    if os.environ["RANK"] == "1":
        raise ValueError("the data of film 17 is broken")


def main(folder: str, kill_at: str) -> None:
    """Train in a process of its own and kill it: ``python -m toy <folder> <step>``."""
    problem = Toy(model=network(dropout=0.5), noisy=True, kill_at=int(kill_at))
    train(problem, Path(folder), settings())


if __name__ == "__main__":
    main(*sys.argv[1:])
