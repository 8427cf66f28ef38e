"""Dask as the engine: processes of this machine, or those of a scheduler that is running somewhere.

Its network protocol carries pickles. A scheduler that others can reach lets them run code here: this one listens on the
loopback address, and a cluster belongs on a network of its own or behind TLS (Dask's documentation).
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

import dask
from distributed import CancelledError, Client, KilledWorker, Nanny, Scheduler, SpecCluster
from distributed.diagnostics.plugin import WorkerPlugin

from etudes.runners import tasks
from etudes.runners.engine import Engine, EngineRunner, RunnerError
from etudes.runners.tasks import NodeError, NodeResult, NodeTask, RunFacts, Task

LOOPBACK = "127.0.0.1"
CONNECT_SECONDS = 20.0
DEATHS = 2  # of processes that a node may be part of: one may be an accident
SETTINGS = {
    "distributed.worker.daemon": False,  # nodes may start processes: ranks of a training; a run is one
    "distributed.scheduler.allowed-failures": DEATHS - 1,
    "distributed.scheduler.work-stealing": False,  # a node that has begun stays where it is
    # A process that died is started again, however long that takes on a busy machine; Dask gives it up after 15 s.
    "distributed.deploy.lost-worker-timeout": "1 day",
    "distributed.logging.distributed": "error",
}


class StopWithCluster(WorkerPlugin):
    """A worker that loses its scheduler, or is told to end, stops the node it runs: nobody would take its result, and the
    next run writes the same files."""

    name = "etudes.stop-with-cluster"
    idempotent = True  # a second run on the cluster would take the first one's away, which ends what it runs

    def teardown(self, worker: Any) -> None:
        if tasks.running():
            os._exit(os.EX_TEMPFAIL)  # a thread cannot be ended


class DaskEngine:
    """Workers of a scheduler at ``address``; without one, ``workers`` processes that live as long as the run, of which the
    first ``gpus`` have one GPU each."""

    def __init__(self, address: str | None, workers: int, gpus: int) -> None:
        self.address, self.workers, self.gpus = address, workers, gpus
        self._cluster: SpecCluster | None = None
        self._client: Client | None = None
        self._resources: dict[str, float] = {}
        self._lock = threading.Lock()
        self._waiting: deque[tuple[Task, bool, Future[NodeResult]]] = deque()
        self._sent, self.places = 0, 1
        self._run: RunFacts | None = None

    def start(self, gpus: int) -> None:
        dask.config.set(SETTINGS)
        os.environ.setdefault(
            "DASK_DISTRIBUTED__LOGGING__DISTRIBUTED", "critical"
        )  # of workers, from their first line
        for name in [name for name in logging.root.manager.loggerDict if name.startswith("distributed")]:
            logging.getLogger(name).setLevel(logging.CRITICAL)  # what fails is told once, by the runner
        if self.address is None:
            self._cluster = self._own_cluster()
        try:
            self._client = Client(
                self._cluster or self.address, timeout=CONNECT_SECONDS, set_as_default=False
            )
            self._client.register_plugin(StopWithCluster())
        except (
            OSError,
            ValueError,
        ) as error:  # Dask's time-outs are OSErrors; a malformed address is a ValueError
            self.stop()
            raise RunnerError(
                f"no Dask scheduler answers at {self.address} ({error}). Start one with `dask scheduler` and workers with "
                f"`dask worker {self.address} --nthreads=1`, or leave address out for processes of this machine"
            ) from error
        with suppress(TimeoutError):  # they may be starting, too
            self._client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
        if not workers:
            self.stop()
            raise RunnerError(
                f"the scheduler at {self.address} has no workers; start one with `dask worker {self.address} --nthreads=1`"
            )
        most = max(float(worker.get("resources", {}).get("gpu", 0)) for worker in workers)
        if gpus > most:
            self.stop()
            raise RunnerError(
                f"a node needs {gpus} GPU (run.device, run.devices), and no worker has more than {most:.0f}. Start workers "
                "with `--resources gpu=N`, or give --runner-params=gpus=N for processes of this machine, or run.device=cpu"
            )
        self._resources = {"gpu": max(gpus, 1)} if most else {}
        self.places = max(1, sum(int(worker["nthreads"]) for worker in workers))

    def _own_cluster(self) -> SpecCluster:
        threads = max(1, (os.cpu_count() or 1) // self.workers)

        def worker(number: int) -> dict[str, Any]:
            has_gpu = number < self.gpus
            return {
                "cls": Nanny,
                "options": {
                    "nthreads": 1,
                    "host": LOOPBACK,
                    "dashboard": False,
                    "memory_limit": 0,  # a node's memory is the system's business, as without a cluster
                    "resources": {"gpu": 1} if has_gpu else {},
                    "env": {
                        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(threads)),
                        **({"CUDA_VISIBLE_DEVICES": str(number)} if has_gpu else {}),
                    },
                    "silence_logs": logging.CRITICAL,
                },
            }

        scheduler = {
            "cls": Scheduler,
            "options": {"host": LOOPBACK, "port": 0, "dashboard": False},
        }
        return SpecCluster(
            workers={number: worker(number) for number in range(self.workers)},
            scheduler=scheduler,
            silence_logs=logging.CRITICAL,
        )

    def submit(self, task: Task, gpu: bool) -> Future[NodeResult]:
        future: Future[NodeResult] = Future()
        with self._lock:
            self._waiting.append((task, gpu, future))
            if isinstance(task, NodeTask):
                self._run = task.run
        self._send()
        return future

    def _send(self) -> None:
        """Hand over as many nodes as there are processes. Dask would give one process several, and blame those that wait there
        for its death."""
        alive = self._alive() if self._waiting else 0
        while True:
            with self._lock:
                if not self._waiting or self._sent >= alive:
                    return
                self._sent += 1
                task, gpu, future = self._waiting.popleft()
            self._hand_over(task, gpu, future)

    def _alive(self) -> int:
        """How many nodes the workers that live can run at once; one that died is none of them until it has started again."""
        client = self._client
        if client is not None and client.status == "running":
            with suppress(OSError):  # the futures tell why
                return max(1, int(client.scheduler_info(n_workers=0)["total_threads"]))
        return self.places

    def _hand_over(self, task: Task, gpu: bool, future: Future[NodeResult]) -> None:
        assert self._client is not None, "start comes first"
        sent = self._client.submit(
            tasks.execute,
            task,
            key=f"{task.key}-{id(self)}-{id(future)}",
            pure=False,
            retries=0,
            resources=self._resources if gpu else None,
        )

        def done(ended: Any) -> None:
            # Dask runs this in a thread of its own; the future is kept by the closure until then.
            with self._lock:
                self._sent -= 1
            try:
                future.set_result(ended.result())
            except KilledWorker:
                future.set_exception(
                    NodeError(
                        task.name,
                        f"its process ended {DEATHS} times without a word; a lack of memory ends processes so (look into the "
                        "system's log)",
                    )
                )
            except NodeError as error:
                future.set_exception(error)
            except (CancelledError, OSError) as error:
                future.set_exception(self._gone(error))
            except Exception as error:
                future.set_exception(NodeError(task.name, f"{type(error).__name__}: {error}"))
            self._send()

        sent.add_done_callback(done)

    def _gone(self, error: BaseException) -> RunnerError:
        where = self.address or "of this run"
        return RunnerError(
            f"the connection with the Dask scheduler {where} is lost ({type(error).__name__}). Outputs of finished nodes are "
            "kept, and workers stop what they were doing; the same command with --params=run.resume=true continues"
        )

    def stop(self) -> None:
        client, cluster, self._client, self._cluster = self._client, self._cluster, None, None
        if client is not None:
            if cluster is None and self._run is not None and client.status == "running":
                client.run(tasks.stop, self._run, on_error="ignore")
            client.close(timeout=CONNECT_SECONDS)
        if cluster is not None:
            cluster.close(timeout=CONNECT_SECONDS)


class DaskRunner(EngineRunner):
    """Nodes side by side on Dask workers: ``--runner-params=address=tcp://host:8786``, or processes of this machine.

    Args:
        address: of a running scheduler; its workers need one thread each, this project, and the same folders.
        workers: processes to start where there is no address; by default one for every two processors, two at least.
        gpus: how many of those have a GPU of their own.
        is_async: not supported.

    Raises:
        RunnerError: parameters that exclude each other.
    """

    def __init__(
        self, address: str | None = None, workers: int | None = None, gpus: int = 0, is_async: bool = False
    ) -> None:
        super().__init__(is_async)
        if address is not None and (workers is not None or gpus):
            raise RunnerError(
                f"--runner-params: workers and gpus are of processes that a run starts; those at {address} are there already"
            )
        self.address = address
        self.workers = max(2, (os.cpu_count() or 1) // 2) if workers is None else int(workers)
        self.gpus = int(gpus)
        if not self.workers >= 1 or not 0 <= self.gpus <= self.workers:
            raise RunnerError(
                f"--runner-params: workers={self.workers},gpus={self.gpus}; expected at least one worker, and a worker for each GPU"
            )

    def _engine(self) -> Engine:
        return DaskEngine(self.address, self.workers, self.gpus)
