"""An attack behind a user's photo: what the victim answers without and with it, and the attacked picture."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pandas as pd

from etudes.benches.attacks import answers, class_names, distances
from etudes.benches.photo_predictor import PhotoPredictor
from etudes.forms.pictures import png_text

AT_ONCE = 16  # photos of one forward pass


class AttackPredictor(PhotoPredictor):
    """An attack (``attacked(photos) -> photos``, uint8; ``card["target"]``, a class) and its victim, the network, behind a
    user's photo. A study says in ``attack`` what its attack is called.
    """

    attack: ClassVar[str] = "attack"

    def answer(self, frame: pd.DataFrame) -> pd.DataFrame:
        """One row per photo: the class ``before`` and ``after`` the attack with their probabilities, the target's
        probability after it, whether it ``succeeded``, and the attacked ``picture`` (PNG, base64)."""
        photos, view = self.photos(frame), self.view
        attacked, target = self.model.attacked(photos), int(self.model.card["target"])
        before, after = (answers(view, pictures, target, AT_ONCE) for pictures in (photos, attacked))
        return pd.DataFrame(
            {
                "before": class_names(self.names, before.predicted),
                "before_probability": before.confidence,
                "after": class_names(self.names, after.predicted),
                "after_probability": after.confidence,
                "target_probability": np.exp(after.of_target),
                "succeeded": after.success(target),
                "picture": [png_text(picture) for picture in attacked],
            }
        )

    def describe(self, answer: pd.DataFrame) -> str:
        """Class before and after the attack of the first row."""
        row, lines = answer.iloc[0], []
        for column, how in (("before", "without"), ("after", "with")):
            told = f"{how} the {self.attack}:".ljust(len(f"without the {self.attack}: "))
            lines.append(f"{told}{row[column]:<24} {row[f'{column}_probability']:6.1%}")
        return "\n".join(lines)


class PerturbationPredictor(AttackPredictor):
    """An attack by the victim's own gradient (``model.attacked(view, photos, classes) -> photos``) behind a user's photo.

    ``classes`` are what the victim answers to the photos as they are: where nobody says what a photo shows, that is what
    the attack takes away.
    """

    def answer(self, frame: pd.DataFrame) -> pd.DataFrame:
        """One row per photo: the class ``before`` and ``after`` with their probabilities, whether they differ
        (``succeeded``), how far the photo was moved (``linf`` in levels of 255, ``l2`` and ``ssim`` as in
        `attacks.distances`), and the perturbed ``picture`` (PNG, base64)."""
        photos, view = self.photos(frame), self.view
        before = answers(view, photos, 0, AT_ONCE)
        attacked = self.model.attacked(view, photos, before.predicted)
        after, moved = answers(view, attacked, 0, AT_ONCE), distances(photos, attacked)
        return pd.DataFrame(
            {
                "before": class_names(self.names, before.predicted),
                "before_probability": before.confidence,
                "after": class_names(self.names, after.predicted),
                "after_probability": after.confidence,
                "succeeded": after.predicted != before.predicted,
                **moved[["linf", "l2", "ssim"]],
                "picture": [png_text(picture) for picture in attacked],
            }
        )

    def describe(self, answer: pd.DataFrame) -> str:
        """Class before and after the attack of the first row, and how far it was moved."""
        row = answer.iloc[0]
        moved = f"moved by {row['linf']:.0f} of 255 levels at most, {row['l2']:.2f} in all (Euclidean, 0..1)"
        return f"{super().describe(answer)}\n{moved}; structural similarity {row['ssim']:.3f}"
