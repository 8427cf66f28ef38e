"""Trained models as plain state: what is saved, what is loaded, and which classes may be loaded.

A model turns into a `ModelState` (JSON arguments, arrays, byte strings) and back. Nothing is pickled, and a file can
only name a class that its study registered.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol, Self, TypeVar, runtime_checkable

import numpy as np
from pydantic import BaseModel

from etudes.atomic import atomic_folder, recover_folder
from etudes.study import Skipped, import_models

FORMAT = 1
# Classes that several studies use are named after their room in the library; these modules register them.
LIBRARY = {
    "tables": ("etudes.benches.tables", "etudes.benches.table_models"),
    "agents": (
        "etudes.benches.agents",
        "etudes.benches.agent_predictor",
        "etudes.benches.experts",
        "etudes.benches.several_environments",
    ),
    "classifiers": ("etudes.benches.classifiers", "etudes.benches.picture_predictor"),
    "digits": (
        "etudes.digits.judge",
        "etudes.digits.vae",
        "etudes.digits.predictor",
        "etudes.digits.reader",
    ),
    "frozen": ("etudes.vision.frozen",),
    "graphs": ("etudes.benches.spreading",),
    "hours": ("etudes.benches.forecasts", "etudes.benches.hour_predictor"),
    "regressors": ("etudes.benches.regressors",),
    "text": ("etudes.text.continuation",),
    "tuned": ("etudes.vision.tuned",),
    "texts": ("etudes.text.features", "etudes.text.linear"),
    "uncertain": ("etudes.benches.uncertain",),
    "victims": ("etudes.vision.victims",),
    "vision": ("etudes.vision.packing", "etudes.vision.reader"),
}
FACTS = "predictor-facts"  # the key of a predictor's config under which its card stands; it can be the name of no part
DESCRIPTION = "model.json"
WEIGHTS = "weights.safetensors"


@dataclass
class ModelState:
    """What a model consists of.

    ``config`` holds the constructor's arguments (JSON), ``arrays`` the weights, ``blobs`` opaque byte strings of
    libraries with a safe format of their own (a spaCy pipeline, a tokenizer's JSON).
    """

    config: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)

    def nest(self, prefix: str, other: ModelState) -> None:
        """Put another model's state under ``prefix``."""
        self.config[prefix] = other.config
        self.arrays.update({f"{prefix}/{name}": value for name, value in other.arrays.items()})
        self.blobs.update({f"{prefix}/{name}": value for name, value in other.blobs.items()})

    def nested(self, prefix: str) -> ModelState:
        """The state that `nest` put under ``prefix``."""
        start = f"{prefix}/"
        return ModelState(
            self.config[prefix],
            {k.removeprefix(start): v for k, v in self.arrays.items() if k.startswith(start)},
            {k.removeprefix(start): v for k, v in self.blobs.items() if k.startswith(start)},
        )


@runtime_checkable
class Persistent(Protocol):
    """A model that can be saved."""

    registered_name: str

    def state(self) -> ModelState: ...
    @classmethod
    def from_state(cls, state: ModelState) -> Self: ...


class ModelFileError(ValueError):
    """A model folder that cannot be read."""


_registered: dict[str, type[Persistent]] = {}
ModelClass = TypeVar("ModelClass")


def register_model(name: str) -> Callable[[type[ModelClass]], type[ModelClass]]:
    """Class decorator: let models named ``<study>.<class>``, or ``<room>.<class>`` of the library, be loaded from disk."""

    def add(cls: type[ModelClass]) -> type[ModelClass]:
        cls.registered_name = name  # type: ignore[attr-defined]
        _registered[name] = cls  # type: ignore[assignment]
        return cls

    return add


def registered_class(name: str) -> type[Persistent]:
    """The class registered under ``<study>.<class>``.

    Raises:
        ModelFileError: no study registered that name.
    """
    if name not in _registered:
        room = name.partition(".")[0]
        try:
            for module in LIBRARY.get(room, ()):
                importlib.import_module(module)
            if room not in LIBRARY:
                import_models(room, name)
        except ValueError as error:
            raise ModelFileError(f"model class '{name}' is unknown: {error}") from error
    if name not in _registered:
        raise ModelFileError(f"model class '{name}' is unknown; known: {', '.join(sorted(_registered))}")
    return _registered[name]


def as_declared(value: Any, hint: Any) -> Any:
    """The value as the pydantic model that an annotation asks for; as it is where it asks for none."""
    if isinstance(hint, type) and issubclass(hint, BaseModel) and not isinstance(value, hint):
        return hint.model_validate(value)
    return value


def save_model(model: Persistent | Skipped, folder: Path) -> None:
    """Write a model folder, whole or not at all: ``model.json``, ``weights.safetensors``, blobs.

    Raises:
        TypeError: the model is not `Persistent`.
        ModelFileError: a weight is not finite.
        OSError: the disk is full or read-only; an earlier folder stays as it was.
    """
    if isinstance(model, Skipped):
        with atomic_folder(folder) as temporary:
            _write_description(temporary, {"format": FORMAT, "skipped": model.variant})
        return
    if not isinstance(model, Persistent):
        raise TypeError(f"{type(model).__name__} has no state()/from_state(); see etudes.models.Persistent")
    state = model.state()
    _refuse_not_finite(folder, state.arrays)
    with atomic_folder(folder) as temporary:
        if state.arrays:
            from safetensors.numpy import save

            arrays = {name: np.asarray(value, order="C") for name, value in state.arrays.items()}
            (temporary / WEIGHTS).write_bytes(
                save(arrays)
            )  # save_file hides OSError and makes the file private
        names = {}
        for index, (name, content) in enumerate(state.blobs.items()):
            names[f"blob_{index}.bin"] = name
            (temporary / f"blob_{index}.bin").write_bytes(content)
        description = {
            "format": FORMAT,
            "class": model.registered_name,
            "config": state.config,
            # The weights' file sorts its names; the order in which a model declares them is kept here, to be looked at.
            "arrays": {name: list(np.shape(value)) for name, value in state.arrays.items()},
            "blobs": names,
        }
        _write_description(temporary, description)


def stored_bytes(model: Persistent) -> int:
    """How large the folder is that `save_model` writes."""
    with TemporaryDirectory() as folder:
        save_model(model, Path(folder) / "model")
        return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())


def load_model(folder: Path) -> Any:
    """Read a model folder.

    Raises:
        ModelFileError: no such folder, a damaged file, a weight that is not finite, an unknown format or class.
    """
    recover_folder(folder)
    path = folder / DESCRIPTION
    if not path.exists():
        raise ModelFileError(
            f"{folder} holds no model ({DESCRIPTION} is missing); run the study's training first"
        )
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
        if description.get("format") != FORMAT:
            raise ModelFileError(
                f"{path}: format {description.get('format')}, expected {FORMAT}; train again"
            )
        if "skipped" in description:
            return Skipped(description["skipped"])
        cls = registered_class(description["class"])
        state = ModelState(
            description["config"], _read_arrays(folder / WEIGHTS), _read_blobs(folder, description["blobs"])
        )
        _refuse_not_finite(folder, state.arrays)
        return cls.from_state(state)
    except ModelFileError:
        raise
    except Exception as error:
        raise ModelFileError(
            f"{folder}: the model cannot be read ({type(error).__name__}: {error}). "
            "Expected a folder written by this version of etudes; train it again."
        ) from error


def _write_description(folder: Path, description: Mapping[str, Any]) -> None:
    (folder / DESCRIPTION).write_text(json.dumps(description, indent=1), encoding="utf-8")


def _refuse_not_finite(folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
    for name, array in arrays.items():
        values = np.asarray(array)
        if values.dtype.kind in "fc" and not np.isfinite(values).all():
            raise ModelFileError(
                f"{folder}: {np.count_nonzero(~np.isfinite(values))} of the {values.size} numbers of '{name}' are not "
                "finite; expected numbers only. The training diverged, or the file is damaged: train the model again, "
                "with a lower learning rate if it diverged."
            )


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    if not path.exists():
        return {}
    from safetensors.numpy import load_file

    return load_file(path)


def _read_blobs(folder: Path, names: Mapping[str, str]) -> dict[str, bytes]:
    blobs = {}
    for file, name in names.items():
        if Path(file).name != file or file in ("", ".", ".."):
            raise ModelFileError(f"{folder}: blob file name '{file}' leaves the folder")
        blobs[name] = (folder / file).read_bytes()
    return blobs
