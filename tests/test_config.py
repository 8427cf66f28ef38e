"""The configuration loader reads what is needed, once, and gives what Kedro's own would give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kedro.config import OmegaConfigLoader
from omegaconf import OmegaConf

from etudes.config import EtudesConfigLoader, split_parameters
from etudes.settings import CONFIG_LOADER_ARGS

FILES = {
    "base/globals.yml": "raw: ${etudes.raw:}",
    "base/parameters.yml": "run: {seed: 0}",
    "base/parameters/ours.yml": "ours: {fit: {epochs: 9, rate: 0.1}, note: '${runtime_params:note, none}'}",
    "base/parameters/theirs.yml": "theirs: {rows: 1}",
    "base/catalog.yml": "'{study}.card': {type: X, filepath: '${etudes.outputs:02}/{study}'}",
    "base/catalog/ours.yml": "ours.raw: {type: X, filepath: '${globals:raw}/ours'}",
    "base/catalog/theirs.yml": "theirs.raw: {type: X, filepath: theirs}",
    "test/parameters/ours.yml": "ours: {fit: {epochs: 1}}",
    "test/parameters/theirs.yml": "theirs: {rows: 2}",
    "test/catalog/small.yml": "ours.raw: {type: X, filepath: small}",
    "local/parameters/mine.yml": "ours: {fit: {rate: 0.2}}",
}


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("ETUDES_RAW", "/raw")
    monkeypatch.delenv("ETUDES_OUTPUTS", raising=False)
    for name, text in FILES.items():
        path = tmp_path / "conf" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(tmp_path / "conf")


def loader(conf: str, env: str | None = None, **runtime: Any) -> EtudesConfigLoader:
    return EtudesConfigLoader(conf, env=env, runtime_params=runtime, **CONFIG_LOADER_ARGS)


@pytest.mark.parametrize("env", [None, "test"])
def test_it_gives_what_the_loader_of_kedro_gives_also_the_second_time(conf: str, env: str | None) -> None:
    runtime = {"note": "x", "ours": {"fit": {"epochs": 5}}}
    ours = loader(conf, env, **runtime)
    theirs = OmegaConfigLoader(conf, env=env, runtime_params=runtime, **CONFIG_LOADER_ARGS)
    for key in ("parameters", "catalog", "globals"):
        assert ours[key] == ours[key] == theirs[key]
    assert ours["parameters"]["ours"] == {
        "fit": {"epochs": 5, "rate": 0.1 if env else 0.2},
        "note": "x",
    }


def test_files_are_read_once_and_a_reader_may_change_what_it_got(
    conf: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    load = OmegaConf.load
    monkeypatch.setattr(OmegaConf, "load", lambda file: read.append(file.getvalue()) or load(file))
    found = loader(conf, "test")
    for key in ("parameters", "catalog") * 3:
        found[key]["ours.raw" if key == "catalog" else "ours"].clear()
    assert sorted(read) == sorted(text for name, text in FILES.items() if not name.startswith("local"))
    assert found["parameters"]["ours"]["fit"] == {"epochs": 1, "rate": 0.1}
    found["parameters"] = {"set": "by hand"}
    assert found["parameters"] == {"set": "by hand"}


def test_files_of_studies_that_do_not_run_are_passed_over_in_every_environment(conf: str) -> None:
    found = loader(conf, "test", theirs={"rows": 3})
    assert found["parameters"]["theirs"] == {"rows": 3}
    whole = loader(conf, "test")["catalog"]
    (Path(conf) / "test/parameters/theirs.yml").write_text("not: [yaml")
    found.leave_out({"theirs"})
    assert found["parameters"] == {
        "run": {"seed": 0},
        "ours": {"fit": {"epochs": 1, "rate": 0.1}, "note": "none"},
        "theirs": {"rows": 3},  # of the command line alone
    }
    assert found["catalog"].keys() == whole.keys() - {"theirs.raw"}
    assert found["catalog"]["ours.raw"]["filepath"] == "small"


def test_two_loaders_do_not_mix_their_environments_up(conf: str) -> None:
    base, test = loader(conf), loader(conf, "test")
    for found, env in ((base, "base"), (test, "test"), (base, "base")):
        assert found["catalog"]["{study}.card"]["filepath"].endswith(f"data/02/{env}/{{study}}")
        assert OmegaConf.create({"x": "${etudes.outputs:02}"}).x.endswith(env), "the diagram asks this"


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("run.seed=1,run.track=false", ["run.seed=1", "run.track=false"]),
        ("a.variants=[b,c], run.seed=1", ["a.variants=[b,c]", "run.seed=1"]),
        ("a.grid=[[1,2],[3]],a.map={x: 1,y: 2}", ["a.grid=[[1,2],[3]]", "a.map={x: 1,y: 2}"]),
        ("", []),
    ],
)
def test_parameters_are_split_outside_brackets(text: str, items: list[str]) -> None:
    assert split_parameters(text) == items
