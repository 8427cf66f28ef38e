"""What holds of every training that writes checkpoints: it resumes to equal numbers, and its key holds all it reads."""

from __future__ import annotations

import itertools
import types
import typing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal
from unittest import mock

import numpy as np
import pandas as pd
import torch
from kedro.pipeline import Node
from pydantic import BaseModel, ValidationError
from run_checks import same_state
from runs import Run, call

from etudes.examples import Examples
from etudes.training.checkpoint import Checkpoint
from etudes.training.session import Session, enter_session

HOW_OFTEN = "checkpoint_"  # begins the names of fields that say how often a training saves
AT_A_TIME = "processes"  # how many parts of a training run at a time; no number depends on either
TIMINGS = ("seconds", "per_second")
Parameters = Mapping[str, Mapping[str, Any]]


class Stop(Exception):
    """Ends a training of which enough is known."""


def training_node(run: Run, label: str) -> Node:
    (node,) = [n for n in run.subject.nodes("train") if n.name.rpartition(".")[2] == f"train_{label}"]
    return node


@contextmanager
def surroundings(run: Run, label: str, folder: Path) -> Iterator[None]:
    """A training node's session, as a run opens it; live metrics go nowhere."""
    enter_session(Session(label, folder, lambda step, metrics: None, run.subject.name))
    try:
        yield
    finally:
        enter_session(None)


def resumable(run: Run) -> tuple[list[str], list[str]]:
    """The training nodes to interrupt: one of each kind of loop, that with the smallest model; and all others."""
    opened = run.notes["checkpoints"]

    def size(name: str) -> int:  # not the seconds: they would choose others on another day
        return sum(path.stat().st_size for path in run.path(f"{name}_model").iterdir())

    ordered = sorted(opened, key=lambda name: (size(name), name))
    first = {opened[name][0]["loop"]: name for name in reversed(ordered)}.values()
    return list(first), [name for name in ordered if name not in first]


def resumes(run: Run, label: str, folder: Path) -> None:
    """A training that is interrupted after half of its checkpoints and resumed ends with the model of the whole one."""
    node, name = training_node(run, label), run.subject.name
    saves = sum(checkpoint["saved"] for checkpoint in run.notes["checkpoints"][label])
    changes: dict[str, Any] = {}
    if saves < 2:  # it saves more often then, which changes no number
        changes = {name: often(run.parameters())}
    save, load, saved, loaded = Checkpoint.save, Checkpoint.load, 0, []

    def interrupting(self: Checkpoint, state: dict[str, Any]) -> None:
        nonlocal saved
        save(self, state)
        saved += 1
        if saved == max(1, saves // 2):
            raise KeyboardInterrupt

    def noting(self: Checkpoint) -> dict[str, Any] | None:
        found = load(self)
        loaded.append(found is not None)
        return found

    with mock.patch.object(Checkpoint, "save", interrupting), surroundings(run, label, folder):
        try:
            call(node, run.inputs(node, changes))
        except KeyboardInterrupt:
            pass
        else:
            raise AssertionError(f"train_{label} was not interrupted: it saved {saved} times")
    torch.manual_seed(99)  # another process would not know where the generators stood
    with mock.patch.object(Checkpoint, "load", noting), surroundings(run, label, folder):
        found = call(node, run.inputs(node, {**changes, "run": {"resume": True}}))
    assert any(loaded), f"train_{label} began anew: no checkpoint was taken up"
    states = [found[f"{name}.{label}_model"].state(), run.load(f"{label}_model").state()]
    same_state(*(replace(state, config=untimed(state.config)) for state in states))
    history = untimed(found[f"{name}.{label}_history"])
    assert history == untimed(run.load(f"{label}_history")), f"train_{label} has another history"


def often(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Changes of a study's groups with which trainings save as often as they can."""
    found: dict[str, Any] = {}
    for dataset, value in parameters.items():
        if isinstance(value, BaseModel) and dataset != "params:run":
            for path in leaves(value):
                if path[-1].startswith(HOW_OFTEN):
                    _put(found, [dataset.rpartition(".")[2], *path], 1)
    return found


def untimed(value: Any) -> Any:
    """A history or a config as JSON gives it back, without what a clock says and how often it was saved."""
    if isinstance(value, Mapping):
        named = {str(name): untimed(item) for name, item in value.items()}
        return {n: v for n, v in named.items() if not n.endswith(TIMINGS) and not n.startswith(HOW_OFTEN)}
    if isinstance(value, list | tuple):
        return [untimed(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def complete_key(run: Run, label: str) -> None:
    """Each field of a parameter model that a training reads, and each data set, changes the key of a checkpoint."""
    name, inputs = run.subject.name, run.inputs(training_node(run, label))
    opened = keys_opened(run, label, inputs)
    others = {
        ".".join([dataset.removeprefix("params:"), *path]): (dataset, changed_groups(run, dataset, path))
        for dataset, path in sorted(fields_read(run, label, inputs))
        if not path[-1].startswith((HOW_OFTEN, AT_A_TIME)) and (dataset != "params:run" or path == ("seed",))
    }
    for dataset, value in inputs.items():
        if isinstance(value, Examples | pd.DataFrame):
            others[dataset] = (dataset, [without_row(value, 0), without_row(value, len(value) - 1)])
    silent = []
    for what, (dataset, values) in others.items():
        tried = (keys_opened(run, label, {**inputs, dataset: value}, opened) for value in values)
        accepted = (found for found in tried if found)  # of a value that is refused there is no key
        if next(accepted, opened[:0]) == opened and all(found == opened for found in accepted):
            silent.append(what)
    assert not silent, (
        f"{name}.train_{label} reads {', '.join(silent)}, which its checkpoint's key does not hold"
    )


def stable_key(run: Run, label: str) -> None:
    """The same inputs give the keys of the run, which another process made."""
    noted = [(note["place"], note["key"]) for note in run.notes["checkpoints"][label]]
    opened = keys_opened(run, label, run.inputs(training_node(run, label)))
    assert opened == noted, f"train_{label}: the same inputs give other keys"


def different_keys(notes: Mapping[str, list[dict[str, Any]]]) -> None:
    """No two trainings of a study share a key."""
    keys = sorted((checkpoint["key"], name) for name, found in notes.items() for checkpoint in found)
    for key, named in itertools.groupby(keys, key=lambda pair: pair[0]):
        names = [name for _, name in named]
        assert len(names) == 1, f"the checkpoints of {' and '.join(names)} have one key: {key}"


Opened = list[tuple[str, str]]


def keys_opened(run: Run, label: str, inputs: Mapping[str, Any], expected: Opened | None = None) -> Opened:
    """Places and keys of the checkpoints that a training opens, up to the first that is not the ``expected`` one.

    Nothing is trained: every checkpoint takes up the end of the run's, whatever its key.
    """
    top, open_ = run.path(f"{label}_model").parent / "checkpoints" / label, Checkpoint.__init__
    opened: Opened = []

    def noting(self: Checkpoint, folder: Path | None, key: str, resume: bool) -> None:
        open_(self, folder, key, True)
        if folder is not None:
            opened.append((_place(folder, top), key))
            if expected is not None and opened != expected[: len(opened)]:
                raise Stop

    def ended(self: Checkpoint) -> dict[str, Any] | None:
        if self.path is None or not self.path.exists():
            return None
        state: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)["state"]
        return state

    with (
        mock.patch.object(Checkpoint, "__init__", noting),
        mock.patch.object(Checkpoint, "load", ended),
        mock.patch.object(Checkpoint, "save", lambda self, state: None),
        surroundings(run, label, top),
    ):
        try:
            call(training_node(run, label), inputs)
        except Stop:
            pass
        except Exception:  # refused before it began, or a state that does not fit was taken up
            if expected is None or (opened and opened != expected):
                raise
    return opened


def _place(folder: Path, top: Path) -> str:
    place = folder.relative_to(top).as_posix()
    return "" if place == "." else place


def fields_read(run: Run, label: str, inputs: Mapping[str, Any]) -> set[tuple[str, tuple[str, ...]]]:
    """The fields, as dataset and path, that a training reads up to its first checkpoint; a group that is read counts whole."""
    seen: set[tuple[str, tuple[str, ...]]] = set()
    watched = {
        dataset: _watched(value, dataset, seen) if isinstance(value, BaseModel) else value
        for dataset, value in inputs.items()
    }

    def stop(self: Checkpoint, state: dict[str, Any]) -> None:
        raise Stop

    node = training_node(run, label)
    folder = run.project / "nowhere"
    stopping = mock.patch.object(Checkpoint, "save", stop)
    with stopping, surroundings(run, label, folder), suppress(Stop):
        call(node, watched)
    return seen


def _watched(model: BaseModel, dataset: str, seen: set[tuple[str, tuple[str, ...]]]) -> Any:
    cls = type(model)
    fields = {name: getattr(model, name) for name in cls.model_fields}

    def note(name: str) -> None:
        value = fields[name]
        paths = leaves(value) if isinstance(value, BaseModel) else [()]
        seen.update((dataset, (name, *path)) for path in paths)

    def reading(self: Any, name: str) -> Any:
        if name in fields:
            note(name)
        elif name in ("model_dump", "model_dump_json", "model_copy"):
            for each in fields:
                note(each)
        return super(watching, self).__getattribute__(name)

    watching = type(cls.__name__, (cls,), {"__getattribute__": reading, "__module__": cls.__module__})
    return watching.model_construct(**fields)


def leaves(model: BaseModel) -> list[tuple[str, ...]]:
    """Paths of all fields that are no models themselves."""
    found: list[tuple[str, ...]] = []
    for name in type(model).model_fields:
        value = getattr(model, name)
        found += [(name, *path) for path in leaves(value)] if isinstance(value, BaseModel) else [(name,)]
    return found


def changed_groups(run: Run, dataset: str, path: tuple[str, ...]) -> list[Any]:
    """The group ``dataset`` with other valid values of one field."""
    *groups, last = path
    model: Any = run.parameters()[dataset]
    for group in groups:
        model = getattr(model, group)
    found = []
    for value in other_values(getattr(model, last), type(model).model_fields[last].annotation):
        changes: dict[str, Any] = {}
        _put(changes, [*dataset.removeprefix("params:").split("."), *path], value)
        with suppress(ValidationError):
            if (other := run.parameters(changes)[dataset]) != run.parameters()[dataset]:
                found.append(other)
    return found


def other_values(value: Any, hint: Any) -> Iterator[Any]:
    """Values near this one, the most harmless first."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield from (value + 1, value - 1, value * 2, value // 2, 1)
    elif isinstance(value, float):
        yield from (value * 0.9, value * 1.1, value + 0.1, value / 2)
    elif isinstance(value, str):
        yield from (other for other in _choices(hint) if other != value)
        yield f"{value}x"
    elif isinstance(value, list | tuple):
        each = [list(other_values(item, _item(hint)))[:1] for item in value]
        if all(each):
            yield [other for (other,) in each]
        yield from (list(value)[:-1], list(value)[::-1])
    elif value is None:
        yield from (1, 0.5)


def _choices(hint: Any) -> list[Any]:
    if typing.get_origin(hint) is Literal:
        return list(typing.get_args(hint))
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return [choice for part in typing.get_args(hint) for choice in _choices(part)]
    return []


def _item(hint: Any) -> Any:
    return next(iter(typing.get_args(hint)), None)


def _put(tree: dict[str, Any], path: list[str], value: Any) -> None:
    for name in path[:-1]:
        tree = tree.setdefault(name, {})
    tree[path[-1]] = value


def without_row(data: Any, row: int) -> Any:
    kept = np.delete(np.arange(len(data)), row)
    return data.take(kept) if isinstance(data, Examples) else data.iloc[kept]
