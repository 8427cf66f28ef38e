"""The split of this study's data: drawings by whole alphabets."""

from __future__ import annotations

import json
from typing import Any

from etudes.benches.characters import split_alphabets
from etudes.benches.parameters import AlphabetSplitParameters
from etudes.cards import fingerprint
from etudes.examples import Examples
from etudes.pipelines.meta_learning.parameters import CharacterParameters, SinusoidParameters
from etudes.training.parameters import RunParameters


def split(
    drawings_images: Examples,
    parameters: AlphabetSplitParameters,
    sinusoids: SinusoidParameters,
    characters: CharacterParameters,
    run: RunParameters,
) -> tuple[Examples, Examples, Examples, dict[str, Any]]:
    """As `split_alphabets`; sinusoids need no split, every task is fresh. Other dev tasks are other dev data."""
    *parts, card = split_alphabets(drawings_images, parameters, characters, run.seed)
    settings = json.dumps(
        [group.model_dump(mode="json") for group in (sinusoids, characters)], sort_keys=True
    )
    train, dev, test = parts
    return train, dev, test, {**card, "dev_fingerprint": fingerprint(card["dev_fingerprint"], settings)}
