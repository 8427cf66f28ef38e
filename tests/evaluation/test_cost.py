"""Operations against a count by hand, and times of calls that take turns."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from etudes.evaluation.cost import latencies, megaflops, weights


def test_operations_and_weights_are_those_of_the_layers() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(64, 10))
    by_hand = 2 * (4 * 4 * 4 * 27 + 64 * 10)
    assert megaflops(net, torch.zeros(1, 3, 8, 8)) == pytest.approx(by_hand / 1e6)
    assert megaflops(net, torch.zeros(5, 3, 8, 8)) == pytest.approx(5 * by_hand / 1e6)
    assert weights(net) == 4 * 27 + 4 + 640 + 10


def test_contestants_take_turns_after_one_call_each(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, clock = [], [0.0]
    monkeypatch.setattr("etudes.evaluation.cost.time.perf_counter", lambda: clock[0])

    def call(name: str, seconds: float) -> None:
        calls.append(name)
        clock[0] += seconds

    found = latencies({"a": lambda: call("a", 0.002), "b": lambda: call("b", len(calls) / 1000)}, rounds=3)
    assert calls == ["a", "b"] * 4
    assert found == {"a": pytest.approx(2.0), "b": pytest.approx(3.0)}  # the least of 3, 5 and 7
    with pytest.raises(ValueError, match="rounds = 0"):
        latencies({}, 0)
