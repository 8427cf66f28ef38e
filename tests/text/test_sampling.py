"""Temperature, nucleus and generation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from etudes.text.sampling import (
    RecomputedSteps,
    choose,
    draw_uniforms,
    entropy_bits,
    generate,
    generate_each,
    sampling_law,
)

TABLE = torch.randn(7, 7, generator=torch.Generator().manual_seed(0))
LOGITS = torch.tensor([[0.15, 0.5, 0.05, 0.3]]).log()


def law_of(logits: torch.Tensor, temperature: float, top_p: float) -> torch.Tensor:
    """The law by token, in the order of the vocabulary."""
    rows = len(logits)
    law, order = sampling_law(logits, torch.full((rows,), temperature), torch.full((rows,), top_p))
    return torch.zeros_like(law).scatter(1, order, law)


@pytest.mark.parametrize(
    ("top_p", "kept"),
    [
        (0.0, {1: 1.0}),
        (0.5, {1: 1.0}),
        (0.51, {1: 0.625, 3: 0.375}),
        (0.8, {1: 0.625, 3: 0.375}),
        (0.81, {1: 0.5 / 0.95, 3: 0.3 / 0.95, 0: 0.15 / 0.95}),
        (0.95, {1: 0.5 / 0.95, 3: 0.3 / 0.95, 0: 0.15 / 0.95}),
        (0.96, {1: 0.5, 3: 0.3, 0: 0.15, 2: 0.05}),
        (1.0, {1: 0.5, 3: 0.3, 0: 0.15, 2: 0.05}),
    ],
)
def test_nucleus_is_the_smallest_prefix_whose_mass_reaches_p(top_p: float, kept: dict[int, float]) -> None:
    expected = torch.zeros(1, 4, dtype=torch.float64)
    for token, probability in kept.items():
        expected[0, token] = probability
    torch.testing.assert_close(law_of(LOGITS, 1.0, top_p), expected, atol=1e-7, rtol=0)


def test_temperature_divides_the_logits() -> None:
    for temperature in (1 / 3, 1.0, 3.0):
        expected = (LOGITS.double() / temperature).softmax(-1)
        torch.testing.assert_close(law_of(LOGITS, temperature, 1.0), expected, atol=1e-6, rtol=0)


def test_temperature_has_greedy_and_even_choice_as_limits() -> None:
    greedy = torch.tensor([[0.0, 1.0, 0.0, 0.0]], dtype=torch.float64)
    assert torch.equal(law_of(LOGITS, 0.0, 1.0), greedy)
    torch.testing.assert_close(law_of(LOGITS, 1e-3, 1.0), greedy)
    even = torch.full((1, 4), 0.25, dtype=torch.float64)
    torch.testing.assert_close(law_of(LOGITS, 1e6, 1.0), even, atol=1e-5, rtol=0)


def test_every_row_has_settings_of_its_own() -> None:
    together, order = sampling_law(
        LOGITS.repeat(3, 1), torch.tensor([0.0, 1.0, 2.0]), torch.tensor([1.0, 0.5, 0.9])
    )
    for row, (temperature, top_p) in enumerate([(0.0, 1.0), (1.0, 0.5), (2.0, 0.9)]):
        by_token = torch.zeros(1, 4, dtype=torch.float64).scatter(
            1, order[row : row + 1], together[row : row + 1]
        )
        assert torch.equal(by_token, law_of(LOGITS, temperature, top_p))


def test_top_p_of_one_keeps_the_rarest_token() -> None:
    logits = torch.tensor([[0.0] * 999 + [-30.0]])
    assert float(law_of(logits, 1.0, 1.0)[0, -1]) > 0


def test_frequencies_follow_the_law() -> None:
    n = 40_000
    law, order = sampling_law(LOGITS, torch.tensor([1.5]), torch.tensor([0.97]))
    drawn = choose(law.expand(n, -1), order.expand(n, -1), draw_uniforms(n, 1, seed=0)[:, 0])
    expected = law_of(LOGITS, 1.5, 0.97)[0].numpy()
    counts = np.bincount(drawn.numpy(), minlength=4)
    assert (np.abs(counts - n * expected) <= 4.5 * np.sqrt(n * expected * (1 - expected)) + 1e-9).all()


def test_a_number_next_to_one_never_leaves_the_nucleus() -> None:
    law, order = sampling_law(LOGITS, torch.tensor([1.0]), torch.tensor([0.8]))
    assert int(choose(law, order, torch.tensor([1.0 - 1e-17]))) == 3


def test_entropy_in_bits() -> None:
    law = torch.tensor([[0.5, 0.25, 0.25, 0.0], [1.0, 0.0, 0.0, 0.0]], dtype=torch.float64)
    assert entropy_bits(law).tolist() == pytest.approx([1.5, 0.0])


def toy() -> RecomputedSteps:
    """Steps of a network whose logits depend on all tokens so far."""
    return RecomputedSteps(lambda tokens: TABLE[tokens].cumsum(1))


def test_a_row_does_not_depend_on_the_rows_beside_it() -> None:
    prompts = torch.tensor([[1, 2, 3, 4], [5, 6, 0, 0]])
    uniforms, ones = draw_uniforms(2, 10, seed=5), torch.ones(2)
    both = generate(toy(), prompts, torch.tensor([4, 2]), uniforms, ones, ones)
    for row, length in ((0, 4), (1, 2)):
        part = slice(row, row + 1)
        one, own = prompts[part, :length], torch.tensor([length])
        alone = generate(toy(), one, own, uniforms[part], ones[:1], ones[:1])
        np.testing.assert_array_equal(alone.tokens[0], both.tokens[row])


def test_settings_of_a_grid_are_as_each_alone() -> None:
    prompts = np.array([[1, 2], [3, 4], [5, 6]])
    settings = [(0.0, 1.0), (1.0, 0.6), (1.5, 1.0)]
    lengths, uniforms = torch.full((3,), 2), draw_uniforms(3, 8, seed=0)
    grid = generate_each(lambda batch, positions: toy(), prompts, 8, settings)
    for found, (temperature, top_p) in zip(grid, settings, strict=True):
        setting = (torch.full((3,), temperature), torch.full((3,), top_p))
        alone = generate(toy(), torch.from_numpy(prompts), lengths, uniforms, *setting)
        np.testing.assert_array_equal(found.tokens, alone.tokens)
        np.testing.assert_allclose(found.entropy[:, 1:], alone.entropy[:, 1:], atol=1e-12)


def test_same_seed_same_text() -> None:
    assert torch.equal(draw_uniforms(3, 4, seed=1), draw_uniforms(3, 4, seed=1))
    assert not torch.equal(draw_uniforms(3, 4, seed=1), draw_uniforms(3, 4, seed=2))


def test_forbidden_token_is_never_written() -> None:
    prompts, lengths, hot = torch.ones(8, 2, dtype=torch.long), torch.full((8,), 2), torch.full((8,), 100.0)
    made = generate(toy(), prompts, lengths, draw_uniforms(8, 64, seed=0), hot, torch.ones(8), forbidden=3)
    assert set(np.unique(made.tokens)) == {0, 1, 2, 4, 5, 6}


@pytest.mark.parametrize(
    ("lengths", "rows"), [(torch.tensor([2, 0]), 2), (torch.tensor([2, 3]), 2), (torch.tensor([2, 2]), 3)]
)
def test_shapes_that_do_not_fit_are_refused(lengths: torch.Tensor, rows: int) -> None:
    prompts, ones = torch.zeros(2, 2, dtype=torch.long), torch.ones(2)
    with pytest.raises(ValueError, match="expected one of each for every row"):
        generate(toy(), prompts, lengths, draw_uniforms(rows, 4, 0), ones, ones)
