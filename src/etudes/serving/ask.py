"""One question to a registered model, from the command line."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etudes.atomic import atomic_file
from etudes.forms.files import names_file, user_path
from etudes.imports import uncollected
from etudes.serving.registered import (
    CHAMPION,
    ENVIRONMENT,
    NotRegisteredError,
    find_in_file,
    registered_name,
)

if TYPE_CHECKING:
    import pandas as pd

    from etudes.serving.predictor import Predictor

TABLES = (".csv", ".json")
PREDICTOR = Path("artifacts", "predictor")  # in the folder of a registered model
FILES = (
    ".txt",
    *TABLES,
    ".jsonl",
    ".conllu",
    ".png",
    ".jpg",
    ".jpeg",
    ".gif",
    ".bmp",
    ".tif",
    ".tiff",
    ".webp",
)  # inputs
SHOWN = 20  # answers printed
SAMPLE_ENVIRONMENTS = (None, "base", "local", "test")


@dataclass(frozen=True)
class Found:
    """A registered model: its predictor, its name and version, the environment of its run where that is known."""

    predictor: Predictor
    name: str
    version: str
    environment: str | None


def ask(
    project: Path,
    study: str,
    text: str,
    env: str | None = None,
    version: str | None = None,
    output: Path | None = None,
    overwrite: bool = False,
) -> str:
    """Load a study's registered model, answer one input, and write the answer's file where it has one.

    Args:
        project: the project's folder, whose registry is asked.
        study: its name.
        text: the input, as the study's predictor parses it.
        env: environment that the model was trained in; None for the embedded sample.
        version: of the registered model; None for the champion.
        output: file to write. ``.csv`` and ``.json`` take the answers as rows; a study that draws takes the ending of
            its drawing too, and without an output writes it to ``<study>_<input><ending>`` in the working directory.
        overwrite: replace a file that is there.

    Returns:
        The answer for a terminal, the model it is from, and the path that was written.

    Raises:
        ValueError: no such model is registered, the input cannot be read, or the file cannot be written so.
    """
    if output is not None:
        refuse_existing(output, overwrite)
    refuse_missing(text)
    found = find_model(project, study, env, version)
    predictor: Any = found.predictor
    suffix: str = getattr(predictor, "suffix", "")
    endings = (*TABLES, suffix) if suffix else TABLES
    asked = output.suffix.lower() if output is not None else ""
    if output is not None and asked not in endings:
        raise ValueError(
            f"{output}: expected a name ending in {', '.join(endings)}; {study} writes nothing else"
        )
    answer = predictor.predict(predictor.parse(text))
    content: bytes | None = None
    if asked in TABLES:
        content = table_bytes(answer, asked)
    elif suffix:
        content = predictor.draw(answer)
        if content is None and output is not None:
            raise ValueError(
                f"{output}: the answer to this input has no drawing; expected {' or '.join(TABLES)}"
            )
        output = output or Path.cwd() / f"{study}_{short_name(text)}{suffix}"
    lines = [*_told(predictor, answer, whole=bool(suffix)), _origin(found)]
    if content is not None and output is not None:
        refuse_existing(output, overwrite)
        with atomic_file(output) as temporary:
            temporary.write_bytes(content)
        lines.append(f"Written: {output}")
    return "\n".join(lines)


def find_model(project: Path, study: str, env: str | None, version: str | None) -> Found:
    """A version of a study's registered model, loaded.

    Raises:
        ValueError: no such model is registered, or its files are gone.
    """
    from etudes.config import tracking_uri

    uri = tracking_uri(project)
    name = registered_name(study, embedded_sample=env in SAMPLE_ENVIRONMENTS)
    run = f"kedro run{f' --env={env}' if env else ''} --pipelines={study}"
    try:
        found, folder, environment = find_in_file(uri, name, version) or _ask_mlflow(uri, name, version)
    except NotRegisteredError as error:
        which = f"version {version}" if version else f"the alias {CHAMPION}"
        raise ValueError(
            f"No registered model '{name}' with {which} in {uri}. Train it first: {run}"
        ) from error
    except _FilesGoneError as error:
        raise ValueError(f"{error} Train the model again: {run}") from error
    if not (folder / PREDICTOR).is_dir():  # of a local folder that is gone, MLflow gives an empty one
        raise ValueError(
            f"The files of models:/{name}/{found} cannot be fetched (there is no folder {folder / PREDICTOR}). "
            f"Train the model again: {run}"
        )
    with uncollected():
        from etudes.serving.predictor import load_predictor

        return Found(load_predictor(folder / PREDICTOR), name, found, environment)


class _FilesGoneError(ValueError):
    """A registered model whose files cannot be had."""


def _ask_mlflow(uri: str, name: str, version: str | None) -> tuple[str, Path, str | None]:
    """Version, folder and environment of a registered model of any store; its files are fetched where they are not on this machine."""
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # read when MLflow is imported
    import mlflow
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    client = MlflowClient(uri, registry_uri=uri)
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    try:
        found = (
            client.get_model_version(name, version)
            if version
            else client.get_model_version_by_alias(name, CHAMPION)
        )
        tags = client.get_run(found.run_id).data.tags if found.run_id else {}
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise NotRegisteredError(name) from error
        raise ValueError(f"The registry {uri} does not answer: {str(error).splitlines()[0]}") from error
    try:
        folder = Path(mlflow.artifacts.download_artifacts(f"models:/{name}/{found.version}"))
    except (MlflowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise _FilesGoneError(
            f"The files of models:/{name}/{found.version} cannot be fetched ({reason})."
        ) from error
    return str(found.version), folder, tags.get(ENVIRONMENT)


def refuse_existing(path: Path, overwrite: bool) -> None:
    """Say that ``path`` must not be written.

    Raises:
        ValueError: it is a folder, or a file that may not be replaced.
    """
    if path.is_dir():
        raise ValueError(f"{path} is a folder; name a file with --output")
    if path.exists() and not overwrite:
        raise ValueError(
            f"{path} exists already; name another file with --output, or replace it with --overwrite"
        )


def refuse_missing(text: str) -> None:
    """Say that a file is not there, before its model is loaded; what a text means, the model decides.

    Raises:
        ValueError: the text can only be the name of a file, and there is none.
    """
    if not text.lstrip().startswith(("{", "[")) and names_file(text, FILES) and not user_path(text).exists():
        raise ValueError(f"{text}: no such file; expected the path of one that is there, or the input itself")


def short_name(text: str) -> str:
    """The input as part of a file's name: a path's stem, else its letters and digits, at most 40."""
    stem = text if text.lstrip().startswith(("{", "[")) else Path(text).stem
    return re.sub(r"[^A-Za-z0-9]+", "-", stem)[:40].strip("-") or "answer"


def table_bytes(answer: pd.DataFrame, suffix: str) -> bytes:
    """The answers as rows of a CSV or JSON file; a cell of a CSV file that holds a mapping or a list is JSON."""
    if suffix == ".json":
        return answer.to_json(orient="records", indent=1, force_ascii=False).encode()
    plain = answer.map(lambda cell: json.dumps(cell) if isinstance(cell, dict | list) else cell)
    return plain.to_csv(index=False).encode()


def _told(predictor: Predictor, answer: pd.DataFrame, whole: bool) -> list[str]:
    """The answer in words; of a long table its beginning, unless its words are about the ``whole``."""
    if whole or len(answer) <= SHOWN:
        return [predictor.describe(answer)]
    more = f"... and {len(answer) - SHOWN} more rows; --output=answers.csv writes all of them"
    return [predictor.describe(answer.head(SHOWN)), more]


def _origin(found: Found) -> str:
    card = found.predictor.card
    told = " on the embedded sample" * card["embedded_sample"]
    told += f" in {found.environment}" if found.environment else ""
    kind = f" (trained{told})" if told else ""
    return f"[models:/{found.name} version {found.version}: {card['variant']}{kind}]"
