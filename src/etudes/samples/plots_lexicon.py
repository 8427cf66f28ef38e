"""The lexicon of the embedded film sample: its words, templates and probability tables, to write with and to read by.

The tables are p(feature | genre) for the five features of a film (its length, its sentences' motifs, the theme of
its title, whether the title is a series', its era). They are all that ties the text to the genre, so that the
posterior in ``plots`` is exact.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

MIN_SENTENCES = 2
UNKNOWN_YEAR = "????"
WORDS = re.compile(r"[\w'{}-]+")
SENTENCE_END = re.compile(r"(?<=[.!?]) ")
_WORDS_IN_A_SIGNATURE = 3
_VOWEL_SOUNDS = ("a", "e", "i", "o", "u", "honest", "hour")
_SUFFIXES = ("/I", "/II", "/III")
_SUFFIX_RATE = 0.06
_KNOWN_LATER = ("other", "thing", "org")  # slots whose second mention differs from the first
_IMDB_TITLE = re.compile(
    rf'(?P<quote>"?)(?P<words>.+?)"? \((?P<year>\d{{4}}|{re.escape(UNKNOWN_YEAR)})(?:/[IVX]+)?\)'
)


@dataclass(frozen=True)
class Motif:
    """A kind of sentence: templates for the first sentence of a plot and for those that follow."""

    name: str
    opening: tuple[str, ...]
    following: tuple[str, ...]


@dataclass(frozen=True)
class Tables:
    """p(genre) and p(feature value | genre): one row a genre (in the order of ``Lexicon.genres``), rows sum to one."""

    prior: FloatArray  # (genres,)
    motif: FloatArray  # (genres, motifs), each sentence
    theme: FloatArray  # (genres, title themes)
    length: FloatArray  # (genres, 4): MIN_SENTENCES sentences and up
    era: FloatArray  # (genres, eras + 1): the last is the unknown year
    series: FloatArray  # (genres, 2): no, yes


@dataclass(frozen=True)
class Lexicon:
    """Everything the sample is made of, ready to draw from and to read back."""

    genres: tuple[str, ...]  # alphabetical
    tables: Tables
    motifs: tuple[Motif, ...]
    themes: tuple[tuple[str, ...], ...]  # the title words of each theme; no word is in two themes
    title_patterns: tuple[str, ...]
    eras: tuple[tuple[int, int], ...]  # first and last year
    slots: dict[str, tuple[str, ...]]
    typos: dict[str, str]  # right: wrong
    signatures: dict[tuple[str, ...], int]  # three words that only one motif's templates contain: the motif


def with_article(phrase: str) -> str:
    """The phrase after its indefinite article: "a pony", "an otter", "an honest"."""
    return f"{'an' if phrase.lower().startswith(_VOWEL_SOUNDS) else 'a'} {phrase}"


def word_triples(sentence: str) -> list[tuple[str, ...]]:
    """All runs of three words of a sentence, in lower case, in order."""
    words = WORDS.findall(sentence.lower())
    return list(zip(*(words[start:] for start in range(_WORDS_IN_A_SIGNATURE)), strict=False))


@cache
def lexicon() -> Lexicon:
    """Read the lexicon beside this module, once.

    Raises:
        ValueError: a template has no run of three words to itself, or a motif names an unknown genre.
    """
    raw = tomllib.loads(
        resources.files(__package__).joinpath("plots_lexicon.toml").read_text(encoding="utf-8")
    )
    genres = tuple(sorted(raw["genres"]))
    motifs = tuple(
        Motif(name, tuple(entry["open"]), tuple(entry["then"])) for name, entry in raw["motifs"].items()
    )
    return Lexicon(
        genres=genres,
        tables=_tables(raw, genres),
        motifs=motifs,
        themes=tuple(tuple(entry["words"]) for entry in raw["themes"].values()),
        title_patterns=tuple(raw["title"]["patterns"]),
        eras=tuple((first, last) for first, last in raw["eras"]["bounds"]),
        slots=_slots(raw),
        typos=dict(raw["typos"]),
        signatures=_signatures(motifs),
    )


def fill_slots(drawn: dict[str, str], is_female: bool) -> dict[str, str]:
    """What goes into each slot of one film: the drawn words, the same after their article, name and pronouns."""
    pronouns = ("she", "her", "her", "herself") if is_female else ("he", "him", "his", "himself")
    first = drawn["first_f" if is_female else "first_m"]
    he, him, his, himself = pronouns
    return (
        drawn
        | {f"a_{slot}": with_article(word) for slot, word in drawn.items()}
        | {
            "first": first,
            "name": f"{first} {drawn['surname']}",
            "he": he,
            "him": him,
            "his": his,
            "himself": himself,
        }
        | {"other": f"{his} {drawn['relation']} {drawn['companion']}"}
    )


def write_plot(motifs: list[int], pick: list[float], filling: dict[str, str], words: Lexicon) -> str:
    """One sentence for each motif. A template is not used twice in a film unless its motif has run out of them."""
    used: set[str] = set()
    sentences = []
    for place, (number, uniform) in enumerate(zip(motifs, pick, strict=False)):
        templates = words.motifs[number].following if place else words.motifs[number].opening
        unused = [template for template in templates if template not in used] or templates
        template = unused[int(uniform * len(unused))]
        used.add(template)
        sentence = template.format_map(filling)
        sentences.append(sentence[0].upper() + sentence[1:])
        filling = filling | {
            slot: _once_known(filling, slot) for slot in _KNOWN_LATER if f"{{{slot}}}" in template
        }
    return " ".join(sentences)


def _once_known(filling: dict[str, str], slot: str) -> str:
    """How a second sentence speaks of what a first one named: "Robin", "the locked box"."""
    if slot == "other":
        return filling["companion"]
    article, _, noun = filling[slot].partition(" ")
    return f"the {noun}" if article in ("a", "an") else filling[slot]


def misspell(plot: str, uniform: float, words: Lexicon) -> str:
    """The plot with one of its words misspelt, where it has one that can be (nearly all have)."""
    tokens = plot.split(" ")
    places = [place for place, token in enumerate(tokens) if token in words.typos]
    if places:
        place = places[int(uniform * len(places))]
        tokens[place] = words.typos[tokens[place]]
    return " ".join(tokens)


def write_title(
    key: tuple[int, int, int], draws: list[float], filling: dict[str, str], words: Lexicon
) -> str:
    """A title as IMDb writes it, from (theme, series, era) and four uniform draws."""
    theme, series, era = key
    nouns, patterns = words.themes[theme], words.title_patterns
    noun = nouns[int(draws[0] * len(nouns))]
    pattern = patterns[int(draws[1] * len(patterns))]
    name = pattern.format_map(
        filling | {"noun": noun, "a_noun": with_article(noun).capitalize().replace(noun.lower(), noun)}
    )
    year = UNKNOWN_YEAR
    if era < len(words.eras):
        first, last = words.eras[era]
        year = str(first + int(draws[2] * (last - first + 1)))
    # Films of one name and year are told apart by a numeral; nothing else hangs on it.
    suffix = _SUFFIXES[int(draws[3] / _SUFFIX_RATE * len(_SUFFIXES))] if draws[3] < _SUFFIX_RATE else ""
    return f'"{name}" ({year}{suffix})' if series else f"{name} ({year}{suffix})"


def read_title(title: str, words: Lexicon) -> tuple[int, int, int]:
    """(theme, series, era) of a title, as ``write_title`` takes them.

    Raises:
        ValueError: it is not written as IMDb's are, or has a word of no theme.
    """
    match = _IMDB_TITLE.fullmatch(title)
    if match:
        name, year = f" {_plain(match['words'])} ", match["year"]
        themes = [
            number for number, nouns in enumerate(words.themes) if any(f" {noun} " in name for noun in nouns)
        ]
        eras = [
            number
            for number, (first, last) in enumerate(words.eras)
            if year.isdigit() and first <= int(year) <= last
        ]
        if year == UNKNOWN_YEAR:
            eras = [len(words.eras)]
        if len(themes) == len(eras) == 1:
            return themes[0], int(bool(match["quote"])), eras[0]
    raise ValueError(
        f"title: expected one written by etudes.samples.plots, found {title!r}; give films of film_plots"
    )


def _plain(title: str) -> str:
    return title.replace("'s ", " ")


def read_motif(sentence: str, words: Lexicon) -> int:
    """The number of the motif behind a sentence.

    Raises:
        ValueError: the sentence has none of the lexicon's signatures.
    """
    for triple in word_triples(sentence):
        if triple in words.signatures:
            return words.signatures[triple]
    raise ValueError(
        f"plot: expected sentences written by etudes.samples.plots, found {sentence!r}; give films of film_plots"
    )


def _tables(raw: dict[str, Any], genres: tuple[str, ...]) -> Tables:
    mixture = raw["mixture"]
    counts = np.array([raw["genres"][genre] for genre in genres], dtype=np.float64)
    in_quotes = np.array([raw["series"].get(genre, raw["series"]["default"]) for genre in genres])
    return Tables(
        prior=counts / counts.sum(),
        motif=_mixture(raw["motifs"], raw["genres"], genres, mixture["motifs"]),
        theme=_mixture(raw["themes"], raw["genres"], genres, mixture["themes"]),
        length=_rows(raw["length"], genres),
        era=_rows(raw["era_weights"], genres),
        series=np.column_stack([1 - in_quotes, in_quotes]),
    )


def _rows(weights: dict[str, list[float]], genres: tuple[str, ...]) -> FloatArray:
    table = np.array([weights.get(genre, weights["default"]) for genre in genres], dtype=np.float64)
    return table / table.sum(axis=1, keepdims=True)


def _mixture(
    entries: dict[str, Any], films: dict[str, int], genres: tuple[str, ...], share: dict[str, float]
) -> FloatArray:
    """p(entry | genre): neutral, stray and borrowed shares, and the rest by the genre's affinities, (genres, entries).

    The stray share keeps every probability above zero: no entry ever proves or rules out a genre. The borrowed share
    is what any film takes from the stock of all films, most of it drama, documentary and comedy.
    """
    is_neutral = np.array([bool(entry.get("neutral", False)) for entry in entries.values()])
    affinity = np.zeros((len(genres), len(entries)))
    for column, (name, entry) in enumerate(entries.items()):
        for genre, weight in entry.get("genres", {}).items():
            if genre not in genres:
                raise ValueError(
                    f"lexicon entry {name!r}: expected one of {genres}, found {genre!r}; mend its genres"
                )
            affinity[genres.index(genre), column] = weight
    own = affinity / affinity.sum(axis=1, keepdims=True)
    counts = np.array([films[genre] for genre in genres], dtype=np.float64)
    stock = counts / counts.sum() @ own
    evenly = share["neutral"] * is_neutral / is_neutral.sum() + share["stray"] / len(entries)
    table: FloatArray = evenly + share["borrowed"] * stock + (1 - sum(share.values())) * own
    return table


def _slots(raw: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    words = raw["slots"] | {"Adjective": raw["title"]["Adjective"], "hour": raw["title"]["hour"]}
    return {slot: tuple(values) for slot, values in words.items()}


def _signatures(motifs: tuple[Motif, ...]) -> dict[tuple[str, ...], int]:
    """The runs of three words (none from a slot) that one template alone contains, each with its motif."""
    found = [
        (triple, number, template)
        for number, motif in enumerate(motifs)
        for template in motif.opening + motif.following
        for triple in dict.fromkeys(word_triples(template))
        if not any("{" in word for word in triple)
    ]
    times = Counter(triple for triple, _, _ in found)
    own = [(triple, number, template) for triple, number, template in found if times[triple] == 1]
    signed = {template for _, _, template in own}
    for motif in motifs:
        for template in motif.opening + motif.following:
            if template not in signed:
                raise ValueError(
                    f"motif {motif.name!r}: expected three words in a row that no other template has, found none in "
                    f"{template!r}; reword it, or its motif cannot be told from the text"
                )
    return {triple: number for triple, number, _ in own}
