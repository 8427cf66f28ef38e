"""Schedules, double-Q targets, flat weights, figures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from etudes.rl.figures import improvement_map, profile_curves, return_curves
from etudes.rl.flat import FlatAdamW
from etudes.rl.schedules import annealed_discount, annealed_horizon, exponential, linear
from etudes.rl.values import double_q_targets


def test_schedules_start_end_and_stay() -> None:
    assert [linear(t, 1.0, 0.0, 10) for t in (-1, 0, 5, 10, 99)] == [1, 1, 0.5, 0, 0]
    assert [exponential(t, 16, 1, 4) for t in range(6)] == pytest.approx([16, 8, 4, 2, 1, 1])
    assert [annealed_horizon(t, 10, 3, 100) for t in (0, 50, 100, 500)] == [10, 5, 3, 3]
    assert linear(0, 1, 2, 0) == 2
    with pytest.raises(ValueError, match="positive"):
        exponential(0, 0, 1, 5)


def test_the_annealed_discount_rises_from_one_end_to_the_other() -> None:
    found = [annealed_discount(t, 0.97, 0.997, 100) for t in range(0, 101, 10)]
    assert found[0] == pytest.approx(0.97) and found[-1] == pytest.approx(0.997)
    assert (np.diff(found) > 0).all()
    assert found[5] == pytest.approx(1 - (0.03 * 0.003) ** 0.5)


def test_double_q_target_by_hand() -> None:
    """The online network chooses action 1, then 0; the target network says what they are worth: 5 and 7, not its 9s."""
    online = torch.tensor([[1.0, 2.0], [3.0, 0.0]])
    target = torch.tensor([[9.0, 5.0], [7.0, 9.0]])
    found = double_q_targets(torch.tensor([10.0, 20.0]), torch.tensor([0.5, 0.0]), online, target)
    assert found.tolist() == [12.5, 20.0]


def test_shapes_that_would_broadcast_are_refused() -> None:
    values, column = torch.zeros(4, 2), torch.zeros(4, 1)
    with pytest.raises(ValueError, match=r"expected both \(B,\)"):
        double_q_targets(column, column, values, values)
    with pytest.raises(ValueError, match=r"\(B, actions\)"):
        double_q_targets(torch.zeros(4), torch.zeros(4), values, torch.zeros(4))
    with pytest.raises(ValueError, match=r"\(B, actions\)"):
        double_q_targets(torch.zeros(3), torch.zeros(3), values, values)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_flat_adamw_equals_the_library(weight_decay: float) -> None:
    """Twenty steps on gradients of very different sizes, at a rate that changes; a restored copy goes on alike."""
    torch.manual_seed(0)
    ours, theirs = (nn.Parameter(torch.linspace(-2, 2, 9)) for _ in range(2))
    one = FlatAdamW(ours.data, epsilon=1e-5, weight_decay=weight_decay)
    other = torch.optim.AdamW([theirs], eps=1e-5, weight_decay=weight_decay)
    for step in range(20):
        rate = 0.1 / (step + 1)
        theirs.grad = torch.randn(9) * torch.logspace(-6, 2, 9)
        if step == 10:
            state, one = one.state(), FlatAdamW(ours.data, epsilon=1e-5, weight_decay=weight_decay)
            one.restore(state)
        one.step(theirs.grad, rate)
        other.param_groups[0]["lr"] = rate
        other.step()
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="expected one shape"):
        one.step(torch.zeros(9, 1), 0.1)


def test_rows_have_rates_of_their_own() -> None:
    """Each row moves as it would alone; a rate of 0 leaves it where it is."""
    start, gradients = torch.randn(3, 4), torch.randn(5, 3, 4)
    together, alone = start.clone(), start.clone()
    optimiser = FlatAdamW(together, epsilon=1e-5, weight_decay=0.0)
    singles = [FlatAdamW(alone[row], epsilon=1e-5, weight_decay=0.0) for row in range(3)]
    for gradient in gradients:
        optimiser.step(gradient, torch.tensor([[0.1], [0.0], [0.02]]))
        for row, rate in enumerate((0.1, 0.0, 0.02)):
            singles[row].step(gradient[row], rate)
    torch.testing.assert_close(together, alone)
    assert torch.equal(together[1], start[1]) and not torch.equal(together[2], start[2])


def test_figures_name_their_axes_and_hold_what_was_given() -> None:
    variants = ["dqn", "bbf", "resets"]
    curves = return_curves(
        {"bbf": ([1, 2], [[0.0, 5.0], [2.0, 9.0]])}, variants=variants, levels={"solved": 200.0}, resamples=50
    )
    line = next(trace for trace in curves.data if trace.showlegend is not False)
    assert list(line.y) == [1, 7] and line.name == "bbf (2)"
    assert "steps" in curves.layout.xaxis.title.text and "points" in curves.layout.yaxis.title.text
    profile = profile_curves(
        {"dqn": [[0.0, 1.0], [1.0, 2.0]], "bbf": [[3.0, 4.0]]}, variants=variants, resamples=50
    )
    assert {trace.name for trace in profile.data if trace.name} == {"dqn", "bbf"}
    table = pd.DataFrame(
        [("bbf", "dqn", 0.8, 0.6, 1.0), ("dqn", "bbf", 0.2, np.nan, np.nan)],
        columns=["variant", "other", "probability", "low", "high"],
    )
    chart = improvement_map(table, variants=variants).data[0]
    assert list(chart.x) == ["dqn", "bbf"] and chart.z[1][0] == 0.8 and chart.z[0][0] is None
    with pytest.raises(ValueError, match="expected \\(runs, steps\\)"):
        return_curves({"bbf": ([1, 2, 3], [[0.0, 5.0]])}, variants=variants)
