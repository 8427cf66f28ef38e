"""Models as plain files: what is saved comes back, and a file can name nothing but registered classes."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest

from etudes import models
from etudes.models import (
    DESCRIPTION,
    WEIGHTS,
    ModelFileError,
    ModelState,
    load_model,
    register_model,
    registered_class,
    save_model,
    stored_bytes,
)
from etudes.study import Skipped


class ToyModel:
    registered_name: str

    def __init__(self, given: ModelState) -> None:
        self.given = given

    def state(self) -> ModelState:
        return self.given

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        return cls(state)


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    register_model("toy.model")(ToyModel)
    yield
    models._registered.pop("toy.model", None)


def full_state() -> ModelState:
    generator = np.random.default_rng(0)
    return ModelState(
        {"names": ["a", "é"], "rate": 0.1, "none": None},
        {
            "matrix": generator.normal(size=(3, 4)).astype(np.float32),
            "transposed": generator.normal(size=(3, 4)).T,
            "counts": np.arange(5, dtype=np.int64),
            "scalar": np.array(7, dtype=np.int64),
            "empty": np.zeros((0, 3)),
            "mask": np.array([True, False]),
        },
        {"tokenizer/vocab": b"\x00\xff bytes", "empty": b""},
    )


def save_toy(folder: Path) -> Path:
    save_model(ToyModel(full_state()), folder)
    return folder


def assert_same(found: ModelState, expected: ModelState) -> None:
    assert found.config == expected.config
    assert found.blobs == expected.blobs
    assert set(found.arrays) == set(expected.arrays)
    for name, array in expected.arrays.items():
        assert found.arrays[name].dtype == array.dtype, name
        assert found.arrays[name].shape == array.shape, name
        np.testing.assert_array_equal(found.arrays[name], array)


def test_a_saved_model_comes_back_as_it_was(tmp_path: Path) -> None:
    found = load_model(save_toy(tmp_path / "toy"))
    assert type(found) is ToyModel
    assert_same(found.state(), full_state())


def test_a_model_without_arrays_or_blobs_comes_back(tmp_path: Path) -> None:
    save_model(ToyModel(ModelState({"only": 1})), tmp_path / "toy")
    assert_same(load_model(tmp_path / "toy").state(), ModelState({"only": 1}))


def test_nested_states_are_kept_apart() -> None:
    outer, inner = ModelState({"own": 1}), full_state()
    outer.nest("first", inner)
    outer.nest("second", ModelState({"other": 2}, {"matrix": np.zeros(1)}))
    assert_same(outer.nested("first"), inner)
    assert_same(outer.nested("second"), ModelState({"other": 2}, {"matrix": np.zeros(1)}))


def test_files_of_a_model_are_as_readable_as_any_other(tmp_path: Path) -> None:
    folder = save_toy(tmp_path / "toy")
    (tmp_path / "ordinary").touch()
    ordinary = stat.S_IMODE((tmp_path / "ordinary").stat().st_mode)
    assert {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in folder.iterdir()} == {
        entry.name: ordinary for entry in folder.iterdir()
    }


def test_skipped_comes_back(tmp_path: Path) -> None:
    save_toy(tmp_path / "toy")
    save_model(Skipped("bilstm"), tmp_path / "toy")
    assert load_model(tmp_path / "toy") == Skipped("bilstm")
    assert [entry.name for entry in (tmp_path / "toy").iterdir()] == [DESCRIPTION]


@pytest.mark.parametrize(
    "name",
    ["os.system", "antigravity.x", "genre_classification.nope", "../x.y", "toy", "", "..antigravity.x"],
)
def test_an_unknown_class_is_refused_and_nothing_foreign_imported(tmp_path: Path, name: str) -> None:
    registered_class("genre_classification.bilstm")  # the study itself may be imported
    folder = save_toy(tmp_path / "toy")
    edit(folder, **{"class": name})
    before = set(sys.modules)
    with pytest.raises(ModelFileError, match="is unknown") as caught:
        load_model(folder)
    assert f"'{name}'" in str(caught.value)
    assert set(sys.modules) == before


def edit(folder: Path, **changes: Any) -> None:
    path = folder / DESCRIPTION
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def truncate(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: truncate(folder / DESCRIPTION),
        lambda folder: (folder / DESCRIPTION).write_text("[]"),
        lambda folder: (folder / DESCRIPTION).write_bytes(b"\xff\xfe\x00"),
        lambda folder: truncate(folder / WEIGHTS),
        lambda folder: (folder / WEIGHTS).write_bytes(b""),
        lambda folder: (folder / "blob_0.bin").unlink(),
        lambda folder: edit(folder, **{"class": ["toy.model"]}),
        lambda folder: edit(folder, blobs=None),
    ],
)
def test_a_damaged_folder_is_named(tmp_path: Path, damage: Any) -> None:
    folder = save_toy(tmp_path / "toy")
    damage(folder)
    with pytest.raises(ModelFileError, match=r"cannot be read.*train it again") as caught:
        load_model(folder)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused_with_the_name_of_the_model(
    tmp_path: Path, value: float
) -> None:
    from safetensors.numpy import load_file, save_file

    folder = save_toy(tmp_path / "toy")
    arrays = load_file(folder / WEIGHTS)
    name = next(name for name, array in arrays.items() if array.dtype.kind == "f" and array.size)
    arrays[name] = arrays[name].copy()
    arrays[name].flat[0] = value
    with pytest.raises(ModelFileError, match=rf"toy: 1 of the \d+ numbers of '{name}' are not finite"):
        save_model(ToyModel(ModelState({}, arrays)), folder)
    assert_same(load_model(folder).state(), full_state())
    save_file(arrays, folder / WEIGHTS)
    with pytest.raises(ModelFileError, match=rf"toy: 1 of the \d+ numbers of '{name}' are not finite"):
        load_model(folder)


def test_a_missing_model_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(
        ModelFileError, match=r"nothing holds no model \(model.json is missing\); run the study"
    ):
        load_model(tmp_path / "nothing")


def test_another_format_is_refused(tmp_path: Path) -> None:
    folder = save_toy(tmp_path / "toy")
    edit(folder, format=99)
    with pytest.raises(ModelFileError, match="format 99, expected 1; train again"):
        load_model(folder)


@pytest.mark.parametrize("name", ["../secret", "sub/secret", "/etc/hostname", "..", "."])
def test_a_blob_outside_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    folder = save_toy(tmp_path / "toy")
    (tmp_path / "secret").write_bytes(b"secret")
    (folder / "sub").mkdir()
    (folder / "sub" / "secret").write_bytes(b"secret")
    edit(folder, blobs={name: "tokenizer"})
    with pytest.raises(ModelFileError, match="leaves the folder"):
        load_model(folder)


def test_what_cannot_be_saved_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="dict has no state"):
        save_model({}, tmp_path / "toy")  # type: ignore[arg-type]
    assert not (tmp_path / "toy").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit of the file size")
@pytest.mark.parametrize("kind", ["arrays", "blobs"])
def test_a_full_disk_keeps_the_earlier_model(tmp_path: Path, kind: str) -> None:
    """The system itself refuses the bytes, by the limit of a file's size."""
    import resource

    folder = save_toy(tmp_path / "toy")
    large = (
        ModelState({}, {"w": np.zeros(10**6)})
        if kind == "arrays"
        else ModelState({}, {}, {"b": bytes(10**7)})
    )
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            save_model(ToyModel(large), folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert_same(load_model(folder).state(), full_state())
    assert [entry.name for entry in tmp_path.iterdir()] == ["toy"]


def test_a_model_is_found_after_a_kill_between_the_renames(tmp_path: Path) -> None:
    folder = save_toy(tmp_path / "toy")
    folder.rename(tmp_path / ".toy.old")
    assert_same(load_model(folder).state(), full_state())


def test_a_class_is_found_without_the_other_methods_of_its_study() -> None:
    """A question to a TF-IDF classifier does not wait for torch, which three other methods of its study import."""
    code = (
        "import sys; from etudes.models import registered_class as found; "
        "found('genre_classification.tfidf'); found('genre_classification.predictor'); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_model_is_as_large_as_its_files(tmp_path: Path) -> None:
    model = ToyModel(full_state())
    save_model(model, tmp_path / "model")
    assert stored_bytes(model) == sum(file.stat().st_size for file in (tmp_path / "model").iterdir()) > 500
