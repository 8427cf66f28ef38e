"""The problem of the next token: losses, batches, and what its checkpoints depend on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from etudes.text.next_token import NextTokens, Task, relabelled, sequence_loss

CPU = torch.device("cpu")


def task(**changes: Any) -> Task:
    rows = np.random.default_rng(0).integers(0, 5, size=(6, 10))
    return Task(**{"vocabulary": 5, "train": rows, "dev": rows[:2], "heldout": rows[:0], **changes})


def test_losses_refuse_shapes_that_do_not_match() -> None:
    logits, targets = torch.randn(2, 5, 7), torch.zeros(2, 5, dtype=torch.long)
    expected = -logits.log_softmax(-1)[:, :, 0].mean(1)
    torch.testing.assert_close(sequence_loss(logits, targets), expected)
    for wrong in (targets[..., None], targets[:, :4], targets[0], targets.T):
        with pytest.raises(ValueError, match="expected \\(batch, time, vocabulary\\)"):
            sequence_loss(logits, wrong)


def test_every_row_is_shown_once_and_targets_are_one_ahead() -> None:
    problem = NextTokens(torch.nn.Identity(), task(), 4)
    batches = problem.batches(np.random.default_rng(0))
    assert sorted(np.concatenate(batches).tolist()) == list(range(6))
    inputs, targets = problem.collate(batches[0], CPU)
    assert inputs.shape == targets.shape == (4, 9) and torch.equal(inputs[:, 1:], targets[:, :-1])


def test_a_stream_is_cut_anew_in_every_epoch_and_to_its_end() -> None:
    stream = np.arange(100)
    problem = NextTokens(torch.nn.Identity(), task(train=stream), 4)
    places: set[int] = set()
    for seed in range(200):
        batches = problem.batches(np.random.default_rng(seed))
        assert sum(map(len, batches)) == 100 // 9
        places |= set(np.concatenate(batches).tolist())
    assert places == set(range(91)), "the last window ends with the stream"
    inputs, targets = problem.collate(np.array([90]), CPU)
    assert inputs[0].tolist() == list(range(90, 99)) and targets[0, -1] == 99


def test_relabelling_renames_symbols_one_to_one() -> None:
    torch.manual_seed(0)
    tokens = torch.randint(0, 5, (400, 30))
    renamed = relabelled(tokens, 5, 0.5)
    same_before, same_after = (t[:, :, None] == t[:, None, :] for t in (tokens, renamed))
    assert torch.equal(same_before, same_after), "equal symbols stay equal, different ones different"
    assert 0.4 < float((tokens != renamed).any(1).float().mean()) < 0.6
    assert relabelled(tokens, 5, 0.0) is tokens
    shown = [
        NextTokens(torch.nn.Identity(), task(), 6, share).collate(np.arange(6), CPU)[0]
        for share in (0.0, 1.0)
    ]
    assert torch.equal(shown[0], torch.from_numpy(task().train[:, :-1])) and not torch.equal(*shown)


def test_fingerprint_knows_what_training_depends_on() -> None:
    def fingerprint(batch_size: int = 8, share: float = 0.0, **changes: Any) -> str:
        return NextTokens(torch.nn.Identity(), task(**changes), batch_size, share).fingerprint

    rows = task().train
    first = fingerprint()
    assert first == fingerprint()
    for other in (
        fingerprint(9),
        fingerprint(share=0.5),
        fingerprint(train=rows[:-1]),
        fingerprint(dev=rows[2:4]),
        fingerprint(heldout=rows[:1]),
    ):
        assert other != first
