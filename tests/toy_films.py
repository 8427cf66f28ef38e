"""Films that a classifier of texts learns at once."""

from __future__ import annotations

import numpy as np
import pandas as pd

WORDS = (
    ("murder", "inspector", "alibi", "suspect", "corpse"),
    ("goal", "referee", "stadium", "striker", "league"),
    ("recipe", "oven", "kitchen", "pastry", "chef"),
)
FILLERS = ("the", "of", "a", "night", "city", "old", "friend", "returns", "story", "winter")


def toy_films(rows: int, seed: int, classes: int = 3) -> pd.DataFrame:
    """Labelled films of which each plot has words of its class alone."""
    generator = np.random.default_rng(seed)
    labels = np.arange(rows) % classes
    plots = []
    for label in labels:
        telling = generator.choice(WORDS[label], size=3)
        words = [*telling, *generator.choice(FILLERS, size=generator.integers(2, 9))]
        plots.append(" ".join(generator.permutation(words)) + ".")
    return pd.DataFrame(
        {
            "id": np.arange(1, rows + 1),
            "title": [f"Night {row}" for row in range(rows)],
            "year": pd.array(
                [None if row % 5 == 0 else 1950 + row % 70 for row in range(rows)], dtype="Int32"
            ),
            "series": labels % 2 == 1,
            "genre": [("crime", "sport", "food")[label] for label in labels],
            "plot": plots,
            "label": labels.astype(np.int64),
        }
    )
