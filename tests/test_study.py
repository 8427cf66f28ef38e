"""What a study says of itself, and what it says of a model that it registers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from etudes.study import Headline, RecordedPart, Reference, Study, _wrong_numbers, load_study


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


PAPER = Reference("A paper", "accuracy", 0.8, "Journal", True)
BLOG = replace(PAPER, name="A blog", like_for_like=False, differs="other split")


@pytest.fixture
def study() -> Study:
    return load_study("genre_classification")


@pytest.mark.parametrize(
    ("references", "headlines", "message"),
    [
        ((PAPER, BLOG), (Headline("accuracy", reference="A blog"), Headline("macro_f1")), ""),
        ((replace(BLOG, differs=""),), (), "'A blog': differs = '', expected other data, other split"),
        ((replace(PAPER, differs="other data"),), (), "expected nothing, as it is like for like"),
        ((replace(PAPER, variant="nobody"),), (), "variant = 'nobody' is none of the study's"),
        ((), (Headline("furlongs"),), "headline 'furlongs' is none of metrics"),
        ((PAPER,), (Headline("accuracy", reference="A blog"),), "there is no reference 'A blog'"),
        ((PAPER,), (Headline("macro_f1", reference="A paper"),), "there is no reference 'A paper'"),
        ((), (Headline("macro_f1"),), "expected the primary metric 'accuracy'"),
    ],
)
def test_headlines_and_references_agree(
    study: Study, references: tuple[Reference, ...], headlines: tuple[Headline, ...], message: str
) -> None:
    found = _wrong_numbers(replace(study, references=references, headlines=headlines))
    assert message in found and bool(found) == bool(message)


def test_a_part_has_rows_in_tables_that_are_recorded(study: Study) -> None:
    parts = (RecordedPart("half", tables=("halves",)),)
    assert "part 'half': halves is none of the recorded tables" in _wrong_numbers(replace(study, parts=parts))


def test_a_reference_says_in_words_how_like_it_is() -> None:
    assert (PAPER.likeness, BLOG.likeness) == ("like for like", "other split")
    assert replace(BLOG, differs="").likeness == "not like for like"
