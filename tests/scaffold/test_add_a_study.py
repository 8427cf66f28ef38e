"""What `kedro pipeline create` makes passes the contract as it stands, and docs/add_a_study.md can be performed."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from etudes.config import EtudesConfigLoader
from etudes.scaffold import create_study, delete_study, study_paths
from etudes.settings import CONFIG_LOADER_ARGS
from projects import ROOT, kedro, make_project, quiet_environment, within

PAGE = ROOT / "docs" / "add_a_study.md"
PLAIN, EXAMPLE = "my_study", "wine_growers"
LONGEST = "a_study_whose_name_is_of_forty_characters"[:40]
SLOW_MACHINE = 1200.0  # seconds; nothing here takes longer than a minute of its own


def blocks(kind: str) -> list[str]:
    """The page's fenced blocks of one kind."""
    return re.findall(
        rf"^```{kind}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )


def commands(program: str) -> list[list[str]]:
    """The page's commands of one program, as arguments."""
    lines = [shlex.split(line) for block in blocks("bash") for line in block.splitlines()]
    return [line[1:] for line in lines if line[0] == program]


def perform_files(project: Path) -> None:
    """Write the page's files and apply its changes, each of which must fit exactly one place."""
    for block in blocks("python"):
        first, _, text = block.partition("\n")
        path = project / first.removeprefix("# ")
        assert not path.exists() and path.parent.exists(), path
        path.write_text(text, encoding="utf-8")
    for block in blocks("diff"):
        first, _, rest = block.partition("\n")
        path = project / first.removeprefix("--- ")
        text = path.read_text(encoding="utf-8")
        for change in rest.split("@@\n"):
            # An empty line is one of the file: editors take the space at its beginning away.
            lines = [line if line != "\n" else " \n" for line in change.splitlines(keepends=True)]
            assert all(line[0] in " -+" for line in lines), f"{path}: {change}"
            before, after = ("".join(line[1:] for line in lines if line[0] in kept) for kept in (" -", " +"))
            assert text.count(before) == 1, f"{path}: expected once:\n{before}"
            text = text.replace(before, after)
        path.write_text(text, encoding="utf-8")


def run(project: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A tool of the environment in the project, which imports the project's own source."""
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=project,
        env=quiet_environment(PYTHONPATH=str(project / "src"), **environment),
        capture_output=True,
        text=True,
        timeout=within(SLOW_MACHINE),
        check=False,
    )


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a study as it is made, and with the page's example performed up to its last command."""
    project = make_project(tmp_path_factory.mktemp("scaffold") / "project")
    (project / "tests" / "pipelines").mkdir(parents=True)
    shutil.copytree(ROOT / "tests" / "conformance", project / "tests" / "conformance")
    for name in ("projects.py", "conftest.py", "study_settings.py"):
        shutil.copy(ROOT / "tests" / name, project / "tests" / name)
    create_study(project, PLAIN)
    create, *others = commands("kedro")
    assert create == ["pipeline", "create", EXAMPLE]
    done = kedro(project, *create, timeout=SLOW_MACHINE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Run it:              kedro run --pipelines={EXAMPLE}" in done.stdout
    perform_files(project)
    for command in others:
        done = kedro(project, *command, timeout=SLOW_MACHINE)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    (project / "answer.txt").write_text(done.stdout)
    return project


@pytest.fixture(scope="module")
def outcomes(grown: Path) -> dict[str, dict[str, str]]:
    """Of both studies, each of their tests and of the contract's, with what was said of it: empty if it passed."""
    assert commands("pytest") == [
        ["tests/conformance", f"tests/pipelines/{EXAMPLE}", "-k", EXAMPLE],
    ]
    chosen = ["tests/conformance", "tests/pipelines", "-k", f"{PLAIN} or {EXAMPLE}"]
    run(grown, "pytest", *chosen, "-p", "no:cacheprovider", "--junitxml=outcomes.xml")
    found: dict[str, dict[str, str]] = {PLAIN: {}, EXAMPLE: {}}
    for case in ElementTree.parse(grown / "outcomes.xml").iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        bad = "".join(
            str(child.get("message")) + str(child.text)
            for child in case
            if child.tag not in ("system-out", "skipped")
        )
        found[PLAIN if PLAIN in name else EXAMPLE][name] = bad
    return found


@pytest.mark.slow
@pytest.mark.heavy
def test_a_new_study_passes_the_contract_and_its_own_tests_as_it_stands(
    outcomes: dict[str, dict[str, str]],
) -> None:
    assert [f"{name}: {said}" for name, said in outcomes[PLAIN].items() if said] == []
    assert sum("test_contract" in name for name in outcomes[PLAIN]) > 15
    assert any("test_pages" in name for name in outcomes[PLAIN]), "the conformance kit found it and ran it"


@pytest.mark.slow
@pytest.mark.heavy
def test_the_worked_example_passes_the_contract_and_its_own_tests(
    outcomes: dict[str, dict[str, str]],
) -> None:
    assert [f"{name}: {said}" for name, said in outcomes[EXAMPLE].items() if said] == []
    assert sum("test_contract" in name for name in outcomes[EXAMPLE]) > 15
    assert any("test_counts_are_those_of_scikit_learn" in name for name in outcomes[EXAMPLE])


@pytest.mark.slow
def test_the_worked_example_runs_and_answers(grown: Path) -> None:
    metrics = json.loads((grown / "data" / "07_model_output" / "base" / EXAMPLE / "metrics.json").read_text())
    for variant in ("nearest_centroid", "nearest_neighbours"):
        assert metrics[f"{variant}.accuracy.low"] > metrics["most_frequent.accuracy.high"] + 0.2
    page = (grown / "data" / "08_reporting" / "base" / EXAMPLE / "report.html").read_text()
    assert "Who grew this wine?" in page and "nearest_neighbours" in page and "embedded sample" in page
    assert re.search(r"class_0 \(probability \d", (grown / "answer.txt").read_text())


@pytest.mark.slow
def test_full_asks_for_the_users_table(grown: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kedro.io import DataCatalog, DatasetError

    monkeypatch.setenv("ETUDES_RAW", str(tmp_path))
    loader = EtudesConfigLoader(str(grown / "conf"), env="full", **CONFIG_LOADER_ARGS)
    raw = DataCatalog.from_config(loader["catalog"]).get(f"{PLAIN}.raw_table")
    path = tmp_path / PLAIN / "table.csv"
    with pytest.raises(DatasetError, match=rf"{re.escape(str(path))}: no such file; check"):
        raw.load()
    path.parent.mkdir()
    path.write_text("width,label\n1,oak\n")
    assert raw.load().content == b"width,label\n1,oak\n" and not raw.load().embedded_sample


@pytest.mark.slow
def test_what_is_made_is_clean_for_the_linters(grown: Path) -> None:
    names = [PLAIN, EXAMPLE]
    for name in ("ab", LONGEST):  # names decide where lines are broken
        create_study(grown, name)
        names.append(name)
    folders = [f"{parent}/{name}" for parent in ("src/etudes/pipelines", "tests/pipelines") for name in names]
    for arguments in (["check"], ["format", "--check", "--diff"]):
        done = run(grown, "ruff", *arguments, "--no-cache", *folders)
        assert done.returncode == 0, done.stdout + done.stderr
    if (ROOT / ".mypy_cache").is_dir():  # what is known of the libraries; without it mypy takes a minute
        shutil.copytree(ROOT / ".mypy_cache", grown / ".mypy_cache")
    done = run(grown, "mypy", *(f"-petudes.pipelines.{name}" for name in (PLAIN, EXAMPLE)))
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("ab", LONGEST):
        delete_study(grown, study_paths(grown, name))


def test_the_page_names_only_files_and_pages_that_are_there() -> None:
    text = PAGE.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#]+)\)", text)
    assert links and all((PAGE.parent / link).exists() for link in links)
    named = re.findall(r"`((?:src/etudes|tests)/[\w./]+)`", text)
    assert named and all((ROOT / path).exists() for path in named if EXAMPLE not in path)
