"""The trained networks of the study: one for each modulus, one for the text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch

from etudes.models import ModelState, register_model
from etudes.pipelines.decoder_transformer.decoder import DecoderTransformer
from etudes.pipelines.decoder_transformer.parameters import NetworkParameters, TaskParameters
from etudes.pipelines.decoder_transformer.problem import SequenceProblem
from etudes.training.fit import fit
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed, seed_everything
from etudes.training.session import current_session, training_session


@dataclass(frozen=True)
class TaskData:
    """What one network learns from: tokens (N, T + 1) each; ``heldout`` may have no rows."""

    vocabulary: int
    train: np.ndarray
    dev: np.ndarray
    heldout: np.ndarray
    crops: bool


@register_model("decoder_transformer.transformer")
class TransformerModels:
    """Networks by task: ``modulus_7``, ``text`` ..."""

    registered_name: str

    def __init__(self, networks: Mapping[str, DecoderTransformer]) -> None:
        self.networks = dict(networks)

    @property
    def tasks(self) -> list[str]:
        return list(self.networks)

    def log_probs(self, task: str, tokens: np.ndarray) -> np.ndarray:
        """log p(next | tokens up to here) (N, T, V), float32."""
        return self.networks[task].log_probs(tokens)

    def state(self) -> ModelState:
        config: dict[str, Any] = {}
        arrays: dict[str, np.ndarray] = {}
        for task, network in self.networks.items():
            config[task] = {
                "vocabulary": network.vocabulary,
                "positions": network.positions,
                "settings": network.settings.model_dump(),
            }
            arrays |= {
                f"{task}/{name}": value.detach().cpu().numpy() for name, value in network.state_dict().items()
            }
        return ModelState({"networks": config}, arrays)

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        networks = {}
        for task, config in state.config["networks"].items():
            settings = NetworkParameters.model_validate(config["settings"])
            network = DecoderTransformer(config["vocabulary"], config["positions"], settings)
            start = f"{task}/"
            weights = {
                k.removeprefix(start): torch.from_numpy(v)
                for k, v in state.arrays.items()
                if k.startswith(start)
            }
            network.load_state_dict(weights)
            networks[task] = network.eval()
        return cls(networks)


def train_networks(
    data: Mapping[str, TaskData],
    settings: Mapping[str, TaskParameters],
    share: float,
    run: RunParameters,
) -> tuple[TransformerModels, dict[str, list[dict[str, float]]]]:
    """Train the network of every task, one after the other; returns them with their epochs by task.

    ``share`` of the training sequences of the recurrences have their symbols renamed at random.
    """
    networks, epochs = {}, {}
    for task, rows in data.items():
        task_settings, length = settings[task], rows.dev.shape[1] - 1
        seed_everything(derive_seed(run.seed, "decoder", task))
        network = DecoderTransformer(rows.vocabulary, length, task_settings.network)
        problem = SequenceProblem(
            model=network,
            vocabulary=rows.vocabulary,
            train=rows.train,
            dev=rows.dev,
            heldout=rows.heldout,
            batch_size=task_settings.fit.batch_size,
            length=length,
            share=0.0 if rows.crops else share,
            crops=rows.crops,
        )
        with task_session(task):
            epochs[task] = fit(problem, task_settings.fit, run)
        networks[task] = network
    return TransformerModels(networks), epochs


@contextmanager
def task_session(task: str) -> Iterator[None]:
    """A checkpoint folder and curve names of its own for each network of a node, so that each resumes by itself."""
    outer = current_session()
    if outer is None:
        yield
        return

    def sink(step: int, metrics: dict[str, float]) -> None:
        outer.sink(step, {f"{task}.{name}": value for name, value in metrics.items()})

    folder = outer.checkpoints / task if outer.checkpoints is not None else None
    with training_session(f"{outer.label} {task}", folder, sink):
        yield
