"""Checkpoints: resume a killed training and end with the same numbers.

A checkpoint is bound to a key made of data, parameters, seed and code. Another key means another training: it starts
afresh and says so.
"""

from __future__ import annotations

import hashlib
import json
import logging
from functools import cache
from pathlib import Path
from typing import Any

from etudes.atomic import atomic_file
from etudes.errors import chain
from etudes.interrupts import check, is_interrupt
from etudes.training.session import current_session

logger = logging.getLogger(__name__)


class CheckpointError(RuntimeError):
    """A checkpoint that was to be resumed cannot be read."""


@cache
def code_version(study: str = "") -> str:
    """Fingerprint of the library's source and of one study's, so that a checkpoint of other code is not resumed."""
    digest = hashlib.sha256()
    root = Path(__file__).parents[1]
    studies = root / "pipelines"
    for path in sorted(root.rglob("*.py")):
        if studies not in path.parents or studies / study in path.parents:
            digest.update(path.relative_to(root).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def checkpoint_key(*parts: Any) -> str:
    """Fingerprint of JSON-serialisable parts and of the code: the library's, and that of the study whose node runs."""
    session = current_session()
    code = code_version(session.study if session else "")
    text = json.dumps([*parts, code], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


class Checkpoint:
    """One checkpoint file.

    Args:
        folder: where it lies; None switches checkpoints off.
        key: what the training depends on, from `checkpoint_key`.
        resume: whether an existing file may be used.
    """

    def __init__(self, folder: Path | None, key: str, resume: bool) -> None:
        self.path = folder / "checkpoint.pt" if folder is not None else None
        self.key = key
        self.resume = resume

    def load(self) -> dict[str, Any] | None:
        """The stored state if resuming and the key is the same, else None.

        Raises:
            CheckpointError: the file is damaged; it is left as it is.
        """
        if self.path is None or not self.resume:
            return None
        if not self.path.exists():
            logger.info("Nothing to resume in %s: training starts afresh.", self.path.parent)
            return None
        import torch

        try:
            stored = torch.load(self.path, map_location="cpu", weights_only=True)
            key, state = stored["key"], stored["state"]
        except Exception as error:  # torch raises a dozen types on damaged files
            raise CheckpointError(
                f"{self.path}: the checkpoint cannot be read ({type(error).__name__}). Expected a file written by "
                "an earlier run of this node. Delete it, or run without run.resume, to train from the start."
            ) from error
        if key != self.key:
            logger.warning(
                "%s belongs to other data, parameters, seed or code: training starts afresh.", self.path
            )
            return None
        return state

    def save(self, state: dict[str, Any]) -> None:
        """Write the state under a temporary name and rename it.

        Raises:
            OSError: the disk is full or read-only; the previous checkpoint is as it was.
        """
        if self.path is None:
            return
        import torch

        with atomic_file(self.path) as temporary, temporary.open("wb") as file:
            try:
                torch.save({"key": self.key, "state": state}, file)
            except RuntimeError as error:  # torch buries what stopped it under a complaint about positions
                if is_interrupt(error):
                    raise KeyboardInterrupt from error
                cause = next((each for each in chain(error) if isinstance(each, OSError)), None)
                if cause is None:
                    raise
                failure = OSError(
                    f"{self.path}: the checkpoint cannot be written ({cause}). The previous checkpoint is kept."
                )
                failure.errno = cause.errno
                raise failure from error
        check()
