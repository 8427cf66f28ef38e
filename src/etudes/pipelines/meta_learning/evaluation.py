"""The test tasks, and the scores of a variant's starts on them; step sizes for more characters, chosen on dev tasks."""

from __future__ import annotations

import numpy as np
import torch

from etudes.examples import Examples
from etudes.pipelines.meta_learning.adaptation import Tasks
from etudes.pipelines.meta_learning.families import (
    DEV_SEED,
    as_they_are,
    character_tasks,
    intensities,
    sinusoid_tasks,
)
from etudes.pipelines.meta_learning.parameters import CharacterParameters, SinusoidParameters
from etudes.pipelines.meta_learning.scores import STEPS, TRANSDUCTIVE, Curve, many_ways
from etudes.pipelines.meta_learning.starts import Start, Starts
from etudes.pipelines.meta_learning.tasks import (
    CHARACTER_SHOTS,
    SINUSOID_SHOTS,
    Drawings,
    Episodes,
    Sinusoids,
    draw_episodes,
    draw_sinusoids,
)

MULTIPLES = (1.0, 2.0, 4.0)  # of a start's own step size, tried on dev tasks of more characters


def draw_test_tasks(
    test: Examples, sinusoids: SinusoidParameters, characters: CharacterParameters, seed: int
) -> tuple[Sinusoids, Drawings, Episodes]:
    """The test tasks: they depend on the data and ``seed`` alone, so that all variants and seeds of a run share them."""
    points = draw_sinusoids(
        sinusoids,
        sinusoids.test_tasks,
        SINUSOID_SHOTS[-1] + sinusoids.queries,
        np.random.default_rng([seed, 0]),
    )
    drawings = Drawings.of(test, rotations=False)
    episodes = draw_episodes(
        drawings.table,
        characters.test_tasks,
        characters.ways,
        CHARACTER_SHOTS[-1] + characters.queries,
        np.random.default_rng([seed, 1]),
    )
    return points, drawings, episodes


def draw_alphabet_tasks(
    test: Examples, drawings: Drawings, characters: CharacterParameters, tasks: int, seed: int
) -> dict[str, Episodes]:
    """``tasks`` episodes inside each test alphabet that holds enough characters for one, by the alphabet's name."""
    alphabets = test.rows["alphabet"].to_numpy()[drawings.table[:, 0]]
    found = {}
    for number, name in enumerate(sorted(set(alphabets))):
        table = drawings.table[alphabets == name]
        if len(table) >= characters.ways:
            generator = np.random.default_rng([seed, 2, number])
            examples = CHARACTER_SHOTS[0] + characters.queries
            found[name] = draw_episodes(table, tasks, characters.ways, examples, generator)
    return found


def draw_many_ways_tasks(
    drawings: Drawings, characters: CharacterParameters, ways: int, tasks: int, seed: int
) -> Episodes:
    """``tasks`` episodes of ``ways`` characters, one drawing of each to learn from."""
    examples = CHARACTER_SHOTS[0] + characters.queries
    return draw_episodes(drawings.table, tasks, ways, examples, np.random.default_rng([seed, 3]))


def many_ways_tasks(drawings: Drawings, episodes: Episodes) -> Tasks:
    """The pictures of these episodes, one drawing of each character to learn from."""
    shots = CHARACTER_SHOTS[0]
    pictures = as_they_are(intensities(drawings, torch.device("cpu")))
    return character_tasks(pictures, episodes, shots, episodes.rows.shape[2] - shots)


def many_ways_rates(
    start: Start, dev: Examples, characters: CharacterParameters, ways: int, tasks: int
) -> list[dict[str, float]]:
    """Accuracy after the last step on dev tasks of ``ways`` characters: rows of ``rate`` and ``accuracy``.

    The rates are multiples of the start's own: a mean loss over more characters has smaller gradients for each.
    """
    drawings = Drawings.of(dev, rotations=False)
    drawn = many_ways_tasks(drawings, draw_many_ways_tasks(drawings, characters, ways, tasks, DEV_SEED))
    found = []
    for rate in (multiple * start.rate for multiple in MULTIPLES):
        scores = start.for_ways(ways, rate).scores(drawn, (STEPS[-1],))
        found.append({"rate": rate, "accuracy": float(scores.mean())})
    return found


def many_ways_curve(name: str, start: Start, drawings: Drawings, episodes: Episodes, rate: float) -> Curve:
    """Scores of a variant's start on tasks of more characters than it was trained on."""
    ways, shots = episodes.rows.shape[1], CHARACTER_SHOTS[0]
    scores = start.for_ways(ways, rate).scores(many_ways_tasks(drawings, episodes), STEPS)
    return Curve(name, many_ways(ways), shots, STEPS, scores)


def curves_of(
    name: str, model: Starts, points: Sinusoids, drawings: Drawings, episodes: Episodes
) -> list[Curve]:
    """Scores of a variant's starts on the test tasks of both families, for every number of shots.

    Starts that normalise by the support set are scored a second time on one drawing each, transductively, as in the papers.
    """
    curves = []
    for shots in SINUSOID_SHOTS:
        steps = tuple(range(STEPS[-1] + 1))
        queries = points.x.shape[1] - SINUSOID_SHOTS[-1]
        scores = model.sinusoids.scores(sinusoid_tasks(points, shots, queries), steps)
        curves.append(Curve(name, "sinusoids", shots, steps, scores))
    pictures = as_they_are(intensities(drawings, torch.device("cpu")))
    for shots in CHARACTER_SHOTS:
        queries = episodes.rows.shape[2] - CHARACTER_SHOTS[-1]
        tasks = character_tasks(pictures, episodes, shots, queries)
        curves.append(Curve(name, "characters", shots, STEPS, model.characters.scores(tasks, STEPS)))
        if shots == CHARACTER_SHOTS[0] and model.characters.normalises_by_support:
            scores = model.characters.transductive().scores(tasks, STEPS)
            curves.append(Curve(name, TRANSDUCTIVE, shots, STEPS, scores))
    return curves


def alphabet_curves(
    name: str, model: Starts, drawings: Drawings, episodes: dict[str, Episodes]
) -> list[Curve]:
    """Scores of a variant's start on the tasks inside each alphabet, from one drawing of each character."""
    pictures = as_they_are(intensities(drawings, torch.device("cpu")))
    curves = []
    for alphabet, of_alphabet in episodes.items():
        shots = CHARACTER_SHOTS[0]
        tasks = character_tasks(pictures, of_alphabet, shots, of_alphabet.rows.shape[2] - shots)
        curves.append(Curve(name, alphabet, shots, STEPS, model.characters.scores(tasks, STEPS)))
    return curves
