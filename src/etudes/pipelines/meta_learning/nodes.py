"""The stages ingest, preprocess, train and evaluate. Pure functions: what goes in decides what comes out."""

from __future__ import annotations

import hashlib
import json
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from etudes.datasets import RawFolder
from etudes.examples import Examples
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
    STEPS,
    Curve,
    differences_table,
    flat_metrics,
    predictions_table,
    steps_table,
)
from etudes.pipelines.meta_learning.tasks import (
    CHARACTER_SHOTS,
    SINUSOID_SHOTS,
    Drawings,
    Sinusoids,
    draw_episodes,
    draw_sinusoids,
    labels_of,
    sinusoid,
)
from etudes.study import load_study, selected
from etudes.training.parameters import RunParameters

if TYPE_CHECKING:
    from etudes.pipelines.meta_learning.learning import Learned
    from etudes.pipelines.meta_learning.starts import Starts

Trained = tuple[Any, dict[str, Any]]
GRID = 121  # places at which the report draws a sinusoid
SHOWN_STEPS = (0, 1, 10)
SHOWN_QUERIES = 2  # query drawings of a character that the report shows


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
) -> tuple[Examples, Examples, Examples, dict[str, Any]]:
    """Cut by whole alphabets, so that no character of dev or test resembles one that was trained on by its script.

    Sinusoids need no split: every task is fresh.

    Raises:
        ValueError: an alphabet that there is not, or a part with fewer characters than a task needs.
    """
    alphabet = drawings_images.rows["alphabet"]
    there = sorted(alphabet.unique())
    unknown = sorted({*parameters.dev, *parameters.test} - set(there))
    if unknown:
        raise ValueError(
            f"meta_learning.split: no alphabet {', '.join(unknown)}; expected some of {', '.join(there)}"
        )
    masks = {"dev": alphabet.isin(parameters.dev), "test": alphabet.isin(parameters.test)}
    masks = {"train": ~(masks["dev"] | masks["test"]), **masks}
    parts = {name: drawings_images.take(mask.to_numpy()) for name, mask in masks.items()}
    card: dict[str, Any] = {}
    for name, part in parts.items():
        names = part.rows[["alphabet", "character"]].drop_duplicates()
        if len(names) < characters.ways:
            raise ValueError(
                f"{name} has {len(names)} characters in the alphabets {', '.join(sorted(set(names['alphabet']))) or 'none'}; "
                f"a task needs {characters.ways}. Give it more alphabets in meta_learning.split, or lower "
                "meta_learning.characters.ways"
            )
        card[f"{name}_alphabets"] = sorted(set(names["alphabet"]))
        card[f"{name}_characters"] = len(names)
        card[f"{name}_rows"] = len(part)
    card["training_classes"] = card["train_characters"] * (4 if characters.rotations else 1)
    card["train_fingerprint"] = _fingerprint(parts["train"])
    settings = [sinusoids.model_dump(mode="json"), characters.model_dump(mode="json")]
    card["dev_fingerprint"] = hashlib.sha256(
        (_fingerprint(parts["dev"]) + json.dumps(settings, sort_keys=True)).encode()
    ).hexdigest()[:32]
    return parts["train"], parts["dev"], parts["test"], card


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
    from etudes.pipelines.meta_learning.learning import learn_random

    families, weights = _families(sinusoids, characters, train_split, dev_split, run)
    learned = {
        name: learn_random(family, weights[name], getattr(parameters, name))
        for name, family in families.items()
    }
    return _starts(sinusoids, characters, learned)


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
    from etudes.pipelines.meta_learning.learning import learn_pretrained

    families, weights = _families(sinusoids, characters, train_split, dev_split, run)
    learned = {
        name: learn_pretrained(
            family,
            weights[name],
            getattr(parameters, name),
            run,
            _key(split_card, "pretrained", sinusoids, characters),
        )
        for name, family in families.items()
    }
    return _starts(sinusoids, characters, learned)


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
    from etudes.pipelines.meta_learning.learning import learn_reptile

    families, weights = _families(sinusoids, characters, train_split, dev_split, run)
    learned = {
        name: learn_reptile(
            family,
            weights[name],
            getattr(parameters, name),
            run,
            _key(split_card, "reptile", sinusoids, characters),
        )
        for name, family in families.items()
    }
    return _starts(sinusoids, characters, learned)


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
    return _train_maml(
        train_split, dev_split, split_card, sinusoids, characters, parameters, run, first_order=True
    )


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
    return _train_maml(
        train_split, dev_split, split_card, sinusoids, characters, parameters, run, first_order=False
    )


def _train_maml(
    train: Examples,
    dev: Examples,
    split_card: dict[str, Any],
    sinusoids: SinusoidParameters,
    characters: CharacterParameters,
    parameters: MamlParameters,
    run: RunParameters,
    first_order: bool,
) -> Trained:
    from etudes.pipelines.meta_learning.learning import learn_maml

    families, weights = _families(sinusoids, characters, train, dev, run)
    key = _key(split_card, f"maml {first_order}", sinusoids, characters)
    learned = {
        name: learn_maml(family, weights[name], getattr(parameters, name), run, key, first_order)
        for name, family in families.items()
    }
    return _starts(sinusoids, characters, learned)


def _families(
    sinusoids: SinusoidParameters,
    characters: CharacterParameters,
    train: Examples,
    dev: Examples,
    run: RunParameters,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both families of tasks, and the weights to begin with: the same in all variants of a seed."""
    from etudes.pipelines.meta_learning.families import CharacterFamily, SinusoidFamily
    from etudes.training.fit import resolve_device
    from etudes.training.seeds import derive_seed, seed_everything

    seed_everything(derive_seed(run.seed, "start"))
    device = resolve_device(run.device)
    families: dict[str, Any] = {
        "sinusoids": SinusoidFamily(sinusoids, device),
        "characters": CharacterFamily(characters, train, dev, device),
    }
    weights = {
        name: {key: value.to(device) for key, value in family.learner.initial().items()}
        for name, family in families.items()
    }
    return families, weights


def _key(
    split_card: dict[str, Any], variant: str, *parameters: SinusoidParameters | CharacterParameters
) -> str:
    """What a training depends on besides its own settings."""
    parts = [variant, split_card["train_fingerprint"], split_card["dev_fingerprint"]]
    return json.dumps([*parts, *(part.model_dump(mode="json") for part in parameters)], sort_keys=True)


def _starts(
    sinusoids: SinusoidParameters, characters: CharacterParameters, learned: dict[str, Learned]
) -> Trained:
    from etudes.pipelines.meta_learning.starts import Start, Starts

    starts = Starts(
        Start(sinusoids, learned["sinusoids"].weights, learned["sinusoids"].rate),
        Start(characters, learned["characters"].weights, learned["characters"].rate),
    )
    history = {
        "dev": {**learned["sinusoids"].dev, **learned["characters"].dev},
        "rates": {name: found.rate for name, found in learned.items()},
        "epochs": {name: found.rows for name, found in learned.items()},
    }
    return starts, history


def evaluate(
    test_split: Examples,
    sinusoids: SinusoidParameters,
    characters: CharacterParameters,
    parameters: EvaluationParameters,
    **models: Any,
) -> tuple[
    dict[str, float], pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame, Examples, dict[str, Any]
]:
    """Adapt every variant to the same test tasks, which no other stage sees, and score the queries on the way.

    Returns:
        metrics (flat, with bootstrap intervals over tasks), predictions (one row per variant, task and step), the table
        of means by step, the table of paired differences, answers to a few sinusoids, answers to a few episodes, and
        what adapting costs.
    """
    points, drawings, episodes = draw_test_tasks(test_split, sinusoids, characters, parameters.seed)
    curves: list[Curve] = []
    costs: dict[str, Any] = {}
    starts: dict[str, Starts] = selected(models)
    for name, model in starts.items():
        started = time.perf_counter()
        curves += _curves(name, model, points, drawings, episodes)
        seconds = time.perf_counter() - started
        tasks = len(SINUSOID_SHOTS) * len(points.x) + len(CHARACTER_SHOTS) * len(episodes.rows)
        costs[name] = {"inference_seconds": round(seconds, 3), "tasks_per_second": round(tasks / seconds, 1)}
    table = steps_table(curves, parameters.resamples)
    differences = differences_table(curves, load_study("meta_learning").baseline, parameters.resamples)
    shown = _shown_sinusoids(starts, points.take(slice(parameters.shown)), sinusoids)
    samples = _shown_episodes(starts, test_split, drawings, episodes, characters, parameters.shown)
    return flat_metrics(table), predictions_table(curves), table, differences, shown, samples, costs


def draw_test_tasks(
    test: Examples, sinusoids: SinusoidParameters, characters: CharacterParameters, seed: int
) -> tuple[Sinusoids, Drawings, Any]:
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


def _curves(name: str, model: Any, points: Sinusoids, drawings: Drawings, episodes: Any) -> list[Curve]:
    import torch

    from etudes.pipelines.meta_learning.families import character_tasks, intensities, sinusoid_tasks

    curves = []
    for shots in SINUSOID_SHOTS:
        steps = tuple(range(STEPS[-1] + 1))
        queries = points.x.shape[1] - SINUSOID_SHOTS[-1]
        scores = model.sinusoids.scores(sinusoid_tasks(points, shots, queries), steps)
        curves.append(Curve(name, "sinusoids", shots, steps, scores))
    pictures = intensities(drawings, torch.device("cpu"))
    for shots in CHARACTER_SHOTS:
        queries = episodes.rows.shape[2] - CHARACTER_SHOTS[-1]
        scores = model.characters.scores(character_tasks(pictures, episodes, shots, queries), STEPS)
        curves.append(Curve(name, "characters", shots, STEPS, scores))
    return curves


def _shown_sinusoids(
    starts: dict[str, Starts], points: Sinusoids, parameters: SinusoidParameters
) -> pd.DataFrame:
    """The first test tasks, drawn: columns ``variant``, ``number``, ``series``, ``x``, ``y``.

    ``series`` is ``support`` and ``truth`` (of no variant), or the number of steps.
    """
    import torch

    from etudes.pipelines.meta_learning.adaptation import Tasks

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


def _shown_episodes(
    starts: dict[str, Starts],
    test: Examples,
    drawings: Drawings,
    episodes: Any,
    parameters: CharacterParameters,
    count: int,
) -> Examples:
    """The first test episodes with one drawing of each character: pictures, and what each variant says of the queries.

    ``rows``: ``number`` of the episode, ``role`` (support or query), ``truth`` and ``answer_<variant>`` (0..ways - 1,
    -1 for the support set).
    """
    import torch

    from etudes.pipelines.meta_learning.families import character_tasks, intensities

    shots, ways = CHARACTER_SHOTS[0], parameters.ways
    first = type(episodes)(episodes.rows[:count], episodes.characters[:count])
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
    tasks = character_tasks(intensities(drawings, torch.device("cpu")), first, shots, parameters.queries)
    for name, model in starts.items():
        logits = model.characters.answers(tasks, (STEPS[-1],))[:, 0]
        said = logits.argmax(-1).reshape(count, ways, parameters.queries)[:, :, :queries]
        said = said.transpose(0, 2, 1).reshape(count, -1)
        none = np.full((count, ways * shots), -1)
        rows[f"answer_{name}"] = np.concatenate([none, said], axis=1).ravel()
    return Examples(rows, {"pixels": drawings.pixels[places.ravel()]})
