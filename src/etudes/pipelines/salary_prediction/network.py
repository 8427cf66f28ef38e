"""The network of three heads with its vocabularies (Kaggle's and YSDA's salary network). PyTorch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from etudes.models import register_model
from etudes.networks import NetworkModel
from etudes.pipelines.salary_prediction.advertisements import DESCRIPTION, TITLE
from etudes.pipelines.salary_prediction.features import category_items
from etudes.pipelines.salary_prediction.methods import Answering, FloatArray
from etudes.pipelines.salary_prediction.parameters import NetworkParameters
from etudes.text.heads import VECTOR_SCALE, LogAmounts, Row, ThreeHeads, answers
from etudes.text.tokens import Vocabulary, tokenize
from etudes.training.fit import fit
from etudes.training.parameters import RunParameters
from etudes.training.seeds import derive_seed, seed_everything


@register_model("salary_prediction.network")
class Network(NetworkModel, Answering):
    """`ThreeHeads` with its vocabularies: ``words``, ``items`` (categories), ``mean`` and ``scale`` of the log salaries, ``limits`` of words."""

    network_class = ThreeHeads

    @property
    def margin(self) -> float:
        return float(self.kept["margin"])

    @margin.setter
    def margin(self, value: float) -> None:
        self.kept["margin"] = value

    def encode(self, frame: pd.DataFrame) -> list[Row]:
        """Ids of titles and descriptions, and categories (C,), float32, of each row."""
        vocabulary = Vocabulary(self.words)
        place = dict(zip(self.items, range(len(self.items)), strict=True))
        encoded = []
        for title, text, own in zip(frame[TITLE], frame[DESCRIPTION], category_items(frame), strict=True):
            there = np.zeros(len(self.items), dtype=np.float32)
            there[[place[item] for item in own if item in place]] = 1.0
            ids = [
                vocabulary.encode(tokenize(words), limit)
                for words, limit in zip((title, text), self.limits, strict=True)
            ]
            encoded.append((ids[0], ids[1], there))
        return encoded

    def predict(self, frame: pd.DataFrame) -> FloatArray:
        return self.mean + self.scale * answers(self.network, self.encode(frame), torch.device("cpu"))


def learn_network(
    rows: pd.DataFrame,
    heads: Sequence[str],
    recurrent: bool,
    parameters: NetworkParameters,
    run: RunParameters,
) -> tuple[Network, FloatArray, list[dict[str, float]]]:
    """Train on all rows but those that are ``is_dev``, which choose the epoch.

    Returns:
        The model, its answers (R,) to all training rows, of which those to dev rows are held out, and its epochs.
    """
    from etudes.text.encoders import EMBEDDED, word_vectors

    seed_everything(derive_seed(run.seed, "network"))
    is_dev = rows["is_dev"].to_numpy()
    kept, dev = rows[~is_dev], rows[is_dev]
    texts = (tokenize(" ".join(pair)) for pair in zip(kept[TITLE], kept[DESCRIPTION], strict=True))
    vocabulary = Vocabulary.build(map(sorted, map(set, texts)), parameters.fewest, 10**6)
    counts = Counter(item for own in category_items(kept) for item in own)
    items = sorted(item for item, count in counts.items() if count >= parameters.fewest)
    config = {
        **{"words": len(vocabulary), "items": len(items), "heads": list(heads), "recurrent": recurrent},
        **parameters.model_dump(include={"embedding", "filters", "hidden", "dropout", "word_dropout"}),
    }
    network = ThreeHeads(**config)
    with torch.no_grad():
        table = word_vectors(EMBEDDED, vocabulary.words[2:], parameters.embedding) * VECTOR_SCALE
        network.embedding.weight[2:] = torch.from_numpy(np.asarray(table, dtype=np.float32))
    salaries = [part["salary"].to_numpy() for part in (kept, dev)]
    y = np.log(salaries[0])
    mean, scale = float(y.mean()), float(max(y.std(), 1e-6))
    length = parameters.recurrent_words if recurrent else parameters.description_words
    facts = {"words": vocabulary.words, "items": items, "limits": [parameters.title_words, length]}
    model = Network(network, config, **facts, mean=mean, scale=scale, margin=0.0)
    rows_of_both = (model.encode(kept), salaries[0], model.encode(dev), salaries[1])
    size, settings = parameters.fit.batch_size, parameters.model_dump_json()
    problem = LogAmounts(network, *rows_of_both, mean, scale, size, settings, monitor="salary_mae")
    epochs = fit(problem, parameters.fit, run)
    return model, model.predict(rows), epochs
