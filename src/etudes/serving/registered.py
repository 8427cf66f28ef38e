"""Where a registered model lies. The project's own store is a SQLite file of MLflow's, read here without importing MLflow."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

CHAMPION = "champion"
ENVIRONMENT = "etudes.environment"  # a tag of a run
SQLITE = "sqlite:///"
# MLflow's tables (3.x). A version's source is runs:/<run>/<path>, and the run says where its artifacts are.
QUERY = """
select v.version, v.source, r.artifact_uri, t.value from model_versions v join runs r on r.run_uuid = v.run_id
left join tags t on t.run_uuid = v.run_id and t.key = :tag
where v.name = :name and v.workspace = 'default' and v.current_stage != 'Deleted_Internal' and v.version = {version}
"""
OF_ALIAS = "(select version from registered_model_aliases where name = :name and alias = :alias and workspace = 'default')"


class NotRegisteredError(ValueError):
    """The store has no such model."""


def registered_name(study: str, embedded_sample: bool) -> str:
    """Name of a study's registered model."""
    return f"{study}-sample" if embedded_sample else study


def find_in_file(uri: str, name: str, version: str | None) -> tuple[str, Path, str | None] | None:
    """Version, folder and environment of a registered model in a store that is a SQLite file, with its files on this machine.

    Args:
        uri: of the tracking store.
        name: of the registered model.
        version: of it; None for the champion.

    Returns:
        None where only MLflow can tell: another kind of store, or tables of another version of MLflow.

    Raises:
        NotRegisteredError: the store has no such model.
    """
    if not uri.startswith(SQLITE) or os.environ.get("MLFLOW_REGISTRY_URI"):
        return None
    store = Path(uri.removeprefix(SQLITE))
    if not store.is_file():  # MLflow would make an empty database to look in
        raise NotRegisteredError(name)
    query = QUERY.format(version=":version" if version else OF_ALIAS)
    try:
        with closing(sqlite3.connect(f"{store.resolve().as_uri()}?mode=ro", uri=True)) as database:
            given = {"name": name, "version": version, "alias": CHAMPION, "tag": ENVIRONMENT}
            row = database.execute(query, given).fetchone()
    except sqlite3.Error:
        return None
    if row is None:
        raise NotRegisteredError(name)
    found, source, artifacts, environment = row
    kind, _, inside = str(source).removeprefix("runs:/").partition("/")
    place = urlsplit(str(artifacts))
    if not str(source).startswith(f"runs:/{kind}/") or place.scheme not in ("", "file") or place.netloc:
        return None
    return str(found), Path(unquote(place.path)) / inside, environment
