"""What MLflow's scoring server does with a request to a model of this project.

MLflow's own reading turns lists into texts and truth values into numbers, drops columns that the signature lacks, and
answers what it cannot read with a stack trace. A model of ours (`MARK`) reads its requests itself, in the same forms:
CSV, and JSON with ``dataframe_records``, ``dataframe_split``, ``inputs`` or ``instances``.
"""

from __future__ import annotations

import io
import json
import logging
from typing import Any

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import scoring_server

from etudes.forms.raw import RawFile
from etudes.serving.columns import as_frame
from etudes.serving.questions import read_table

logger = logging.getLogger(__name__)

MARK = "etudes"  # in the metadata of a registered model
FORMS = ("dataframe_records", "dataframe_split", "inputs", "instances")
TYPES = ("application/json", "text/csv", "application/vnd.apache.parquet")


class _Refused(Exception):
    """A request that gets no answer: the status and the reason."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


def read_requests_strictly() -> None:
    """Let the scoring server of this process give requests to models of this project to `respond`; others as before."""
    if hasattr(scoring_server.invocations, "others"):
        return
    others, parse_others = scoring_server.invocations, scoring_server._parse_json_data

    def invocations(data: bytes, content_type: str, model: Any, input_schema: Any) -> Any:
        if MARK not in (model.metadata.metadata or {}):
            return others(data, content_type, model, input_schema)
        return respond(data, content_type, model)

    def parse(data: Any, metadata: Any, input_schema: Any) -> Any:  # used by `mlflow models predict`
        if MARK not in (metadata.metadata or {}):
            return parse_others(data, metadata, input_schema)
        return scoring_server.ParsedJsonInput(_read_json(data), None, False)

    invocations.others = others  # type: ignore[attr-defined]
    scoring_server.invocations = invocations
    scoring_server._parse_json_data = parse


def respond(data: bytes, content_type: str | None, model: Any) -> Any:
    """The server's response to a request: predictions, or status and reason without anything of the server's own.

    Args:
        data: the body.
        content_type: as the request's header says it.
        model: the loaded pyfunc model.
    """
    try:
        answer = model.predict(read_request(data, content_type))
        body = io.StringIO()
        scoring_server.predictions_to_json(answer, body)
        return scoring_server.InvocationsResponse(body.getvalue(), 200, "application/json")
    except _Refused as refused:
        return _refusal(refused.status, "BAD_REQUEST", str(refused))
    except MlflowException as error:
        return _refusal(error.get_http_status_code(), error.error_code, error.message)
    except Exception:
        logger.exception("A request could not be answered")
        return _refusal(500, "INTERNAL_ERROR", "The model failed on this input; the server's log says why.")


def read_request(data: bytes, content_type: str | None) -> pd.DataFrame:
    """The rows of a request's body, cells as they were sent."""
    kind, *parameters = [part.strip().lower() for part in (content_type or "").split(";")]
    if any(each not in ("", "charset=utf-8", 'charset="utf-8"') for each in parameters):
        raise _Refused(
            415, f"The content type is {content_type}; expected charset=utf-8 or nothing behind it"
        )
    try:
        if kind == "application/json":
            return _read_json(data)
        if kind == "text/csv":
            return read_table(RawFile("The request", data), keep_spaces=True)
        if kind == "application/vnd.apache.parquet":
            return _read_parquet(data)
    except ValueError as error:
        raise _Refused(400, str(error)) from error
    raise _Refused(415, f"The content type is {content_type}; expected {', '.join(TYPES)}")


def _read_json(data: Any) -> pd.DataFrame:
    expected = f"expected a JSON object with one of {', '.join(FORMS)}"
    try:
        request = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"The request is no JSON ({error}); {expected}") from error
    if not isinstance(request, dict) or len(request) != 1 or not set(request) <= set(FORMS):
        found = ", ".join(map(str, request)) if isinstance(request, dict) else type(request).__name__
        raise ValueError(f"The request holds {found[:200] or 'nothing'}; {expected}, and nothing beside it")
    ((form, rows),) = request.items()
    if form != "dataframe_split":
        return as_frame(rows)
    if not isinstance(rows, dict) or not {"columns", "data"} <= set(rows) <= {"columns", "data", "index"}:
        raise ValueError("dataframe_split must be an object with columns and data")
    try:
        return pd.DataFrame(rows["data"], columns=rows["columns"], dtype=object)
    except (TypeError, ValueError) as error:
        raise ValueError(f"dataframe_split is no table ({error})") from error


def _read_parquet(data: bytes) -> pd.DataFrame:
    try:
        return pd.read_parquet(io.BytesIO(data))
    except Exception as error:  # pyarrow raises several types on bytes that are damaged
        raise ValueError(f"The request is no Parquet file ({str(error).splitlines()[0]})") from error


def _refusal(status: int, code: str, message: str) -> Any:
    body = json.dumps({"error_code": code, "message": message})
    return scoring_server.InvocationsResponse(body, status, "application/json")
