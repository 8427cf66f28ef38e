"""Writes happen whole or not at all."""

from __future__ import annotations

import multiprocessing
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from etudes.atomic import atomic_file, atomic_folder, recover_folder, remove_debris
from projects import within


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def make_folder(path: Path, text: str) -> Path:
    path.mkdir(parents=True)
    (path / "weights").write_text(text)
    return path


def test_a_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.json"
    with atomic_file(path) as temporary:
        temporary.write_text("half")
        assert not path.exists()
        temporary.write_text("whole")
    assert path.read_text() == "whole"
    assert names(path.parent) == ["a.json"]


def test_a_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")
    with atomic_file(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert names(tmp_path) == ["a.json"]


@pytest.mark.parametrize("error", [OSError("no space left"), KeyboardInterrupt()])
@pytest.mark.parametrize("old", ["old", None])
def test_a_failing_block_leaves_the_old_file(tmp_path: Path, old: str | None, error: BaseException) -> None:
    path = tmp_path / "a.json"
    if old is not None:
        path.write_text(old)
    with pytest.raises(type(error)), atomic_file(path) as temporary:
        temporary.write_text("half")
        raise error
    assert names(tmp_path) == ([] if old is None else ["a.json"])
    assert old is None or path.read_text() == old


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_results_have_the_permissions_of_an_ordinary_write(tmp_path: Path, kind: str) -> None:
    before = os.umask(0o027)
    try:
        if kind == "file":
            with atomic_file(tmp_path / "a") as temporary:
                temporary.write_text("x")
        else:
            with atomic_folder(tmp_path / "a"):
                pass
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == (0o640 if kind == "file" else 0o750)


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = make_folder(tmp_path / "model", "old")
    (path / "of the old one only").touch()
    with atomic_folder(path) as temporary:
        (temporary / "weights").write_text("new")
        assert (path / "weights").read_text() == "old"
    assert (path / "weights").read_text() == "new"
    assert names(path) == ["weights"]
    assert names(tmp_path) == ["model"]


@pytest.mark.parametrize("error", [OSError("no space left"), KeyboardInterrupt()])
@pytest.mark.parametrize("existed", [True, False])
def test_a_failing_block_leaves_the_old_folder(tmp_path: Path, existed: bool, error: BaseException) -> None:
    path = tmp_path / "model"
    if existed:
        make_folder(path, "old")
    with pytest.raises(type(error)), atomic_folder(path) as temporary:
        (temporary / "weights").write_text("half")
        raise error
    assert names(tmp_path) == (["model"] if existed else [])
    assert not existed or (path / "weights").read_text() == "old"


def fail_second_rename(monkeypatch: pytest.MonkeyPatch, path: Path, error: BaseException) -> None:
    real = Path.rename

    def rename(self: Path, target: Path) -> Path:
        if Path(target) == path and self.suffix == ".tmp":
            raise error
        return real(self, target)

    monkeypatch.setattr(Path, "rename", rename)


def test_a_failing_rename_puts_the_old_folder_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_folder(tmp_path / "model", "old")
    fail_second_rename(monkeypatch, path, OSError("read-only"))
    with pytest.raises(OSError, match="read-only"), atomic_folder(path) as temporary:
        (temporary / "weights").write_text("new")
    assert (path / "weights").read_text() == "old"
    assert names(tmp_path) == ["model"]


class Killed(BaseException):
    """A kill: nothing of the process runs after it."""


def kill_between_the_renames(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        fail_second_rename(patch, path, Killed())
        patch.setattr("etudes.atomic.shutil.rmtree", lambda *args, **kwargs: None)
        patch.setattr("etudes.atomic.recover_folder", lambda path: None)
        with pytest.raises(Killed), atomic_folder(path) as temporary:
            (temporary / "weights").write_text("new")


def test_a_kill_between_the_renames_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_folder(tmp_path / "model", "old")
    kill_between_the_renames(path, monkeypatch)
    assert not path.exists()
    recover_folder(path)
    assert (path / "weights").read_text() == "old"
    assert not list(tmp_path.glob(".*.old"))


def test_a_write_after_a_kill_between_the_renames_succeeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_folder(tmp_path / "model", "old")
    kill_between_the_renames(path, monkeypatch)
    with atomic_folder(path) as temporary:
        (temporary / "weights").write_text("newer")
    assert (path / "weights").read_text() == "newer"
    assert not list(tmp_path.glob(".*.old"))


def test_recovery_never_replaces_a_folder_that_is_there(tmp_path: Path) -> None:
    path = make_folder(tmp_path / "model", "new")
    make_folder(tmp_path / ".model.0a1b2c3d.old", "old")
    recover_folder(path)
    assert (path / "weights").read_text() == "new"
    recover_folder(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


def test_debris_of_killed_processes_is_removed_and_nothing_else(tmp_path: Path) -> None:
    kept = make_folder(tmp_path / "models" / "a", "whole")
    (kept / "user.tmp").write_text("a user's own")
    for name in (".b.json.x1y2_3z4.tmp", ".hidden", ".c.tmp", ".d.old"):
        (tmp_path / name).write_text("")
    make_folder(kept.parent / ".a.x1y2z3w4.tmp", "half")
    make_folder(kept.parent / ".a.00000000.old", "replaced")
    make_folder(kept.parent / ".lost.00000000.old", "moved aside")
    remove_debris(tmp_path)
    assert names(tmp_path) == [".c.tmp", ".d.old", ".hidden", "models"]
    assert names(kept.parent) == ["a", "lost"]
    assert (kept / "weights").read_text() == "whole" and (kept / "user.tmp").exists()
    assert (kept.parent / "lost" / "weights").read_text() == "moved aside"


SAVES = 105


def save_folders(path: Path, number: int, start: Any, failures: Any) -> None:
    start.wait(timeout=within(60))
    for index in range(SAVES):
        try:
            with atomic_folder(path) as temporary:
                for name in ("a", "b"):
                    (temporary / name).write_text(f"{number} {index}")
        except Exception as error:
            failures.put(f"{number} {index}: {error!r}")


def save_files(path: Path, number: int, start: Any, failures: Any) -> None:
    start.wait(timeout=within(60))
    for index in range(SAVES):
        try:
            with atomic_file(path) as temporary:
                temporary.write_text(f"{number} {index} " * 1000)
        except Exception as error:
            failures.put(f"{number} {index}: {error!r}")


@pytest.mark.parametrize("save", [save_folders, save_files])
def test_concurrent_saves_all_succeed_and_leave_one_whole_result(
    tmp_path: Path, save: Callable[..., None]
) -> None:
    """840 saves of one name by eight processes, while a ninth reads and recovers it."""
    context = multiprocessing.get_context("fork")
    start, failures = context.Barrier(9), context.Queue()
    path = tmp_path / "result"
    writers = [
        context.Process(target=save, args=(path, number, start, failures), daemon=True) for number in range(8)
    ]
    for writer in writers:
        writer.start()
    start.wait(timeout=within(60))
    while any(writer.is_alive() for writer in writers):
        recover_folder(path)
        if save is save_files and path.exists():
            assert len(set(path.read_text().split(" ")[::2])) <= 2, "one writer's text and the empty end"
    for writer in writers:
        writer.join(timeout=within(60))
    assert failures.empty(), failures.get()
    assert names(tmp_path) == ["result"]
    if save is save_folders:
        assert (path / "a").read_text() == (path / "b").read_text()
