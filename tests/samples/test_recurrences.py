"""The drawn recurrences and the embedded prose: what they promise."""

from __future__ import annotations

import re

import numpy as np
import pytest

from etudes.samples import prose, recurrences


def test_same_seed_same_sequences() -> None:
    first, again, other = (recurrences.draw(7, 50, 20, 0.1, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.tokens, again.tokens)
    assert not np.array_equal(first.tokens, other.tokens)


def test_every_token_follows_the_law_in_its_share() -> None:
    drawn = recurrences.draw(11, 2000, 30, 0.1, seed=4)
    whole = np.concatenate([drawn.starts, drawn.tokens], axis=1)
    a, b = drawn.coefficients[:, :1], drawn.coefficients[:, 1:]
    recurrence = (a * whole[:, 1:-1] + b * whole[:, :-2]) % 11
    plus_one = (whole[:, 1:-1] + 1) % 11
    assert ((drawn.tokens == recurrence) | (drawn.tokens == plus_one)).all()
    apart = recurrence != plus_one
    assert (drawn.tokens == plus_one)[apart].mean() == pytest.approx(0.1, abs=0.01)


def test_coefficients_and_starts_are_uniform() -> None:
    drawn = recurrences.draw(5, 20_000, 3, 0.1, seed=0)
    for values in (*drawn.coefficients.T, *drawn.starts.T):
        np.testing.assert_allclose(np.bincount(values, minlength=5) / 20_000, 0.2, atol=0.015)


def test_file_has_the_sequences_of_every_modulus() -> None:
    raw = recurrences.raw_file("sequences", [3, 5], 4, 6, 0.1, seed=0)
    lines = raw.content.decode().splitlines()
    assert raw.embedded_sample and lines[0] == "next_probability 0.1" and len(lines) == 9
    assert re.fullmatch(r"5;[0-4] [0-4];[0-4] [0-4];[0-4]( [0-4]){5}", lines[-1])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: recurrences.draw(1, 5, 5, 0.1, 0), "modulus = 1"),
        (lambda: recurrences.draw(5, 0, 5, 0.1, 0), "n = 0"),
        (lambda: recurrences.draw(5, 5, 2, 0.1, 0), "length = 2"),
        (lambda: recurrences.draw(5, 5, 5, 1.5, 0), "next_probability = 1.5"),
        (lambda: recurrences.raw_file("train", [5], 5, 5, 0.1, 0), "expected sequences"),
        (lambda: recurrences.raw_file("sequences", [5, 5], 5, 5, 0.1, 0), "each once"),
        (lambda: prose.raw_file("train", 5000), "expected text"),
        (lambda: prose.raw_file("text", 10), "expected at least 1,000"),
    ],
)
def test_errors_say_what_was_expected(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        call()  # type: ignore[operator]


def test_prose_is_prose() -> None:
    paragraphs = prose.paragraphs()
    text = "\n\n".join(paragraphs)
    assert len(text) > 80_000 and len(set(paragraphs)) == len(paragraphs)
    assert all(paragraph[0].isupper() and paragraph.endswith(".") for paragraph in paragraphs)
    assert not re.search(r">>>|::=|  ", text) and text.isascii()
    words = re.findall(r"[a-z]+", text.lower())
    assert sum(word in {"the", "of", "a", "is", "to", "and", "in"} for word in words) / len(words) > 0.2


def test_prose_is_cut_where_asked_and_says_where_it_comes_from() -> None:
    raw = prose.raw_file("text", 3000)
    assert len(raw.content) == 3000 and raw.embedded_sample
    assert "language reference of Python" in raw.facts["source"]
    assert raw.content == prose.raw_file("text", 4000).content[:3000]
