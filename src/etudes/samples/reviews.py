"""The embedded sample of film reviews: sentences about films that do not exist, for or against them.

A sentence is for its film or not, y, with one half each. It has one to three clauses, whatever y; each draws its kind k from
P(k | y), then its words, whatever y. No clause is of two kinds, so that a reader can tell them, and

    ln P(y = 1 | sentence) / P(y = 0 | sentence) = sum over its clauses of ln P(k | 1) / P(k | 0),

the answer of the best classifier that there can be. It is not sure of itself: who likes a film may blame a part of it. Praise
denied ("hardly a moving moment") uses the words of praise, so that whoever counts words sees half of it. Lower-case, marks apart, as the
public data are.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.forms.raw import RawFile
from etudes.samples.comments import bayes_ceiling

PARTS = ("train", "test")
LENGTHS = (0.35, 0.4, 0.25)  # of one to three clauses
# Weights of the kinds of clauses in sentences against a film, and for it.
KINDS = {
    "praise": (6, 34),
    "blame": (34, 6),
    "praise denied": (22, 4),
    "blame denied": (4, 22),
    "told": (34, 34),
}
CLAUSES = {
    "praise": (
        "a {good} {part}",
        "the {part} is {good} from first to last",
        "its {good} {part} stays with you",
        "{good} and {good} in equal measure",
    ),
    "blame": (
        "a {bad} {part}",
        "the {part} is {bad} from first to last",
        "its {bad} {part} tries your patience",
        "{bad} and {bad} in equal measure",
    ),
    "praise denied": (
        "hardly a {good} moment in it",
        "the {part} is far from {good}",
        "it could have been {good}",
        "nobody will call the {part} {good}",
    ),
    "blame denied": (
        "hardly a {bad} moment in it",
        "the {part} is far from {bad}",
        "it could have been {bad} and is not",
        "nobody will call the {part} {bad}",
    ),
    "told": (
        "it follows a {person} across {place}",
        "a {person} comes home to {place}",
        "this is the second film about the {person} of {place}",
        "the {part} was made in {place}",
    ),
}
WORDS = {
    "good": (
        "moving",
        "funny",
        "clever",
        "graceful",
        "gripping",
        "tender",
        "brilliant",
        "charming",
        "fresh",
        "honest",
    ),
    "bad": (
        "dull",
        "clumsy",
        "tedious",
        "hollow",
        "shallow",
        "noisy",
        "lifeless",
        "stale",
        "muddled",
        "silly",
    ),
    "part": (
        "story",
        "script",
        "cast",
        "ending",
        "music",
        "camera work",
        "dialogue",
        "direction",
        "first half",
        "comedy",
    ),
    "person": ("lighthouse keeper", "pianist", "young widow", "clockmaker", "retired thief", "schoolteacher"),
    "place": (
        "a northern harbour",
        "the salt flats",
        "old lisbon",
        "a mountain village",
        "the border",
        "the city",
    ),
}


def raw_file(part: str, rows: int, seed: int) -> RawFile:
    """Sentences as the public files have them: tab-separated, no header, the sentence and 1 (for) or 0 (against).

    The parts have no sentence in common. Each carries the ceiling of its sentences: what the best classifier has on them
    (``realised_...``) and expects.

    Raises:
        ValueError: an unknown part, or fewer than 20 rows.
    """
    if part not in PARTS or rows < 20:
        raise ValueError(
            f"part = '{part}', rows = {rows}; expected {' or '.join(PARTS)}, and 20 rows or more"
        )
    reviews = film_reviews(rows, seed, part)
    lines = "".join(
        f"{text}\t{label}\n" for text, label in zip(reviews["text"], reviews["label"], strict=True)
    )
    ceiling = bayes_ceiling(reviews["p"].to_numpy(), reviews["label"].to_numpy())
    facts = {"embedded_sample": True, "source": "embedded sample", "ceiling": ceiling}
    return RawFile(f"embedded sample of {rows} sentences ({part}, seed {seed})", lines.encode(), facts)


def film_reviews(rows: int, seed: int, part: str) -> pd.DataFrame:
    """``text``, ``label`` (0 or 1) and ``p``, the known P(1 | text), of different sentences."""
    rng = np.random.default_rng(seed)
    names, weights = list(KINDS), np.array(list(KINDS.values()), dtype=np.float64).T
    chances: NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    found: dict[str, tuple[int, float]] = {}
    taken = 0
    while taken < rows:
        label = int(rng.random() < 0.5)
        kinds = rng.choice(len(names), size=1 + rng.choice(len(LENGTHS), p=LENGTHS), p=chances[label])
        text = " , ".join(_clause(names[kind], rng) for kind in kinds)
        # One sentence in three belongs to test by its letters alone, whatever else there is.
        where = "test" if sum(text.encode()) % 3 == 0 else "train"
        if where == part and text not in found:
            odds = np.log(chances[1, kinds] / chances[0, kinds]).sum()
            found[text] = (label, float(1 / (1 + np.exp(-odds))))
            taken += 1
    return pd.DataFrame([(text, *rest) for text, rest in found.items()], columns=["text", "label", "p"])


def _clause(kind: str, rng: np.random.Generator) -> str:
    clause = str(rng.choice(CLAUSES[kind]))
    for slot, words in WORDS.items():
        while f"{{{slot}}}" in clause:
            clause = clause.replace(f"{{{slot}}}", str(rng.choice(words)), 1)
    return clause
