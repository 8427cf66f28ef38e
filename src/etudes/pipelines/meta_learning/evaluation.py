"""Every variant meets the same test tasks: scores, intervals, paired differences, and what the report shows of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from etudes.benches.characters import SHOTS, Drawings, draw_episodes
from etudes.evaluation.paired import mean_intervals, means_table
from etudes.examples import Examples
from etudes.pipelines.meta_learning.adaptation import Tasks
from etudes.pipelines.meta_learning.families import (
    DEV_SEED,
    LAST_STEP,
    as_they_are,
    character_tasks,
    sinusoid_tasks,
)
from etudes.pipelines.meta_learning.parameters import (
    CharacterParameters,
    EvaluationParameters,
    SinusoidParameters,
)
from etudes.pipelines.meta_learning.starts import Start, Starts
from etudes.pipelines.meta_learning.tasks import (
    SINUSOID_SHOTS,
    Sinusoids,
    draw_sinusoids,
    sinusoid,
)
from etudes.study import load_study

STEPS = (0, 1, 5, LAST_STEP)
MULTIPLES = (1.0, 2.0, 4.0)  # of a start's own step size, tried on dev tasks of more characters
TOGETHER = "characters, queries together"
METRICS = {
    **{("sinusoids", 10, step): f"mse_after_{step}" for step in STEPS},
    ("sinusoids", 5, LAST_STEP): "mse_5shot",
    ("characters", 1, LAST_STEP): "accuracy_1shot",
    ("characters", 5, LAST_STEP): "accuracy_5shot",
    (TOGETHER, 1, LAST_STEP): "transductive_1shot",
}
COMPARED = (("sinusoids", 10, 1), ("sinusoids", 10, 10), ("characters", 1, 10), ("characters", 5, 10))
KEYS = ["variant", "task", "shots", "step"]
GRID = 121  # places at which the report draws a sinusoid
Scores = dict[tuple[str, str, int], pd.DataFrame]


def one_shot(drawings: Drawings, table: np.ndarray, tasks: int, ways: int, queries: int, *seed: int) -> Tasks:
    """Fresh tasks of ``ways`` of the characters in ``table``, one drawing of each to learn from."""
    generator = np.random.default_rng(list(seed))
    episodes = draw_episodes(table, tasks, ways, SHOTS[0] + queries, generator)
    return character_tasks(as_they_are(drawings), episodes, SHOTS[0], queries)


def choose_rates(
    models: dict[str, Starts],
    dev_split: Examples,
    split_card: dict[str, Any],
    characters: CharacterParameters,
    evaluation: EvaluationParameters,
) -> dict[str, Any]:
    """The step size of each variant that does best on dev tasks of more characters than it was trained on.

    The rates tried are multiples of the start's own: a mean loss over more characters has smaller gradients for each.

    Returns:
        ``ways``, the characters in each of these tasks (0: there are none), ``rates`` by variant, and ``dev``, what was tried.
    """
    # The smallest test group, not this run's: the runs of a cross-validation score the same tasks.
    ways = min(evaluation.many_ways, split_card["dev_characters"], split_card["smallest_test_characters"])
    if ways <= characters.ways:
        return {"ways": 0, "rates": {}, "dev": {}}
    drawings = Drawings.of(dev_split, rotations=False)
    count = evaluation.many_ways_dev_tasks
    tasks = one_shot(drawings, drawings.table, count, ways, characters.queries, DEV_SEED, 3)
    tried: dict[str, list[dict[str, float]]] = {}
    for name, model in models.items():
        tried[name] = []
        for rate in (multiple * model.characters.rate for multiple in MULTIPLES):
            scores = model.characters.for_ways(ways, rate).scores(tasks, (LAST_STEP,))
            tried[name].append({"rate": rate, "accuracy": float(scores.mean())})
    best = {name: max(rows, key=lambda row: row["accuracy"])["rate"] for name, rows in tried.items()}
    return {"ways": ways, "rates": best, "dev": tried}


def evaluate(
    models: dict[str, Starts],
    test_split: Examples,
    many_ways_history: dict[str, Any],
    sinusoids: SinusoidParameters,
    characters: CharacterParameters,
    evaluation: EvaluationParameters,
) -> tuple[Any, ...]:
    """Adapt every variant to the same test tasks, which no other stage sees, and score the queries on the way.

    The tasks depend on the data and the evaluation's seed alone, so that all variants and seeds of a run share them.

    Returns:
        metrics (flat, with bootstrap intervals over tasks), predictions (one row per variant, task and step), the table
        of means by step, the accuracy inside each test alphabet, the table of paired differences, answers to a few
        sinusoids, and answers to a few episodes.
    """
    seed, queries, ways = evaluation.seed, characters.queries, many_ways_history["ways"]
    generator, examples = np.random.default_rng([seed, 0]), SINUSOID_SHOTS[-1] + sinusoids.queries
    points = draw_sinusoids(sinusoids, sinusoids.test_tasks, examples, generator)
    drawings = Drawings.of(test_split, rotations=False)
    generator, examples = np.random.default_rng([seed, 1]), SHOTS[-1] + queries
    episodes = draw_episodes(drawings.table, characters.test_tasks, characters.ways, examples, generator)
    few, many = (character_tasks(as_they_are(drawings), episodes, n, queries) for n in SHOTS)
    alphabets = test_split.rows["alphabet"].to_numpy()[drawings.table[:, 0]]
    tables = {name: drawings.table[alphabets == name] for name in sorted(set(alphabets))}
    inside = {
        name: one_shot(drawings, table, evaluation.alphabet_tasks, characters.ways, queries, seed, 2, number)
        for number, (name, table) in enumerate(tables.items())
        if len(table) >= characters.ways
    }
    if ways:
        more = one_shot(drawings, drawings.table, evaluation.many_ways_tasks, ways, queries, seed, 3)
    scores: Scores = {}
    by_alphabet: dict[tuple[str, ...], pd.DataFrame] = {}
    for name, model in models.items():
        own = model.characters
        for shots in SINUSOID_SHOTS:
            tasks = sinusoid_tasks(points, shots, sinusoids.queries)
            scores[name, "sinusoids", shots] = scored(model.sinusoids, tasks, range(LAST_STEP + 1))
        scores[name, "characters", SHOTS[0]] = scored(own, few)
        scores[name, TOGETHER, SHOTS[0]] = scored(own.transductive(), few)
        scores[name, "characters", SHOTS[1]] = scored(own, many)
        if ways:
            start = own.for_ways(ways, many_ways_history["rates"][name])
            scores[name, f"characters, {ways} ways", SHOTS[0]] = scored(start, more)
        by_alphabet |= {
            (name, alphabet): scored(own, tasks, STEPS[-1:]) for alphabet, tasks in inside.items()
        }
    means = means_table(scores, KEYS, evaluation.resamples)
    of_alphabets = means_table(by_alphabet, ["variant", "alphabet", "step"], evaluation.resamples)
    frames = {key: frame.stack() for key, frame in scores.items()}
    shown = Tasks(*(part[: evaluation.shown] for part in few))
    return (
        flat_metrics(means),
        pd.concat(frames, names=[*KEYS[:3], "number", "step"]).reset_index().rename(columns={0: "score"}),
        means,
        of_alphabets.drop(columns="step"),
        differences_table(scores, evaluation.resamples),
        shown_sinusoids(models, points, sinusoids, evaluation.shown),
        shown_episodes(models, drawings, shown, episodes.rows, queries),
    )


def scored(start: Start, tasks: Tasks, steps: Sequence[int] = STEPS) -> pd.DataFrame:
    """A row for each task, a column for each step after which its queries are scored."""
    return pd.DataFrame(start.scores(tasks, steps), columns=list(steps))


def flat_metrics(means: pd.DataFrame) -> dict[str, float]:
    """``variant.metric`` of all scores that have a name, with ``.low`` and ``.high``."""
    metrics: dict[str, float] = {}
    for row in means.to_dict("records"):
        name = METRICS.get((row["task"], row["shots"], row["step"]))
        if row["task"].endswith(" ways") and row["step"] == LAST_STEP:
            name = "many_ways_1shot"
        if name:
            key = f"{row['variant']}.{name}"
            metrics |= {key: row["value"], f"{key}.low": row["low"], f"{key}.high": row["high"]}
    return metrics


def differences_table(scores: Scores, resamples: int) -> pd.DataFrame:
    """Each variant minus the baseline, and MAML minus its two cheaper forms, task by task, with intervals of the mean."""
    baseline = load_study("meta_learning").baseline
    variants = list(dict.fromkeys(variant for variant, _, _ in scores))
    pairs = [(variant, baseline) for variant in variants if variant != baseline and baseline in variants]
    pairs += [("maml", name) for name in ("maml_first_order", "anil") if {"maml", name} <= set(variants)]
    rows = []
    for first, second in pairs:
        for task, shots, step in COMPARED:
            gaps = scores[first, task, shots][[step]] - scores[second, task, shots][[step]]
            rows.append([first, second, task, shots, step, *mean_intervals(gaps, resamples).loc[step]])
    return pd.DataFrame(rows, columns=["first", "second", *KEYS[1:], "difference", "low", "high"])


def shown_sinusoids(
    models: Mapping[str, Starts], points: Sinusoids, parameters: SinusoidParameters, count: int
) -> pd.DataFrame:
    """The first test tasks, drawn: columns ``variant``, ``number``, ``series``, ``x``, ``y``.

    ``series`` is ``support`` and ``truth`` (of no variant), or the number of steps.
    """
    amplitude, phase, x, y = (part[:count] for part in points)
    grid = np.linspace(*parameters.range, GRID, dtype=np.float32)[None, :, None].repeat(len(x), 0)
    truth = sinusoid(amplitude, phase, grid)
    x, y = (np.ascontiguousarray(part[:, : SINUSOID_SHOTS[-1]]) for part in (x, y))
    series = [("", "support", x, y), ("", "truth", grid, truth)]
    tasks = Tasks(*map(torch.from_numpy, (x, y, grid, truth)))
    steps = (0, 1, LAST_STEP)
    for name, model in models.items():
        answers = model.sinusoids.answers(tasks, steps)
        series += [(name, str(step), grid, answers[:, place]) for place, step in enumerate(steps)]
    tables = []
    for variant, label, places, values in series:
        numbers = np.repeat(np.arange(len(places)), places.shape[1])
        columns = {"variant": variant, "number": numbers, "series": label}
        tables.append(pd.DataFrame({**columns, "x": places.ravel(), "y": values.ravel()}))
    return pd.concat(tables, ignore_index=True)


def shown_episodes(
    models: Mapping[str, Starts], drawings: Drawings, tasks: Tasks, places: np.ndarray, queries: int
) -> Examples:
    """The one-shot ``tasks`` at ``places``, one query of each character: pictures, and what each variant says of them.

    ``rows``: ``number`` of the episode, ``role`` (support or query), ``truth`` and ``answer_<variant>`` (0..ways - 1,
    -1 for the support set).
    """
    count, ways = len(tasks.support_y), places.shape[1]
    chosen = np.concatenate([places[:count, :, 0], places[:count, :, -queries]], axis=1).ravel()
    rows = pd.DataFrame(
        {
            "id": [f"{number}/{place}" for number in range(count) for place in range(2 * ways)],
            "number": np.repeat(np.arange(count), 2 * ways),
            "role": np.tile(np.repeat(["support", "query"], ways), count),
            "truth": np.tile(np.arange(ways), 2 * count),
        }
    )
    for name, model in models.items():
        said = model.characters.answers(tasks, (LAST_STEP,))[:, 0].argmax(-1)[:, ::queries]
        rows[f"answer_{name}"] = np.concatenate([np.full_like(said, -1), said], axis=1).ravel()
    return Examples(rows, {"pixels": drawings.pixels[chosen]})
