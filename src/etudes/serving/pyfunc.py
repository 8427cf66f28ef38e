"""The MLflow model of every study, as code: MLflow stores this file, and no pickle.

`mlflow.pyfunc.load_model` runs it in a fresh process; the model's folder is the artifact ``predictor``.
"""

from pathlib import Path

import mlflow
import pandas as pd

from etudes.models import load_model


class StudyModel(mlflow.pyfunc.PythonModel):
    """Loads the predictor's folder and answers data frames."""

    def load_context(self, context: mlflow.pyfunc.PythonModelContext) -> None:
        self.predictor = load_model(Path(context.artifacts["predictor"]))

    def predict(self, context, model_input, params=None) -> pd.DataFrame:  # type: ignore[no-untyped-def]
        return self.predictor.predict(pd.DataFrame(model_input))


mlflow.models.set_model(StudyModel())
