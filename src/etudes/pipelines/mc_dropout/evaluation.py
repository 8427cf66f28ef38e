"""How sure are the variants, and rightly so? By the number of passes, by rate, of strangers, of turned pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from etudes.benches import uncertain
from etudes.benches.classifiers import evaluate as score
from etudes.benches.uncertain import AUROC, Tempered, by_variant, on_strangers, strangeness
from etudes.evaluation import classification_metrics, roc_auc
from etudes.evaluation.ranking import auc_interval
from etudes.evaluation.uncertainty import brier_scores, entropy, log_losses, mutual_information
from etudes.examples import Examples
from etudes.pipelines.mc_dropout.parameters import RotationParameters, UncertaintyParameters

PAIRS = (
    ("mc_dropout", "dropout"),
    ("mc_dropout", "dropout_temperature"),
    ("mc_dropout", "temperature"),
    ("mc_temperature", "temperature"),
    ("ensemble", "temperature"),
    ("ensemble", "mc_dropout"),
)
TOLD = ("log_loss", "accuracy", "multiclass_brier", "ece", AUROC)
SURE = 40  # letters that are shown
ONE = 1  # the digit that is turned before the reader's eyes
SHOWN = 0.1  # mean probability from which on a digit is shown


def evaluate(
    test_split: Examples,
    strangers_split: Examples,
    split_card: dict[str, Any],
    models: dict[str, Any],
    evaluation: UncertaintyParameters,
) -> tuple[Any, ...]:
    """Score every trained variant on test, which no other stage sees.

    Returns:
        metrics (flat), predictions, the per-class table, the two best variants row by row, inference costs; tables of paired
        differences, of the number of passes, of strangers, of the surest letters, and of what is left where the
        least sure are not answered.
    """
    metrics, predictions, per_class, best, costs = score(
        test_split, split_card, models, evaluation, rows="pictures"
    )
    labels = test_split.rows["label"].to_numpy()
    letters, digits = of_kind(strangers_split, "letter"), of_kind(strangers_split, "digit")
    probabilities = by_variant(predictions, split_card["classes"])
    strange, drawn = on_strangers(models, letters), on_strangers(models, digits)
    read = digits.rows["character"].astype(np.int64).to_numpy()
    for name, p in probabilities.items():
        metrics |= uncertain.uncertainty_scores(name, labels, p, strange[name], evaluation.resamples)
        metrics[f"{name}.accuracy_drawn"] = float((drawn[name].argmax(axis=1) == read).mean())
    return (
        *(metrics, predictions, per_class, best, costs),
        uncertain.claim_table(PAIRS, labels, probabilities, strange, evaluation.resamples),
        passes_table(test_split, letters, models, evaluation),
        strangers_table(test_split, letters, digits, models),
        surest_table(letters, strange, metrics),
        uncertain.rejection_table(labels, probabilities, evaluation.kept),
    )


def of_kind(strangers: Examples, kind: str) -> Examples:
    """The letters, or the digits, among what was drawn."""
    return strangers.take((strangers.rows["kind"] == kind).to_numpy())


def told(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], strange: NDArray[np.float64]
) -> dict[str, float]:
    """The metrics `TOLD` of one answer to test (N, K) and to letters (M, K)."""
    found = classification_metrics(labels, probabilities)
    found["multiclass_brier"] = float(brier_scores(labels, probabilities).mean())
    found[AUROC] = roc_auc(*strangeness(probabilities, strange))
    return {name: found[name] for name in TOLD}


def passes_table(
    test_split: Examples, letters: Examples, models: Mapping[str, Any], evaluation: UncertaintyParameters
) -> pd.DataFrame:
    """Metrics by the number of passes: ``passes`` and `TOLD`. Fewer passes than there are are a mean over groups of them."""
    if "mc_dropout" not in models:
        return pd.DataFrame(columns=["passes", *TOLD])
    labels, model = test_split.rows["label"].to_numpy(), models["mc_dropout"]
    draws, strange = model.draws(test_split), model.draws(letters)
    rows = []
    for count in evaluation.passes:
        groups = [
            told(labels, *(p[g : g + count].mean(axis=0, dtype=np.float64) for p in (draws, strange)))
            for g in range(0, len(draws) - count + 1, count)[: evaluation.repeats]
        ]
        if groups:
            rows.append({"passes": count, **pd.DataFrame(groups).mean().to_dict()})
    return pd.DataFrame(rows, columns=["passes", *TOLD])


def sweeps(test_split: Examples, strangers_split: Examples, models: dict[str, Any], few: Any) -> pd.DataFrame:
    """One set of weights in three ways, for every rate and place, of all training pictures and of few.

    The ways are dropout off, off at its temperature, and left on.

    Returns:
        ``pictures`` (of training), ``place``, ``rate``, ``way`` and `TOLD`.
    """
    labels, letters, rows = test_split.rows["label"].to_numpy(), of_kind(strangers_split, "letter"), []
    for swept in (*([models["dropout"]] if "dropout" in models else []), few):
        for network, temperature in zip(swept.networks, swept.temperatures, strict=True):
            rate, everywhere = network.config["rate"], network.config["everywhere"]
            place = "-" if not rate else "everywhere" if everywhere else "dense"
            found: dict[str, Any] = {"off": network, "tempered": Tempered({"off": network}, temperature)}
            if rate:
                found["passes"] = network.with_passes(swept.passes)
            answers = [on_strangers(found, part) for part in (test_split, letters)]
            for way in found:
                key = {"pictures": swept.pictures, "place": place, "rate": rate, "way": way}
                rows.append(key | told(labels, *(p[way] for p in answers)))
    return pd.DataFrame(rows)


def strangers_table(
    test_split: Examples, letters: Examples, digits: Examples, models: Mapping[str, Any]
) -> pd.DataFrame:
    """AUROC of letters, against test pictures and against digits that the same pen drew, by what tells them apart.

    Returns:
        ``variant``, ``measure`` (entropy; of several passes or networks their mutual information too), ``against``, `AUROC` and the
        ends of its 95 % interval.
    """
    rows = []
    for name, model in models.items():
        several = hasattr(model, "draws") and len(model.draws(letters.take([0]))) > 1
        found = {
            group: _measures(model.draws(part) if several else model.predict_proba(part)[None])
            for group, part in (("letters", letters), ("test pictures", test_split), ("drawn digits", digits))
        }
        for against in ("test pictures", "drawn digits"):
            for measure, strange in found["letters"].items():
                if measure == "entropy" or several:
                    usual = found[against][measure]
                    scores = np.r_[usual, strange]
                    area = auc_interval(scores, np.arange(len(scores)) >= len(usual))
                    rows.append((name, measure, against, *area))
    return pd.DataFrame(
        rows, columns=["variant", "measure", "against", AUROC, f"{AUROC}.low", f"{AUROC}.high"]
    )


def _measures(draws: NDArray) -> dict[str, NDArray[np.float64]]:
    draws = draws.astype(np.float64)
    return {"entropy": entropy(draws.mean(axis=0)), "mutual information": mutual_information(draws)}


def surest_table(
    letters: Examples, strange: Mapping[str, NDArray[np.float64]], metrics: Mapping[str, float]
) -> pd.DataFrame:
    """The letters that the variant with the best log-loss is surest of: ``variant``, ``id``, ``character``, ``read``, ``confidence``."""
    best = min(strange, key=lambda name: metrics[f"{name}.log_loss"])
    p = strange[best]
    table = letters.rows[["id", "character"]].assign(read=p.argmax(axis=1), confidence=p.max(axis=1))
    table.insert(0, "variant", best)
    return table.nlargest(SURE, "confidence").reset_index(drop=True)


def turned(pixels: NDArray[np.uint8], angle: float) -> NDArray[np.uint8]:
    """Pictures (N, S, S) turned by ``angle`` degrees against the clock, with background moving in."""
    from scipy.ndimage import rotate

    found = rotate(pixels.astype(np.float32), angle, axes=(2, 1), reshape=False, order=1)
    return np.clip(np.rint(found), 0, 255).astype(np.uint8)


def rotated(
    test_split: Examples, models: dict[str, Any], rotation: RotationParameters
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Turned test pictures.

    Returns:
        By ``variant`` and ``angle``: ``log_loss``, ``accuracy``, ``entropy`` (means); and of a single one, by ``angle``, ``digit``
        and ``draw``, the ``probability`` that a pass of `mc_dropout` gives to a digit it is ever likely to be.
    """
    some = test_split.take(np.arange(min(rotation.pictures, len(test_split))))
    labels, rows = some.rows["label"].to_numpy(), []
    ones = np.flatnonzero(test_split.rows["label"].to_numpy() == ONE)
    single, passes = test_split.take(ones[:1]), []
    for angle in rotation.angles:
        at = Examples(some.rows, {"pixels": turned(np.asarray(some["pixels"]), angle)})
        for name, p in on_strangers(models, at).items():
            means = (log_losses(labels, p), p.argmax(axis=1) == labels, entropy(p))
            rows.append((name, angle, *(float(values.mean()) for values in means)))
        if "mc_dropout" in models and len(ones):
            one = Examples(single.rows, {"pixels": turned(np.asarray(single["pixels"]), angle)})
            passes.append(models["mc_dropout"].draws(one)[: rotation.shown, 0])
    table = pd.DataFrame(rows, columns=["variant", "angle", "log_loss", "accuracy", "entropy"])
    spread = [
        (angle, digit, draw, float(drawn[draw, digit]))
        for angle, drawn in zip(rotation.angles, passes, strict=False)
        for digit in np.flatnonzero(np.stack(passes).mean(axis=1).max(axis=0) > SHOWN)
        for draw in range(len(drawn))
    ]
    return table, pd.DataFrame(spread, columns=["angle", "digit", "draw", "probability"])
