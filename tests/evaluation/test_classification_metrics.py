"""The point estimates against scikit-learn, hand-worked calibration, and what is refused."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import ArrayLike
from sklearn import metrics as sk

from etudes.evaluation import (
    bootstrap_intervals,
    classification_metrics,
    confusion_counts,
    per_class_table,
    reliability_bins,
    without_examples,
)
from etudes.evaluation.classification import Examples, weighted_metrics

CASES = [(n, k, seed) for n, k in [(1, 2), (7, 3), (40, 5), (300, 27), (25, 60)] for seed in range(4)]


def random_case(n: int, k: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels and moderately good probabilities; with few examples many classes are absent somewhere."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, k, size=n)
    scores = generator.normal(size=(n, k))
    scores[np.arange(n), labels] += 1.0
    exponentials = np.exp(scores)
    return labels, exponentials / exponentials.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(("n", "k", "seed"), CASES)
def test_metrics_equal_scikit_learn(n: int, k: int, seed: int) -> None:
    labels, probabilities = random_case(n, k, seed)
    predictions = probabilities.argmax(axis=1)
    found = classification_metrics(labels, probabilities)
    expected = {
        "accuracy": sk.accuracy_score(labels, predictions),
        "macro_f1": sk.f1_score(
            labels, predictions, labels=np.unique(labels), average="macro", zero_division=0
        ),
        "log_loss": sk.log_loss(labels, probabilities, labels=np.arange(k)),
    }
    if k > 3:
        expected["top3_accuracy"] = sk.top_k_accuracy_score(labels, probabilities, k=3, labels=np.arange(k))
    else:
        expected["top3_accuracy"] = 1.0
    assert set(found) == {*expected, "ece"}
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=0, abs=1e-12)


@pytest.mark.parametrize(("n", "k", "seed"), CASES)
def test_per_class_table_equals_scikit_learn(n: int, k: int, seed: int) -> None:
    labels, probabilities = random_case(n, k, seed)
    names = [f"class {i}" for i in range(k)]
    table = per_class_table(labels, probabilities, names)
    expected = sk.precision_recall_fscore_support(
        labels, probabilities.argmax(axis=1), labels=np.arange(k), zero_division=0
    )
    assert list(table.columns) == ["label", "precision", "recall", "f1", "support"]
    assert list(table["label"]) == names
    for column, values in zip(["precision", "recall", "f1", "support"], expected, strict=True):
        np.testing.assert_allclose(table[column], values, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("n", "k", "seed"), CASES)
def test_confusion_counts_equal_scikit_learn(n: int, k: int, seed: int) -> None:
    labels, probabilities = random_case(n, k, seed)
    predictions = probabilities.argmax(axis=1)
    counts = confusion_counts(labels, predictions, k)
    assert counts.dtype.kind == "i"
    np.testing.assert_array_equal(counts, sk.confusion_matrix(labels, predictions, labels=np.arange(k)))


def test_confusion_counts_have_the_truth_in_rows() -> None:
    assert confusion_counts([0, 0, 1], [1, 1, 1], 3).tolist() == [[0, 2, 0], [0, 1, 0], [0, 0, 0]]


def test_every_classifier_is_divided_by_the_same_classes_those_with_labels() -> None:
    labels = [0, 1, 0]
    # Class 0: one hit, once missed, once predicted wrongly, F1 1/2. Class 1 is missed; class 2 is predicted in vain, by one
    # of the two classifiers alone; class 3 is in neither.
    for predictions in ([0, 0, 2], [0, 0, 1]):
        found = classification_metrics(labels, np.eye(4)[predictions])["macro_f1"]
        assert found == pytest.approx((0.5 + 0.0) / 2, abs=1e-15)
    assert without_examples(labels, ["a", "b", "c", "d"]) == ["c", "d"]


def test_a_resample_without_a_rare_class_averages_over_the_others() -> None:
    examples = Examples.check([0, 0, 1], np.eye(3)[[0, 2, 1]])
    found = weighted_metrics(examples, np.array([[1.0, 1.0, 1.0], [2.0, 1.0, 0.0]]))["macro_f1"]
    assert found == pytest.approx([(2 / 3 + 1) / 2, 4 / 5])


def test_large_inputs_worked_in_slices_equal_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    labels, probabilities = random_case(300, 27, 0)
    whole = classification_metrics(labels, probabilities)
    monkeypatch.setattr("etudes.evaluation.classification.BLOCK_ELEMENTS", 1000)
    assert classification_metrics(labels, probabilities) == pytest.approx(whole, rel=0, abs=1e-12)


def test_correct_example_is_within_the_top_three_whatever_the_ties() -> None:
    uniform = np.full((6, 6), 1 / 6)
    found = classification_metrics(np.arange(6), uniform)
    assert found["accuracy"] == pytest.approx(1 / 6)
    assert found["top3_accuracy"] == pytest.approx(3 / 6)


def test_certain_and_wrong_has_a_finite_log_loss() -> None:
    found = classification_metrics([1], [[1.0, 0.0]])
    assert found["log_loss"] == pytest.approx(-np.log(1e-12), rel=1e-12)


def test_float32_rows_slightly_off_one_are_renormalised() -> None:
    off = np.array([[0.50002, 0.50003]], dtype=np.float32)
    assert classification_metrics([0], off)["log_loss"] == pytest.approx(-np.log(0.50002 / 1.00005), abs=1e-6)


def test_ece_of_a_hand_worked_example() -> None:
    # Bin (0.9, 1]: confidences 0.95 (right) and 0.95 (wrong): |1 - 1.9| = 0.9.
    # Bin (0.6, 0.7]: confidences 0.65 (right) and 0.70 (right): |2 - 1.35| = 0.65.  ECE = 1.55 / 4.
    # Four hundred times each, so that no bin's gap might be noise.
    probabilities = [[0.95, 0.05], [0.05, 0.95], [0.65, 0.35], [0.70, 0.30]] * 400
    found = classification_metrics([0] * 1600, probabilities, bins=10)
    assert found["ece"] == pytest.approx(1.55 / 4, abs=1e-12)


def test_ece_bins_are_closed_on_the_right() -> None:
    # Confidence 0.5 belongs to (0, 0.5]: gaps 0.5 and -0.9 lie in two bins and do not cancel.
    found = classification_metrics([0, 1] * 400, [[0.5, 0.5], [0.9, 0.1]] * 400, bins=2)
    assert found["ece"] == pytest.approx((0.5 + 0.9) / 2, abs=1e-12)


def test_ece_has_fifteen_bins_unless_told() -> None:
    labels, probabilities = random_case(300, 5, 0)
    labels = (labels + 1) % 5  # or its probabilities would be right
    fifteen = classification_metrics(labels, probabilities, bins=15)["ece"]
    assert classification_metrics(labels, probabilities)["ece"] == fifteen
    assert classification_metrics(labels, probabilities, bins=3)["ece"] != fifteen


def test_reliability_bins_of_a_hand_worked_example() -> None:
    probabilities = [[0.95, 0.05], [0.05, 0.95], [0.65, 0.35], [0.70, 0.30]]
    table = reliability_bins([0, 0, 0, 0], probabilities, bins=10)
    assert list(table.columns) == ["confidence", "accuracy", "count"]
    np.testing.assert_allclose(table["confidence"], [0.675, 0.95], rtol=0, atol=1e-12)
    assert table["accuracy"].tolist() == [1.0, 0.5]
    assert table["count"].tolist() == [2, 2]


def test_the_ece_is_at_most_the_sum_over_the_reliability_bins_and_its_interval_holds_it() -> None:
    labels, probabilities = random_case(300, 5, 1)
    table = reliability_bins(labels, probabilities)
    gaps = (table["accuracy"] - table["confidence"]).abs()
    summed = float((gaps * table["count"]).sum()) / 300
    assert table["count"].sum() == 300
    low, high = bootstrap_intervals(labels, probabilities, 20)["ece"]
    assert low <= classification_metrics(labels, probabilities)["ece"] < summed < high


GOOD = [[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]]


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        ([[0], [1]], GOOD, r"labels must have shape \(N,\), found \(2, 1\)"),
        ([0, 1], [[0.5], [0.5]], r"at least 2 columns .* found shape \(2, 1\)"),
        ([0, 1], [0.5, 0.5], r"probabilities must have shape \(N, K\), found \(2,\)"),
        ([0, 1, 2], GOOD, "as many rows, found 3 and 2"),
        ([], GOOD, "labels must hold at least one example"),
        ([], np.zeros((0, 3)), "probabilities must hold at least one row"),
        ([0.0, 1.0], GOOD, "labels must be integers, found dtype float64"),
        ([True, False], GOOD, "labels must be integers, found dtype bool"),
        ([0, 3], GOOD, r"labels must lie in 0\.\.2, found 0\.\.3"),
        ([-1, 1], GOOD, r"labels must lie in 0\.\.2, found -1\.\.1"),
        ([0, 1], [[0.5, 0.3, np.nan], [0.1, 0.1, 0.8]], "must be finite, found 1"),
        ([0, 1], [[0.5, 0.3, np.inf], [0.1, 0.1, 0.8]], "must be finite, found 1"),
        ([0, 1], [[0.7, 0.5, -0.2], [0.1, 0.1, 0.8]], "must not be negative, found -0.2"),
        ([0, 1], [[0.5, 0.3, 0.2], [0.1, 0.1, 0.9]], "sum to 1 within 0.0001, found 1.1.* in row 1"),
        ([0, 1], [["a", "b", "c"], ["a", "b", "c"]], "must be real numbers"),
    ],
)
def test_bad_input_is_refused_saying_what_was_found(
    labels: ArrayLike, probabilities: ArrayLike, message: str
) -> None:
    for refuse in (classification_metrics, reliability_bins):
        with pytest.raises(ValueError, match=message):
            refuse(labels, probabilities)


def test_wrong_number_of_classes_bins_or_names_is_refused() -> None:
    with pytest.raises(ValueError, match=r"4 columns \(n_classes\), found 3"):
        classification_metrics([0, 1], GOOD, n_classes=4)
    with pytest.raises(ValueError, match="bins must be at least 1, found 0"):
        classification_metrics([0, 1], GOOD, bins=0)
    with pytest.raises(ValueError, match=r"one entry per class \(3\), found 2"):
        per_class_table([0, 1], GOOD, ["a", "b"])


def test_confusion_counts_refuse_shapes_that_would_broadcast() -> None:
    with pytest.raises(ValueError, match=r"predictions must have shape \(N,\), found \(2, 1\)"):
        confusion_counts([0, 1], [[0], [1]], 2)
    with pytest.raises(ValueError, match="same length, found 2 and 1"):
        confusion_counts([0, 1], [0], 2)
    with pytest.raises(ValueError, match=r"predictions must lie in 0\.\.1, found 0\.\.2"):
        confusion_counts([0, 1], [0, 2], 2)


def test_import_loads_neither_torch_nor_scikit_learn_nor_pandas_nor_scipy() -> None:
    heavy = ("torch", "sklearn", "pandas", "scipy")
    code = f"import sys, etudes.evaluation; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
