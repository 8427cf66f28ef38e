"""The stages ingest, preprocess, train and evaluate. Pure functions: what goes in decides what comes out."""

from __future__ import annotations

import hashlib
import json
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from etudes.examples import Examples
from etudes.forms.raw import RawFolder
from etudes.pipelines.meta_learning.characters import check_counts, read_characters
from etudes.pipelines.meta_learning.parameters import (
    CharacterParameters,
    EvaluationParameters,
    MamlParameters,
    PretrainedParameters,
    RandomParameters,
    ReptileParameters,
    SinusoidParameters,
    SplitParameters,
)
from etudes.pipelines.meta_learning.scores import (
    Curve,
    alphabets_table,
    differences_table,
    flat_metrics,
    predictions_table,
    steps_table,
)
from etudes.pipelines.meta_learning.tasks import CHARACTER_SHOTS, SINUSOID_SHOTS
from etudes.study import load_study, selected
from etudes.training.parameters import RunParameters

if TYPE_CHECKING:
    from etudes.pipelines.meta_learning.starts import Starts

Trained = tuple[Any, dict[str, Any]]


def ingest(raw_characters: RawFolder, parameters: CharacterParameters) -> tuple[Examples, dict[str, Any]]:
    """Read and check all drawings, and say where they come from.

    Raises:
        ValueError: a drawing or archive that cannot be read, a name outside the layout, one picture under two
            characters, a character with too few drawings for a task.
    """
    drawings, repeated = read_characters(raw_characters, parameters.side)
    check_counts(drawings, CHARACTER_SHOTS[-1] + parameters.queries, raw_characters.name)
    characters = drawings.rows[["alphabet", "character"]].drop_duplicates()
    card = {
        "source": raw_characters.facts.get("source", "own data"),
        "embedded_sample": raw_characters.embedded_sample,
        "fingerprint": _fingerprint(drawings),
        "drawings": len(drawings),
        "repeated_drawings": repeated,
        "characters": len(characters),
        "alphabets": {name: int(n) for name, n in characters["alphabet"].value_counts().sort_index().items()},
    }
    return drawings, card


def split(
    drawings_images: Examples,
    parameters: SplitParameters,
    sinusoids: SinusoidParameters,
    characters: CharacterParameters,
    run: RunParameters,
) -> tuple[Examples, Examples, Examples, dict[str, Any]]:
    """Cut by whole alphabets, so that no character of dev or test resembles one that was trained on by its script.

    Which group of test alphabets is held out depends on the run's seed; the other groups are trained on. Sinusoids need
    no split: every task is fresh.

    Raises:
        ValueError: an alphabet that there is not, or a part with fewer characters than a task needs.
    """
    alphabet = drawings_images.rows["alphabet"]
    there = sorted(alphabet.unique())
    groups = parameters.test
    unknown = sorted({*parameters.dev, *(name for group in groups for name in group)} - set(there))
    if unknown:
        raise ValueError(
            f"meta_learning.split: no alphabet {', '.join(unknown)}; expected some of {', '.join(there)}"
        )
    group = parameters.group(run.seed)
    masks = {"dev": alphabet.isin(parameters.dev), "test": alphabet.isin(groups[group])}
    masks = {"train": ~(masks["dev"] | masks["test"]), **masks}
    parts = {name: drawings_images.take(mask.to_numpy()) for name, mask in masks.items()}
    card: dict[str, Any] = {"test_group": group + 1, "test_groups": len(groups)}
    for name, part in parts.items():
        card[f"{name}_alphabets"] = sorted(set(part.rows["alphabet"]))
        card[f"{name}_characters"] = _enough_characters(name, part.rows, characters.ways)
        card[f"{name}_rows"] = len(part)
    # All groups, so that the run of another seed does not end where this one's training is done.
    card["smallest_test_characters"] = min(
        _enough_characters(
            f"test group {number}", drawings_images.rows[alphabet.isin(names)], characters.ways
        )
        for number, names in enumerate(groups, 1)
    )
    card["training_classes"] = card["train_characters"] * (4 if characters.rotations else 1)
    card["train_fingerprint"] = _fingerprint(parts["train"])
    settings = [sinusoids.model_dump(mode="json"), characters.model_dump(mode="json")]
    card["dev_fingerprint"] = hashlib.sha256(
        (_fingerprint(parts["dev"]) + json.dumps(settings, sort_keys=True)).encode()
    ).hexdigest()[:32]
    return parts["train"], parts["dev"], parts["test"], card


def _enough_characters(part: str, rows: pd.DataFrame, ways: int) -> int:
    """How many characters a part holds, at least as many as a task needs."""
    count = len(rows[["alphabet", "character"]].drop_duplicates())
    if count < ways:
        raise ValueError(
            f"{part} has {count} characters in the alphabets {', '.join(sorted(set(rows['alphabet']))) or 'none'}; a task "
            f"needs {ways}. Give it more alphabets in meta_learning.split, or lower meta_learning.characters.ways"
        )
    return count


def _fingerprint(drawings: Examples) -> str:
    digest = hashlib.sha256("\n".join(drawings.rows["id"]).encode())
    digest.update(np.ascontiguousarray(drawings["pixels"]).tobytes())
    return digest.hexdigest()[:32]


def train_random(
    train_split: Examples,
    dev_split: Examples,
    sinusoids: SinusoidParameters,
    characters: CharacterParameters,
    parameters: RandomParameters,
    run: RunParameters,
) -> Trained:
    """The weights that all other variants begin with, and the step size that suits them best."""
    from etudes.pipelines.meta_learning.learning import learn_random, train_starts

    return train_starts(learn_random, train_split, dev_split, sinusoids, characters, parameters, run)


def train_pretrained(
    train_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    sinusoids: SinusoidParameters,
    characters: CharacterParameters,
    parameters: PretrainedParameters,
    run: RunParameters,
) -> Trained:
    """One network for all training tasks at once."""
    from etudes.pipelines.meta_learning.learning import learn_pretrained, train_starts

    key = _key(split_card, "pretrained", sinusoids, characters)
    learn = partial(learn_pretrained, run=run, fingerprint=key)
    return train_starts(learn, train_split, dev_split, sinusoids, characters, parameters, run)


def train_reptile(
    train_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    sinusoids: SinusoidParameters,
    characters: CharacterParameters,
    parameters: ReptileParameters,
    run: RunParameters,
) -> Trained:
    """Reptile."""
    from etudes.pipelines.meta_learning.learning import learn_reptile, train_starts

    key = _key(split_card, "reptile", sinusoids, characters)
    learn = partial(learn_reptile, run=run, fingerprint=key)
    return train_starts(learn, train_split, dev_split, sinusoids, characters, parameters, run)


def train_maml_first_order(
    train_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    sinusoids: SinusoidParameters,
    characters: CharacterParameters,
    parameters: MamlParameters,
    run: RunParameters,
) -> Trained:
    """MAML without second derivatives."""
    from etudes.pipelines.meta_learning.learning import learn_maml, train_starts

    key = _key(split_card, "maml_first_order", sinusoids, characters)
    learn = partial(learn_maml, run=run, fingerprint=key, first_order=True)
    return train_starts(learn, train_split, dev_split, sinusoids, characters, parameters, run)


def train_anil(
    train_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    sinusoids: SinusoidParameters,
    characters: CharacterParameters,
    parameters: MamlParameters,
    run: RunParameters,
) -> Trained:
    """ANIL: MAML whose tasks change the output layer alone."""
    from etudes.pipelines.meta_learning.learning import learn_maml, train_starts
    from etudes.pipelines.meta_learning.networks import OUTPUT

    key = _key(split_card, "anil", sinusoids, characters)
    learn = partial(learn_maml, run=run, fingerprint=key, first_order=False)
    return train_starts(learn, train_split, dev_split, sinusoids, characters, parameters, run, OUTPUT)


def train_maml(
    train_split: Examples,
    dev_split: Examples,
    split_card: dict[str, Any],
    sinusoids: SinusoidParameters,
    characters: CharacterParameters,
    parameters: MamlParameters,
    run: RunParameters,
) -> Trained:
    """MAML."""
    from etudes.pipelines.meta_learning.learning import learn_maml, train_starts

    key = _key(split_card, "maml", sinusoids, characters)
    learn = partial(learn_maml, run=run, fingerprint=key, first_order=False)
    return train_starts(learn, train_split, dev_split, sinusoids, characters, parameters, run)


def _key(
    split_card: dict[str, Any], variant: str, *parameters: SinusoidParameters | CharacterParameters
) -> str:
    """What a training depends on besides its own settings."""
    parts = [variant, split_card["train_fingerprint"], split_card["dev_fingerprint"]]
    return json.dumps([*parts, *(part.model_dump(mode="json") for part in parameters)], sort_keys=True)


def choose_rates(
    dev_split: Examples,
    split_card: dict[str, Any],
    characters: CharacterParameters,
    parameters: EvaluationParameters,
    **models: Any,
) -> dict[str, Any]:
    """The step size of each variant that does best on dev tasks of more characters than it was trained on.

    Returns:
        ``ways``, the characters in each of these tasks (0: there are none), ``rates`` by variant, and ``dev``, what was tried.
    """
    from etudes.pipelines.meta_learning.evaluation import many_ways_rates

    # The smallest test group, not this run's: the runs of a cross-validation score the same tasks.
    ways = min(parameters.many_ways, split_card["dev_characters"], split_card["smallest_test_characters"])
    if ways <= characters.ways:
        return {"ways": 0, "rates": {}, "dev": {}}
    tried = {
        name: many_ways_rates(model.characters, dev_split, characters, ways, parameters.many_ways_dev_tasks)
        for name, model in selected(models).items()
    }
    best = {name: max(rows, key=lambda row: row["accuracy"])["rate"] for name, rows in tried.items()}
    return {"ways": ways, "rates": best, "dev": tried}


def evaluate(
    test_split: Examples,
    many_ways_history: dict[str, Any],
    sinusoids: SinusoidParameters,
    characters: CharacterParameters,
    parameters: EvaluationParameters,
    **models: Any,
) -> tuple[
    dict[str, float],
    pd.DataFrame,
    pd.DataFrame,
    pd.DataFrame,
    pd.DataFrame,
    pd.DataFrame,
    Examples,
    dict[str, Any],
]:
    """Adapt every variant to the same test tasks, which no other stage sees, and score the queries on the way.

    Returns:
        metrics (flat, with bootstrap intervals over tasks), predictions (one row per variant, task and step), the table
        of means by step, the accuracy inside each test alphabet, the table of paired differences, answers to a few
        sinusoids, answers to a few episodes, and what adapting costs.
    """
    from etudes.pipelines.meta_learning.evaluation import (
        alphabet_curves,
        curves_of,
        draw_alphabet_tasks,
        draw_many_ways_tasks,
        draw_test_tasks,
        many_ways_curve,
    )
    from etudes.pipelines.meta_learning.shown import shown_episodes, shown_sinusoids

    points, drawings, episodes = draw_test_tasks(test_split, sinusoids, characters, parameters.seed)
    inside = draw_alphabet_tasks(test_split, drawings, characters, parameters.alphabet_tasks, parameters.seed)
    ways = many_ways_history["ways"]
    many = (
        draw_many_ways_tasks(drawings, characters, ways, parameters.many_ways_tasks, parameters.seed)
        if ways
        else None
    )
    curves: list[Curve] = []
    inside_curves: list[Curve] = []
    costs: dict[str, Any] = {}
    starts: dict[str, Starts] = selected(models)
    for name, model in starts.items():
        started = time.perf_counter()
        curves += curves_of(name, model, points, drawings, episodes)
        seconds = time.perf_counter() - started
        tasks = len(SINUSOID_SHOTS) * len(points.x) + len(CHARACTER_SHOTS) * len(episodes.rows)
        costs[name] = {"inference_seconds": round(seconds, 3), "tasks_per_second": round(tasks / seconds, 1)}
        if many is not None:
            curves.append(
                many_ways_curve(name, model.characters, drawings, many, many_ways_history["rates"][name])
            )
        inside_curves += alphabet_curves(name, model, drawings, inside)
    table = steps_table(curves, parameters.resamples)
    differences = differences_table(curves, load_study("meta_learning").baseline, parameters.resamples)
    shown = shown_sinusoids(starts, points.take(slice(parameters.shown)), sinusoids)
    samples = shown_episodes(starts, test_split, drawings, episodes, characters, parameters.shown)
    alphabets = alphabets_table(inside_curves, parameters.resamples)
    return (
        flat_metrics(table),
        predictions_table(curves),
        table,
        alphabets,
        differences,
        shown,
        samples,
        costs,
    )
