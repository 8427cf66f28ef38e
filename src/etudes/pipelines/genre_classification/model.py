"""The methods of the study, one module each, and the model that answers users.

Importing this module registers every class that a model file may name.
"""

from __future__ import annotations

from etudes.models import register_model
from etudes.pipelines.genre_classification.combination import Combination
from etudes.pipelines.genre_classification.doc2vec import Doc2VecClassifier
from etudes.pipelines.genre_classification.films import film_texts, film_words
from etudes.pipelines.genre_classification.linear import TfidfClassifier
from etudes.pipelines.genre_classification.predictor import GenrePredictor
from etudes.pipelines.genre_classification.spacy_textcat import SpacyClassifier
from etudes.text.bilstm import BiLSTMClassifier
from etudes.text.classifiers import EncoderClassifier, EncoderProbe

__all__ = ["Combination", "Doc2VecClassifier", "GenrePredictor", "SpacyClassifier", "TfidfClassifier"]


@register_model("genre_classification.bilstm")
class FilmBiLSTM(BiLSTMClassifier):
    """A bidirectional LSTM over the content words of films."""

    words_of = staticmethod(film_words)


@register_model("genre_classification.encoder_probe")
class FilmProbe(EncoderProbe):
    """A linear classifier on a frozen sentence encoder."""

    texts_of = staticmethod(film_texts)


@register_model("genre_classification.encoder")
class FilmEncoder(EncoderClassifier):
    """The sentence encoder, fine-tuned."""

    texts_of = staticmethod(film_texts)
