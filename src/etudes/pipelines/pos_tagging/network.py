"""A bidirectional LSTM over words that know their spelling (after Ling et al. 2015; Ma and Hovy 2016, and Huang et al. 2015 for the chain). PyTorch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from etudes.cards import fingerprint
from etudes.models import register_model
from etudes.networks import NetworkModel
from etudes.pipelines.pos_tagging.parameters import NetworkParameters
from etudes.pipelines.pos_tagging.tagger import Tagging
from etudes.text.pieces import piece_table, piece_vectors
from etudes.text.tagging import IntArray, SequenceTagger
from etudes.text.tokens import Vocabulary, pad

VECTOR_SCALE = 0.3  # of words' own vectors at the start
BEGIN, END = "\x02", "\x03"  # around the characters of a word


class WordTagger(SequenceTagger):
    """Vectors of words -> LSTM in both directions -> scores of tags. Padding changes nothing: it stands behind the end of a sentence, and
    the LSTM that reads from the end is given the words in reverse. (Packing does the same and takes half as long again on a processor.)

    A word's vector is its own, learned; beside it, if ``vectors`` is not 0, a pretrained one that stays as it is, and if ``filters`` is not 0, the
    maximum over its characters of convolutions three characters wide.

    Args:
        words, letters, tags: how many there are; the first two words and letters are padding and the unknown.
        embedding, vectors, characters, filters, hidden: sizes; 0 vectors or filters leave that part out.
        dropout: of vectors and states.
        word_dropout: share of words whose own vector is that of the unknown word in training.
        chained: whether tags depend on each other.
    """

    def __init__(
        self,
        words: int,
        letters: int,
        tags: int,
        embedding: int,
        vectors: int,
        characters: int,
        filters: int,
        hidden: int,
        dropout: float,
        word_dropout: float,
        chained: bool,
    ) -> None:
        super().__init__(tags, chained)
        self.word_dropout, self.vectors, self.filters = word_dropout, vectors, filters
        self.embedding = nn.Embedding(words, embedding, padding_idx=0)
        nn.init.normal_(self.embedding.weight, std=VECTOR_SCALE)
        if filters:
            self.letters = nn.Embedding(letters, characters, padding_idx=0)
            self.convolution = nn.Conv1d(characters, filters, 3, padding=1)
        self.forwards = nn.LSTM(embedding + vectors + filters, hidden, batch_first=True)
        self.backwards = nn.LSTM(embedding + vectors + filters, hidden, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(2 * hidden, tags)

    def emissions(self, inputs: Sequence[Tensor], lengths: Tensor) -> Tensor:
        """place (B, T) of each word among U different ones; their ids (U,), letters (U, L) and vectors (U, V) -> (B, T, K)."""
        place, ids, letters, vectors = inputs
        own = ids[place]
        if self.training and self.word_dropout > 0:
            hide = (torch.rand(own.shape, device=own.device) < self.word_dropout) & (own > 0)
            own = torch.where(hide, 1, own)
        parts = [self.embedding(own)]
        if self.vectors:
            parts.append(vectors[place])
        if self.filters:
            spelt = torch.relu(self.convolution(self.letters(letters).transpose(1, 2)))
            parts.append(spelt.masked_fill((letters == 0).unsqueeze(1), 0.0).amax(dim=2)[place])
        read = self.dropout(torch.cat(parts, dim=-1))
        states = [self.forwards(read)[0], reverse(self.backwards(reverse(read, lengths))[0], lengths)]
        return self.output(self.dropout(torch.cat(states, dim=-1)))


def reverse(values: Tensor, lengths: Tensor) -> Tensor:
    """(B, T, D) with the first ``lengths`` places of each sequence in reverse; the places behind them hold something."""
    place = torch.arange(values.shape[1], device=values.device)
    mirrored = (lengths.unsqueeze(1) - 1 - place).remainder(values.shape[1]).unsqueeze(2)
    return values.gather(1, mirrored.expand(-1, -1, values.shape[2]))


class WordInputs:
    """Sentences as places in a table of their different words, whose row 0 is padding: ids, letters, vectors."""

    def __init__(
        self,
        sentences: Sequence[Sequence[str]],
        vocabulary: Vocabulary,
        alphabet: Sequence[str],
        longest: int,
        encoder: str,
        pieces: NDArray,
    ) -> None:
        self.lengths: IntArray = np.array([len(words) for words in sentences], dtype=np.int64)
        different = sorted({word for words in sentences for word in words})
        place = {word: k for k, word in enumerate(different, start=1)}
        self.places = [np.array([place[word] for word in words], dtype=np.int64) for words in sentences]
        # A word is looked up in small letters, as the vocabulary has it; how it is written is for its letters to say.
        self.ids = np.array([0, *(vocabulary.ids.get(word.lower(), 1) for word in different)], dtype=np.int64)
        letter = {character: k for k, character in enumerate(alphabet, start=2)}
        self.letters = np.zeros((len(different) + 1, longest + 2), dtype=np.int64)
        for row, word in zip(self.letters[1:], different, strict=True):
            half = longest // 2
            read = word if len(word) <= longest else word[:half] + word[half - longest :]
            row[: len(read) + 2] = [letter.get(character, 1) for character in (BEGIN, *read, END)]
        self.vectors = np.zeros((len(different) + 1, pieces.shape[1]), dtype=np.float32)
        if pieces.size:
            self.vectors[1:] = piece_vectors(pieces, encoder, different)

    @property
    def fingerprint(self) -> str:
        return fingerprint(*self.places, self.ids, self.letters, self.vectors)

    def batch(self, rows: NDArray) -> tuple[NDArray, ...]:
        own, place = np.unique(pad([self.places[row] for row in rows])[0], return_inverse=True)
        return place.reshape(len(rows), -1), self.ids[own], self.letters[own], self.vectors[own]


@register_model("pos_tagging.network")
class NetworkTagger(NetworkModel, Tagging):
    """`WordTagger` with what it reads by: ``words``, ``alphabet``, ``longest``, and of its vectors the ``encoder`` that cuts words and the ``pieces``."""

    network_class = WordTagger

    def encode(self, sentences: Sequence[Sequence[str]]) -> WordInputs:
        vocabulary = Vocabulary(self.words)
        return WordInputs(sentences, vocabulary, self.alphabet, self.longest, self.encoder, self.pieces)


def make_network(
    sentences: Sequence[Sequence[str]],
    tags: int,
    parameters: NetworkParameters,
    vectors: bool,
    characters: bool,
    chained: bool,
) -> NetworkTagger:
    """Untrained, with the words, characters and principal directions of the sentences."""
    lower = [[word.lower() for word in words] for words in sentences]
    vocabulary = Vocabulary.build(lower, parameters.fewest, 10**6)
    alphabet = sorted(Counter(character for words in sentences for word in words for character in word))
    pieces = np.zeros((0, 0), dtype=np.float32)
    if vectors:
        pieces = piece_table(
            parameters.encoder, sorted({word for words in lower for word in words}), parameters.vectors
        )
    config: dict[str, Any] = {
        "words": len(vocabulary),
        "letters": len(alphabet) + 4,
        "tags": tags,
        "embedding": parameters.embedding,
        "vectors": parameters.vectors if vectors else 0,
        "characters": parameters.characters,
        "filters": parameters.filters if characters else 0,
        "hidden": parameters.hidden,
        "dropout": parameters.dropout,
        "word_dropout": parameters.word_dropout,
        "chained": chained,
    }
    return NetworkTagger(
        WordTagger(**config),
        config,
        words=vocabulary.words,
        alphabet=[BEGIN, END, *alphabet],
        longest=parameters.longest,
        encoder=parameters.encoder,
        pieces=pieces,
    )
