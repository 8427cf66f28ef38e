"""Tracking stores that fail: one message that says which store, why, and how to run without it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from requests.exceptions import RequestException
from sqlalchemy.exc import SQLAlchemyError

from etudes.errors import chain

LOCKED_SECONDS = 20.0  # as long as MLflow waits
# What a database or a server says, and what that means. The first that is found counts.
_REASONS = (
    ("database or disk is full", "the disk is full; make room"),
    ("readonly database", "it is read-only; make it writable"),
    ("database is locked", "another program has locked it; end that, or try again when it has ended"),
    ("not a database", "it is damaged; move the file away to start a new store"),
    ("malformed", "it is damaged; move the file away to start a new store"),
    ("disk I/O error", "it cannot be written; look at the disk, and at limits of the size of files"),
    ("unable to open", "it cannot be opened; look at the folder and its permissions"),
    (
        "already exists",
        "it was left half made by an earlier failure; move the file away to start a new store",
    ),
    ("no such table", "it is not a store of MLflow, or half of one; move the file away to start a new store"),
    (
        "out-of-date database schema",
        "it was made by another version of MLflow; see `mlflow db upgrade --help`",
    ),
    ("Can't locate revision", "it was made by a newer version of MLflow; use that, or another store"),
    ("API request to", "the server does not answer, or not as it should"),
)
# What MLflow's errors of a request that was understood are called: no failure of the store.
_ANSWERS = ("RESOURCE_DOES_NOT_EXIST", "RESOURCE_ALREADY_EXISTS", "INVALID_PARAMETER_VALUE")


class TrackingError(RuntimeError):
    """The tracking store cannot be used."""


@contextmanager
def store_errors(uri: str) -> Iterator[None]:
    """Turn what databases and HTTP libraries raise into a `TrackingError`; MLflow's answers to a request stay as they are.

    Raises:
        TrackingError: the store at ``uri`` failed.
    """
    try:
        yield
    except (MlflowException, SQLAlchemyError, RequestException, sqlite3.Error) as error:
        if _is_answer(error):
            raise
        raise TrackingError(explain(error, uri)) from error


def _is_answer(error: BaseException) -> bool:
    return isinstance(error, MlflowException) and error.error_code in _ANSWERS


def explain(error: BaseException, uri: str) -> str:
    """The message for what the store at ``uri`` raised."""
    text = str(error).strip()
    if _is_answer(error):
        return text
    *_, cause = chain(error)
    said = (isinstance(cause, OSError) and cause.strerror) or str(cause).strip() or type(cause).__name__
    meaning = next((meaning for words, meaning in _REASONS if words in text), "it failed")
    return (
        f"The tracking store {uri} cannot be used: {meaning} ({said.splitlines()[0][:300]}). "
        "MLFLOW_TRACKING_URI names another store (unset, it is mlflow.db in the project); "
        "--params=run.track=false runs without one, and registers nothing."
    )


class GuardedClient:
    """MLflow's client, whose failures say which store failed."""

    def __init__(self, client: MlflowClient, uri: str) -> None:
        self._client, self._uri = client, uri

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            with store_errors(self._uri):
                return method(*args, **kwargs)

        return call


@contextmanager
def impatient() -> Iterator[None]:
    """Ask a server twice: MLflow would ask one that does not answer for minutes."""
    tries = os.environ.get("MLFLOW_HTTP_REQUEST_MAX_RETRIES")
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = tries or "1"
    try:
        yield
    finally:
        if tries is None:
            del os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"]


def sqlite_file(uri: str) -> Path | None:
    """The file of a store in SQLite; None for other stores, in memory, or with settings in the address."""
    name = uri.removeprefix("sqlite:///")
    if name == uri or name in ("", ":memory:") or name.startswith("file:"):
        return None
    return Path(name.partition("?")[0])


def check_sqlite(path: Path) -> None:
    """Try to write to a database: MLflow would try one that cannot be opened ten times, for minutes.

    Raises:
        sqlite3.Error: it is damaged, read-only, or has been locked for `LOCKED_SECONDS`.
    """
    with closing(sqlite3.connect(path, timeout=LOCKED_SECONDS)) as database:
        database.execute("BEGIN IMMEDIATE")
        database.execute("SELECT count(*) FROM alembic_version")
        database.rollback()
