"""spaCy's text categoriser (Honnibal et al.), built from its own configuration and trained through its own API."""

from __future__ import annotations

import random
from typing import Any, Self

import numpy as np
import pandas as pd
import spacy
from spacy.language import Language
from spacy.training import Example
from spacy.util import minibatch

from etudes.models import ModelState, register_model
from etudes.pipelines.genre_classification.films import film_texts
from etudes.pipelines.genre_classification.parameters import SpacyParameters
from etudes.pipelines.genre_classification.problem import dev_metrics
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed
from etudes.training.session import progress, record

BOW = """
[model]
@architectures = "spacy.TextCatBOW.v3"
exclusive_classes = true
ngram_size = {ngrams}
length = {length}
no_output_layer = false
"""
ENSEMBLE = """
[model]
@architectures = "spacy.TextCatEnsemble.v2"

[model.tok2vec]
@architectures = "spacy.HashEmbedCNN.v2"
pretrained_vectors = null
width = 96
depth = 2
embed_size = 2000
window_size = 1
maxout_pieces = 3
subword_features = true

[model.linear_model]
@architectures = "spacy.TextCatBOW.v3"
exclusive_classes = true
ngram_size = {ngrams}
length = {length}
no_output_layer = false
"""


def build_pipeline(classes: int, parameters: SpacyParameters) -> Language:
    """An untrained English pipeline: tokenizer and ``textcat`` with labels ``0``, ``1``, ..."""
    from thinc.api import Config

    text = (BOW if parameters.architecture == "bow" else ENSEMBLE).format(
        ngrams=parameters.ngrams, length=parameters.length
    )
    nlp = spacy.blank("en")
    categoriser: Any = nlp.add_pipe("textcat", config=Config().from_str(text))
    for label in range(classes):
        categoriser.add_label(str(label))
    return nlp


@register_model("genre_classification.spacy")
class SpacyClassifier:
    """A trained spaCy pipeline; stored in spaCy's own byte format."""

    registered_name: str

    def __init__(self, parameters: SpacyParameters, classes: int, nlp: Language) -> None:
        self.parameters, self.classes, self.nlp = parameters, classes, nlp

    @classmethod
    def fit(
        cls,
        train: pd.DataFrame,
        dev: pd.DataFrame,
        classes: int,
        parameters: SpacyParameters,
        run: RunParameters,
    ) -> tuple[Self, list[dict[str, float]]]:
        """Train with early stopping on dev accuracy; the best epoch's weights are kept."""
        seed = derive_seed(run.seed, "spacy")
        spacy.util.fix_random_seed(seed)
        if run.device == "cuda" or (run.device == "auto" and _gpu_works()):
            spacy.require_gpu()
        nlp = build_pipeline(classes, parameters)
        examples = _examples(nlp, train, classes)
        optimizer = nlp.initialize(lambda: examples)
        optimizer.learn_rate, optimizer.L2 = parameters.learning_rate, parameters.l2
        model = cls(parameters, classes, nlp)
        order = random.Random(seed)
        history: list[dict[str, float]] = []
        best, best_epoch, best_bytes = -1.0, 0, b""
        for epoch in range(1, parameters.epochs + 1):
            order.shuffle(examples)
            losses: dict[str, float] = {}
            batches = minibatch(examples, size=parameters.batch_size)
            total = -(-len(examples) // parameters.batch_size)
            for batch in progress(batches, f"spacy epoch {epoch}/{parameters.epochs}", total):
                nlp.update(batch, sgd=optimizer, drop=parameters.dropout, losses=losses)
            metrics = dev_metrics(dev["label"].to_numpy(), model.predict_proba(dev))
            row = {"epoch": float(epoch), "train_loss": losses["textcat"] / total}
            row |= {f"dev_{name}": value for name, value in metrics.items()}
            history.append(row)
            record(epoch, {name: value for name, value in row.items() if name != "epoch"})
            if metrics["accuracy"] > best:
                best, best_epoch, best_bytes = metrics["accuracy"], epoch, nlp.to_bytes()
            if epoch - best_epoch >= parameters.patience:
                break
        nlp.from_bytes(best_bytes)
        return model, history

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
        docs = self.nlp.pipe(film_texts(frame), batch_size=256)
        scores = [[doc.cats[str(label)] for label in range(self.classes)] for doc in docs]
        probabilities = np.array(scores, dtype=np.float64)
        return probabilities / probabilities.sum(1, keepdims=True)

    def state(self) -> ModelState:
        config = {"parameters": self.parameters.model_dump(mode="json"), "classes": self.classes}
        return ModelState(config, blobs={"pipeline": self.nlp.to_bytes()})

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        parameters = SpacyParameters.model_validate(state.config["parameters"])
        nlp = build_pipeline(state.config["classes"], parameters)
        nlp.initialize()
        nlp.from_bytes(state.blobs["pipeline"])
        return cls(parameters, state.config["classes"], nlp)


def _examples(nlp: Language, frame: pd.DataFrame, classes: int) -> list[Example]:
    examples = []
    for text, label in zip(film_texts(frame), frame["label"], strict=True):
        categories = {str(other): float(other == label) for other in range(classes)}
        examples.append(Example.from_dict(nlp.make_doc(text), {"cats": categories}))
    return examples


def _gpu_works() -> bool:
    """spaCy needs cupy beside CUDA; without it the CPU trains."""
    from importlib.util import find_spec

    import torch

    return find_spec("cupy") is not None and torch.cuda.is_available()
