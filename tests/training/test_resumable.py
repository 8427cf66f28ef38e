"""Loops that say what they keep: after a kill they end as if there had been none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from etudes.training.checkpoint import CheckpointError
from etudes.training.resumable import Resumable, _plain
from etudes.training.session import training_session
from study_settings import run_parameters


@dataclass(frozen=True)
class Best:
    """A dataclass that is replaced."""

    score: float
    weights: torch.Tensor


class Walk(Resumable):
    """A loop with one of everything that a loop may keep."""

    keep = (
        *("network", "optimizer", "generator", "noise", "memory", "view", "totals", "best", "epochs", "seen"),
    )
    rows = "epochs"

    def __init__(self, run: Any, rate: float = 0.1) -> None:
        torch.manual_seed(run.seed)
        self.network = nn.Linear(3, 1)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=rate)
        self.generator, self.noise = np.random.default_rng(run.seed), torch.Generator().manual_seed(run.seed)
        self.memory = torch.zeros(4, 3)
        self.view = self.memory[1:3]
        self.totals: dict[str, Any] = {"steps": 0, "of": np.zeros(2)}
        self.best: Best | None = Best(0.0, torch.zeros(1))
        self.epochs: list[dict[str, float]] = []
        self.seen: list[int] = []
        self.resumed = self.resume(run, rate)

    def run(self, epochs: int, dies_at: int = -1) -> Walk:
        for epoch in range(len(self.epochs), epochs):
            if epoch == dies_at:
                raise KeyboardInterrupt
            batch = torch.randn(5, 3, generator=self.noise) + float(self.generator.normal())
            loss = (self.network(batch) ** 2).mean() + torch.rand(())  # the global generator too
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.view += batch[:2]
            self.totals = {"steps": self.totals["steps"] + 1, "of": self.totals["of"] + 1}
            self.best = Best(float(loss.detach()), self.network.weight.detach().clone())
            self.seen.append(epoch)
            self.epochs.append({"epoch": float(epoch + 1), "loss": float(loss.detach())})
            self.log(self.epochs[-1])
            self.save()
        return self


@pytest.fixture
def walk(tmp_path: Path) -> Callable[..., tuple[Walk, list[int]]]:
    """``walk("name", 6, dies_at=3)``: a walk below that name, and the steps that its tracker saw."""

    def start(
        name: str, epochs: int, dies_at: int = -1, rate: float = 0.1, **run: Any
    ) -> tuple[Walk, list[int]]:
        shown: list[int] = []
        with training_session("walk", tmp_path / name, lambda step, _: shown.append(step)):
            return Walk(run_parameters(**run), rate).run(epochs, dies_at), shown

    return start


def test_a_killed_walk_ends_as_one_that_was_not(walk: Any) -> None:
    whole, _ = walk("whole", 6)
    with pytest.raises(KeyboardInterrupt):
        walk("killed", 6, dies_at=3)
    torch.rand(7)  # the process that resumes has drawn other numbers
    resumed, shown = walk("killed", 6, resume=True)
    assert resumed.resumed and shown == [1, 2, 3, 4, 5, 6], "the tracker sees the killed run's curve again"
    assert resumed.epochs == whole.epochs and resumed.seen == whole.seen
    torch.testing.assert_close(resumed.network.weight, whole.network.weight, rtol=0, atol=0)
    torch.testing.assert_close(resumed.memory, whole.memory, rtol=0, atol=0)
    assert resumed.view.data_ptr() == resumed.memory[1:].data_ptr(), "a view stays a view"
    assert resumed.totals["steps"] == 6 and resumed.totals["of"].tolist() == [6, 6]
    assert resumed.best is not None and whole.best is not None and resumed.best.score == whole.best.score


@pytest.mark.parametrize("changes", [{"rate": 0.2}, {"seed": 1}])
def test_another_setting_or_seed_starts_afresh(walk: Any, changes: dict[str, Any]) -> None:
    walk("first", 3)
    again, _ = walk("first", 3, resume=True, **changes)
    assert not again.resumed
    fresh, _ = walk("other", 3, **changes)
    assert again.epochs == fresh.epochs


def test_without_resume_a_checkpoint_is_passed_over(walk: Any) -> None:
    walk("first", 3)
    assert not walk("first", 3)[0].resumed


def test_a_damaged_checkpoint_is_named(walk: Any, tmp_path: Path) -> None:
    walk("first", 2)
    (stored,) = [
        path for path in (tmp_path / "first").rglob("*") if path.is_file() and path.stat().st_size > 1000
    ]
    stored.write_bytes(stored.read_bytes()[:-200])
    with pytest.raises(CheckpointError, match=stored.name):
        walk("first", 3, resume=True)


def test_outside_a_run_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Walk(run_parameters()).run(2)
    assert not list(tmp_path.iterdir())


def test_what_a_checkpoint_cannot_hold_is_named() -> None:
    with pytest.raises(TypeError, match="a checkpoint cannot hold a set"):
        _plain({"kept": {1, 2}})
