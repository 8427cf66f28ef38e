"""Which pictures are attacked, and the class that photos are moved to."""

from __future__ import annotations

from typing import Any

from etudes.benches import attack_splits
from etudes.benches.parameters import AttackSplitParameters
from etudes.examples import Examples
from etudes.pipelines.carlini_wagner.parameters import AimParameters
from etudes.training.parameters import RunParameters
from etudes.vision.parameters import PhotoParameters


def split(
    pictures_images: Examples, data_card: dict[str, Any], split: AttackSplitParameters, run: RunParameters
) -> tuple[Examples, Examples, Examples, dict[str, Any]]:
    """As `attack_splits.split`, with test pictures of their own for every seed: the pretrained victim and the search draw nothing,
    so that another seed on the same pictures would say nothing new."""
    return attack_splits.split(pictures_images, data_card, split, fold=run.seed)


def split_photos(
    photos_images: Examples, split: AttackSplitParameters, photos: PhotoParameters, aim: AimParameters
) -> tuple[Examples, Examples, dict[str, Any]]:
    """As `attack_splits.split_photos`, with a photo of ``aim.of`` among the attacked ones and ``target`` in the card.

    Raises:
        ValueError: there is no such class.
    """
    rows = photos_images.rows
    labels = dict(zip(rows["name"], rows["label"].tolist(), strict=True))
    for name in (aim.of, aim.to):
        if name not in labels:
            raise ValueError(
                f"aim: there is no photo of the class '{name}'; expected one of {len(labels)}: {', '.join(sorted(labels)[:5])} ..."
            )
    parts = attack_splits.split_photos(photos_images, split, photos, labels[aim.of])
    return *parts[:2], {**parts[2], "target": labels[aim.to], "of": aim.of, "to": aim.to}
