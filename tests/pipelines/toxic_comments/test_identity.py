"""The check of terms that name a group, and both treatments."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from etudes.pipelines.toxic_comments.identity import ASKED, MASK, TAUGHT, masked, sentences, taught
from etudes.pipelines.toxic_comments.parameters import FormParameters, IdentityParameters

IDENTITY = IdentityParameters(terms=["northern", "north", "Deaf"], controls=["tall"], treated=[])


def test_every_template_is_asked_with_every_term() -> None:
    asked = sentences(IDENTITY)
    assert len(asked) == 4 * len(ASKED) and asked["text"].is_unique
    assert asked.groupby("term")["named"].all().to_dict() == {
        "northern": True,
        "north": True,
        "Deaf": True,
        "tall": False,
    }
    assert all(term in text for text, term in zip(asked["text"], asked["term"], strict=True))


def test_what_is_taught_is_not_asked_and_names_groups_alone() -> None:
    lessons = taught(IDENTITY)
    assert not {*lessons} & {*sentences(IDENTITY)["text"]} and not {*ASKED} & {*TAUGHT}
    assert len(lessons) == 3 * len(TAUGHT) and not any("tall" in text for text in lessons)


def test_masked_texts_tell_no_group_from_another() -> None:
    asked = sentences(IDENTITY)
    hidden = masked(asked["text"].tolist(), IDENTITY)
    named = [text for text, own in zip(hidden, asked["named"], strict=True) if own]
    assert len(set(named)) == len(ASKED)
    assert masked(["NORTHERN deafs, northerly tall"], IDENTITY) == [f"{MASK} {MASK}, northerly tall"]


@pytest.mark.parametrize(
    ("terms", "controls"), [(["north", "North"], ["tall"]), (["tall"], ["tall"]), ([""], ["tall"])]
)
def test_a_term_that_is_none_or_stands_twice_is_refused(terms: list[str], controls: list[str]) -> None:
    with pytest.raises(ValidationError, match=r"each term once|at least 1 character"):
        IdentityParameters(terms=terms, controls=controls, treated=[])


def test_labels_that_cannot_be_told_apart_are_refused() -> None:
    with pytest.raises(ValidationError, match="expected two different values, found '0' twice"):
        FormParameters(label="ban", text="text", values=("0", "0"), separator=",")
