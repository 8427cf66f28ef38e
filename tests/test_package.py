"""The wheel of `kedro package` in an environment without a checkout, and `kedro jupyter lab` once it is installed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import zipfile
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from etudes.study import study_names
from projects import ROOT, kedro, make_project, quiet_environment, within

pytestmark = [pytest.mark.slow, pytest.mark.heavy]
STUDY = "gan_digits"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout that was packaged; its owner has credentials and an environment of their own."""
    folder = make_project(tmp_path_factory.mktemp("package") / "checkout")
    for name in ("README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "conf" / "local" / ".gitkeep").touch()
    (folder / "conf" / "local" / "credentials.yml").write_text("secret: 1\n")
    (folder / "conf" / "mine").mkdir()
    (folder / "conf" / "mine" / "parameters.yml").write_text("secret: 1\n")
    done = kedro(folder, "package", timeout=600)
    if done.returncode and "hatchling" in done.stdout + done.stderr:
        pytest.skip("the build needs hatchling from a package index")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return folder


@pytest.fixture(scope="module")
def fresh(checkout: Path) -> Path:
    """``bin`` of a new environment with the wheel; all else it takes from the environment of the tests."""
    folder = checkout.parent / "fresh"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    (library,) = folder.glob("lib/python3*/site-packages")
    # A path file inside a folder that a path file names is not read: the checkout of the tests is not on the path.
    (library / "zz_shared.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (wheel,) = (checkout / "dist").glob("*.whl")
    pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run(pip, check=True)
    return folder / "bin"


@pytest.fixture
def type_(fresh: Path, tmp_path: Path) -> Any:
    """Run a program of the fresh environment in an empty folder."""

    def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in quiet_environment().items() if name != "PYTHONPATH"}
        return subprocess.run(
            [fresh / program, *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=within(300),
            check=False,
            stdin=subprocess.DEVNULL,
        )

    return run


def test_the_wheel_holds_the_configuration_and_nobodys_secrets(checkout: Path) -> None:
    (wheel,) = (checkout / "dist").glob("*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("etudes/conf/")}
    ours = {
        f"etudes/conf/{path.relative_to(checkout / 'conf').as_posix()}"
        for path in (checkout / "conf").rglob("*")
        if path.is_file() and path.name != "credentials.yml" and "mine" not in path.parts
    }
    assert names == ours


def test_its_commands_run_with_its_configuration(type_: Any, tmp_path: Path) -> None:
    helped = type_("etudes", "--help")
    assert helped.returncode == 0 and {"run", "predict", "studies"} <= set(helped.stdout.split())
    where = type_("python", "-c", "import etudes; print(etudes.__file__)")
    assert "site-packages" in where.stdout and str(ROOT) not in where.stdout
    done = type_("python", "-m", "etudes", "run", "--env=test", f"--pipelines={STUDY}")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert (tmp_path / "data" / "08_reporting" / "test" / STUDY / "report.html").is_file()
    assert (tmp_path / "mlflow.db").is_file()
    asked = type_("etudes", "predict", STUDY, "7")
    assert asked.returncode == 0 and f"{STUDY}-sample version 1" in asked.stdout, asked.stderr
    assert {path.name for path in tmp_path.iterdir()} == {
        ".mlflow.db.lock", "data", "logs", "mlartifacts", "mlflow.db", f"{STUDY}_7.png",
    }  # fmt: skip


def test_its_refusals_are_those_of_a_checkout(type_: Any) -> None:
    assert f"run all {len(study_names())} studies" in " ".join(type_("etudes", "run").stderr.split())
    wrong = type_("etudes", "run", f"--pipelines={STUDY}", "--env=ful")
    assert wrong.returncode == 2 and "base, full, local, test" in wrong.stderr
    wrong = type_("python", "-m", "etudes", "run", f"--pipelines={STUDY}", "--params=seed=1")
    assert wrong.returncode == 1 and "run.seed" in wrong.stderr


def test_a_configuration_from_elsewhere_goes_before_its_own(
    type_: Any, checkout: Path, tmp_path: Path
) -> None:
    run = (
        "run",
        "--env=test",
        f"--pipelines={STUDY}",
        f"--to-nodes={STUDY}.split",
        "--params=run.track=false",
    )
    archive = checkout / "dist" / "conf-etudes.tar.gz"
    done = type_("etudes", *run, f"--conf-source={archive}")
    assert done.returncode == 0, done.stdout + done.stderr
    shutil.copytree(checkout / "conf", tmp_path / "conf")
    path = tmp_path / "conf" / "test" / "parameters" / f"{STUDY}.yml"
    path.write_text(f"{STUDY}: {{nonsense: 1}}\n")
    done = type_("etudes", *run)
    assert done.returncode == 1 and f"{STUDY}.nonsense" in done.stderr


def test_jupyter_lab_is_named_where_it_is_not_installed_and_runs_once_it_is(
    checkout: Path, fresh: Path, tmp_path: Path
) -> None:
    environment = quiet_environment(
        PYTHONPATH=str(checkout / "src"), HOME=str(tmp_path), JUPYTER_DATA_DIR=str(tmp_path / "jupyter")
    )
    told = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    assert "Module 'jupyterlab' not found" in told and "install" in told and "jupyterlab" in told
    pip = subprocess.run(
        [fresh / "python", "-m", "pip", "install", "--quiet", "jupyterlab>=4.4,<5"],
        capture_output=True,
        text=True,
        check=False,
    )
    if pip.returncode:
        pytest.skip(f"jupyterlab cannot be had here: {pip.stderr[-200:]}")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = (
        "--no-browser",
        f"--port={port}",
        "--IdentityProvider.token=word",
        *(["--allow-root"] if not os.geteuid() else []),
    )
    process = subprocess.Popen(
        [fresh / "python", "-m", "kedro", "jupyter", "lab", *options],
        cwd=checkout,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        asked = Request(f"http://127.0.0.1:{port}/api/kernelspecs", headers={"Authorization": "token word"})
        deadline, kernels = time.monotonic() + within(120), {}
        while not kernels and time.monotonic() < deadline and process.poll() is None:
            try:
                with urlopen(asked, timeout=10) as answer:
                    kernels = json.load(answer)
            except OSError:
                time.sleep(0.5)
        assert kernels["default"] == "kedro_etudes"
        assert kernels["kernelspecs"]["kedro_etudes"]["spec"]["argv"][-2:] == ["--ext", "kedro.ipython"]
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
