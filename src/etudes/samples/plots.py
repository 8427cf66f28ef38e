"""An embedded sample of film plots in 27 IMDb genres that knows its own ceiling.

It stands in for the public "Genre Classification Dataset IMDb" where that is not at hand, with the same imbalance
and the same kind of difficulty, and it is drawn from a known process, so that the best accuracy that any classifier
can reach is computed and not guessed.

The process: a film draws its genre g from the shares of the public training set; given g it draws, independently of
one another, its number of sentences, each sentence's motif, the theme of its title, whether the title is a series'
(in quotes) and its era. All else (templates, names, places, objects, the year within the era, typos) is drawn without
regard to g. The text shows every one of these features, hence by Bayes' rule

    p(g | text)  is proportional to  p(g) p(length | g) p(theme | g) p(series | g) p(era | g) prod_i p(motif_i | g).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.samples.plots_lexicon import (
    MIN_SENTENCES,
    SENTENCE_END,
    FloatArray,
    fill_slots,
    lexicon,
    misspell,
    read_motif,
    read_title,
    write_plot,
    write_title,
)

GENRES: tuple[str, ...] = lexicon().genres
"""The 27 genres, alphabetical: the order of the columns of every posterior."""

_IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Features:
    """What of each film depends on its genre: all that a text can tell of it.

    Attributes:
        motif_counts: how many of the film's sentences have each motif, (n, motifs)
        theme: the theme of the title, (n,)
        series: 1 where the title is in quotes, (n,)
        era: the era of the year, the last for an unknown year, (n,)
    """

    motif_counts: _IntArray
    theme: _IntArray
    series: _IntArray
    era: _IntArray

    @property
    def length(self) -> _IntArray:
        """Column of the length table: the number of sentences less the smallest, (n,)."""
        return self.motif_counts.sum(axis=1) - MIN_SENTENCES


@dataclass(frozen=True)
class PlotSample:
    """Films as a classifier sees them, beside the features they were drawn with."""

    frame: pd.DataFrame
    features: Features


def film_plots(n: int, seed: int, typo_rate: float = 0.15) -> pd.DataFrame:
    """Draw ``n`` films.

    Args:
        n: number of films, 1 or more
        seed: decides every draw; the same seed gives the same films in every process (of one numpy version)
        typo_rate: share of films whose plot has one misspelt word, 0 to 1

    Returns:
        ``id`` (int, from 1), ``title`` (as IMDb writes it: ``The Silent Harbour (1987)``), ``genre`` (one of
        ``GENRES``) and ``plot`` (two to five English sentences), (n, 4).

    Raises:
        ValueError: ``n`` or ``typo_rate`` is out of its range.
    """
    return draw_films(n, seed, typo_rate).frame


def draw_films(n: int, seed: int, typo_rate: float = 0.15) -> PlotSample:
    """As ``film_plots``, together with the features behind each film (for checks; a classifier has no use of them)."""
    _check_count("n", n)
    if not 0 <= typo_rate <= 1:
        raise ValueError(f"typo_rate: expected a share from 0 to 1, found {typo_rate}; give e.g. 0.15")
    rng = np.random.default_rng(seed)
    genre, motifs, features = _draw_features(n, rng)
    frame = pd.DataFrame(
        {
            "id": np.arange(1, n + 1),
            "title": "",
            "genre": np.array(GENRES, dtype=object)[genre],
            "plot": "",
        }
    )
    frame["title"], frame["plot"] = _write(motifs, features, typo_rate, rng)
    return PlotSample(frame, features)


def train_and_test(
    n_train: int, n_test: int, seed: int, n_leaked: int = 5, typo_rate: float = 0.15
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Draw a training set and a test set that share ``n_leaked`` films, for a de-duplication to find.

    Args:
        n_train: films for training
        n_test: films for testing, the leaked ones among them
        seed: decides every draw
        n_leaked: training films whose title, genre and plot stand in the test set too, under an id of its own
        typo_rate: share of films whose plot has one misspelt word, 0 to 1

    Returns:
        Two frames as of ``film_plots``, (n_train, 4) and (n_test, 4); no id is in both.

    Raises:
        ValueError: a count is out of its range.
    """
    _check_count("n_train", n_train)
    _check_count("n_test", n_test)
    if not 0 <= n_leaked <= min(n_train, n_test):
        raise ValueError(
            f"n_leaked: expected 0 to {min(n_train, n_test)} (the smaller of n_train and n_test), found {n_leaked}; "
            "leak fewer films or draw more"
        )
    films = film_plots(n_train + n_test, seed, typo_rate)
    train, test = films.iloc[:n_train].copy(), films.iloc[n_train:].reset_index(drop=True)
    rng = np.random.default_rng([seed, n_leaked])
    source = rng.choice(n_train, n_leaked, replace=False)
    target = rng.choice(n_test, n_leaked, replace=False)
    for column in ("title", "genre", "plot"):
        values = test[column].to_numpy(dtype=object, copy=True)
        values[target] = train[column].to_numpy(dtype=object)[source]
        test[column] = values
    return train, test.astype(train.dtypes.to_dict())


def read_features(frame: pd.DataFrame) -> Features:
    """Read the features back from the text: exact, since every template has three words in a row to itself.

    Args:
        frame: films of this module, with ``title`` and ``plot``; any rows in any order, (n, ...)

    Raises:
        ValueError: a column is missing, or a text was not written by this module.
    """
    missing = sorted({"title", "plot"} - set(frame.columns))
    if missing:
        raise ValueError(
            f"films: expected the columns 'title' and 'plot', found none called {missing}; rename them"
        )
    words = lexicon()
    titles = np.array([read_title(title, words) for title in frame["title"]], dtype=np.int64).reshape(-1, 3)
    counts = np.zeros((len(frame), len(words.motifs)), dtype=np.int64)
    right = {wrong: correct for correct, wrong in words.typos.items()}
    for row, plot in enumerate(frame["plot"]):
        corrected = " ".join(right.get(word, word) for word in plot.split(" "))
        for sentence in SENTENCE_END.split(corrected):
            counts[row, read_motif(sentence, words)] += 1
    features = Features(counts, titles[:, 0], titles[:, 1], titles[:, 2])
    longest = words.tables.length.shape[1] - 1
    if ((features.length < 0) | (features.length > longest)).any():
        raise ValueError(
            f"plot: expected {MIN_SENTENCES} to {MIN_SENTENCES + longest} sentences, found a plot cut short or joined; "
            "give films of film_plots as they are"
        )
    return features


def bayes_posterior(films: pd.DataFrame | Features) -> FloatArray:
    """The exact p(genre | title, plot) of films of this module: what the best possible classifier would say.

    Args:
        films: a frame with ``title`` and ``plot`` (a ``genre`` is not looked at), or features already at hand

    Returns:
        Probabilities, columns in the order of ``GENRES``, rows sum to one, (n, 27).

    Raises:
        ValueError: a column is missing, or a text was not written by this module.
    """
    features = films if isinstance(films, Features) else read_features(films)
    tables = lexicon().tables
    log_joint = (
        np.log(tables.prior)
        + features.motif_counts @ np.log(tables.motif).T
        + np.log(tables.length).T[features.length]
        + np.log(tables.theme).T[features.theme]
        + np.log(tables.series).T[features.series]
        + np.log(tables.era).T[features.era]
    )
    joint = np.exp(log_joint - log_joint.max(axis=1, keepdims=True))
    posterior: FloatArray = joint / joint.sum(axis=1, keepdims=True)
    return posterior


def bayes_ceiling(
    films: pd.DataFrame | None = None, n_draws: int = 50_000, seed: int = 0
) -> dict[str, float]:
    """The best scores that any classifier can expect, for given films or for the process at large.

    Args:
        films: films of this module with their ``genre``; without it ``n_draws`` films are drawn (no text is written)
        n_draws: films to draw where none are given
        seed: decides that draw

    Returns:
        ``accuracy``: mean over the films of the largest posterior probability, the expected accuracy of the Bayes
        classifier; ``realised_accuracy``: the share of the films it gets right; each with its standard error
        ``..._se`` over films; ``realised_macro_f1``: mean over the genres that occur of its F1 (it maximises
        accuracy: another rule may have a better macro-F1); ``cross_entropy``: mean of -ln p(true genre | text), nats,
        the smallest attainable; ``majority_accuracy``: the share of the commonest genre; ``n``: films.

    Raises:
        ValueError: no films, an unknown genre, or a text that was not written by this module.
    """
    if films is None:
        _check_count("n_draws", n_draws)
        genre, _, features = _draw_features(n_draws, np.random.default_rng(seed))
    else:
        genre, features = _genre_numbers(films), read_features(films)
    posterior = bayes_posterior(features)
    top, guess = posterior.max(axis=1), posterior.argmax(axis=1)
    right = (guess == genre).astype(np.float64)
    n = len(genre)
    return {
        "n": float(n),
        "accuracy": float(top.mean()),
        "accuracy_se": float(top.std() / np.sqrt(n)),
        "realised_accuracy": float(right.mean()),
        "realised_accuracy_se": float(right.std() / np.sqrt(n)),
        "realised_macro_f1": _macro_f1(genre, guess),
        "cross_entropy": float(-np.log(posterior[np.arange(n), genre]).mean()),
        "majority_accuracy": float(np.bincount(genre).max() / n),
    }


def _draw_features(n: int, rng: np.random.Generator) -> tuple[_IntArray, _IntArray, Features]:
    """Genres (n,), the motif of each sentence in order (n, most sentences; -1 past the end), and the features."""
    tables = lexicon().tables
    genre = rng.choice(len(tables.prior), size=n, p=tables.prior)
    length = MIN_SENTENCES + _draw_rows(tables.length[genre], rng)
    most = MIN_SENTENCES + tables.length.shape[1] - 1
    motifs = np.column_stack([_draw_rows(tables.motif[genre], rng) for _ in range(most)])
    motifs[np.arange(most) >= length[:, None]] = -1
    counts = np.zeros((n, tables.motif.shape[1]), dtype=np.int64)
    row, place = np.nonzero(motifs >= 0)
    np.add.at(counts, (row, motifs[row, place]), 1)
    theme, series, era = (
        _draw_rows(table[genre], rng) for table in (tables.theme, tables.series, tables.era)
    )
    return genre, motifs, Features(counts, theme, series, era)


def _draw_rows(probabilities: FloatArray, rng: np.random.Generator) -> _IntArray:
    """One column number for each row, drawn with the row's probabilities."""
    edges = probabilities.cumsum(axis=1)
    drawn = (rng.random((len(edges), 1)) * edges[:, -1:] >= edges).sum(axis=1)
    return np.minimum(drawn, edges.shape[1] - 1).astype(np.int64)


def _write(
    motifs: _IntArray, features: Features, typo_rate: float, rng: np.random.Generator
) -> tuple[list[str], list[str]]:
    """Titles and plots. Nothing drawn here knows the genre."""
    words, n = lexicon(), len(motifs)
    slots = {slot: rng.integers(len(values), size=n).tolist() for slot, values in words.slots.items()}
    pick = rng.random((n, motifs.shape[1])).tolist()
    is_female, misspelt = (rng.random(n) < 0.5).tolist(), (rng.random(n) < typo_rate).tolist()
    where = rng.random(n).tolist()
    title_draws = rng.random((n, 4)).tolist()
    titles, plots = [], []
    for row, sentences in enumerate(motifs.tolist()):
        filling = fill_slots(
            {slot: words.slots[slot][drawn[row]] for slot, drawn in slots.items()}, is_female[row]
        )
        plot = write_plot([motif for motif in sentences if motif >= 0], pick[row], filling, words)
        plots.append(misspell(plot, where[row], words) if misspelt[row] else plot)
        key = (int(features.theme[row]), int(features.series[row]), int(features.era[row]))
        titles.append(write_title(key, title_draws[row], filling, words))
    return titles, plots


def _genre_numbers(films: pd.DataFrame) -> _IntArray:
    if "genre" not in films.columns or films.empty:
        raise ValueError(
            f"films: expected rows with a 'genre', found {len(films)} rows of {list(films.columns)}; draw some"
        )
    unknown = sorted(set(films["genre"]) - set(GENRES))
    if unknown:
        raise ValueError(f"genre: expected one of {GENRES}, found {unknown}; map the labels first")
    number = {genre: place for place, genre in enumerate(GENRES)}
    return np.array([number[genre] for genre in films["genre"]], dtype=np.int64)


def _macro_f1(truth: _IntArray, guess: _IntArray) -> float:
    """Mean F1 over the genres that occur in the truth."""
    hits = np.bincount(truth[truth == guess], minlength=len(GENRES))
    total = np.bincount(truth, minlength=len(GENRES)) + np.bincount(guess, minlength=len(GENRES))
    there = np.unique(truth)
    return float((2 * hits[there] / total[there]).mean())


def _check_count(name: str, count: int) -> None:
    if count < 1:
        raise ValueError(f"{name}: expected 1 or more, found {count}; draw at least one film")
