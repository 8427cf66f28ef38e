"""The embedded sample of film plots in the form of the public files, so that one parser serves both."""

from __future__ import annotations

import pandas as pd

from etudes.forms.raw import RawFile
from etudes.samples.plots import bayes_ceiling, train_and_test

PARTS = ("train", "test")
MIN_TRAINING_FILMS = 3


def raw_file(part: str, n_train: int, n_test: int, seed: int) -> RawFile:
    """``ID ::: TITLE ::: GENRE ::: PLOT`` lines of the training or the test part.

    The test part carries the ceiling: the accuracy and macro-F1 that the Bayes classifier of the generating process
    reaches on these very films, and its expected accuracy on them. Genres with fewer than three training films are
    left out of both parts.

    Raises:
        ValueError: an unknown part, or sizes below one.
    """
    if part not in PARTS:
        raise ValueError(f"part = '{part}', expected one of {', '.join(PARTS)}")
    train, test = train_and_test(n_train, n_test, seed)
    counts = train["genre"].value_counts()
    kept = set(counts.index[counts >= MIN_TRAINING_FILMS])  # small samples miss the rare genres
    train, test = train[train["genre"].isin(kept)], test[test["genre"].isin(kept)]
    frame = train if part == "train" else test
    facts: dict[str, object] = {"embedded_sample": True, "source": "embedded sample"}
    if part == "test":
        facts["ceiling"] = bayes_ceiling(test)
    name = f"embedded sample of {n_train + n_test} film plots (seed {seed}), {part}"
    return RawFile(name, _lines(frame).encode(), facts)


def _lines(frame: pd.DataFrame) -> str:
    columns = zip(frame["id"], frame["title"], frame["genre"], frame["plot"], strict=True)
    return "".join(f"{i} ::: {title} ::: {genre} ::: {plot}\n" for i, title, genre, plot in columns)
