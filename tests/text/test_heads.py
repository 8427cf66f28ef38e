"""The network of three heads: what it sees, padding, and amounts that it learns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from etudes.text.heads import HEADS, LogAmounts, Row, ThreeHeads, answers, collate
from etudes.training.fit import fit
from etudes.training.parameters import FitParameters
from study_settings import run_parameters

CPU = torch.device("cpu")


def network(heads: tuple[str, ...] = HEADS, recurrent: bool = False) -> ThreeHeads:
    torch.manual_seed(0)
    sizes = {"embedding": 6, "filters": 8, "hidden": 5, "dropout": 0.0, "word_dropout": 0.0}
    return ThreeHeads(words=20, items=4, heads=heads, recurrent=recurrent, **sizes).eval()


def rows(count: int, seed: int = 0) -> list[Row]:
    rng = np.random.default_rng(seed)
    lengths = zip(rng.integers(1, 6, count), rng.integers(1, 30, count), strict=True)
    return [
        (rng.integers(2, 20, s), rng.integers(2, 20, t), rng.random(4).astype(np.float32)) for s, t in lengths
    ]


@pytest.mark.parametrize("recurrent", [False, True])
def test_padding_changes_no_answer(recurrent: bool) -> None:
    asked, own = rows(5), network(recurrent=recurrent)
    alone = torch.cat([own(*collate([row], CPU)) for row in asked])
    torch.testing.assert_close(own(*collate(asked, CPU)), alone, atol=1e-5, rtol=0)
    np.testing.assert_allclose(answers(own, asked, CPU), alone.detach().numpy(), atol=1e-5)


@pytest.mark.parametrize("gone", HEADS)
def test_a_network_without_a_head_does_not_see_its_input(gone: str) -> None:
    own = network(tuple(head for head in HEADS if head != gone))
    first, second = (dict(zip(HEADS, collate(rows(1, seed), CPU), strict=True)) for seed in (0, 1))
    before = own(**first)
    for head in HEADS:
        moved = not torch.equal(own(**{**first, head: second[head]}), before)
        assert moved is (head != gone)
    assert not any(name.startswith(f"{gone}.") for name, _ in own.named_parameters())


def problem(**changes: Any) -> LogAmounts:
    train, dev = rows(120), rows(40, seed=1)
    amounts = [
        np.exp(10 + np.array([row[2].sum() for row in part], dtype=np.float64)) for part in (train, dev)
    ]
    logs = np.log(amounts[0])
    values = {
        "mean": float(logs.mean()),
        "scale": float(logs.std()),
        "settings": "{}",
        "monitor": "amount_mae",
    }
    given = {"train": train, "amounts": amounts[0], "dev": dev, "dev_amounts": amounts[1], "batch_size": 16}
    return LogAmounts(network(), **{**given, **values, **changes})


def test_amounts_are_learned_and_scored_in_their_unit() -> None:
    own = problem()
    settings = FitParameters.model_validate(
        {
            **{
                "epochs": 12,
                "batch_size": 16,
                "learning_rate": 0.02,
                "weight_decay": 0.0,
                "gradient_clip": 1.0,
            },
            **{"warmup": 0.1, "average": 0.0, "patience": 12, "checkpoint_steps": 1000},
        }
    )
    epochs = fit(own, settings, run_parameters())
    best = min(epoch["dev_amount_mae"] for epoch in epochs)
    found = np.exp(own.mean + own.scale * answers(own.model, own.dev, CPU))
    assert best == pytest.approx(np.abs(found - own.dev_amounts).mean(), rel=1e-4)
    assert best < 0.5 * np.abs(np.median(own.amounts) - own.dev_amounts).mean()


def test_the_loss_is_hubers_and_a_checkpoint_knows_what_the_rows_are() -> None:
    own = problem()
    batch = own.collate(np.arange(6), CPU)
    losses, weights = own.loss(own.model, batch)
    apart = np.abs(answers(own.model, own.train[:6], CPU) - (np.log(own.amounts[:6]) - own.mean) / own.scale)
    expected = np.where(apart < 0.5, apart**2, apart - 0.25)
    np.testing.assert_allclose(losses.detach().numpy(), expected, atol=1e-5)
    assert weights.tolist() == [1.0] * 6 and own.fingerprint == problem().fingerprint
    assert (
        len(
            {
                own.fingerprint,
                problem(settings="{1}").fingerprint,
                problem(amounts=own.amounts + 1).fingerprint,
            }
        )
        == 3
    )
