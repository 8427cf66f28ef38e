"""Drawings of characters, ``<alphabet>/<character>/<drawing>.png``, and their split by whole alphabets."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from etudes.cards import data_card, fingerprint
from etudes.examples import Examples
from etudes.forms.raw import RawFolder
from etudes.pipelines.meta_learning.parameters import CharacterParameters, SinusoidParameters, SplitParameters
from etudes.pipelines.meta_learning.tasks import CHARACTER_SHOTS
from etudes.training.parameters import RunParameters

LEVELS = ("alphabet", "character", "drawing")


def ingest(raw_characters: RawFolder, characters: CharacterParameters) -> tuple[Examples, dict[str, Any]]:
    """Read and check all drawings, ink bright on dark, and say where they come from.

    Omniglot's two small sets share two alphabets: what is in both counts once, or an episode could ask which of two equal
    characters it is.

    Raises:
        ValueError: as `labelled_pictures`, or a character with too few drawings for a task.
    """
    from etudes.forms.labelled import labelled_pictures

    drawn, repeated = labelled_pictures(raw_characters, LEVELS, characters.side)
    drawings = Examples(drawn.rows, {"pixels": 255 - drawn["pixels"]})
    needed = CHARACTER_SHOTS[-1] + characters.queries
    counts = drawings.rows.groupby(["alphabet", "character"]).size()
    if len(short := counts[counts < needed]):
        raise ValueError(
            f"{raw_characters.name}: {'/'.join(short.index[0])} has {short.iloc[0]} drawings (and {len(short) - 1} further "
            f"characters have too few); a task needs {needed} of each: support and query together. Add drawings, leave "
            "the character out, or lower meta_learning.characters.queries"
        )
    alphabets = counts.groupby("alphabet").size().to_dict()
    facts = {"drawings": len(drawings), "repeated_drawings": repeated, "characters": len(counts)}
    return drawings, data_card([raw_characters], *contents(drawings), **facts, alphabets=alphabets)


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
    alphabet, groups = drawings_images.rows["alphabet"], parameters.test
    there = sorted(alphabet.unique())
    if unknown := sorted({*parameters.dev, *(name for group in groups for name in group)} - set(there)):
        raise ValueError(
            f"meta_learning.split: no alphabet {', '.join(unknown)}; expected some of {', '.join(there)}"
        )
    group = run.seed % len(groups)
    held_out = {"dev": alphabet.isin(parameters.dev), "test": alphabet.isin(groups[group])}
    masks = {"train": ~(held_out["dev"] | held_out["test"]), **held_out}
    parts = {name: drawings_images.take(mask.to_numpy()) for name, mask in masks.items()}
    card: dict[str, Any] = {"unit": "drawings", "test_group": group + 1, "test_groups": len(groups)}
    for name, part in parts.items():
        card[f"{name}_alphabets"] = sorted(set(part.rows["alphabet"]))
        card[f"{name}_characters"] = _characters(name, part.rows, characters.ways)
        card[f"{name}_rows"] = len(part)
    # All groups, so that the run of another seed does not end where this one's training is done.
    card["smallest_test_characters"] = min(
        _characters(f"test group {number}", drawings_images.rows[alphabet.isin(names)], characters.ways)
        for number, names in enumerate(groups, 1)
    )
    card["training_classes"] = card["train_characters"] * (4 if characters.rotations else 1)
    card["train_fingerprint"] = fingerprint(*contents(parts["train"]))
    settings = [sinusoids.model_dump(mode="json"), characters.model_dump(mode="json")]
    of_dev = fingerprint(*contents(parts["dev"]))
    card["dev_fingerprint"] = fingerprint(of_dev, json.dumps(settings, sort_keys=True))
    return parts["train"], parts["dev"], parts["test"], card


def _characters(part: str, rows: pd.DataFrame, ways: int) -> int:
    """How many characters a part holds, at least as many as a task needs."""
    count = len(rows[["alphabet", "character"]].drop_duplicates())
    if count < ways:
        raise ValueError(
            f"{part} has {count} characters in the alphabets {', '.join(sorted(set(rows['alphabet']))) or 'none'}; a task "
            f"needs {ways}. Give it more alphabets in meta_learning.split, or lower meta_learning.characters.ways"
        )
    return count


def contents(drawings: Examples) -> tuple[str, Any]:
    """What fingerprints are of."""
    return "\n".join(drawings.rows["id"]), drawings["pixels"]
