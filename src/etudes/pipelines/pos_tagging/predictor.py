"""The model that answers users."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from etudes.forms.conllu import read_conllu
from etudes.forms.files import ends_in, names_file
from etudes.models import register_model
from etudes.pipelines.pos_tagging.parameters import FormParameters
from etudes.serving.predictor import Column, Predictor
from etudes.serving.questions import read_file
from etudes.serving.texts import cut_note
from etudes.text.cutting import cutter

LONGEST = 1_000_000  # characters of a text that are read
AT_ONCE = 100  # words of a sentence that are read together; a longer one is read in parts
SHOWN = 200  # words of an answer that a terminal shows
FILES = (".conllu",)


@register_model("pos_tagging.predictor")
class TagPredictor(Predictor):
    """The chosen variant behind a text, or words that the user has cut; ``classes`` are the tags, ``alphabet`` the letters of training."""

    form: FormParameters
    classes: list[str]
    alphabet: str
    columns = (
        Column(
            "text",
            "text",
            about="sentences",
            examples=("The ferry didn't wait for us.", "They light the old lamp. Who can watch it?"),
        ),
        Column(
            "words",
            "json",
            required=False,
            about="one sentence as a list of words, in place of the rules that cut the text",
        ),
    )

    def parse(self, text: str) -> pd.DataFrame:
        """As `Predictor.parse`; of a ``.conllu`` file its sentences, with its own words. Its tags are not looked at.

        Raises:
            ValueError: as `Predictor.parse`, or a line of the file breaks the form.
        """
        if not (names_file(text, FILES) and ends_in(text.strip(), FILES)):
            return super().parse(text)
        sentences = read_conllu(read_file(text, "a CoNLL-U file"))
        words = [list(sentence.forms) for sentence in sentences]
        return pd.DataFrame({"text": [" ".join(own) for own in words], "words": words})

    def answer(self, frame: pd.DataFrame) -> pd.DataFrame:
        """One row for each text: ``words`` and, for each of them, ``tags`` and ``probabilities``; ``sentences``, how many; ``characters`` of the
        text and ``characters_read``; ``known_letters``, the share of its letters that training has, NaN if it has none.

        Raises:
            ValueError: a text without a word, or a list of words that holds something else.
        """
        cut = cutter(self.form.language)
        texts = [text[:LONGEST] for text in frame["text"]]
        read: list[list[list[str]]] = []
        for row, (text, words) in enumerate(zip(texts, frame["words"], strict=True)):
            read.append(cut(text) if words is None else [_checked(words, row)])
            if not read[-1]:
                raise ValueError(f"text in row {row} holds no word; expected a sentence")
        parts = [
            words[k : k + AT_ONCE] for own in read for words in own for k in range(0, len(words), AT_ONCE)
        ]
        tags, probabilities = self.model.tag(parts)
        named, chance = np.array(self.classes)[tags], probabilities[np.arange(len(tags)), tags].round(4)
        ends = np.cumsum([sum(map(len, own)) for own in read])[:-1]
        return pd.DataFrame(
            {
                "words": [[word for words in own for word in words] for own in read],
                "tags": [part.tolist() for part in np.split(named, ends)],
                "probabilities": [part.tolist() for part in np.split(chance, ends)],
                "sentences": [len(own) for own in read],
                "characters": frame["text"].str.len().to_numpy(),
                "characters_read": [len(text) for text in texts],
                "known_letters": [_known(own, set(self.alphabet)) for own in read],
            }
        )

    def describe(self, answer: pd.DataFrame) -> str:
        """The words with their tags, and what they do not rest on."""
        return "\n".join(line for row in answer.to_dict("records") for line in _lines(row))


def _lines(row: dict[Any, Any]) -> list[str]:
    words, tags = row["words"], row["tags"]
    lines = [" ".join(f"{word}/{tag}" for word, tag in zip(words[:SHOWN], tags[:SHOWN], strict=True))]
    if len(words) > SHOWN:
        lines.append(
            f"and {len(words) - SHOWN:,} more words: all {len(words):,} in {row['sentences']:,} sentences are tagged; --output=FILE.json has them"
        )
    lines += cut_note(row)
    if row["known_letters"] < 0.5:
        lines.append("most of its letters are in no training text: the tags say little")
    return lines


def _checked(words: list[Any] | dict[str, Any], row: int) -> list[str]:
    """A user's own words.

    Raises:
        ValueError: it is no list, it is empty, or it holds something else than words.
    """
    if isinstance(words, list) and words and all(isinstance(word, str) and word.strip() for word in words):
        return words
    raise ValueError(f"words in row {row} is {str(words)[:60]}; expected a list of one or more words")


def _known(sentences: list[list[str]], alphabet: set[str]) -> float:
    letters = [letter for words in sentences for word in words for letter in word if letter.isalpha()]
    return sum(letter in alphabet for letter in letters) / len(letters) if letters else float("nan")
