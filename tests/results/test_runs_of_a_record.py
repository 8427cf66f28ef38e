"""The processes that make a record."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from etudes.lock import process_identity


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_a_run_ends_when_its_recorder_is_killed(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    child = f"import os, time; open({str(told)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    recorder = (
        "import os, sys; from pathlib import Path; from etudes.results.runs import _status_of;"
        f"_status_of([sys.executable, '-c', {child!r}], Path.cwd(), dict(os.environ))"
    )
    with subprocess.Popen([sys.executable, "-c", recorder]) as process:
        ends = time.monotonic() + 30
        while not (told.exists() and told.read_text()) and time.monotonic() < ends:
            time.sleep(0.05)
        pid = int(told.read_text())
        assert process_identity(pid) is not None
        process.kill()
    ends = time.monotonic() + 10
    while process_identity(pid) is not None and time.monotonic() < ends:
        time.sleep(0.05)
    assert process_identity(pid) is None, f"process {pid} goes on; {os.getpid()} waited 10 s"
