"""Workers as jobs of Slurm, by dask-jobqueue (`pip install dask-jobqueue`): python docs/cluster/slurm.py 4.

Start it on a login machine, leave it running, and give its address to `kedro run`. Not tried: no Slurm cluster was at hand.
"""

import signal
import sys

from dask_jobqueue import SLURMCluster

cluster = SLURMCluster(
    # One job is one worker, which runs one node of a study at a time: a GPU each, and the processors beside it.
    processes=1,
    cores=1,
    job_cpu=8,
    memory="32GB",
    walltime="24:00:00",
    job_extra_directives=["--gpus=1"],
    worker_extra_args=["--resources", "gpu=1"],
    # What every job does first, in the folder of the project: its environment, and where data and outputs are.
    job_script_prologue=[". .venv/bin/activate", ". docs/cluster/settings.sh"],
    scheduler_options={"port": 8786},
)
cluster.scale(jobs=int(sys.argv[1]))
print(f"--runner=etudes.runners.DaskRunner --runner-params=address={cluster.scheduler_address}", flush=True)  # noqa: T201
signal.pause()
