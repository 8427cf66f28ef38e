"""spaCy's text categoriser (Honnibal et al.), built from its own configuration and trained through its own API."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
import spacy
from scipy.special import softmax
from spacy.language import Language
from spacy.training import Example
from spacy.util import minibatch

from etudes.benches.classifiers import on_dev
from etudes.models import ModelState, register_model
from etudes.pipelines.genre_classification.films import film_words
from etudes.pipelines.genre_classification.parameters import SpacyParameters
from etudes.text.problem import dev_metrics
from etudes.training.classification import class_weights, fit_temperature
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed
from etudes.training.session import progress, record

BOW = """
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
"""
ARCHITECTURES = {"bow": "[model]" + BOW, "ensemble": ENSEMBLE + BOW}


def build_pipeline(classes: int, parameters: SpacyParameters) -> Language:
    """An untrained English pipeline: tokenizer and ``textcat`` with labels ``0``, ``1``, ..."""
    from thinc.api import Config

    text = ARCHITECTURES[parameters.architecture].format(ngrams=parameters.ngrams, length=parameters.length)
    nlp = spacy.blank("en")
    categoriser: Any = nlp.add_pipe("textcat", config=Config().from_str(text))
    for label in range(classes):
        categoriser.add_label(str(label))
    return nlp


STEM_LENGTH = 5


def spacy_texts(frame: pd.DataFrame) -> list[str]:
    """The films as text again, for a bag of words that sees neither order nor case: each content word once, then the
    first five letters of the longer ones as crude stems."""
    texts = []
    for words in film_words(frame):
        stems = [f"{word[:STEM_LENGTH]}~" for word in words if len(word) > STEM_LENGTH]
        texts.append(" ".join([*dict.fromkeys(words), *dict.fromkeys(stems)]))
    return texts


@register_model("genre_classification.spacy")
class SpacyClassifier:
    """A trained spaCy pipeline; stored in spaCy's own byte format.

    Its probabilities are shifted by the class prior, p(k) ~ (cats(k) * prior(k)^-shift)^(1/T), with the temperature T
    that minimises the log-loss on dev.
    """

    registered_name: str

    def __init__(self, parameters: SpacyParameters, prior: np.ndarray, nlp: Language) -> None:
        self.parameters, self.prior, self.nlp = parameters, prior, nlp
        self.temperature = 1.0

    @classmethod
    def train(
        cls,
        train_split: pd.DataFrame,
        dev_split: pd.DataFrame,
        split_card: dict[str, Any],
        parameters: SpacyParameters,
        run: RunParameters,
    ) -> tuple[Self, dict[str, Any]]:
        """Train with early stopping on dev accuracy; the averaged weights of the best epoch are kept."""
        train, dev, classes = train_split, dev_split, len(split_card["classes"])
        seed = derive_seed(run.seed, "spacy")
        spacy.util.fix_random_seed(seed)
        if run.device == "cuda" or (run.device == "auto" and _gpu_works()):
            spacy.require_gpu()
        labels = train["label"].to_numpy()
        prior = np.bincount(labels, minlength=classes) / len(labels)
        nlp = build_pipeline(classes, parameters)
        examples = _examples(nlp, train, classes)
        optimizer = nlp.initialize(lambda: examples)
        optimizer.learn_rate, optimizer.L2 = parameters.learning_rate, parameters.l2
        model = cls(parameters, prior, nlp)
        generator = np.random.default_rng(seed)
        chances = class_weights(labels, classes, parameters.balance)[labels]
        chances /= chances.sum()
        history: list[dict[str, float]] = []
        best, best_epoch, best_bytes = -1.0, 0, b""
        for epoch in range(1, parameters.epochs + 1):
            drawn = [examples[i] for i in generator.choice(len(examples), len(examples), p=chances)]
            losses: dict[str, float] = {}
            total = -(-len(drawn) // parameters.batch_size)
            batches = minibatch(drawn, size=parameters.batch_size)
            for batch in progress(batches, f"spacy epoch {epoch}/{parameters.epochs}", total):
                nlp.update(batch, sgd=optimizer, drop=parameters.dropout, losses=losses)
            with nlp.use_params(optimizer.averages):
                metrics = dev_metrics(dev["label"].to_numpy(), model.predict_proba(dev))
                if metrics["accuracy"] > best:
                    best, best_epoch, best_bytes = metrics["accuracy"], epoch, nlp.to_bytes()
            # spaCy reports a squared error, which does not belong on an axis of log-losses.
            row = {"epoch": float(epoch), "train_squared_error": losses["textcat"] / total}
            row |= {f"dev_{name}": value for name, value in metrics.items()}
            history.append(row)
            record(epoch, {name: value for name, value in row.items() if name != "epoch"})
            if epoch - best_epoch >= parameters.patience:
                break
        nlp.from_bytes(best_bytes)
        model.temperature = fit_temperature(model.scores(dev), dev["label"].to_numpy())
        return model, {**on_dev(model, dev), "epochs": history}

    def scores(self, frame: pd.DataFrame) -> np.ndarray:
        """Shifted log-probabilities before the temperature (N, K)."""
        docs = self.nlp.pipe(spacy_texts(frame), batch_size=256)
        cats = np.array([[doc.cats[str(label)] for label in range(len(self.prior))] for doc in docs])
        shift = self.parameters.prior_shift * np.log(np.maximum(self.prior, 1e-6))
        return np.log(np.maximum(cats.astype(np.float64), 1e-12)) - shift

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
        return softmax(self.scores(frame) / self.temperature, axis=1)

    def state(self) -> ModelState:
        config = {"parameters": self.parameters.model_dump(mode="json"), "temperature": self.temperature}
        return ModelState(config, {"prior": self.prior}, {"pipeline": self.nlp.to_bytes()})

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        parameters = SpacyParameters.model_validate(state.config["parameters"])
        nlp = build_pipeline(len(state.arrays["prior"]), parameters)
        nlp.initialize()
        nlp.from_bytes(state.blobs["pipeline"])
        model = cls(parameters, state.arrays["prior"], nlp)
        model.temperature = state.config["temperature"]
        return model


def _examples(nlp: Language, frame: pd.DataFrame, classes: int) -> list[Example]:
    examples = []
    for text, label in zip(spacy_texts(frame), frame["label"], strict=True):
        categories = {str(other): float(other == label) for other in range(classes)}
        examples.append(Example.from_dict(nlp.make_doc(text), {"cats": categories}))
    return examples


def _gpu_works() -> bool:
    """spaCy needs cupy beside CUDA; without it the CPU trains."""
    from importlib.util import find_spec

    import torch

    return find_spec("cupy") is not None and torch.cuda.is_available()
