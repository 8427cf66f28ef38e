"""One device is a plain call; several are ranks that train as one."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import toy
from toy import Toy, Uneven, network, run_parameters, settings, weights_of

from etudes.training.fit import fit
from etudes.training.launch import launch
from etudes.training.session import training_session
from projects import within


def test_one_device_is_a_plain_call_in_this_process() -> None:
    seen = toy.describe_rank(7)
    assert launch(toy.describe_rank, 7, run=run_parameters()) == seen
    assert (seen["pid"], seen["rank"]) == (os.getpid(), -1)
    fit(Toy(), settings(epochs=1), run_parameters())
    assert not torch.distributed.is_initialized()


def test_several_nodes_without_a_meeting_point_are_refused() -> None:
    with pytest.raises(ValueError, match=r"run.nodes = 2 needs run.rendezvous = host:port"):
        launch(toy.describe_rank, 7, run=run_parameters(nodes=2))


@pytest.mark.parametrize("rendezvous", ["first-machine", "first-machine:port", "no.such.host.invalid:29500"])
def test_a_meeting_point_that_leads_nowhere_is_refused(rendezvous: str) -> None:
    with pytest.raises(ValueError, match=f"run.rendezvous = {rendezvous}: .*expected host:port"):
        launch(toy.describe_rank, 7, run=run_parameters(nodes=2, rendezvous=rendezvous))


@pytest.mark.slow
def test_ranks_share_one_group_and_rank_zero_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    seen: list[tuple[int, dict[str, float]]] = []
    with training_session("toy", None, lambda step, metrics: seen.append((step, metrics))):
        found = launch(toy.describe_rank, 10, run=run_parameters(devices=2))
    assert (found["rank"], found["world"], found["total"]) == (0, 2, 10 + 11)
    assert found["pid"] != os.getpid()
    # Only what rank 0 records, in its order, and all of it by the time the call returns.
    assert seen == [(1, {"rank": 0.0, "loss": 0.5}), (2, {"rank": 0.0, "loss": 0.25})]
    assert os.environ["OMP_NUM_THREADS"] == "1"


@pytest.mark.slow
@pytest.mark.heavy
def test_two_ranks_train_as_one_with_the_same_batches() -> None:
    results = []
    for devices in (1, 2):
        problem = Uneven(model=network().double(), n=14)
        epochs = fit(problem, settings(epochs=3), run_parameters(devices=devices))
        results.append((weights_of(problem), epochs))
    (alone, alone_epochs), (together, together_epochs) = results
    start = network().double().state_dict()
    for name, value in alone.items():
        assert (value - start[name]).abs().max() > 1e-3
        torch.testing.assert_close(together[name], value, rtol=0, atol=1e-9)
    for one, two in zip(alone_epochs, together_epochs, strict=True):
        assert two == pytest.approx(one, rel=1e-5)


@pytest.mark.slow
@pytest.mark.heavy
def test_a_failing_rank_ends_in_one_error_that_names_the_failure() -> None:
    with pytest.raises(
        RuntimeError, match=r"Rank 1 of fail_on_rank_one failed:.*the data of film 17 is broken"
    ):
        launch(toy.fail_on_rank_one, run=run_parameters(devices=2))


NODE = """
import sys, toy
from etudes.training.fit import fit
problem = toy.Uneven(model=toy.network().double(), n=14)
run = toy.run_parameters(nodes=2, rendezvous=sys.argv[1])
epochs = fit(problem, toy.settings(epochs=2), run)
again = fit(problem, toy.settings(epochs=1), run)
print([round(row["train_loss"], 6) for row in [*epochs, *again]], float(problem.model[0].weight.sum()))
"""


@pytest.mark.slow
@pytest.mark.heavy
def test_every_node_gets_the_trained_weights() -> None:
    """Two nodes on one machine: both commands end with the same model, also in a second training of the same run."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        meeting_point = f"127.0.0.1:{free.getsockname()[1]}"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "OMP_NUM_THREADS": "1"}
    nodes = [
        subprocess.Popen(
            [sys.executable, "-c", NODE, meeting_point],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    try:
        answers = [node.communicate(timeout=within(150)) for node in nodes]
    finally:
        for node in nodes:
            node.kill()
    assert [node.returncode for node in nodes] == [0, 0], "\n".join(errors[-1500:] for _, errors in answers)
    assert answers[0][0] == answers[1][0] != ""


@pytest.fixture
def two_hosts() -> Iterator[tuple[str, str]]:
    """Two network namespaces with a cable between them: each reaches the other by its address alone."""
    names = tuple(f"etudes{os.getpid()}{end}" for end in "ab")
    ends = tuple(f"et{os.getpid() % 100_000}{end}" for end in "ab")

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True)

    try:
        try:
            for name in names:
                ip("netns", "add", name)
            ip("link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
            for number, (name, end) in enumerate(zip(names, ends, strict=True), 1):
                ip("link", "set", end, "netns", name)
                ip("-n", name, "addr", "add", f"10.213.77.{number}/24", "dev", end)
                for each in ("lo", end):
                    ip("-n", name, "link", "set", each, "up")
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"network namespaces need root on Linux ({error})")
        yield names  # type: ignore[misc]
    finally:
        for name in names:  # the cable goes with them
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


@pytest.mark.slow
@pytest.mark.heavy
@pytest.mark.skipif(sys.platform != "linux" or shutil.which("ip") is None, reason="needs Linux and iproute2")
def test_two_hosts_train_as_one(two_hosts: tuple[str, str]) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path]),
        "OMP_NUM_THREADS": "1",
    }
    nodes = [
        subprocess.Popen(
            ["ip", "netns", "exec", host, sys.executable, "-c", NODE, "10.213.77.1:29500"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for host in two_hosts
    ]
    try:
        answers = [node.communicate(timeout=within(150)) for node in nodes]
    finally:
        for node in nodes:
            node.kill()
    assert [node.returncode for node in nodes] == [0, 0], "\n".join(errors[-1500:] for _, errors in answers)
    assert answers[0][0] == answers[1][0] != ""
