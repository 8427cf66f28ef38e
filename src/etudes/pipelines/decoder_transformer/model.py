"""The variants: how each is trained, and what it is once it is.

Importing this module registers every class that a model file may name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from etudes.benches.sequences import next_token_scores
from etudes.examples import Examples
from etudes.models import ModelState, register_model
from etudes.networks import load_arrays, network_arrays
from etudes.pipelines.decoder_transformer.cache import CachedSteps
from etudes.pipelines.decoder_transformer.data import Card, of_group
from etudes.pipelines.decoder_transformer.decoder import DecoderTransformer
from etudes.pipelines.decoder_transformer.ngrams import ContextLookup, KneserNey, NGrams, longest
from etudes.pipelines.decoder_transformer.parameters import NetworkParameters, NetworksParameters
from etudes.text.characters import stream
from etudes.text.next_token import NextTokens, Task
from etudes.training.fit import fit
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed, seed_everything
from etudes.training.session import part

__all__ = ["ContextLookup", "NGrams", "TransformerModels"]
TEXT = "text"
Splits = Mapping[str, Examples]
Trained = tuple[Any, dict[str, Any]]


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

    def steps(self, task: str, batch: int, positions: int) -> CachedSteps:
        return CachedSteps(self.networks[task], batch, positions)

    def state(self) -> ModelState:
        state = ModelState()
        for task, network in self.networks.items():
            settings = network.settings.model_dump()
            config = {"vocabulary": network.vocabulary, "positions": network.positions, "settings": settings}
            state.nest(task, ModelState(config, network_arrays(network)))
        return state

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        networks = {}
        for task, config in state.config.items():
            settings = NetworkParameters.model_validate(config["settings"])
            networks[task] = DecoderTransformer(config["vocabulary"], config["positions"], settings)
            load_arrays(networks[task], state.nested(task).arrays)
        return cls(networks)


def train_counted(splits: Splits, split_card: Card, most: int) -> Trained:
    """Kneser-Ney models: for each task the order, of 1 .. ``most``, that predicts dev best. ``orders`` says which."""
    tasks = tasks_of(splits, split_card)
    laws = {name: _best_order(task, most) for name, task in tasks.items()}
    model, orders = NGrams(laws), {name: law.order for name, law in laws.items()}
    return model, {"dev": dev_scores(model, tasks), "epochs": {}, "orders": orders}


def _best_order(task: Task, most: int) -> KneserNey:
    def loss(law: KneserNey) -> float:
        _, surprise = next_token_scores(law.log_probs(task.dev[:, :-1]), task.dev[:, 1:])
        return float(surprise.mean())

    rows = np.atleast_2d(task.train)  # a stream is one row
    orders = range(1, min(most, longest(task.vocabulary)) + 1)
    return min((KneserNey.fit(rows, task.vocabulary, order) for order in orders), key=loss)


def train_lookup(splits: Splits, split_card: Card) -> Trained:
    """What followed the last two tokens earlier in the same sequence; nothing is learned."""
    tasks = tasks_of(splits, split_card)
    model = ContextLookup({name: task.vocabulary for name, task in tasks.items()})
    return model, {"dev": dev_scores(model, tasks), "epochs": {}}


def train_networks(
    splits: Splits, split_card: Card, parameters: NetworksParameters, run: RunParameters
) -> Trained:
    """A network for each modulus and, if there are settings for it, one for the text, one after the other."""
    tasks = tasks_of(splits, split_card)
    networks, epochs = {}, {}
    for name, task in tasks.items():
        settings = parameters.text if name == TEXT else parameters.recurrences
        if settings is None:
            continue
        seed_everything(derive_seed(run.seed, "decoder", name))
        network = DecoderTransformer(task.vocabulary, task.length, settings.network)
        share = 0.0 if name == TEXT else parameters.share
        with part(name):
            epochs[name] = fit(NextTokens(network, task, settings.fit.batch_size, share), settings.fit, run)
        networks[name] = network
    model = TransformerModels(networks)
    return model, {"dev": dev_scores(model, tasks), "epochs": epochs}


def tasks_of(splits: Splits, split_card: Card) -> dict[str, Task]:
    """What a network learns from: the recurrences of each modulus, and the text where it is among the splits."""
    train = splits["train"]
    moduli, tasks = train.rows["modulus"].to_numpy(), {}
    for modulus in sorted(set(moduli.tolist())):
        groups = [of_group(splits["dev"], modulus, group)["tokens"] for group in ("seen", "heldout")]
        tasks[f"modulus_{modulus}"] = Task(modulus, train["tokens"][moduli == modulus], *groups)
    if "text_train" not in splits:
        return tasks
    text, text_dev = (
        stream(np.asarray(splits["text_train"]["tokens"])),
        np.asarray(splits["text_dev"]["tokens"]),
    )
    return {**tasks, TEXT: Task(len(split_card["alphabet"]), text, text_dev, text_dev[:0])}


def dev_scores(model: Any, tasks: Mapping[str, Task]) -> dict[str, float]:
    """Accuracy on dev: of the first modulus, seen and held-out vectors, and of the text; ``bits_per_character``."""
    first = next(iter(tasks))
    parts = {"accuracy": (first, tasks[first].dev), "heldout_accuracy": (first, tasks[first].heldout)}
    if TEXT in model.tasks:
        parts["text_accuracy"] = (TEXT, tasks[TEXT].dev)
    scores = {}
    for name, (task, rows) in parts.items():
        right, surprise = next_token_scores(model.log_probs(task, rows[:, :-1]), rows[:, 1:])
        scores[name] = float(right.mean())
        if task == TEXT:
            scores["bits_per_character"] = float(surprise.mean() / np.log(2))
    return scores
