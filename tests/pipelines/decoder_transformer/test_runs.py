"""The study through the real command: from end to end in `test`, and on files that are wrong."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import Result

from projects import kedro, make_project

pytestmark = pytest.mark.slow

STUDY = "decoder_transformer"
Predict = Callable[..., Result]
RUN = ("run", f"--pipelines={STUDY}")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a user's own text that ran once, all variants, in an environment of its own upon `test`."""
    project = make_project(tmp_path_factory.mktemp("decoder") / "project")
    mine = project / "conf" / "mine"
    for kind in ("catalog", "parameters"):
        (mine / kind).mkdir(parents=True)
        text = (project / "conf" / "test" / kind / f"{STUDY}.yml").read_text()
        (mine / kind / f"{STUDY}.yml").write_text(text)
    (project / "own.txt").write_text("The quick brown fox jumps over the lazy dog.\n" * 60)
    path = mine / "catalog" / f"{STUDY}.yml"
    catalog = yaml.safe_load(path.read_text())
    catalog[f"{STUDY}.raw_text"] = {
        "type": "etudes.datasets.RawFileDataset",
        "source": None,
        "file": "own.txt",
        "raw": str(project),
    }
    path.write_text(yaml.safe_dump(catalog))
    done = kedro(project, *RUN, "--env=mine", timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return project


def outputs_of(project: Path) -> dict[str, str]:
    found = sorted((project / "data").rglob("*"))
    return {
        str(path.relative_to(project)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in found
        if path.is_file()
    }


def test_every_variant_is_scored_and_the_page_is_written(finished: Path) -> None:
    metrics = json.loads((finished / f"data/07_model_output/mine/{STUDY}/metrics.json").read_text())
    for variant in ("unigram", "bigram", "trigram", "lookup", "transformer", "relabelled"):
        assert metrics[f"{variant}.accuracy.low"] <= metrics[f"{variant}.accuracy"]
        assert f"{variant}.heldout_accuracy_mod5" in metrics
        assert (f"{variant}.bits_per_character" in metrics) == (variant != "relabelled")
    page = (finished / f"data/08_reporting/mine/{STUDY}/report.html").read_text()
    for words in ("Which ceiling", "told the coefficients", "trivial baseline", "What the cache saves"):
        assert words in page, words
    assert "embedded sample</" not in page, "the text is the user's own"


def test_a_prompt_is_continued_by_as_many_characters_as_asked_for(finished: Path, predict: Predict) -> None:
    wish = '{"prompt": "The quick ", "characters": 12, "seed": 1}'
    told = [predict(finished, STUDY, wish, "--env=mine") for _ in range(2)]
    assert [done.exit_code for done in told] == [0, 0], told[0].output
    assert told[0].stdout == told[1].stdout, "the seed decides the text"
    continuation, _, origin = told[0].stdout.rstrip("\n").rpartition("\n")
    assert len(continuation) == 12 and origin.startswith(f"[models:/{STUDY} version 1: ")


@pytest.mark.parametrize(
    ("wish", "part"),
    [
        ("§", "is not among the characters of the training text"),
        ('{"prompt": "The", "temperature": -1}', "temperature of row 0 is -1"),
        ('{"prompt": "The", "seed": 0.5, "top_k": 3}', "unknown fields top_k"),
    ],
)
def test_a_wrong_prompt_gets_one_message(finished: Path, predict: Predict, wish: str, part: str) -> None:
    done = predict(finished, STUDY, wish, "--env=mine")
    assert done.exit_code == 1 and part in " ".join(done.stderr.split()), done.output


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b"The quick br\xf6wn fox.\n" * 100, ("own.txt, line 1", "0xf6", "not UTF-8")),
        (b"Too short.\n", ("the text has", "expected more than text.context", "Give a longer text")),
    ],
)
def test_bad_text_ends_in_one_message_and_keeps_earlier_outputs(
    finished: Path, content: bytes, parts: tuple[str, ...]
) -> None:
    before, good = outputs_of(finished), (finished / "own.txt").read_bytes()
    (finished / "own.txt").write_bytes(content)
    try:
        options = ("--env=mine", "--params=run.track=false", f"--to-nodes={STUDY}.ingest,{STUDY}.split_text")
        done = kedro(finished, *RUN, *options)
    finally:
        (finished / "own.txt").write_bytes(good)
    screen = done.stdout + done.stderr
    assert done.returncode == 1 and "Traceback" not in screen, screen[-3000:]
    assert sum(line.startswith("Error:") for line in done.stderr.splitlines()) == 1, done.stderr
    assert all(part in " ".join(done.stderr.split()) for part in parts), done.stderr
    after = outputs_of(finished)
    changed = {name for name in before if after.get(name) != before[name]}
    assert all("02_intermediate" in name for name in changed), changed


def test_wrong_parameter_is_named_before_anything_runs(finished: Path) -> None:
    before = outputs_of(finished)
    parameter = f"{STUDY}.transformer.text.network.hidden=30"
    done = kedro(finished, *RUN, "--env=mine", f"--params=run.track=false,{parameter}")
    assert done.returncode == 1 and "Traceback" not in done.stdout + done.stderr
    assert "must be a multiple of 2 x heads" in " ".join(done.stderr.split()), done.stderr
    assert outputs_of(finished) == before
