"""The LSTM: padding, pooling, learning, word vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from etudes.pipelines.genre_classification.parameters import Parameters
from etudes.text.bilstm import VECTOR_SCALE, BiLSTM, BiLSTMClassifier
from etudes.text.encoders import EMBEDDED, word_vectors
from etudes.text.tokens import tokenize
from etudes.text.vectors import WordVectors
from study_settings import run_parameters, settings_of
from toy_films import toy_films

settings = settings_of("genre_classification", Parameters)
NO_FILE = WordVectors(Path("no such file"))
CARD = {"classes": ["crime", "sport", "food"]}


class Plots(BiLSTMClassifier):
    """Of plots alone."""

    @staticmethod
    def words_of(frame: pd.DataFrame) -> list[list[str]]:
        return [tokenize(plot) for plot in frame["plot"]]


def train(
    films: pd.DataFrame, dev: pd.DataFrame, parameters: Any, vectors: WordVectors = NO_FILE
) -> tuple[BiLSTMClassifier, list[dict]]:
    """The classifier and its epochs."""
    model, history = Plots.train(films, dev, CARD, vectors, parameters, run_parameters())
    return model, history["epochs"]


@pytest.fixture
def network() -> BiLSTM:
    torch.manual_seed(0)
    network = BiLSTM(30, 3, settings("bilstm", embedding=6, hidden=5, layers=2)).eval()
    with torch.no_grad():  # a bias, as after training, so that states of padding would not be zero
        for name, weight in network.lstm.named_parameters():
            if "bias" in name:
                weight.normal_()
    return network


@pytest.fixture(scope="module")
def trained() -> tuple[BiLSTMClassifier, list[dict]]:
    parameters = settings(
        "bilstm",
        vectors="random",
        embedding=16,
        hidden=12,
        dropout=0.1,
        min_count=1,
        fit={"epochs": 6, "batch_size": 8, "learning_rate": 0.02},
    )
    return train(toy_films(90, seed=0), toy_films(30, seed=1), parameters)


def test_a_text_alone_gets_the_logits_it_gets_beside_longer_ones(network: BiLSTM) -> None:
    short, long = torch.tensor([[4, 7, 9]]), torch.arange(1, 20)[None]
    both = torch.zeros(2, 19, dtype=torch.long)
    both[0, :3], both[1] = short, long
    together = network(both, torch.tensor([3, 19]))
    torch.testing.assert_close(together[:1], network(short, torch.tensor([3])), atol=1e-6, rtol=0)
    torch.testing.assert_close(together[1:], network(long, torch.tensor([19])), atol=1e-6, rtol=0)


def test_pooling_is_the_maximum_of_states_and_the_mean_vector_of_real_words(network: BiLSTM) -> None:
    ids = torch.tensor([[4, 7, 9]])
    states, _ = network.lstm(network.embedding(ids))
    highest, mean = states.max(1).values, network.embedding(ids).mean(1)
    pooled = torch.cat([network.state_norm(highest), network.mean_norm(mean)], dim=-1)
    padded = torch.tensor([[4, 7, 9, 0, 0], [1, 2, 3, 4, 5]])
    logits = network(padded, torch.tensor([3, 5]))
    torch.testing.assert_close(logits[:1], network.output(pooled), atol=1e-6, rtol=0)


def test_padding_is_not_trained(network: BiLSTM) -> None:
    network.train()(torch.tensor([[4, 7, 0], [1, 2, 3]]), torch.tensor([2, 3])).sum().backward()
    gradient = network.embedding.weight.grad
    assert gradient is not None
    assert (gradient[0] == 0).all() and (gradient[1:] != 0).any()


def test_word_dropout_hides_words_in_training_only() -> None:
    torch.manual_seed(0)
    network = BiLSTM(30, 3, settings("bilstm", dropout=0.0, word_dropout=0.9))
    ids, lengths = torch.arange(2, 20)[None], torch.tensor([18])
    hidden = [network.train()(ids, lengths) for _ in range(2)]
    seen = [network.eval()(ids, lengths) for _ in range(2)]
    assert not torch.equal(*hidden)
    assert torch.equal(*seen)


def test_it_learns_a_toy_task(trained: tuple[BiLSTMClassifier, list[dict]]) -> None:
    model, history = trained
    test = toy_films(60, seed=2)
    assert (model.predict_proba(test).argmax(1) == test["label"]).mean() >= 0.95
    assert history[-1]["train_loss"] < 0.5 * history[0]["train_loss"]


def test_probabilities_do_not_depend_on_the_other_films(trained: tuple[BiLSTMClassifier, list[dict]]) -> None:
    films = toy_films(12, seed=3)
    together = trained[0].predict_proba(films)
    alone = np.concatenate([trained[0].predict_proba(films.iloc[[row]]) for row in range(len(films))])
    np.testing.assert_allclose(alone, together, atol=1e-6)
    np.testing.assert_allclose(together.sum(1), 1, atol=1e-9)


def glove(folder: Path, size: int) -> WordVectors:
    generator = np.random.default_rng(0)
    lines = [
        " ".join([word, *map(str, generator.normal(size=size))]) for word in ("murder", "goal", "elsewhere")
    ]
    (folder / "glove.txt").write_text("\n".join(lines), encoding="utf-8")
    return WordVectors(folder / "glove.txt")


def still(**changes: Any) -> Any:
    """Settings with which training moves no weight to speak of."""
    return settings(
        "bilstm",
        embedding=6,
        min_count=1,
        vector_learning_rate=1e-12,
        fit={"epochs": 1, "learning_rate": 1e-12, "weight_decay": 0.0},
        **changes,
    )


def test_training_starts_from_pretrained_vectors(
    tmp_path: Path,
) -> None:
    vectors, films = glove(tmp_path, 6), (toy_films(60, seed=0), toy_films(9, seed=1))
    model, _ = train(*films, still(vectors="glove"), vectors)
    plain, _ = train(*films, still(vectors="random"))
    weights, ids = model.network.embedding.weight.detach().numpy(), model.vocabulary.ids
    for word, vector in vectors.lookup(["murder", "goal"]).items():
        np.testing.assert_allclose(weights[ids[word]], vector, atol=1e-6)
    # Words without a vector keep the one they would have had.
    np.testing.assert_allclose(
        weights[ids["oven"]], plain.network.embedding.weight.detach()[ids["oven"]], atol=1e-6
    )
    assert "elsewhere" not in ids


def test_training_starts_from_the_encoders_word_vectors() -> None:
    films = (toy_films(60, seed=0), toy_films(9, seed=1))
    model, _ = train(*films, still(vectors="encoder"))
    words = model.vocabulary.words[2:]
    weights = model.network.embedding.weight.detach().numpy()
    np.testing.assert_allclose(weights[2:], VECTOR_SCALE * word_vectors(EMBEDDED, words, 6), atol=1e-5)
    assert (weights[0] == 0).all()


def test_vectors_of_another_size_are_refused(
    tmp_path: Path,
) -> None:
    with pytest.raises(ValueError, match=r"have 5 dimensions, bilstm\.embedding is 6; set it"):
        train(toy_films(60, seed=0), toy_films(9, seed=1), still(vectors="glove"), glove(tmp_path, 5))


def test_the_vectors_file_is_needed_where_it_is_asked_for() -> None:
    with pytest.raises(FileNotFoundError, match="no such file of word vectors"):
        train(toy_films(60, seed=0), toy_films(9, seed=1), still(vectors="glove"))


def test_the_same_seed_gives_the_same_model_and_another_another() -> None:
    def answers(seed: int) -> np.ndarray:
        run, parts = run_parameters(seed=seed), (toy_films(45, seed=0), toy_films(15, seed=1))
        return Plots.train(*parts, CARD, NO_FILE, settings("bilstm"), run)[0].predict_proba(parts[1])

    np.testing.assert_array_equal(answers(0), answers(0))
    assert not np.allclose(answers(0), answers(1))
