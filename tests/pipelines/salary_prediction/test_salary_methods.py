"""Features, ridge regression, trees, conformal margins and the network, against references."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch

from etudes.evaluation.paired import grouped_mean_intervals, mean_intervals
from etudes.pipelines.salary_prediction.advertisements import ingest, split
from etudes.pipelines.salary_prediction.features import (
    OF_FIELDS,
    Bag,
    bags_of,
    side_by_side,
    singular_vectors,
)
from etudes.pipelines.salary_prediction.methods import (
    Boosting,
    Ridge,
    conformal_margin,
    crossed,
    dual_ridge,
    learn_boosting,
    learn_ridge,
    mae,
)
from etudes.pipelines.salary_prediction.model import train
from etudes.pipelines.salary_prediction.network import HEADS, Network, ThreeHeads, collate
from etudes.pipelines.salary_prediction.parameters import Parameters
from etudes.samples.advertisements import raw_file
from study_settings import run_parameters, settings_of

SETTINGS = settings_of("salary_prediction", Parameters)
TERMS, RIDGE, BOOSTING = SETTINGS("terms"), SETTINGS("ridge"), SETTINGS("boosting")
RUN = run_parameters()
SIZES = {"embedding": 6, "filters": 8, "hidden": 5, "dropout": 0.0, "word_dropout": 0.0}


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    frame, _ = ingest(raw_file("advertisements", 120, seed=2), SETTINGS("form"))
    return split(frame, SETTINGS("split", folds=3), RUN)[0]


def test_bags_are_scikit_learns(rows: pd.DataFrame) -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    theirs = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True)
    expected = theirs.fit_transform(rows["Title"])
    bag = Bag.fit(rows, "title_characters", TERMS, 2.0)
    assert bag.terms == theirs.get_feature_names_out().tolist()
    np.testing.assert_allclose(bag.matrix(rows).toarray(), 2 * expected.toarray(), atol=1e-12)


def test_bags_ignore_terms_of_other_rows_and_few_terms_of_descriptions(rows: pd.DataFrame) -> None:
    bag = Bag.fit(rows, "words", TERMS)
    strange = rows.head(1).assign(FullDescription="Спасибо zzyzx")
    assert bag.matrix(strange).nnz == 0
    assert "zzyzx" not in bag.terms and all(
        (bag.matrix(rows)[:, k].nnz) >= 2 for k in range(0, len(bag.terms), 20)
    )


def test_categories_are_there_or_not(rows: pd.DataFrame) -> None:
    bag = Bag.fit(rows, "categories", TERMS)
    row = rows.head(1).assign(LocationRaw="The Shire, The Shire", Company="Nobody knows", Category="")
    found = dict(zip(bag.terms, bag.matrix(row).toarray()[0], strict=True))
    assert found["LocationRaw=The Shire"] == pytest.approx(1 / np.sqrt(7)) and max(found.values()) < 1


def test_dual_ridge_is_scikit_learns(rows: pd.DataFrame) -> None:
    from sklearn.linear_model import Ridge as Theirs

    x, y = side_by_side(bags_of(rows, OF_FIELDS, TERMS), rows), np.log(rows["salary"].to_numpy())
    a, bias = dual_ridge((x @ x.T).toarray(), y, 0.3)
    theirs = Theirs(alpha=0.3, fit_intercept=False, solver="cholesky").fit(x.toarray(), y - y.mean())
    np.testing.assert_allclose(x @ (x.T @ a) + bias, theirs.predict(x.toarray()) + y.mean(), atol=1e-8)
    with pytest.raises(ValueError, match=r"gram must be \(N, N\)"):
        dual_ridge(np.eye(3), y, 1.0)


def test_held_out_answers_are_of_models_without_the_row() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, 3)), rng.normal(size=12)
    fold = np.arange(12) % 3
    held = crossed(x @ x.T, y, fold, 0.5)
    kept = fold != 1
    a, bias = dual_ridge(x[kept] @ x[kept].T, y[kept], 0.5)
    np.testing.assert_allclose(held[~kept], x[~kept] @ (x[kept].T @ a) + bias, atol=1e-10)
    other = y.copy()
    other[1] += 5
    changed = crossed(x @ x.T, other, fold, 0.5)
    np.testing.assert_allclose(held[fold == 1], changed[fold == 1], atol=1e-12)


def test_singular_vectors_are_numpys(rows: pd.DataFrame) -> None:
    matrix = Bag.fit(rows, "title", TERMS).matrix(rows)
    found = singular_vectors(matrix, 3)
    _, _, theirs = np.linalg.svd(matrix.toarray(), full_matrices=False)
    np.testing.assert_allclose(np.abs(found.T @ theirs[:3].T), np.eye(3), atol=1e-6)
    np.testing.assert_array_equal(found, singular_vectors(matrix, 3))
    assert (found[np.abs(found).argmax(axis=0), np.arange(3)] > 0).all()


def test_margins_hold_as_many_as_they_promise() -> None:
    assert conformal_margin(np.array([3.0, -1.0, 2.0, -4.0]), 0.6) == 3.0  # the ceil(5 * 0.6)-th smallest
    assert conformal_margin(np.array([1.0, 2.0]), 0.9) == 2.0
    rng, covered = np.random.default_rng(0), []
    for _ in range(400):
        drawn = rng.standard_t(3, size=60)
        covered.append((np.abs(drawn[50:]) <= conformal_margin(drawn[:50], 0.9)).mean())
    assert np.mean(covered) == pytest.approx(46 / 51, abs=0.012)  # ceil(51 * 0.9) of 51
    for wrong in (np.empty(0), np.ones((3, 1))):
        with pytest.raises(ValueError, match=r"residuals must be \(n,\)"):
            conformal_margin(wrong, 0.9)


def test_errors_of_another_shape_are_refused() -> None:
    assert mae(np.array([1.0, 5.0]), np.array([2.0, 2.0])) == 2.0
    with pytest.raises(ValueError, match="shape"):
        mae(np.ones(3), np.ones((3, 1)))


def test_intervals_of_groups_of_one_are_those_of_rows_and_copies_widen_them() -> None:
    columns = pd.DataFrame({"a": np.random.default_rng(0).normal(size=50)})
    alone = grouped_mean_intervals(columns, np.arange(50), 400)
    pd.testing.assert_frame_equal(alone, mean_intervals(columns, 400))
    twice = pd.concat([columns] * 4, ignore_index=True)
    ends = grouped_mean_intervals(twice, np.tile(np.arange(50), 4), 400).loc["a"]
    assert ends["high"] - ends["low"] == pytest.approx(alone.loc["a", "high"] - alone.loc["a", "low"])
    for groups, message in ((np.zeros(50), "one group"), (np.zeros(3), r"groups must be \(50,\)")):
        with pytest.raises(ValueError, match=message):
            grouped_mean_intervals(columns, groups, 100)


def test_trees_upon_ridge_answer_the_mean_of_both_and_survive_storage(rows: pd.DataFrame) -> None:
    linear, held, penalty = learn_ridge(rows, OF_FIELDS, TERMS, RIDGE, seed=0)
    assert penalty in RIDGE.penalties and held.shape == (len(rows),)
    model, _ = learn_boosting(rows, TERMS, RIDGE, BOOSTING, 0, upon=(linear, held))
    other = Boosting.from_state(model.state())
    np.testing.assert_allclose(other.predict(rows), model.predict(rows))
    assert isinstance(other.ridge, Ridge) and other.ridge.margin == linear.margin
    assert mae(np.log(rows["salary"].to_numpy()), linear.predict(rows)) < mae(
        np.log(rows["salary"].to_numpy()), held
    )


def test_strong_terms_are_those_that_move_the_answer(rows: pd.DataFrame) -> None:
    model, _, _ = learn_ridge(rows, OF_FIELDS, TERMS, RIDGE, seed=0)
    lowest, *_, highest = sorted(model.strongest("title", 3), key=lambda pair: pair[1])
    assert lowest[1] < 0 < highest[1] and model.strongest("nothing", 3) == []


@pytest.mark.parametrize("recurrent", [False, True])
def test_padding_changes_no_answer_of_the_network(recurrent: bool) -> None:
    torch.manual_seed(0)
    network = ThreeHeads(words=20, items=4, heads=HEADS, recurrent=recurrent, **SIZES).eval()
    rng = np.random.default_rng(0)
    rows = [
        (rng.integers(2, 20, s), rng.integers(2, 20, t), rng.random(4).astype(np.float32))
        for s, t in ((2, 5), (6, 30), (1, 1))
    ]
    together = network(*collate(rows, torch.device("cpu")))
    alone = torch.cat([network(*collate([row], torch.device("cpu"))) for row in rows])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("gone", HEADS)
def test_a_network_without_a_head_does_not_see_its_input(gone: str) -> None:
    torch.manual_seed(0)
    heads = [head for head in HEADS if head != gone]
    network = ThreeHeads(words=20, items=4, heads=heads, recurrent=False, **SIZES).eval()
    inputs = {
        "title": torch.tensor([[3, 4]]),
        "description": torch.tensor([[5, 6, 7]]),
        "categories": torch.ones(1, 4),
    }
    other = {
        "title": torch.tensor([[8, 9]]),
        "description": torch.tensor([[9, 9, 2]]),
        "categories": torch.zeros(1, 4),
    }
    first = network(**inputs)
    for head in HEADS:
        moved = not torch.equal(network(**{**inputs, head: other[head]}), first)
        assert moved is (head != gone)
    assert not any(name.startswith(f"{gone}.") for name, _ in network.named_parameters())


def test_the_network_learns_and_survives_storage(rows: pd.DataFrame) -> None:
    parameters = SETTINGS(
        "network", fit={"epochs": 8, "batch_size": 16, "learning_rate": 0.02, "patience": 8}
    )
    given = (TERMS, RIDGE, BOOSTING, parameters, SETTINGS("intervals"), RUN)
    model, history = train(rows, *given, variant="network")
    assert (
        isinstance(model, Network)
        and min(e["dev_salary_mae"] for e in history["epochs"]) < history["epochs"][0]["dev_salary_mae"]
    )
    constant, of_constant = train(rows, *given, variant="median")
    assert (
        history["dev"]["salary_mae"] < of_constant["dev"]["salary_mae"] and constant.margin > model.margin > 0
    )
    other = Network.from_state(model.state())
    np.testing.assert_allclose(other.predict(rows), model.predict(rows), atol=1e-6)
    assert other.margin == model.margin == history["margin"]


def test_margins_shrink_as_coverage_does(rows: pd.DataFrame) -> None:
    margins = []
    for coverage in (0.95, 0.8, 0.6):
        given = (TERMS, RIDGE, BOOSTING, SETTINGS("network"), SETTINGS("intervals", coverage=coverage), RUN)
        margins.append(train(rows, *given, variant="ridge")[0].margin)
    assert all(a > b for a, b in pairwise(margins))
