"""One question to a registered model, from the command line."""

from __future__ import annotations

import os
from pathlib import Path


def ask(project: Path, study: str, text: str, env: str | None, version: str | None) -> str:
    """Load a study's registered model and answer one input.

    Raises:
        ValueError: no such model is registered, or the input cannot be read.
    """
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # read when MLflow is imported
    import mlflow
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    from etudes.config import tracking_uri
    from etudes.serving.predictor import load_predictor
    from etudes.tracking.registry import CHAMPION, registered_name

    name = registered_name(study, embedded_sample=env in (None, "base", "local", "test"))
    client = MlflowClient(tracking_uri(project))
    mlflow.set_tracking_uri(tracking_uri(project))
    try:
        found = (
            client.get_model_version(name, version)
            if version
            else client.get_model_version_by_alias(name, CHAMPION)
        )
    except MlflowException as error:
        env_option = f" --env={env}" if env else ""
        raise ValueError(
            f"No registered model '{name}' with {'version ' + version if version else 'the alias champion'} in "
            f"{tracking_uri(project)}. Train it first: kedro run{env_option} --pipelines={study}"
        ) from error
    folder = Path(mlflow.artifacts.download_artifacts(f"models:/{name}/{found.version}"))
    predictor = load_predictor(folder / "artifacts" / "predictor")
    answer = predictor.predict(predictor.parse(text))
    kind = " (trained on the embedded sample)" if predictor.card["embedded_sample"] else ""
    return f"{predictor.describe(answer)}\n[models:/{name} version {found.version}: {predictor.card['variant']}{kind}]"
