"""The MLflow model of every study, as code: MLflow stores this file, and no pickle.

`mlflow.pyfunc.load_model` runs it in a fresh process; the model's folder is the artifact ``predictor``. The model brings
the package along, as it was when the model was made (the library and its own study), for where it is not installed.
"""

import importlib
import sys
from pathlib import Path

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext


class StudyModel(PythonModel):
    """Loads the predictor's folder and answers data frames."""

    def load_context(self, context: PythonModelContext) -> None:
        folder = Path(context.artifacts["predictor"])
        _fall_back_on(folder.parents[1] / "code")
        from etudes.serving.predictor import load_predictor
        from etudes.serving.server import read_requests_strictly

        self.predictor = load_predictor(folder)
        read_requests_strictly()

    def predict(self, context, model_input, params=None) -> pd.DataFrame:  # type: ignore[no-untyped-def]
        from etudes.serving.columns import as_frame

        try:
            return self.predictor.predict(as_frame(model_input))
        except ValueError as error:
            # The server answers this with status 400 and the message; of any other error it says "unexpected".
            raise MlflowException.invalid_parameter_value(str(error)) from error


def _fall_back_on(code: Path) -> None:
    """Let the package that is installed answer, and the model's own copy where there is none, or none of its study.

    MLflow puts the copy before everything: a notebook would go on with the package of one study.
    """
    copies = [path for path in sys.path if Path(path).resolve() == code.resolve()]
    sys.path[:] = [path for path in sys.path if path not in copies] + copies[:1]
    package = importlib.import_module("etudes.pipelines")
    for study in (path.parent.name for path in code.glob("etudes/pipelines/*/study.toml")):
        if not any((Path(known) / study).is_dir() for known in package.__path__):
            package.__path__.append(str(code / "etudes" / "pipelines"))
        importlib.import_module(f"etudes.pipelines.{study}.model")


set_model(StudyModel())
