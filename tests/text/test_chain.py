"""The chain against all sequences of tags, one by one."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from etudes.text.chain import Chain

LENGTHS = [4, 1, 3]
TAGS = 3


@pytest.fixture
def drawn() -> tuple[Chain, Tensor, Tensor]:
    """A chain with weights, emissions (3, 5, 3) with a place behind every end, lengths."""
    torch.manual_seed(0)
    chain = Chain(TAGS).double()
    for weights in chain.parameters():
        torch.nn.init.normal_(weights)
    return chain, torch.randn(3, 5, TAGS, dtype=torch.float64) * 2, torch.tensor(LENGTHS)


def by_hand(chain: Chain, emissions: Tensor, tags: tuple[int, ...]) -> Tensor:
    """s(y) of one sequence, as the equation has it."""
    total = chain.first[tags[0]] + chain.last[tags[-1]] + sum(emissions[t, tag] for t, tag in enumerate(tags))
    return total + sum(chain.transitions[a, b] for a, b in itertools.pairwise(tags))


def everything(chain: Chain, emissions: Tensor, length: int) -> dict[tuple[int, ...], Tensor]:
    return {y: by_hand(chain, emissions, y) for y in itertools.product(range(TAGS), repeat=length)}


def test_score_is_the_equation(drawn: tuple[Chain, Tensor, Tensor]) -> None:
    chain, emissions, lengths = drawn
    tags = torch.tensor([[0, 2, 1, 1, 2], [2, 0, 0, 0, 0], [1, 1, 0, 2, 1]])
    found = chain.score(emissions, tags, lengths)
    for row, length in enumerate(LENGTHS):
        torch.testing.assert_close(
            found[row], by_hand(chain, emissions[row], tuple(tags[row, :length].tolist()))
        )


def test_partition_is_the_sum_over_all_sequences(drawn: tuple[Chain, Tensor, Tensor]) -> None:
    chain, emissions, lengths = drawn
    found = chain.log_partition(emissions, lengths)
    for row, length in enumerate(LENGTHS):
        scores = torch.stack(list(everything(chain, emissions[row], length).values()))
        torch.testing.assert_close(found[row], torch.logsumexp(scores, dim=0))


def test_viterbi_finds_the_best_of_all_sequences(drawn: tuple[Chain, Tensor, Tensor]) -> None:
    chain, emissions, lengths = drawn
    for shift in range(20):
        moved = emissions + torch.randn(emissions.shape, generator=torch.Generator().manual_seed(shift))
        found = chain.best(moved, lengths)
        for row, length in enumerate(LENGTHS):
            scores = everything(chain, moved[row], length)
            assert tuple(found[row, :length].tolist()) == max(scores, key=lambda y: float(scores[y].detach()))
            assert not found[row, length:].any()


def test_marginals_are_sums_over_sequences(drawn: tuple[Chain, Tensor, Tensor]) -> None:
    chain, emissions, lengths = drawn
    with torch.inference_mode():
        found = chain.marginals(emissions.clone(), lengths)
    for row, length in enumerate(LENGTHS):
        scores = everything(chain, emissions[row], length)
        chances = torch.stack(list(scores.values())).softmax(dim=0).detach()
        expected = torch.zeros(5, TAGS, dtype=torch.float64)
        for y, chance in zip(scores, chances, strict=True):
            for t, tag in enumerate(y):
                expected[t, tag] += chance
        torch.testing.assert_close(found[row], expected)


def test_loss_has_the_gradient_of_finite_differences(drawn: tuple[Chain, Tensor, Tensor]) -> None:
    chain, emissions, lengths = drawn
    tags = torch.tensor([[0, 2, 1, 1, 0], [2, 0, 0, 0, 0], [1, 1, 0, 0, 0]])
    free = emissions.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda e: chain.losses(e, tags, lengths), free)


def test_what_stands_behind_the_end_changes_nothing(drawn: tuple[Chain, Tensor, Tensor]) -> None:
    chain, emissions, lengths = drawn
    other = emissions.clone()
    for row, length in enumerate(LENGTHS):
        other[row, length:] = 100.0
    tags = torch.zeros(3, 5, dtype=torch.int64)
    torch.testing.assert_close(chain.losses(emissions, tags, lengths), chain.losses(other, tags, lengths))
    assert torch.equal(chain.best(emissions, lengths), chain.best(other, lengths))


def test_a_chain_that_has_learned_nothing_leaves_tags_independent() -> None:
    emissions, lengths = torch.randn(3, 5, TAGS), torch.tensor([5, 5, 5])
    chain = Chain(TAGS)
    assert torch.equal(chain.best(emissions, lengths), emissions.argmax(-1))
    torch.testing.assert_close(chain.marginals(emissions, lengths), emissions.softmax(-1))


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected \(B, T, K\) and \(B,\)"):
        Chain(TAGS).log_partition(torch.zeros(3, 5, TAGS), torch.ones(3, 1, dtype=torch.int64))
