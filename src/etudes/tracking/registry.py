"""The model registry: which version of a study's model is the champion.

A model is registered as ``<study>``, or ``<study>-sample`` when it was trained on the embedded sample. The alias
``champion`` moves only to a version with a better dev score on the same dev split.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature, infer_signature
from mlflow.tracking import MlflowClient
from mlflow.types import ColSpec, DataType, Schema
from mlflow.types.schema import AnyType

from etudes.interrupts import held
from etudes.serving.package import copy_code, requirements
from etudes.serving.predictor import Predictor, load_predictor
from etudes.serving.registered import CHAMPION, registered_name
from etudes.serving.server import MARK
from etudes.tracking.failures import GuardedClient, TrackingError
from etudes.tracking.runs import StudyRun

logger = logging.getLogger(__name__)

PYFUNC = Path(__file__).parents[1] / "serving" / "pyfunc.py"
# A picture is a text: base64 is what JSON carries.
TYPES: dict[str, Any] = {
    "text": DataType.string,
    "number": DataType.double,
    "whole": DataType.long,
    "picture": DataType.string,
    "json": AnyType(),
}


@contextmanager
def registered_predictor(run: StudyRun, folder: Path | None, promote_new_data: bool) -> Iterator[None]:
    """Log a study's predictor to its run, make it a version of the registered model, move the alias if it is better.

    The block ends the run: an interrupt comes before there is a version or after the end of the run.

    Args:
        run: the study's open run.
        folder: the predictor's model folder.
        promote_new_data: let the alias move although the champion was chosen on another dev split.
    """
    assert folder is not None, "the contract keeps every predictor on disk"
    predictor = load_predictor(folder)
    name = registered_name(run.study, predictor.card["embedded_sample"])
    uri = _log_model(run, predictor, folder)
    client = run.client
    _ensure_model(client, name, run.study)
    tags = {key: str(value) for key, value in predictor.card.items()}
    with held():
        created = client.create_model_version(name, source=uri, run_id=run.run_id, tags=tags)
        try:
            better = beats_champion(client, name, predictor.card, promote_new_data)
            if better:
                client.set_registered_model_alias(name, CHAMPION, created.version)
        except BaseException:
            with suppress(TrackingError):
                client.delete_model_version(name, created.version)
            raise
        if better:
            logger.info(
                "models:/%s@%s is now version %s (%s).",
                name,
                CHAMPION,
                created.version,
                predictor.card["variant"],
            )
        yield


def beats_champion(
    client: MlflowClient | GuardedClient, name: str, card: dict[str, Any], promote_new_data: bool
) -> bool:
    """Whether a new version takes the alias: there is no champion, or it is worse on the same dev split."""
    try:
        champion = client.get_model_version_by_alias(name, CHAMPION)
    except MlflowException:
        return True
    tags = champion.tags
    if tags.get("dev_fingerprint") != card["dev_fingerprint"] or tags.get("dev_metric") != card["dev_metric"]:
        if promote_new_data:
            return True
        logger.warning(
            "models:/%s@%s stays at version %s: it was chosen on another dev split, so the scores do not compare. "
            "Use --params=run.promote_new_data=true to move it all the same.",
            name,
            CHAMPION,
            champion.version,
        )
        return False
    old, new = float(tags["dev_score"]), float(card["dev_score"])
    better = new > old if card["maximise"] else new < old
    if not better:
        logger.info(
            "models:/%s@%s stays at version %s: dev %s %.4f against %.4f of this run.",
            name,
            CHAMPION,
            champion.version,
            card["dev_metric"],
            old,
            new,
        )
    return better


def declared_signature(predictor: Predictor) -> ModelSignature:
    """The columns as the predictor declares them, and its answer to its own example."""
    example = predictor.example()
    signature = infer_signature(example, predictor.predict(example))
    signature.inputs = Schema(
        [ColSpec(TYPES[column.kind], column.name, column.required) for column in predictor.columns]
    )
    # MLflow would drop the columns that a signature lacks, and turn what it can into the type. By this mark it leaves
    # the checks to the model, as it does for one whose `predict` has the type of its input as a hint.
    signature._is_signature_from_type_hint = True
    return signature


def save_served(study: str, folder: Path, predictor: Predictor, path: Path) -> None:
    """Write the MLflow model of a study's predictor.

    Args:
        study: its name.
        folder: the predictor's model folder.
        predictor: the same, loaded.
        path: folder of the MLflow model, which must not exist or be empty.
    """
    with tempfile.TemporaryDirectory() as temporary:
        mlflow.pyfunc.save_model(
            path,
            python_model=str(PYFUNC),
            artifacts={"predictor": str(folder)},
            code_paths=[str(copy_code(study, Path(temporary)))],
            signature=declared_signature(predictor),
            input_example=predictor.example(),
            pip_requirements=requirements(),
            metadata={MARK: version("etudes")},
        )


def _log_model(run: StudyRun, predictor: Predictor, folder: Path) -> str:
    # Beside the predictor, where the next run of the study clears what a kill leaves.
    with tempfile.TemporaryDirectory(prefix=".version.", suffix=".tmp", dir=folder.parent) as temporary:
        path = Path(temporary) / "model"
        save_served(run.study, folder, predictor, path)
        run.client.log_artifacts(run.run_id, str(path), "model")
    return f"runs:/{run.run_id}/model"


def _ensure_model(client: GuardedClient, name: str, study: str) -> None:
    try:
        client.get_registered_model(name)
    except MlflowException:
        client.create_registered_model(name, tags={"study": study}, description=f"Best variant of {study}")
