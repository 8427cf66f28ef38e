"""The shared training loop against a plain one."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.loop import bilstm_problem, plain_loop
from benchmarks.sample import changed, load_sample
from benchmarks.table import Row, at_least
from benchmarks.timing import interleaved

EPOCHS, REPEATS = 2, 5


def fit_against_plain_loop() -> list[Row]:
    """Tokens per second of the BiLSTM: `fit`, `fit` with checkpoints, and the loop of `benchmarks.loop`."""
    from etudes.training.fit import fit
    from etudes.training.session import training_session

    sample = load_sample()
    settings = changed(sample.parameters.bilstm.fit, epochs=EPOCHS)
    problem = bilstm_problem(sample)
    tokens = EPOCHS * sum(len(sequence) for sequence in problem.train)

    def checkpointed(fresh: Any, *arguments: Any) -> None:
        with (
            tempfile.TemporaryDirectory() as folder,
            training_session("bilstm", Path(folder), lambda step, metrics: None),
        ):
            fit(fresh, *arguments)

    def contestant(train: Callable[..., Any]) -> Callable[[], None]:
        return lambda: train(copy.deepcopy(problem), settings, sample.run)

    contestants = {
        "plain": contestant(plain_loop),
        "fit": contestant(fit),
        "checkpoints": contestant(checkpointed),
    }
    for warm_up in contestants.values():
        warm_up()
    best = interleaved(contestants, REPEATS)
    speed = {name: tokens / times.wall for name, times in best.items()}
    note = f"BiLSTM training against a plain loop, {EPOCHS} epochs (best of {REPEATS})"
    return [
        at_least(note, speed["fit"], speed["plain"], 0.95, "tokens/s"),
        Row(
            "  the same with checkpoints",
            f"{speed['checkpoints']:,.0f} tokens/s",
            f"{speed['plain']:,.0f} tokens/s",
            f"{speed['checkpoints'] / speed['plain']:.3f}x",
        ),
    ]
