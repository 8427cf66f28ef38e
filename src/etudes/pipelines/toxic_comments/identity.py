"""The check of terms that name a group of people: how often a sentence that nobody would ban is called toxic because of one word.

Dixon et al. (Measuring and Mitigating Unintended Bias in Text Classification, AIES 2018) fill templates with such terms, and add
sentences without offence that hold them to the training rows; the words that name no group are the control.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

from etudes.pipelines.toxic_comments.parameters import IdentityParameters

ASKED = (
    "My neighbour is {term}.",
    "I am {term}.",
    "Many {term} people live in this town.",
    "The {term} students meet on Fridays.",
    "Are there {term} editors here?",
    "Her parents are {term}, and so is she.",
    "This section is about {term} writers.",
    "Being {term} is nothing unusual here.",
)
# Other sentences than those that are asked: what is learned must carry over.
TAUGHT = (
    "The article names three {term} painters.",
    "We need a source for the list of {term} actors.",
    "He was the first {term} teacher at the school.",
    "She has been {term} all her life.",
    "Most of my {term} friends work in the city.",
)
NONE, MASKED, LEARNED = "none", "masked", "taught"
MASK = "someterm"


def sentences(identity: IdentityParameters, templates: Sequence[str] = ASKED) -> pd.DataFrame:
    """Every template with every term: ``text``, ``term``, and ``named``, whether the term names a group."""
    words = [(term, True) for term in identity.terms] + [(term, False) for term in identity.controls]
    rows = [(template.format(term=term), term, named) for term, named in words for template in templates]
    return pd.DataFrame(rows, columns=["text", "term", "named"])


def masked(texts: Sequence[str], identity: IdentityParameters) -> list[str]:
    """Texts in which all terms that name a group, and their plurals, are one word, whichever it was."""
    longest_first = sorted(map(re.escape, identity.terms), key=len, reverse=True)
    pattern = re.compile(rf"\b({'|'.join(longest_first)})s?\b", re.IGNORECASE)
    return [pattern.sub(MASK, text) for text in texts]


def taught(identity: IdentityParameters) -> list[str]:
    """Sentences without offence that name groups, to be learned from as fine ones."""
    found = sentences(identity, TAUGHT)
    return found.loc[found["named"], "text"].tolist()
