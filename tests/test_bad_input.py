"""Bad input: one message that names the place, exit status 1 (usage errors 2), and nothing lost.

Every case runs the real command in a fresh process on a user's own two files.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from projects import STUDY, kedro, make_project, quiet_environment, within

pytestmark = pytest.mark.slow

GENRES = ("comedy", "drama", "horror")
WORDS = {"comedy": "laughs jokes wedding", "drama": "grief family letter", "horror": "ghost cellar scream"}


def lines(count: int, start: int = 1) -> list[str]:
    """Valid lines, ``count`` of each genre, all with different plots."""
    rows = []
    for number in range(count * len(GENRES)):
        genre = GENRES[number % len(GENRES)]
        identifier = start + number
        rows.append(
            f"{identifier} ::: Film {identifier} (1999) ::: {genre} ::: A film of {WORDS[genre]} number {identifier}."
        )
    return rows


def write(path: Path, rows: list[str]) -> None:
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def good_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a user's own data that ran once to its end."""
    folder = make_project(tmp_path_factory.mktemp("own") / "project")
    raw = folder / "raw"
    raw.mkdir()
    write(raw / "train.txt", lines(8))
    write(raw / "test.txt", lines(4, start=500))
    mine = folder / "conf" / "mine"
    (mine / "catalog").mkdir(parents=True)
    (mine / "parameters").mkdir()
    catalog = {
        f"{STUDY}.raw_{part}": {
            "type": "etudes.datasets.RawFileDataset",
            "source": None,
            "file": f"{part}.txt",
            "raw": str(raw),
        }
        for part in ("train", "test")
    }
    (mine / "catalog" / f"{STUDY}.yml").write_text(yaml.safe_dump(catalog))
    parameters = {STUDY: {"variants": ["majority", "tfidf"], "evaluation": {"resamples": 100}}}
    (mine / "parameters" / f"{STUDY}.yml").write_text(yaml.safe_dump(parameters))
    done = kedro(folder, "run", "--env=mine", f"--pipelines={STUDY}")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def own(good_project: Path, tmp_path: Path) -> Path:
    """A copy of the project that ran, to be spoilt."""
    copy = tmp_path / "project"
    shutil.copytree(good_project, copy, symlinks=True)
    path = copy / "conf" / "mine" / "catalog" / f"{STUDY}.yml"
    path.write_text(path.read_text().replace(str(good_project), str(copy)))
    return copy


def outputs_of(project: Path) -> dict[str, str]:
    """Fingerprints of all outputs and of the registry's champion."""
    found = {
        str(path.relative_to(project)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((project / "data").rglob("*"))
        if path.is_file()
    }
    return found


def champion(project: Path) -> str:
    from mlflow.tracking import MlflowClient

    return str(
        MlflowClient(*[f"sqlite:///{project / 'mlflow.db'}"] * 2)
        .get_model_version_by_alias(STUDY, "champion")
        .version
    )


def run_mine(project: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return kedro(project, "run", "--env=mine", f"--pipelines={STUDY}", *arguments, **environment)


def assert_one_message(done: subprocess.CompletedProcess[str], status: int, *parts: str) -> None:
    """The status, the parts in one message on stderr, and no traceback on the screen."""
    screen = done.stdout + done.stderr
    assert done.returncode == status, screen[-3000:]
    assert "Traceback" not in screen, screen[-3000:]
    assert "failed with error" not in screen, "the node tells the same once more"
    assert sum(line.startswith("Error:") for line in done.stderr.splitlines()) == 1, done.stderr
    flat = " ".join(done.stderr.split())
    for part in parts:
        assert part in flat, f"{part!r} is not in: {flat}"


def spoil_lines(change: Callable[[list[str]], list[str]], file: str = "train.txt") -> Callable[[Path], None]:
    def spoil(raw: Path) -> None:
        rows = (raw / file).read_text(encoding="utf-8").splitlines()
        write(raw / file, change(rows))

    return spoil


def one_genre(rows: list[str]) -> list[str]:
    return [
        row.replace("::: comedy :::", "::: drama :::").replace("::: horror :::", "::: drama :::")
        for row in rows
    ]


CASES: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "missing file": (lambda raw: (raw / "train.txt").unlink(), ("train.txt", "no such file", "catalog")),
    "empty file": (
        lambda raw: (raw / "train.txt").write_bytes(b""),
        ("train.txt", "there are no films in it"),
    ),
    "truncated line": (
        spoil_lines(lambda rows: [*rows[:-1], rows[-1][:12]]),
        ("train.txt", "line 24", "of 4 fields", "ID ::: TITLE ::: GENRE ::: DESCRIPTION"),
    ),
    "wrong separator": (
        spoil_lines(lambda rows: [row.replace(" ::: ", ";") for row in rows]),
        ("train.txt", "line 1", "is the separator", "and 19 more"),
    ),
    "wrong encoding": (
        lambda raw: (raw / "train.txt").write_bytes(
            "1 ::: Caf\xe9 (1999) ::: drama ::: A plot.\n".encode("cp1252")
        ),
        ("train.txt, line 1", "0xe9", "not UTF-8"),
    ),
    "unknown genre in test": (
        spoil_lines(lambda rows: [rows[0].replace("comedy", "western", 1), *rows[1:]], "test.txt"),
        ("test.txt", "unknown genre western", "id 500"),
    ),
    "a class with one row": (
        spoil_lines(lambda rows: [*rows, "900 ::: Alone (2000) ::: war ::: The only film of war."]),
        ("train.txt", "one row only of war"),
    ),
    "all rows one class": (spoil_lines(one_genre), ("train.txt", "all rows are of the genre 'drama'")),
    "empty plot": (
        spoil_lines(lambda rows: [rows[0].rpartition(" ::: ")[0] + " :::  ", *rows[1:]]),
        ("train.txt", "line 1", "the plot is empty"),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_file_ends_in_one_message_and_keeps_earlier_outputs(own: Path, case: str) -> None:
    spoil, parts = CASES[case]
    before = outputs_of(own)
    spoil(own / "raw")
    assert_one_message(run_mine(own), 1, *parts)
    assert outputs_of(own) == before
    assert champion(own) == "1"
    assert "Traceback" in (own / "logs" / "etudes.log").read_text(), "the traceback belongs into the log"


@pytest.mark.parametrize(
    ("parameter", "parts"),
    [
        (f"{STUDY}.tfidf.penalty=-1", (f"{STUDY}.tfidf.penalty", "greater than 0", "-1")),
        (f"{STUDY}.tfidf.penalti=1", (f"{STUDY}.tfidf.penalti", "did you mean 'penalty'")),
        (f"{STUDY}.tfidff.balance=1", (f"{STUDY}.tfidff", "is not a parameter")),
        (
            "genre_clasification.tfidf.balance=1",
            ("genre_clasification", "did you mean 'genre_classification'"),
        ),
        ("vae.mlp.latent=3", ("'vae'", "does not run here", f"{STUDY} or run")),
        ("run.sead=1", ("run.sead", "is not a parameter")),
        (f"{STUDY}.bilstm.fit.learning_rate=-0.1", (f"{STUDY}.bilstm.fit.learning_rate", "greater than 0")),
    ],
)
def test_wrong_parameter_is_named_before_anything_runs(
    good_project: Path, parameter: str, parts: tuple[str, ...]
) -> None:
    before = outputs_of(good_project)
    assert_one_message(run_mine(good_project, f"--params={parameter}"), 1, *parts)
    assert outputs_of(good_project) == before


def test_unknown_variant_is_refused(own: Path) -> None:
    path = own / "conf" / "mine" / "parameters" / f"{STUDY}.yml"
    path.write_text(yaml.safe_dump({STUDY: {"variants": ["majority", "tdidf"]}}))
    assert_one_message(run_mine(own), 1, f"{STUDY}.variants.1", "'tdidf'", "'tfidf'")


def test_unknown_pipeline_is_a_usage_error(good_project: Path) -> None:
    assert_one_message(kedro(good_project, "run", "--pipelines=genre_clasification"), 2, STUDY)


def test_full_disk_leaves_earlier_outputs_whole(own: Path) -> None:
    """A write fails half-way: every file of the study is capped at 2 kB by the operating system."""
    before = outputs_of(own)
    # A file system of its own cannot be made in a test: the limit on a file's size fails the same way, in mid-write.
    script = (
        "import resource, runpy, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000));"
        "sys.argv = ['kedro', 'run', '--env=mine', '--pipelines=genre_classification', '--params=run.track=false'];"
        "runpy.run_module('kedro', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=own,
        env=quiet_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert outputs_of(own) == before
    assert not list((own / "data").rglob("*.tmp"))


def test_unwritable_data_folder_is_named(own: Path) -> None:
    """A file stands where an output folder should be: the tests may run as root, whom permissions do not stop."""
    blocked = own / "elsewhere"
    blocked.write_text("not a folder")
    before = outputs_of(own)
    done = run_mine(own, "--params=run.track=false", ETUDES_OUTPUTS=str(blocked / "data"))
    assert_one_message(done, 1, "elsewhere")
    assert outputs_of(own) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_data_folder_is_named(own: Path) -> None:
    folder = own / "data" / "02_intermediate" / "mine" / STUDY
    folder.chmod(0o500)
    try:
        assert_one_message(run_mine(own, "--params=run.track=false"), 1, "permission")
    finally:
        folder.chmod(0o700)


def test_damaged_model_file_is_named(own: Path) -> None:
    model = own / "data" / "06_models" / "mine" / STUDY / "tfidf" / "weights.safetensors"
    model.write_bytes(model.read_bytes()[:100])
    done = run_mine(own, f"--from-nodes={STUDY}.evaluate")
    assert_one_message(done, 1, "tfidf", "train it again")


def test_damaged_checkpoint_is_named_and_kept(own: Path) -> None:
    checkpoint = own / "data" / "06_models" / "mine" / STUDY / "checkpoints" / "bilstm" / "checkpoint.pt"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"not a checkpoint")
    path = own / "conf" / "mine" / "parameters" / f"{STUDY}.yml"
    path.write_text(yaml.safe_dump({STUDY: {"variants": ["bilstm"]}}))
    done = run_mine(own, f"--to-nodes={STUDY}.train_bilstm", "--params=run.resume=true")
    assert_one_message(done, 1, "checkpoint.pt", "cannot be read", "run.resume")
    assert checkpoint.read_bytes() == b"not a checkpoint"


def test_interrupt_ends_the_mlflow_run_as_killed(own: Path) -> None:
    from mlflow.tracking import MlflowClient

    path = own / "conf" / "mine" / "parameters" / f"{STUDY}.yml"
    slow = {"fit": {"epochs": 5000, "patience": 5000}}
    path.write_text(yaml.safe_dump({STUDY: {"variants": ["bilstm"], "bilstm": slow}}))
    process = subprocess.Popen(
        [sys.executable, "-m", "kedro", "run", "--env=mine", f"--pipelines={STUDY}"],
        cwd=own,
        env=quiet_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell starts background jobs with the interrupt ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    checkpoint = own / "data" / "06_models" / "mine" / STUDY / "checkpoints" / "bilstm" / "checkpoint.pt"
    deadline = time.monotonic() + within(120)
    while not checkpoint.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=within(60))
    assert process.returncode == 130, stdout + stderr
    assert "Interrupted" in stderr and "Traceback" not in stderr
    client = MlflowClient(f"sqlite:///{own / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(STUDY)
    assert experiment is not None
    newest = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time DESC"])[0]
    assert newest.info.status == "KILLED"
    assert champion(own) == "1", "an interrupted run registers nothing"
