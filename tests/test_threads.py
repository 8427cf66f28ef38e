"""Settings of OpenMP's threads reach libgomp before it is loaded, and never overrule the user's."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from etudes.threads import SPINS, wait_briefly


def test_waiting_threads_spin_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    wait_briefly()
    assert os.environ["GOMP_SPINCOUNT"] == str(SPINS)


@pytest.mark.parametrize(("name", "value"), [("OMP_WAIT_POLICY", "PASSIVE"), ("GOMP_SPINCOUNT", "7")])
def test_what_the_user_set_stays(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    monkeypatch.setenv(name, value)
    wait_briefly()
    assert os.environ[name] == value
    assert os.environ.get("GOMP_SPINCOUNT") == (value if name == "GOMP_SPINCOUNT" else None)


def test_the_command_line_sets_it_before_a_library_is_loaded() -> None:
    """libgomp reads its settings once, when the first library that brings it is imported."""
    program = """
import json, os, sys
from etudes import threads
late = []
def watched(real=threads.wait_briefly):
    late.extend(name for name in ("torch", "sklearn") if name in sys.modules)
    real()
threads.wait_briefly = watched
import etudes.cli
print(json.dumps([late, os.environ["GOMP_SPINCOUNT"]]))
"""
    environment = {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True
    )
    assert json.loads(done.stdout.splitlines()[-1]) == [[], str(SPINS)]
