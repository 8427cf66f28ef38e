"""The registered model: loaded in a fresh process, asked from the command line and over HTTP."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from projects import STUDY, kedro, quiet_environment

pytestmark = pytest.mark.slow
PLOT = "A detective hunts a killer who leaves a chess piece at every crime scene."


def test_model_loads_in_a_fresh_process(finished_project: Path, tmp_path: Path) -> None:
    script = f"""
import json, mlflow, pandas as pd
mlflow.set_tracking_uri("sqlite:///{finished_project / "mlflow.db"}")
model = mlflow.pyfunc.load_model("models:/{STUDY}-sample@champion")
answer = model.predict(pd.DataFrame({{"title": ["Chess (1999)", ""], "plot": [{PLOT!r}, "A wedding."]}}))
print(json.dumps(answer.to_dict("records")))
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=quiet_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout.strip().splitlines()[-1])
    assert len(answers) == 2
    for answer in answers:
        assert abs(sum(answer["probabilities"].values()) - 1) < 1e-6
        assert answer["genre"] == max(answer["probabilities"], key=answer["probabilities"].get)


def test_predict_prints_three_genres_with_probabilities(finished_project: Path) -> None:
    done = kedro(finished_project, "predict", STUDY, PLOT)
    assert done.returncode == 0, done.stderr
    ranked = [line for line in done.stdout.splitlines() if line.endswith("%")]
    assert len(ranked) == 3
    shares = [float(line.split()[-1].rstrip("%")) for line in ranked]
    assert shares == sorted(shares, reverse=True)
    assert "embedded sample" in done.stdout


def test_predict_takes_title_and_plot_as_json(finished_project: Path) -> None:
    done = kedro(finished_project, "predict", STUDY, json.dumps({"title": "Chess (1999)", "plot": PLOT}))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "part"),
    [
        ((STUDY, PLOT, "--env=full"), 1, "kedro run --env=full"),
        (("genre", PLOT), 2, "kedro studies"),
        ((STUDY, "{not json"), 1, "looks like JSON"),
        ((STUDY, "  "), 1, "plot is empty"),
    ],
)
def test_wrong_question_gets_one_message(
    finished_project: Path, arguments: tuple[str, ...], status: int, part: str
) -> None:
    done = kedro(finished_project, "predict", *arguments)
    assert done.returncode == status, done.stderr
    assert part in done.stderr and "Traceback" not in done.stderr


def test_model_answers_over_http(finished_project: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    uri = f"sqlite:///{finished_project / 'mlflow.db'}"
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local", "-p", str(port)]
    server = subprocess.Popen(
        [*command, "-m", f"models:/{STUDY}-sample@champion"],
        env=quiet_environment(MLFLOW_TRACKING_URI=uri, PATH=f"{Path(sys.executable).parent}:/usr/bin:/bin"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        wait_until_healthy(f"http://127.0.0.1:{port}/ping", server)
        records = {"dataframe_records": [{"title": "", "plot": PLOT}]}
        answer = requests.post(f"http://127.0.0.1:{port}/invocations", json=records, timeout=60)
        assert answer.status_code == 200, answer.text
        (prediction,) = answer.json()["predictions"]
        assert prediction["genre"] in prediction["probabilities"]
        bad = requests.post(
            f"http://127.0.0.1:{port}/invocations", json={"dataframe_records": [{}]}, timeout=60
        )
        assert bad.status_code == 400
    finally:
        import os
        import signal

        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=30)


def wait_until_healthy(url: str, server: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert server.poll() is None, server.stdout.read() if server.stdout else ""
        try:
            if requests.get(url, timeout=5).status_code == 200:
                return
        except requests.ConnectionError:
            time.sleep(0.5)
    raise AssertionError("the server did not answer within two minutes")
