"""A temperature for any classifier, and what is said of pairs of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from etudes.benches.uncertain import (
    Ensemble,
    Tempered,
    by_variant,
    claim_table,
    on_strangers,
    rejection_table,
    tempered,
    train_tempered,
    uncertainty_scores,
)
from etudes.evaluation import classification_metrics, roc_auc
from etudes.models import register_model
from etudes.stored import Stored

LOGITS = np.random.default_rng(0).normal(0, 2, (4000, 3))
LABELS = np.array([np.random.default_rng(i).choice(3, p=softmax(row)) for i, row in enumerate(LOGITS)])
FRAME = pd.DataFrame({"id": range(4000), "label": LABELS})


@register_model("test.sharpened")
class Sharpened(Stored):
    """Knows the chances of every row, and exaggerates them."""

    def __init__(self, factor: float = 3.0) -> None:
        self.factor = factor
        self._asked = 0

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
        self._asked += 1
        return softmax(self.factor * LOGITS[frame["id"]], axis=1)


def test_a_temperature_divides_logits() -> None:
    np.testing.assert_allclose(
        tempered(softmax(LOGITS, axis=1), 2.5), softmax(LOGITS / 2.5, axis=1), atol=1e-9
    )


def test_exaggeration_is_found_and_taken_back() -> None:
    model, history = train_tempered(FRAME, {"sharp": Sharpened()})
    assert history["temperature"] == model.temperature == pytest.approx(3.0, rel=0.08)
    sharp = classification_metrics(LABELS, Sharpened().predict_proba(FRAME))
    best = classification_metrics(LABELS, model.predict_proba(FRAME))
    assert best["ece"] < 0.02 < sharp["ece"] and best["accuracy"] == sharp["accuracy"]
    # Cross-fitted: a little worse than what was fitted on the same rows, and not the same.
    assert best["log_loss"] < history["dev"]["log_loss"] < best["log_loss"] + 0.01
    again = Tempered.from_state(model.state())
    np.testing.assert_array_equal(again.predict_proba(FRAME), model.predict_proba(FRAME))
    with pytest.raises(ValueError, match="was not trained; add it to `variants`"):
        train_tempered(FRAME, {})


def test_answers_at_hand_are_not_asked_for_again() -> None:
    sharp = Sharpened()
    found = on_strangers({"sharp": sharp, "warm": Tempered({"sharp": sharp}, 3.0)}, FRAME[:10])
    assert sharp._asked == 1
    np.testing.assert_allclose(found["warm"], softmax(LOGITS[:10], axis=1), atol=1e-6)
    assert (found["warm"] == found["warm"].astype(np.float32)).all()


def test_scores_are_those_of_the_measures() -> None:
    p, strange = softmax(LOGITS[:500], axis=1), np.full((40, 3), 1 / 3)
    found = uncertainty_scores("x", LABELS[:500], p, strange, 200)
    unsure = -(p * np.log(p)).sum(axis=1)
    expected = roc_auc(np.r_[unsure, np.full(40, np.log(3))], np.arange(540) >= 500)
    assert found["x.ood_auroc"] == pytest.approx(expected)
    for metric in ("multiclass_brier", "aurc", "ood_auroc"):
        assert found[f"x.{metric}.low"] <= found[f"x.{metric}"] <= found[f"x.{metric}.high"]


def test_differences_have_a_sign_and_a_verdict() -> None:
    true, sharp = softmax(LOGITS, axis=1), softmax(3 * LOGITS, axis=1)
    strange = {"true": np.full((50, 3), 1 / 3), "sharp": np.eye(3)[np.arange(50) % 3]}
    pairs = [("true", "sharp"), ("sharp", "true"), ("true", "true"), ("true", "absent")]
    strange["absent"] = strange["true"]
    table = claim_table(pairs, LABELS, {"true": true, "sharp": sharp}, strange, 200)
    assert len(table) == 9  # three measures; a variant that did not run is left out
    verdicts = table.pivot(index=["first", "second"], columns="measure", values="verdict")
    assert set(verdicts.loc[("true", "sharp")]) == {"better"}
    assert set(verdicts.loc[("sharp", "true")]) == {"worse"}
    assert set(verdicts.loc[("true", "true")]) == {"cannot tell"}
    loss = table[(table["measure"] == "log_loss") & (table["first"] == "true")].iloc[0]
    expected = (
        classification_metrics(LABELS, true)["log_loss"] - classification_metrics(LABELS, sharp)["log_loss"]
    )
    assert loss["difference"] == pytest.approx(expected)
    assert loss["difference.low"] < expected < loss["difference.high"]
    assert claim_table([("a", "b")], LABELS, {}, {}, 100).empty


def test_without_strangers_there_are_rows_alone_and_more_hits_are_better() -> None:
    right = np.eye(3)[LABELS] * 0.9 + 0.1 / 3
    answers = {"right": right, "wrong": np.roll(right, 1, axis=1)}
    table = claim_table([("right", "wrong")], LABELS, answers, None, 200, ("accuracy", "log_loss"))
    assert table["measure"].tolist() == ["accuracy", "log_loss"] and set(table["verdict"]) == {"better"}
    assert table.loc[0, "difference"] == 1.0 and table.loc[1, "difference"] < 0
    assert "x.ood_auroc" not in uncertainty_scores("x", LABELS, right, None, 200)


def test_an_ensemble_averages_probabilities_of_all_draws() -> None:
    class Drawn(Sharpened):
        def draws(self, frame: pd.DataFrame) -> np.ndarray:
            return np.stack([self.predict_proba(frame), softmax(LOGITS[frame["id"]], axis=1)])

    ensemble = Ensemble([Drawn(2.0), Drawn(4.0)])
    draws = ensemble.draws(FRAME[:20])
    assert draws.shape == (4, 20, 3)
    np.testing.assert_allclose(ensemble.predict_proba(FRAME[:20]), draws.mean(axis=0))


def test_predictions_become_probabilities_again_and_rejection_is_by_entropy() -> None:
    p = softmax(LOGITS[:100], axis=1)
    rows = pd.DataFrame(p, columns=["p_a", "p_b", "p_c"]).assign(variant="x")
    np.testing.assert_array_equal(by_variant(rows, ["a", "b", "c"])["x"], p)
    table = rejection_table(LABELS[:100], {"x": p}, [0.5, 1.0])
    half, whole = table["accuracy"]
    assert whole == (p.argmax(axis=1) == LABELS[:100]).mean() and half > whole
