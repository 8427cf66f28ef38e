"""What is suggested for a misspelt name."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from etudes.hooks import ParameterError, check_names, describe_validation
from etudes.pipelines.genre_classification.parameters import Parameters
from etudes.suggestions import hint, near_names, near_paths, paths_of
from projects import STUDY
from study_settings import whole_settings

PATHS = ["run.seed", "run.resume", "a.seed", "a.bilstm.fit.epochs", "a.bilstm.hidden", "a.encoder.fit.epochs"]


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("vea", ["vae"]),
        ("padim", ["anomaly_padim"]),
        ("GAN", ["gan_digits"]),
        ("genre_clasification", ["genre_classification"]),
        ("xyz", []),
    ],
)
def test_near_names_are_misspellings_and_parts(name: str, near: list[str]) -> None:
    assert near_names(name, ["anomaly_padim", "gan_digits", "genre_classification", "vae"], 1) == near


@pytest.mark.parametrize(
    ("wanted", "near"),
    [
        ("seed", ["run.seed", "a.seed"]),
        ("bilstm.epochs", ["a.bilstm.fit.epochs"]),
        ("bilsm.epoch", ["a.bilstm.fit.epochs"]),
        ("a.bilstm.epochs", ["a.bilstm.fit.epochs"]),
        ("nothing.of.epochs", ["a.bilstm.fit.epochs", "a.encoder.fit.epochs"]),
        ("epochs.bilstm", []),
    ],
)
def test_near_paths_hold_the_parts_in_their_order(wanted: str, near: list[str]) -> None:
    assert near_paths(wanted, PATHS) == near


def test_paths_of_nested_groups() -> None:
    assert list(paths_of({"a": {"b": {"c": 1}, "d": [2]}, "e": None})) == ["a.b.c", "a.d", "e"]


def test_without_near_names_all_are_listed() -> None:
    assert hint([], ["b", "c"]) == "expected one of b, c"
    assert hint(["b", "c"]) == "did you mean 'b' or 'c'?"


def test_parameters_outside_the_studies_are_refused_with_their_full_name() -> None:
    configured = {
        "run": {"seed": 0},
        STUDY: {"bilstm": {"fit": {"epochs": 3}}},
        "vae": {"fit": {"epochs": 2}},
    }
    with pytest.raises(ParameterError, match=r"'seed' is neither.*did you mean 'run\.seed'\?$"):
        check_names(configured, {"seed": 3}, [])
    with pytest.raises(ParameterError, match=rf"'{STUDY}\.bilstm\.fit\.epochs'\?$"):
        check_names(configured, {"bilstm": {"epochs": 3}}, [])
    with pytest.raises(ParameterError, match=r"'vae\.fit\.epochs'"):
        check_names(configured, {"epochs": 3}, ["vae"])
    check_names(configured, {"run": {"seed": 1}, "vae": {"fit": {"epochs": 3}}}, ["vae"])


def test_a_parameter_at_the_wrong_place_of_its_study_is_found() -> None:
    values = whole_settings(STUDY, Parameters).model_dump(mode="json")
    values["bilstm"]["epochs"] = 3
    with pytest.raises(ValidationError) as error:
        Parameters.model_validate(values)
    told = describe_validation(STUDY, Parameters, error.value)
    assert f"{STUDY}.bilstm.epochs is not a parameter; did you mean '{STUDY}.bilstm.fit.epochs'?" in told
