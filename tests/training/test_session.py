"""What a node may reach besides its inputs, and the seeds."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from etudes.training.seeds import derive_seed, seed_everything
from etudes.training.session import current_session, enter_session, progress, record, training_session


def test_record_does_nothing_outside_a_session() -> None:
    assert current_session() is None
    record(1, {"loss": 0.5})


def test_record_reaches_the_innermost_session(tmp_path: Path) -> None:
    outer: list[tuple[int, dict[str, float]]] = []
    inner: list[tuple[int, dict[str, float]]] = []
    with training_session("outer", tmp_path, lambda step, metrics: outer.append((step, metrics))):
        with training_session("inner", None, lambda step, metrics: inner.append((step, metrics))):
            record(1, {"loss": 1.0})
        record(2, {"loss": 2.0})
        session = current_session()
        assert session is not None
        assert (session.label, session.checkpoints) == ("outer", tmp_path)
    assert current_session() is None
    assert (outer, inner) == ([(2, {"loss": 2.0})], [(1, {"loss": 1.0})])


def test_a_session_ends_with_its_block_also_when_it_fails() -> None:
    with pytest.raises(ValueError, match="stop"), training_session("node", None, lambda step, metrics: None):
        raise ValueError("stop")
    assert current_session() is None


def test_enter_session_holds_until_it_is_left() -> None:
    seen: list[int] = []
    with training_session("node", None, lambda step, metrics: seen.append(step)) as session:
        pass
    enter_session(session)
    record(3, {})
    enter_session(None)
    record(4, {})
    assert seen == [3]


@pytest.mark.parametrize("terminal", [False, True])
def test_progress_is_shown_on_a_terminal_only(
    terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    assert list(progress([3, 1, 2], "epoch 1/1")) == [3, 1, 2]
    shown = capsys.readouterr()
    assert shown.out == ""
    assert ("epoch 1/1" in shown.err) is terminal
    assert terminal or shown.err == ""


def test_derived_seeds_never_change() -> None:
    # Part of every result: another value would change all published numbers.
    assert derive_seed(0, "fit", 0) == 1_587_091_753
    assert derive_seed(2**32 - 1) == 4_161_216_811


def test_derived_seeds_differ_by_purpose_and_fit_every_generator() -> None:
    seeds = [
        derive_seed(seed, *names) for seed in (0, 1) for names in (["fit", 0], ["fit", 1], ["split"], [])
    ]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**32 for seed in seeds)


def test_one_seed_decides_every_generator() -> None:
    def draw() -> tuple[float, float, float]:
        return random.random(), float(np.random.random()), float(torch.rand(1))  # noqa: NPY002

    seed_everything(7)
    first = draw()
    assert draw() != first
    seed_everything(7)
    assert draw() == first
    seed_everything(8)
    assert all(a != b for a, b in zip(draw(), first, strict=True))
