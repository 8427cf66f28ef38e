"""The embedded sample of comments: talk about the pages of a village encyclopedia, half of them rude in words that hurt nobody.

A comment is rude or not, y, with one half each. It has one to four sentences, whatever y; each draws its kind k from P(k | y), then
its words, whatever y. No sentence is of two kinds, so that a reader can tell them, and

    ln P(y = 1 | comment) / P(y = 0 | comment) = sum over its sentences of ln P(k | 1) / P(k | 0),

the answer of the best classifier that there can be. It is not sure of itself: friends tease with the words of a quarrel,
and praise may be meant or not. Some insults are misspelt on purpose. Rude comments name a few groups of villagers more often than
others do, so that whoever learns from them learns to distrust the groups.
"""

from __future__ import annotations

import csv
import io

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.forms.raw import RawFile

PARTS = ("comments",)
LABEL, TEXT = "should_ban", "comment_text"
GROUPS = ("northern", "vegetarian", "freckled", "seaside")
MISSPELT = 0.3  # of the insults
LENGTHS = (0.35, 0.3, 0.2, 0.15)  # of one to four sentences
# Weights of the kinds of sentences in comments that are not rude, and in rude ones.
KINDS = {
    "talk": (38, 20),
    "thanks": (18, 2),
    "doubt": (14, 9),
    "praise": (12, 7),
    "teasing": (8, 4),
    "group": (4, 12),
    "shout": (3, 16),
    "insult": (3, 30),
}
SENTENCES = {
    "talk": (
        "The {thing} was moved to its own section.",
        "I added a source for the {thing} of the {place}.",
        "Is the {thing} as old as the {place}?",
        "Somebody should check the date of the {thing}.",
        "The picture shows the {place} before the {thing} was built.",
        "This paragraph repeats what is said of the {place}.",
    ),
    "thanks": (
        "Thanks for mending the part about the {thing}.",
        "Thank you, the page on the {place} reads well now.",
        "Welcome, and please sign your comments about the {thing}.",
    ),
    "doubt": (
        "I do not agree that the {thing} belongs here.",
        "Sorry, but the source about the {place} says otherwise.",
        "That is wrong, the {thing} came later.",
    ),
    "praise": (
        "What a fine piece of work on the {thing}.",
        "Nobody could have written of the {place} like this.",
    ),
    "teasing": (
        "Back from the {place} at last, you old {insult}?",
        "Only a {insult} like me would count every {thing}.",
    ),
    "group": (
        "The {group} villagers met at the {place} again.",
        "Ask the {group} families about the {thing}.",
        "It was a {group} neighbour who wrote of the {place}.",
    ),
    "shout": (
        "LEAVE THE {thing} ALONE!!!",
        "STOP changing the {place} or else!",
        "Hands off the {thing}, I warn you!!",
    ),
    "insult": (
        "You are a {insult} and everybody knows it.",
        "Only a {insult} would write this about the {place}.",
        "Shut up, {insult}.",
        "Your {thing} is rubbish, you {insult}.",
    ),
}
WORDS = {
    "thing": (
        "bridge",
        "windmill",
        "market hall",
        "clock",
        "bakery",
        "old oak",
        "bell",
        "well",
        "fence",
        "ferry",
    ),
    "place": ("harbour", "green", "upper village", "school", "hill", "mill pond", "orchard", "station"),
    "insult": (
        "noodlehead",
        "turnip",
        "muddlewit",
        "gumboot",
        "wobblebrain",
        "pudding",
        "dunderpate",
        "nincompoop",
    ),
    "group": GROUPS,
}
LOOKALIKES = {"o": "0", "e": "3", "i": "1", "u": "*"}


def raw_file(part: str, rows: int, seed: int) -> RawFile:
    """Comments as the public file has them: tab-separated, a header, ``should_ban`` (1 or 0) and ``comment_text``.

    It carries the ceiling of its comments: what the best classifier has on them (``realised_...``) and expects.

    Raises:
        ValueError: an unknown part, or fewer than 20 rows.
    """
    if part not in PARTS or rows < 20:
        raise ValueError(f"part = '{part}', rows = {rows}; expected {PARTS[0]}, and 20 rows or more")
    comments = village_comments(rows, seed)
    stream = io.StringIO()
    written = comments[["rude", "text"]].rename(columns={"rude": LABEL, "text": TEXT})
    written.to_csv(stream, sep="\t", index=False, quoting=csv.QUOTE_MINIMAL, lineterminator="\n")
    facts = {
        "embedded_sample": True,
        "source": "embedded sample",
        "ceiling": bayes_ceiling(comments["p"].to_numpy(), comments["rude"].to_numpy()),
    }
    return RawFile(f"embedded sample of {rows} comments (seed {seed})", stream.getvalue().encode(), facts)


def village_comments(rows: int, seed: int) -> pd.DataFrame:
    """``text``, ``rude`` (0 or 1) and ``p``, the known P(rude | text), of different comments."""
    rng = np.random.default_rng(seed)
    names, weights = list(KINDS), np.array(list(KINDS.values()), dtype=np.float64).T
    chances = weights / weights.sum(axis=1, keepdims=True)
    found: dict[str, tuple[int, float]] = {}
    while len(found) < rows:
        rude = int(rng.random() < 0.5)
        kinds = rng.choice(len(names), size=1 + rng.choice(len(LENGTHS), p=LENGTHS), p=chances[rude])
        text = " ".join(_sentence(names[kind], rng) for kind in kinds)
        odds = np.log(chances[1, kinds] / chances[0, kinds]).sum()
        found.setdefault(text, (rude, float(1 / (1 + np.exp(-odds)))))
    table = pd.DataFrame([(text, *rest) for text, rest in found.items()], columns=["text", "rude", "p"])
    return table


def bayes_ceiling(p: NDArray[np.float64], rude: NDArray[np.int64]) -> dict[str, float]:
    """What the classifier that answers ``p`` (N,) reaches: ``realised_roc_auc``, ``realised_accuracy`` and ``realised_log_loss``
    (nats) on texts of these labels (N,), and the ``accuracy`` that it expects of them."""
    from etudes.evaluation.ranking import roc_auc

    return {
        "n": float(len(p)),
        "accuracy": float(np.maximum(p, 1 - p).mean()),
        "realised_accuracy": float(((p > 0.5) == rude).mean()),
        "realised_log_loss": float(-np.log(np.where(rude == 1, p, 1 - p)).mean()),
        "realised_roc_auc": roc_auc(p, rude),
    }


def _sentence(kind: str, rng: np.random.Generator) -> str:
    words = {slot: str(rng.choice(choices)) for slot, choices in WORDS.items()}
    if rng.random() < MISSPELT:
        letters = [place for place, letter in enumerate(words["insult"]) if letter in LOOKALIKES]
        place = int(rng.choice(letters))
        insult = words["insult"]
        words["insult"] = insult[:place] + LOOKALIKES[insult[place]] + insult[place + 1 :]
    return str(rng.choice(SENTENCES[kind])).format(**words)
