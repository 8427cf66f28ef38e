"""What a study says of itself, and what it says of a model that it registers."""

from __future__ import annotations

import pytest

from etudes.study import load_study


@pytest.mark.parametrize(
    ("study", "best"),
    [("genre_classification", "b"), ("vae", "b"), ("gan_digits", "a"), ("income_classification", "a")],
)
def test_the_best_on_dev_follows_the_direction_of_the_dev_metric(study: str, best: str) -> None:
    """The log loss of income_classification is better when small, although its test metric is better when large."""
    assert load_study(study).best_on_dev({"a": 0.1, "b": 0.7, "c": 0.2 if best == "a" else 0.7}) == best


def test_a_card_says_which_scores_may_be_compared() -> None:
    card = load_study("income_classification").predictor_card("tree", 0.3, "abc", {"embedded_sample": False})
    assert card == {
        "variant": "tree",
        "dev_metric": "log_loss",
        "dev_score": 0.3,
        "maximise": False,
        "dev_fingerprint": "abc",
        "embedded_sample": False,
    }
