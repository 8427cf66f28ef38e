"""Answers to the first test tasks, which the report shows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from etudes.examples import Examples
from etudes.pipelines.meta_learning.adaptation import Tasks
from etudes.pipelines.meta_learning.families import as_they_are, character_tasks, intensities
from etudes.pipelines.meta_learning.parameters import CharacterParameters, SinusoidParameters
from etudes.pipelines.meta_learning.scores import STEPS
from etudes.pipelines.meta_learning.starts import Starts
from etudes.pipelines.meta_learning.tasks import (
    CHARACTER_SHOTS,
    SINUSOID_SHOTS,
    Drawings,
    Episodes,
    Sinusoids,
    labels_of,
    sinusoid,
)

GRID = 121  # places at which the report draws a sinusoid
SHOWN_STEPS = (0, 1, 10)
SHOWN_QUERIES = 2  # query drawings of a character that the report shows


def shown_sinusoids(
    starts: dict[str, Starts], points: Sinusoids, parameters: SinusoidParameters
) -> pd.DataFrame:
    """The first test tasks, drawn: columns ``variant``, ``number``, ``series``, ``x``, ``y``.

    ``series`` is ``support`` and ``truth`` (of no variant), or the number of steps.
    """
    shots = SINUSOID_SHOTS[-1]
    count = len(points.x)
    grid = np.linspace(*parameters.range, GRID, dtype=np.float32)[None, :, None].repeat(count, 0)
    truth = sinusoid(points.amplitude, points.phase, grid)
    support = points.x[:, :shots], points.y[:, :shots]
    series = [("", "support", *support), ("", "truth", grid, truth)]
    tasks = Tasks(*(torch.from_numpy(np.ascontiguousarray(part)) for part in (*support, grid, truth)))
    for name, model in starts.items():
        answers = model.sinusoids.answers(tasks, SHOWN_STEPS)
        series += [(name, str(step), grid, answers[:, i]) for i, step in enumerate(SHOWN_STEPS)]
    tables = [
        pd.DataFrame(
            {
                "variant": variant,
                "number": np.repeat(np.arange(count), x.shape[1]),
                "series": label,
                "x": x.ravel(),
                "y": y.ravel(),
            }
        )
        for variant, label, x, y in series
    ]
    return pd.concat(tables, ignore_index=True)


def shown_episodes(
    starts: dict[str, Starts],
    test: Examples,
    drawings: Drawings,
    episodes: Episodes,
    parameters: CharacterParameters,
    count: int,
) -> Examples:
    """The first test episodes with one drawing of each character: pictures, and what each variant says of the queries.

    ``rows``: ``number`` of the episode, ``role`` (support or query), ``truth`` and ``answer_<variant>`` (0..ways - 1,
    -1 for the support set).
    """
    shots, ways = CHARACTER_SHOTS[0], parameters.ways
    first = Episodes(episodes.rows[:count], episodes.characters[:count])
    count = len(first.rows)
    queries = min(SHOWN_QUERIES, parameters.queries)
    support, _ = first.split(shots, parameters.queries)
    asked = first.rows[:, :, -parameters.queries :][:, :, :queries].transpose(0, 2, 1).reshape(count, -1)
    places = np.concatenate([support, asked], axis=1)
    truth = np.concatenate([labels_of(ways, shots), np.tile(np.arange(ways), queries)])
    rows = pd.DataFrame(
        {
            "number": np.repeat(np.arange(count), places.shape[1]),
            "role": np.tile(["support"] * (ways * shots) + ["query"] * (ways * queries), count),
            "truth": np.tile(truth, count),
            "character": test.rows["id"].to_numpy()[places.ravel()],
        }
    )
    rows.insert(0, "id", [f"{n}/{i}" for n in range(count) for i in range(places.shape[1])])
    tasks = character_tasks(
        as_they_are(intensities(drawings, torch.device("cpu"))), first, shots, parameters.queries
    )
    for name, model in starts.items():
        logits = model.characters.answers(tasks, (STEPS[-1],))[:, 0]
        said = logits.argmax(-1).reshape(count, ways, parameters.queries)[:, :, :queries]
        said = said.transpose(0, 2, 1).reshape(count, -1)
        none = np.full((count, ways * shots), -1)
        rows[f"answer_{name}"] = np.concatenate([none, said], axis=1).ravel()
    return Examples(rows, {"pixels": drawings.pixels[places.ravel()]})
