"""The first runs of a project: two that start together find no store and no experiment."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mlflow.exceptions import MlflowException

from etudes.tracking.runs import Store, _experiment, use_store
from projects import within

PROCESSES = 2


def open_store(uri: str, start: Any, found: Any) -> None:
    import mlflow.store.tracking.sqlalchemy_store  # noqa: F401  its import takes longer than what is to collide

    server = SimpleNamespace(mlflow_tracking_uri=uri, mlflow_registry_uri=None)
    experiment = SimpleNamespace(create_experiment_kwargs=SimpleNamespace(artifact_location=None))
    start.wait(timeout=within(120))
    try:
        store = use_store(SimpleNamespace(server=server, tracking=SimpleNamespace(experiment=experiment)))
        found.put(_experiment(store, "study"))
    except Exception as error:  # what the other process says is the test's to judge
        found.put(error)


def test_two_processes_lay_out_one_store(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    start, found = context.Barrier(PROCESSES), context.Queue()
    uri = f"sqlite:///{tmp_path / 'deep' / 'mlflow.db'}"
    processes = [context.Process(target=open_store, args=(uri, start, found)) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    experiments = [found.get(timeout=within(180)) for _ in processes]
    for process in processes:
        process.join(timeout=within(60))
    assert experiments == ["1", "1"]


class Client:
    """A store in which another run makes the experiment between the look and the making."""

    def __init__(self, code: int, visible: bool = True) -> None:
        self.code, self.visible, self.made = code, visible, False

    def get_experiment_by_name(self, name: str) -> Any:
        if not self.made:
            return None
        return SimpleNamespace(experiment_id=7, lifecycle_stage="active")

    def create_experiment(self, name: str, **details: Any) -> str:
        self.made = self.visible
        raise MlflowException("no", error_code=self.code)


def test_an_experiment_made_by_another_run_is_used() -> None:
    from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS

    client: Any = Client(RESOURCE_ALREADY_EXISTS)
    assert _experiment(Store(client, "http://127.0.0.1:1", None), "study") == "7"


@pytest.mark.parametrize("visible", [True, False])
def test_a_store_that_refuses_the_experiment_is_heard(visible: bool) -> None:
    from mlflow.protos.databricks_pb2 import PERMISSION_DENIED, RESOURCE_ALREADY_EXISTS

    client: Any = Client(PERMISSION_DENIED if visible else RESOURCE_ALREADY_EXISTS, visible)
    with pytest.raises(MlflowException, match="no"):
        _experiment(Store(client, "http://127.0.0.1:1", None), "study")
