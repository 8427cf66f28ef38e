"""Raw tables, the sweeps, and the variants as the nodes train them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from etudes.benches.few_labels import Split, split, splits_of
from etudes.benches.parameters import FewLabelsParameters
from etudes.forms.raw import RawFile
from etudes.pipelines.cluster_then_label import methods, model, rows, sweep
from etudes.pipelines.cluster_then_label.parameters import TableParameters
from etudes.samples.tables import raw_file
from etudes.training.parameters import RunParameters

from .test_methods import PARAMETERS

PENGUINS = """species,island,bill_length_mm,bill_depth_mm,flipper_length_mm,body_mass_g,sex,year
Adelie,Torgersen,39.1,18.7,181,3750,male,2007
Adelie,Torgersen,NA,NA,NA,NA,NA,2007
Adelie,Dream,37.5,18.9,179,2975,NA,2007
Gentoo,Biscoe,46.1,13.2,211,4500,female,2007
"""
FORM = TableParameters(name="penguins", label="species", leave_out=("island", "sex", "year"), missing=("NA",))
PLAIN = TableParameters(name="iris", label="label", leave_out=(), missing=())
RUN = RunParameters.model_construct(seed=0)


def iris() -> pd.DataFrame:
    return rows.ingest(raw_file("iris", 150, 7), raw_file("several", {"wine": 60}, 7), PLAIN)[0]


def splits(count: int = 3) -> list[Split]:
    return list(splits_of(iris(), "iris", count, 0.3, seed=0))


def test_penguins_without_measurements_are_left_out_and_counted() -> None:
    others = raw_file("several", {"wine": 60, "iris": 30}, 7)
    penguins = RawFile("penguins.csv", PENGUINS.encode(), {"source": "penguins"})
    frame, beside, card = rows.ingest(penguins, others, FORM)
    assert frame["id"].tolist() == [1, 3, 4] and frame["class"].tolist() == ["Adelie", "Adelie", "Gentoo"]
    measured = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
    assert frame.columns.tolist() == ["id", *measured, "class"]
    assert (card["table_rows"], card["rows_with_an_empty_cell"], card["source"]) == (4, 1, "penguins")
    found = rows.by_name(frame, beside, FORM)
    shapes = {name: part.shape for name, part in found.items()}
    assert shapes == {"penguins": (3, 6), "iris": (30, 6), "wine": (60, 15)}
    assert not found["wine"].isna().any(axis=None)


def test_scores_by_labels_are_those_of_the_chosen_rule() -> None:
    parts = splits()
    found = sweep.by_labels(parts, ["guided", "logistic"], [2, 30, 6, 30, 500], PARAMETERS)
    assert sorted(found["labels"].unique()) == [6, 30] and len(found) == 3 * 2 * 2
    one = parts[1]
    settings = methods.settings_of("logistic", PARAMETERS)
    rule = model.choose(methods.FITS["logistic"], settings, one.train, one.known(30), 3, 3, one.seed).rule
    row = found.query("split == 1 and labels == 30 and variant == 'logistic'").iloc[0]
    assert row["accuracy"] == (rule.predict_proba(one.test).argmax(axis=1) == one.truth).mean()
    assert (row["shared"], row["nmi"] > 0.5, row["ari"] > 0.5) == (one.shared, True, True)


def test_alpha_zero_gains_nothing_over_itself_and_is_k_means() -> None:
    parts = splits()
    found = sweep.by_alpha(parts, [1.0], 30, PARAMETERS).set_index(["split", "alpha"])
    assert (found.xs(0.0, level="alpha")[["accuracy_gain", "ari_gain", "nmi_gain"]] == 0).all(axis=None)
    assert (found["accuracy_gain"] != 0).any()
    plain = sweep.as_the_original(parts[2], 30, PARAMETERS)["kmeans_vote"]
    assert found.loc[(2, 0.0), "accuracy"] == sweep.accuracy(parts[2], plain)


def test_measurements_are_compared_with_all_on_the_same_splits() -> None:
    frame = iris()
    names = ["sepal_length_(cm)", "sepal_width_(cm)"]
    two = list(splits_of(frame[["id", *names, "class"]], "iris", 3, 0.3, seed=0))
    found = sweep.by_measurements({"all": splits(), "sepals": two}, 30, PARAMETERS)
    wide = found.assign(split=[0, 1, 2] * 4).pivot(
        index=["starts", "split"], columns="measurements", values="guided"
    )
    gained = found[found["measurements"] == "sepals"]["gain_of_all"]
    np.testing.assert_allclose(gained, wide["all"] - wide["sepals"])
    assert sorted(found["starts"].unique()) == [1, PARAMETERS.starts] and gained.mean() > 0.05


@pytest.mark.parametrize("variant", methods.FITS)
def test_a_variant_answers_rows_of_the_table(variant: str) -> None:
    train, _, test, card = split(iris(), FewLabelsParameters(test_fraction=0.3, labels=20, seed=0))
    trained, history = model.train(train, card, PARAMETERS, RUN, variant=variant)
    probabilities = trained.predict_proba(test)
    right = (probabilities.argmax(axis=1) == test["label"]).mean()
    assert probabilities.sum(axis=1) == pytest.approx(1) and (right > 0.75 or variant == "most_frequent")
    assert (len(history["epochs"]) > 1) == (variant == "guided") and 0 < history["dev"]["log_loss"] < 2


def test_guided_history_ends_with_the_objective_of_the_stored_clusters() -> None:
    train, _, _, card = split(iris(), FewLabelsParameters(test_fraction=0.3, labels=20, seed=0))
    trained, history = model.train(train, card, PARAMETERS, RUN, variant="guided")
    objective = [row["objective"] for row in history["epochs"]]
    assert (np.diff(objective) <= 1e-12).all() and history["chosen"]["alpha"] in PARAMETERS.guided.alphas
    clusters = history["chosen"]["per_class"] * 3
    assert trained.rule.centres.shape == (clusters, 4) and trained.rule.shares.sum() == pytest.approx(
        clusters
    )
