"""What every study's run must have left, as functions that raise an `AssertionError`: pages, models, answers."""

from __future__ import annotations

import html
import io
import json
import math
import os
import re
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from jinja2 import nodes as jinja
from kedro.io import DataCatalog
from runs import Run, answers_of

from etudes.config import EtudesConfigLoader
from etudes.models import DESCRIPTION, WEIGHTS, ModelState, Persistent, _read_arrays, _read_blobs
from etudes.reporting.document import Document
from etudes.settings import CONFIG_LOADER_ARGS
from etudes.study import Skipped

Outputs = dict[str, Any]
DATA = re.compile(r"<(td|article|option)\b.*?</\1>", re.DOTALL)
CODE = re.compile(r"<(script|style)\b.*?</\1>", re.DOTALL)
MARKS = ("\ue000", "\ue001", "{{", "}}", "{%")


def page(text: str, document: Document, everything: bool) -> None:
    """A page is whole: policy, no mark of the template left, every caption of a figure or picture of the text.

    Args:
        text: the page.
        document: the study's ``report.md``.
        everything: whether all variants ran, so that captions under a condition are there as well.
    """
    words = html.unescape(CODE.sub("", text))
    policy = re.search(r'<meta http-equiv="Content-Security-Policy"\s+content="([^"]+)"', words)
    assert policy and "default-src 'none'" in policy[1], "the page has no content security policy"
    left = [mark for mark in MARKS if mark in words]
    assert not left, f"marks of the template are left in the page: {left}"
    tree = document.environment.parse(document.text)
    conditional = {id(call) for each in tree.find_all(jinja.If) for call in each.find_all(jinja.Call)}
    for call in tree.find_all(jinja.Call):
        if not (isinstance(call.node, jinja.Name) and call.node.name in ("figure", "image")):
            continue
        caption = call.args[1] if len(call.args) > 1 else None
        if isinstance(caption, jinja.Const) and (everything or id(call) not in conditional):
            shown = str(caption.value) in words
            assert shown, f"{document.path}, line {call.lineno}: the page lacks '{caption.value}'"


def left_out(run: Run, kept: Iterable[str], folder: Path) -> Outputs:
    """What evaluate and report give where only the variants ``kept`` ran: ``report``, ``metrics`` and ``predictor``.

    Every output is saved and read again, below ``folder``.
    """
    subject = run.subject
    skipped: Outputs = {}
    for name in set(subject.study.variants) - set(kept):
        skipped[f"{subject.name}.{name}_model"] = Skipped(name)
        skipped |= {f"{subject.name}.{name}_{kind}": {"skipped": True} for kind in ("history", "resources")}
    with mock.patch.dict(os.environ, ETUDES_OUTPUTS=str(folder)):
        loader = EtudesConfigLoader(str(run.project / "conf"), env="test", **CONFIG_LOADER_ARGS)
        scratch = DataCatalog.from_config(loader["catalog"])
    made: set[str] = set()
    for node in subject.nodes("evaluate", "report"):
        inputs = run.inputs(node, but={*skipped, *made})
        inputs |= {name: skipped[name] for name in node.inputs if name in skipped}
        inputs |= {name: scratch.load(name) for name in node.inputs if name in made}
        for name, value in node.run(inputs).items():
            scratch.save(name, value)
            made.add(name)
    return {short: scratch.load(f"{subject.name}.{short}") for short in ("report", "metrics", "predictor")}


def only(run: Run, kept: Sequence[str], folder: Path) -> None:
    """The study's page, metrics and predictor where only some variants ran."""
    found = left_out(run, kept, folder)
    page(found["report"], Document(run.subject.study), everything=False)
    scored = {key.partition(".")[0] for key in found["metrics"]} & set(run.subject.study.variants)
    assert scored == set(kept), f"metrics are of {sorted(scored)}, expected {sorted(kept)}"
    assert found["predictor"].card["variant"] in kept, "the predictor is of a variant that did not run"
    assert answers_of(found["predictor"])


def stored_state(folder: Path) -> ModelState:
    """What a model's folder holds."""
    described = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    blobs = _read_blobs(folder, described["blobs"])
    return ModelState(described["config"], _read_arrays(folder / WEIGHTS), blobs)


def reloads(model: Persistent, stored: ModelState) -> None:
    """The state of a model that was read is the state that was stored: nothing is lost on the way."""
    same_state(model.state(), stored)


def same_state(found: ModelState, expected: ModelState) -> None:
    """Equal to the last bit; of an archive, which numbers its members anew, what is in it."""
    configs = [json.loads(json.dumps(state.config)) for state in (found, expected)]
    assert configs[0].keys() == configs[1].keys(), "another config"
    for name, value in configs[1].items():
        assert configs[0][name] == value, (
            f"another config '{name}': {configs[0][name]!r:.200}, not {value!r:.200}"
        )
    assert found.arrays.keys() == expected.arrays.keys(), "other arrays"
    for name, value in expected.arrays.items():
        own = np.asarray(found.arrays[name])
        assert own.dtype == value.dtype and np.array_equal(own, value), f"another array '{name}'"
    assert found.blobs.keys() == expected.blobs.keys(), "other blobs"
    for name, blob in expected.blobs.items():
        assert _contents(found.blobs[name]) == _contents(blob), f"another blob '{name}'"


def _contents(blob: bytes) -> Any:
    if not zipfile.is_zipfile(io.BytesIO(blob)):
        return blob
    with zipfile.ZipFile(io.BytesIO(blob)) as archive:
        return sorted(archive.read(name) for name in archive.namelist() if name != "schema.json")


def same_answers(found: Any, expected: Any, place: str = "answers") -> None:
    """Equal but for the last digits of numbers, which another process may round otherwise."""
    if isinstance(expected, dict):
        assert isinstance(found, dict) and found.keys() == expected.keys(), f"{place}: other names"
        for name, value in expected.items():
            same_answers(found[name], value, f"{place}.{name}")
    elif isinstance(expected, list):
        assert isinstance(found, list) and len(found) == len(expected), f"{place}: another length"
        for number, (own, value) in enumerate(zip(found, expected, strict=True)):
            same_answers(own, value, f"{place}[{number}]")
    elif _no_number(expected):
        assert _no_number(found), f"{place}: {found}, not {expected}"
    elif isinstance(expected, float) and isinstance(found, int | float):
        assert math.isclose(found, expected, rel_tol=1e-4, abs_tol=1e-6), f"{place}: {found}, not {expected}"
    else:
        assert found == expected, f"{place}: {found!r:.200}, not {expected!r:.200}"


def _no_number(value: Any) -> bool:
    """NaN, or the null that stands for it in JSON."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def on_own_data(run: Run) -> None:
    """The page over a user's data, of which nothing is known beforehand: no ceiling, no reference of other data, and no
    noun that is of the study's own data."""
    (node,) = [node for node in run.subject.nodes("report") if node.name.endswith(".write_report")]
    inputs = run.inputs(node)
    name = f"{run.subject.name}.data_card"
    known = {fact for raw in run.subject.raw for fact in getattr(run.catalog.load(raw), "facts", {})}
    card = {key: value for key, value in inputs[name].items() if key not in known}
    inputs[name] = {**card, "source": "own data", "embedded_sample": False, "title": "Mine", "unit": "things"}
    (found,) = node.run(inputs).values()
    page(found, Document(run.subject.study), everything=True)
    words = html.unescape(CODE.sub("", found))
    assert "Mine" in words and "things" in words, "the page does not say whose data these are"
    shown = [
        reference.name for reference in run.subject.study.references if f"source: {reference.source}" in words
    ]
    assert not shown, f"the page over a user's data shows references of other data: {shown}"
    said = [
        noun for noun in run.subject.study.nouns if re.search(rf"\b{noun}(s|\b)", told(found), re.IGNORECASE)
    ]
    assert not said, f"the page over a user's data calls them {', '.join(said)}"


def told(page: str) -> str:
    """What a page says in words of its own: without cells and cards, which hold data, with alternative texts and the titles
    of axes."""
    titles = re.findall(r'"title":\{[^{}]*?"text":"([^"]*)"', page)
    bare = DATA.sub("", CODE.sub("", page))
    titles += re.findall(r'(?:alt|aria-label)="([^"]*)"', bare)
    return html.unescape(" ".join([re.sub(r"<[^>]*>", " ", bare), *titles]))
