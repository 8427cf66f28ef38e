"""The MLflow model of every study, as code: MLflow stores this file, and no pickle.

`mlflow.pyfunc.load_model` runs it in a fresh process; the model's folder is the artifact ``predictor``.
"""

from pathlib import Path

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from etudes.serving.predictor import load_predictor


class StudyModel(PythonModel):
    """Loads the predictor's folder and answers data frames."""

    def load_context(self, context: PythonModelContext) -> None:
        self.predictor = load_predictor(Path(context.artifacts["predictor"]))

    def predict(self, context, model_input, params=None) -> pd.DataFrame:  # type: ignore[no-untyped-def]
        try:
            return self.predictor.predict(pd.DataFrame(model_input))
        except ValueError as error:
            # The server answers this with status 400 and the message; of any other error it says "unexpected".
            raise MlflowException.invalid_parameter_value(str(error)) from error


set_model(StudyModel())
