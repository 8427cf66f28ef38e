"""Which photos the strip is learned on, chosen by and scored on; all others are left to the networks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from etudes.examples import Examples
from etudes.pipelines.adversarial_strip.parameters import SplitParameters
from etudes.splits import spread
from etudes.vision.named_photos import class_card, different, photos_fingerprint

Parts = dict[str, NDArray[np.intp]]


def split(
    photos_images: Examples, parameters: SplitParameters
) -> tuple[Examples, Examples, Examples, Examples, dict[str, Any]]:
    """Photos to learn strips on, to choose by, to score on, and for the networks; none is in two parts.

    Of equal photos all but the first are in no part.

    Raises:
        ValueError: too few photos, or none of the target or of the related classes (`divide`).
    """
    kept = different(photos_images)
    related = photos_images.rows["label"].isin(parameters.related)
    photos = Examples(photos_images.rows.assign(related=related), photos_images.arrays)
    parts = divide(photos.rows["label"].to_numpy(), kept, parameters)
    found = {name: photos.take(chosen) for name, chosen in parts.items()}
    classes = class_card(photos)
    names = classes["names"]
    card = {
        "unit": "photos",
        **{f"{name}_rows": len(part) for name, part in found.items()},
        "dropped_because_repeated": len(photos) - len(kept),
        "target": parameters.target,
        "target_name": names[str(parameters.target)],
        "related": list(parameters.related),
        "related_names": [names.get(str(label), f"class {label}") for label in parameters.related],
        **classes,
        "dev_fingerprint": photos_fingerprint(found["dev"]),
    }
    return found["train"], found["dev"], found["test"], found["networks"], card


def divide(labels: NDArray[np.int64], kept: NDArray[np.intp], parameters: SplitParameters) -> Parts:
    """Positions of the photos of each part: ``train``, ``dev``, ``test``, and ``networks`` for all others.

    Photos of the target are in ``networks`` alone. Where every class has several photos, each part holds all classes in
    about their shares; where there is one photo of a class, photos of related classes go to the three parts of the
    strip first, and in their shares.

    Args:
        labels: classes of all photos (N,).
        kept: positions of those that are used.
        parameters: sizes of the parts, target and related classes, seed.

    Raises:
        ValueError: no photo of the target, too few others, or none of the related classes in some part.
    """
    if not (labels[kept] == parameters.target).any():
        raise ValueError(
            f"there is no photo of the target, class {parameters.target}; found the classes {labels.min()} to "
            f"{labels.max()}. Set split.target to one of them."
        )
    others = kept[labels[kept] != parameters.target]
    sizes = {"train": parameters.train, "dev": parameters.dev, "test": parameters.test}
    total = sum(sizes.values())
    if total > len(others):
        raise ValueError(
            f"split.train + dev + test = {total} photos, but only {len(others):,} different ones are not of the "
            "target; ask for fewer"
        )
    generator = np.random.default_rng(parameters.seed)
    related = np.isin(labels[others], parameters.related)
    by_class = np.unique(labels[others], return_counts=True)[1].min() >= len(sizes)
    strata = labels[others] if by_class else related.astype(np.int64)
    order = spread(strata, generator)
    if not by_class:
        order = order[np.argsort(~related[order], kind="stable")]
    used = order[:total]
    used = used[spread(strata[used], generator)]
    parts = dict(zip(sizes, np.split(used, np.cumsum(list(sizes.values()))[:-1]), strict=True))
    without = [name for name, chosen in parts.items() if not related[chosen].any()]
    if without:
        raise ValueError(
            f"no photo of the related classes {list(parameters.related)} falls to {', '.join(without)}; name more "
            "classes in split.related, or add photos of them"
        )
    found = {name: np.sort(others[chosen]) for name, chosen in parts.items()}
    return {**found, "networks": np.setdiff1d(kept, np.concatenate(list(found.values())))}
