"""What docs/cluster.md says, done: database, MLflow server, scheduler and workers as processes, and a run on them."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
import yaml

from projects import ROOT, make_project, quiet_environment, within

DOCUMENT = ROOT / "docs" / "cluster.md"
# A Python with MLflow, psycopg2, boto3 and moto; the server needs none of this project.
SERVER = os.environ.get("ETUDES_TEST_SERVER", sys.executable)
STUDIES = ("cluster_then_label", "income_classification")


def commands() -> list[str]:
    """The commands of the document's section on several machines, without their comments."""
    section = DOCUMENT.read_text(encoding="utf-8").partition("### On several machines\n")[2]
    block = section.partition("```bash\n")[2].partition("```")[0]
    return [re.sub(r"\s{2,}#.*", "", line) for line in block.splitlines()]


def missing() -> str:
    """What this machine lacks; empty if nothing."""
    if importlib.util.find_spec("distributed") is None:
        return "needs the extra `cluster`"
    if not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        return "needs Debian's postgresql"
    server = [SERVER, "-c", "import boto3, mlflow, moto.server, psycopg2"]
    if subprocess.run(server, capture_output=True, check=False).returncode != 0:
        return "needs a Python with mlflow, psycopg2, boto3 and moto; ETUDES_TEST_SERVER names it"
    return ""


class Machines:
    """Processes, each in a group of its own, so that their children end with them."""

    def __init__(self, project: Path, environment: dict[str, str], logs: Path) -> None:
        self._project, self._environment, self._logs = project, environment, logs
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self, name: str, command: str) -> subprocess.Popen[bytes]:
        with (self._logs / name).open("w") as log:
            process = subprocess.Popen(
                ["bash", "-c", command],
                cwd=self._project,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def said(self, name: str) -> str:
        return (self._logs / name).read_text(encoding="utf-8", errors="replace")

    def wait(self, name: str, process: subprocess.Popen[bytes], ready: Callable[[], object]) -> None:
        """Wait until a process does what it is there for."""
        ends = time.monotonic() + within(120)
        while True:
            with suppress(OSError):
                if ready():
                    return
            assert time.monotonic() < ends and process.poll() is None, self.said(name)[-3000:]
            time.sleep(0.2)

    def end(self) -> None:
        for process in reversed(self._processes):
            for number in (signal.SIGTERM, signal.SIGKILL):
                with suppress(ProcessLookupError, subprocess.TimeoutExpired):
                    os.killpg(process.pid, number)
                    process.wait(within(10))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        return True


@pytest.fixture
def database() -> Iterator[Path]:
    """A folder for PostgreSQL, which runs as another user where the tests run as root; pytest's are closed to it."""
    folder = Path(tempfile.mkdtemp(prefix="etudes-"))
    folder.chmod(0o755)
    yield folder / "database"
    shutil.rmtree(folder)


@pytest.mark.slow
@pytest.mark.heavy
def test_what_the_document_says_runs_two_studies_on_two_workers(tmp_path: Path, database: Path) -> None:
    lacks = missing()
    if lacks:
        pytest.skip(lacks)
    from mlflow import MlflowClient

    settings, start_database, start_server, start_scheduler, start_worker, run = commands()
    project = make_project(tmp_path / "project")
    shutil.copytree(ROOT / "docs" / "cluster", project / "docs" / "cluster")
    store, sql, mlflow, scheduler = (free_port() for _ in range(4))
    environment = quiet_environment(
        FIRST="127.0.0.1",
        SHARED=str(tmp_path / "shared"),
        SCHEDULER=f"tcp://127.0.0.1:{scheduler}",
        MLFLOW_TRACKING_URI=f"http://127.0.0.1:{mlflow}",
        MLFLOW_S3_ENDPOINT_URL=f"http://127.0.0.1:{store}",
        MLFLOW_PYTHON=SERVER,
        AWS_ACCESS_KEY_ID="key",
        AWS_SECRET_ACCESS_KEY="secret",
        AWS_DEFAULT_REGION="us-east-1",
        PGPASSWORD="pass word'",
        PGPORT=str(sql),
        DATABASE=str(database),
        OMP_NUM_THREADS="1",
        PATH=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        PYTHONPATH=os.pathsep.join([str(project / "src"), os.environ.get("PYTHONPATH", "")]),
    )
    (tmp_path / "logs").mkdir()
    machines = Machines(project, environment, tmp_path / "logs")
    try:
        emulator = machines.start("store", f"exec {SERVER} -m moto.server -H 127.0.0.1 -p {store}")
        machines.wait("store", emulator, lambda: listens(store))
        bucket = f"http://127.0.0.1:{store}/mlflow"
        urlopen(Request(bucket, method="PUT"), timeout=within(30)).close()

        for name, command, port in (
            ("database", start_database, sql),
            ("server", start_server, mlflow),
            ("scheduler", start_scheduler, scheduler),
        ):
            assert command.endswith(" &"), "stays up"
            process = machines.start(name, f"{settings}; exec {command.removesuffix(' &')}")
            machines.wait(name, process, lambda port=port: listens(port))  # type: ignore[misc]
        machines.start("worker", f"{settings}; exec {start_worker.removesuffix(' &')}")
        runs = machines.start("run", f"{settings}; exec {run}")
        status = runs.wait(within(300))
        said = machines.said("run")
        assert status == 0, said[-4000:] + machines.said("server")[-2000:]

        places = set(re.findall(r" s on (\S+:\d+)", said))
        assert len(places) == 2, f"two workers took part: {places}"
        client = MlflowClient(environment["MLFLOW_TRACKING_URI"])
        for study in STUDIES:
            experiment = client.get_experiment_by_name(study)
            assert experiment is not None
            (found,) = client.search_runs([experiment.experiment_id])
            assert found.info.status == "FINISHED" and found.data.metrics
            assert client.get_registered_model(f"{study}-sample").aliases["champion"]
        # Where it is: numbers in PostgreSQL, files in the bucket, outputs in the shared folder.
        query = ["psql", "-h", "127.0.0.1", "-U", "mlflow", "-Atc", "SELECT count(*) FROM runs", "mlflow"]
        counted = subprocess.run(query, env=environment, capture_output=True, text=True, check=True)
        assert counted.stdout.strip() == str(len(STUDIES))
        listed = urlopen(f"{bucket}?list-type=2&max-keys=1000", timeout=within(30)).read().decode()
        assert "report.html</Key>" in listed
        assert not (project / "mlflow.db").exists() and not (project / "mlartifacts").exists()
        for study in STUDIES:
            assert (tmp_path / "shared/outputs/08_reporting/test" / study / "report.html").is_file()
    finally:
        machines.end()


def documents() -> list[Any]:
    return list(yaml.safe_load_all((ROOT / "docs/cluster/kubernetes.yml").read_text(encoding="utf-8")))


def test_workers_in_kubernetes_ask_the_scheduler_that_is_there() -> None:
    service, scheduler, worker = documents()
    for each in (scheduler, worker):
        labels = each["spec"]["template"]["metadata"]["labels"]
        assert each["spec"]["selector"]["matchLabels"] == labels
    assert service["spec"]["selector"] == scheduler["spec"]["template"]["metadata"]["labels"]
    (port,) = (entry["port"] for entry in service["spec"]["ports"])
    address = f"tcp://{service['metadata']['name']}:{port}"
    (container,) = worker["spec"]["template"]["spec"]["containers"]
    assert container["command"][1:3] == ["worker", address]
    mounted = {entry["name"] for entry in container["volumeMounts"]}
    assert mounted == {entry["name"] for entry in worker["spec"]["template"]["spec"]["volumes"]}


@pytest.mark.parametrize("role", [("scheduler", 1), ("worker", 2)])
def test_options_in_kubernetes_are_those_of_dask(role: tuple[str, int]) -> None:
    pytest.importorskip("distributed", reason="needs the extra `cluster`")
    from importlib import import_module

    name, place = role
    known = {
        option for each in import_module(f"distributed.cli.dask_{name}").main.params for option in each.opts
    }
    (container,) = documents()[place]["spec"]["template"]["spec"]["containers"]
    asked = {word for word in container["command"] if word.startswith("--")}
    assert asked and asked <= known
