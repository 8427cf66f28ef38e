"""How OpenMP's threads wait for each other. No import of a library here: libgomp reads its settings when it is loaded."""

from __future__ import annotations

import os

# Rounds of a thread that waits before it sleeps, about 10 microseconds. Small networks meet every few microseconds: with
# threads that sleep at once (OMP_WAIT_POLICY=PASSIVE) a token of the small decoder takes six times as long on an idle
# machine; with libgomp's own 300,000 rounds training takes four times as long beside one other busy process.
SPINS = 3000


def wait_briefly() -> None:
    """Let waiting threads spin for a moment and then sleep, unless the environment says otherwise.

    Call it before torch or scikit-learn is imported, which load libgomp; later it has no effect.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", str(SPINS))
