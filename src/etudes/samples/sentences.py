"""The embedded sample of tagged sentences, in CoNLL-U: village news by a grammar that is a chain of states, so that the best tagger is known.

A sentence is a walk through `STATES`, each of which writes one word and has one tag. So tags and words are a hidden Markov model, and given the
words alone the probability of each tag follows by the forward-backward algorithm; its largest is the best answer that there can be. Words of
English stand in several states (*watch*, *light*, *that*, *to*). Others are made up of syllables and an ending which some states share, so that new words
turn up in test whose tag only their ending and their place tell.
"""

from __future__ import annotations

import re
from functools import cache

import numpy as np
from numpy.typing import NDArray

from etudes.forms.raw import RawFile

PARTS = ("train", "test")
LONGEST = 30  # words of a sentence; longer ones are drawn anew
DOCUMENT = 10  # sentences
FloatArray = NDArray[np.float64]
# Of each state: its tag, the states that may follow with their weights, its words. END is the end of the sentence.
STATES: dict[str, tuple[str, dict[str, float], str]] = {
    "START": ("", {"article": 5, "name": 2, "pronoun": 2, "adverb": 1, "call": 0.5}, ""),
    "article": ("DET", {"adjective": 3, "noun": 7}, "the a every this that no some"),
    "adjective": (
        "ADJ",
        {"adjective": 1, "noun": 8, "and": 0.5, "stop": 0.5},
        "old light daily early late cold well clean",
    ),
    "noun": (
        "NOUN",
        {"verb": 4, "auxiliary": 2, "preposition": 2, "stop": 4, "and": 1, "comma": 0.5, "noun": 0.4},
        "watch light ring plant water harbour bell ferry can will well clock place paint cold mill",
    ),
    "name": (
        "PROPN",
        {"verb": 5, "auxiliary": 2, "name": 1, "and": 1, "stop": 2},
        "Ada Will Mark Rose Pat Olga",
    ),
    "pronoun": ("PRON", {"verb": 6, "auxiliary": 4}, "she he it that they everyone"),
    "auxiliary": ("AUX", {"verb": 6, "not": 2, "adverb": 1, "adjective": 1}, "can will must is was does has"),
    "not": ("PART", {"verb": 8, "adjective": 1}, "not"),
    "verb": (
        "VERB",
        {
            "article": 4,
            "preposition": 2,
            "adverb": 1,
            "to": 1,
            "that": 1,
            "stop": 1.5,
            "name": 0.5,
            "pronoun": 0.3,
        },
        "watch light ring plant water clean paint saw place heard mark rose will can found",
    ),
    "to": ("PART", {"verb": 1}, "to"),
    "preposition": ("ADP", {"article": 6, "name": 2, "number": 1}, "to in on under by after near at"),
    "number": ("NUM", {"noun": 1}, "two three ten 7 12 1894"),
    "adverb": (
        "ADV",
        {"verb": 3, "preposition": 2, "stop": 3, "adjective": 1},
        "early daily well late again near",
    ),
    "that": ("SCONJ", {"article": 5, "pronoun": 3, "name": 2}, "that while because after"),
    "and": ("CCONJ", {"article": 5, "pronoun": 2, "name": 3, "adjective": 0.5}, "and or but"),
    "call": ("INTJ", {"comma": 1}, "oh well"),
    "comma": ("PUNCT", {"article": 4, "pronoun": 2, "name": 2, "and": 2}, ","),
    "stop": ("PUNCT", {"END": 1}, ". ! ?"),
}
NAMES = [name for name in STATES if name != "START"]
TAGS = sorted({STATES[name][0] for name in NAMES})
MADE_UP = {
    "noun": 0.35,
    "adjective": 0.3,
    "verb": 0.35,
    "adverb": 0.4,
    "name": 0.4,
}  # chances of a made-up word
ENDINGS: dict[str, dict[str, float]] = {
    "noun": {"er": 3, "ness": 2, "ing": 2, "s": 3, "al": 1, "": 2},
    "adjective": {"y": 3, "ful": 2, "al": 2, "er": 1, "ing": 1},
    "verb": {"ed": 4, "s": 2, "ing": 2, "ise": 2, "": 1},
    "adverb": {"ly": 5, "wise": 1},
    "name": {"": 3, "er": 1, "s": 1},
}
ONSETS, VOWELS, CODAS = "bdfgklmnprtv", "aeiou", "bdgkmnprt"
STEMS = (len(ONSETS) * len(VOWELS)) ** 2 * len(CODAS)
STEM = f"[{ONSETS}][{VOWELS}][{ONSETS}][{VOWELS}][{CODAS}]"


def raw_file(part: str, sentences: int, seed: int) -> RawFile:
    """Sentences in CoNLL-U; those of ``test`` carry what the best tagger reaches on them.

    Raises:
        ValueError: an unknown part, or fewer than 20 sentences.
    """
    if part not in PARTS or sentences < 20:
        raise ValueError(
            f"part = '{part}', sentences = {sentences}; expected {' or '.join(PARTS)}, and 20 sentences or more"
        )
    generator = np.random.default_rng([seed, PARTS.index(part)])
    drawn = [draw(generator) for _ in range(sentences)]
    lines: list[str] = []
    for number, (words, states) in enumerate(drawn):
        if number % DOCUMENT == 0:
            lines.append(f"# newdoc id = {part}-{number // DOCUMENT + 1}")
        lines += [f"# sent_id = {part}-{number + 1}", f"# text = {written(words)}"]
        for place, (word, state) in enumerate(zip(words, states, strict=True), start=1):
            close = place < len(words) and STATES[states[place]][0] == "PUNCT"
            lines.append(
                f"{place}\t{word}\t_\t{STATES[state][0]}\t_\t_\t_\t_\t_\t{'SpaceAfter=No' if close else '_'}"
            )
        lines.append("")
    facts = {"embedded_sample": True, "source": "embedded sample"}
    if part == "test":
        facts["ceiling"] = ceiling(drawn)
    content = "\n".join([*lines, ""]).encode()
    return RawFile(f"embedded sample of {sentences} {part} sentences (seed {seed})", content, facts)


def draw(generator: np.random.Generator) -> tuple[list[str], list[str]]:
    """A sentence: its words, and the states that wrote them."""
    while True:
        words: list[str] = []
        states: list[str] = []
        state = _chosen(STATES["START"][1], generator)
        while state != "END" and len(words) <= LONGEST:
            words.append(_word(state, generator))
            states.append(state)
            state = _chosen(STATES[state][1], generator)
        if len(words) <= LONGEST:
            return [words[0][0].upper() + words[0][1:], *words[1:]], states


def written(words: list[str]) -> str:
    """The words as a text: no space before punctuation."""
    return re.sub(r" ([,.!?])", r"\1", " ".join(words))


def ceiling(drawn: list[tuple[list[str], list[str]]]) -> dict[str, float]:
    """What the best tagger reaches of these sentences (``realised_accuracy``), and what it expects to (``accuracy``)."""
    expected, right = [], []
    for words, states in drawn:
        p = posterior(words)
        expected += list(p.max(axis=1))
        right += [TAGS[k] == STATES[state][0] for k, state in zip(p.argmax(axis=1), states, strict=True)]
    return {
        "n": float(len(right)),
        "accuracy": float(np.mean(expected)),
        "realised_accuracy": float(np.mean(right)),
    }


def posterior(words: list[str]) -> FloatArray:
    """P(tag of word t | words) (T, tags), by the forward-backward algorithm over `NAMES`, summed over the states of a tag."""
    start, step, stop = _chances()
    emitted = np.array(
        [[emission(word, name, first=t == 0) for name in NAMES] for t, word in enumerate(words)]
    )
    ahead, behind = np.zeros_like(emitted), np.zeros_like(emitted)
    ahead[0], behind[-1] = start * emitted[0], stop
    for t in range(1, len(words)):
        ahead[t] = (ahead[t - 1] @ step) * emitted[t]
        ahead[t] /= ahead[t].sum()
    for t in range(len(words) - 2, -1, -1):
        behind[t] = step @ (emitted[t + 1] * behind[t + 1])
        behind[t] /= behind[t].sum()
    joint = ahead * behind
    of_tag = np.array([[STATES[name][0] == tag for tag in TAGS] for name in NAMES], dtype=np.float64)
    return joint @ of_tag / joint.sum(axis=1, keepdims=True)


@cache
def emission(word: str, state: str, first: bool) -> float:
    """P(word | state); the first word of a sentence has a capital whatever its state."""
    if first and word[0].isalpha():
        ways = {word, word[0].lower() + word[1:]}
        return sum(emission(way, state, False) for way in ways)
    listed = STATES[state][2].split()
    made_up = MADE_UP.get(state, 0.0)
    chance = (1 - made_up) * listed.count(word) / len(listed)
    if made_up and word[0].isupper() == (state == "name"):
        weights = ENDINGS[state]
        for ending, weight in weights.items():
            if re.fullmatch(STEM + ending, word.lower()):
                chance += made_up * weight / sum(weights.values()) / STEMS
    return chance


def _word(state: str, generator: np.random.Generator) -> str:
    if generator.random() >= MADE_UP.get(state, 0.0):
        return str(generator.choice(STATES[state][2].split()))
    letters = (ONSETS, VOWELS, ONSETS, VOWELS, CODAS)
    stem = "".join(str(generator.choice(list(choices))) for choices in letters)
    word = stem + _chosen(ENDINGS[state], generator)
    return word.capitalize() if state == "name" else word


def _chosen(weights: dict[str, float], generator: np.random.Generator) -> str:
    chances = np.array(list(weights.values()))
    return str(generator.choice(list(weights), p=chances / chances.sum()))


@cache
def _chances() -> tuple[FloatArray, FloatArray, FloatArray]:
    """Chances of the first state (states,), from state to state (states, states), and that the sentence ends (states,)."""

    def shares(name: str) -> dict[str, float]:
        weights = STATES[name][1]
        return {state: weight / sum(weights.values()) for state, weight in weights.items()}

    start = np.array([shares("START").get(name, 0.0) for name in NAMES])
    step = np.array([[shares(source).get(name, 0.0) for name in NAMES] for source in NAMES])
    return start, step, np.array([shares(name).get("END", 0.0) for name in NAMES])
