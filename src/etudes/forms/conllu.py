"""Sentences in CoNLL-U, the form of Universal Dependencies: words in lines of ten fields, an empty line after each sentence.

The rules are those of version 2 (https://universaldependencies.org/format.html). A line with an id such as 3-4 is a token of the
text that was cut into the words 3 and 4, one with an id such as 8.1 is a word that the text left out; neither is a word of the sentence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from etudes.forms.files import problem_lines, read_text
from etudes.forms.raw import RawFile

COLUMNS = ("ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC")
UPOS = (
    *("ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM", "PART"),
    *("PRON", "PROPN", "PUNCT", "SCONJ", "SYM", "VERB", "X"),
)
NOTHING = "_"
WORD = re.compile(r"[1-9][0-9]*")
TOKEN = re.compile(r"([1-9][0-9]*)-([1-9][0-9]*)")
LEFT_OUT = re.compile(r"([0-9]+)\.([1-9][0-9]*)")
WITH_SPACES = ("FORM", "LEMMA", "MISC")  # fields in which a space may stand
OF_TOKENS = ("ID", "FORM", "FEATS", "MISC")  # fields that a line of a token fills


@dataclass(frozen=True)
class Sentence:
    """W words. ``line`` is where it begins in the file, ``name`` its ``sent_id``, ``document`` the ``newdoc`` it is in, ``text`` as it was
    written; all three are empty where the file does not say them. ``forms``, ``upos``, ``xpos``, ``lines``: one for each word; a tag that
    is not given is ``_``.
    """

    line: int
    name: str
    document: str
    text: str
    forms: tuple[str, ...]
    upos: tuple[str, ...]
    xpos: tuple[str, ...]
    lines: tuple[int, ...]


def read_conllu(raw: RawFile) -> list[Sentence]:
    """The sentences of a file, by the rules for ids: words counted from 1, tokens before their words, words left out after.

    Raises:
        ValueError: a wrong encoding, lines that break a rule, or no sentence; the message names the file and the first such line of each
            sentence.
    """
    problems: list[str] = []
    found: list[Sentence] = []
    document, documents = "", 0
    for block, ended in _blocks(read_text(raw)):
        for _, line in block:
            if re.match(r"#\s*newdoc\b", line):
                documents += 1
                document = _said(line, "newdoc id") or str(documents)
        try:
            if not ended:
                raise _Broken(
                    block[-1][0],
                    "no empty line after it, so the file may be cut off; expected one at its end too",
                )
            found.append(_sentence(block, document))
        except _Broken as error:
            problems.append(f"line {error.line}: {error}")
    if problems:
        which = "a sentence" if len(problems) == 1 else f"{len(problems)} sentences"
        raise ValueError(
            f"{raw.name}: {which} cannot be read. Expected CoNLL-U: ten fields with tabs between them for each word, an empty "
            f"line after each sentence, UTF-8.{problem_lines(problems)}\nMend the lines, or get the file again."
        )
    if not found:
        raise ValueError(f"{raw.name}: there are no sentences in it. Expected CoNLL-U; get the file again.")
    return found


class _Broken(ValueError):
    """A line that breaks a rule."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


def _blocks(text: str) -> list[tuple[list[tuple[int, str]], bool]]:
    """The lines of each sentence with their numbers, and whether an empty line ends it."""
    lines = text.split("\n")
    if lines[-1] == "":  # what follows the last line end
        lines.pop()
    blocks: list[tuple[list[tuple[int, str]], bool]] = []
    block: list[tuple[int, str]] = []
    for number, line in enumerate(lines, start=1):
        if line:
            block.append((number, line))
        elif block:
            blocks.append((block, True))
            block = []
    return [*blocks, (block, False)] if block else blocks


def _said(line: str, name: str) -> str:
    """The value of a comment ``# name = value``; empty where it is another comment."""
    comment = line.removeprefix("#").strip()
    key, _, value = comment.partition("=")
    return value.strip() if key.strip() == name else ""


def _sentence(block: list[tuple[int, str]], document: str) -> Sentence:
    """The sentence in a block of lines.

    Raises:
        _Broken: a line breaks a rule.
    """
    said = {"sent_id": "", "text": ""}
    words: list[list[str]] = []
    lines: list[int] = []
    heads: list[tuple[int, str]] = []
    covered, covered_at, left_out = 0, block[0][0], 0
    for number, line in block:
        if line.startswith("#"):
            if words or covered:
                raise _Broken(
                    number, "a comment inside a sentence; expected all of them before its first word"
                )
            said |= {name: value for name in said if (value := _said(line, name))}
            continue
        fields = _fields(number, line)
        place = fields[0]
        if token := TOKEN.fullmatch(place):
            first, last = int(token[1]), int(token[2])
            if first != len(words) + 1 or last <= first or first <= covered:
                raise _Broken(
                    number,
                    f"the token {place} stands before word {len(words) + 1}; expected it before its first word",
                )
            filled = [
                name
                for name, field in zip(COLUMNS, fields, strict=True)
                if field != NOTHING and name not in OF_TOKENS
            ]
            if filled:
                raise _Broken(number, f"the token {place} has {filled[0]}; expected that of its words alone")
            covered, covered_at = last, number
        elif empty := LEFT_OUT.fullmatch(place):
            if int(empty[1]) != len(words) or int(empty[2]) != left_out + 1:
                raise _Broken(
                    number, f"the id {place}; expected {len(words)}.{left_out + 1} after word {len(words)}"
                )
            left_out += 1
        elif WORD.fullmatch(place):
            if int(place) != len(words) + 1:
                raise _Broken(number, f"the id {place}; expected {len(words) + 1}, words are counted from 1")
            _check_word(number, fields)
            heads.append((number, fields[6]))
            words.append(fields)
            lines.append(number)
            left_out = 0
        else:
            raise _Broken(number, f"the id {place[:20]!r}; expected a number such as 3, 3-4 or 8.1")
    if not words:
        raise _Broken(block[0][0], "a sentence without words")
    if covered > len(words):
        raise _Broken(
            covered_at, f"a token reaches to word {covered}, the sentence ends with word {len(words)}"
        )
    for number, head in heads:
        if head != NOTHING and int(head) > len(words):
            raise _Broken(number, f"HEAD is {head}, the sentence has {len(words)} words")
    forms, upos, xpos = (tuple(word[column] for word in words) for column in (1, 3, 4))
    return Sentence(block[0][0], said["sent_id"], document, said["text"], forms, upos, xpos, tuple(lines))


def _fields(number: int, line: str) -> list[str]:
    fields = line.split("\t")
    if len(fields) != len(COLUMNS):
        hint = "" if "\t" in line else " (there is no tab in it)"
        raise _Broken(number, f"{len(fields)} field{'s' * (len(fields) > 1)}, expected {len(COLUMNS)}{hint}")
    for name, field in zip(COLUMNS, fields, strict=True):
        if not field.strip():
            raise _Broken(number, f"{name} is empty; expected _ where there is nothing")
        if field != field.strip() or (" " in field and name not in WITH_SPACES):
            raise _Broken(number, f"{name} is {field[:30]!r}; expected it without the spaces")
    return fields


def _check_word(number: int, fields: list[str]) -> None:
    if fields[3] != NOTHING and fields[3] not in UPOS:
        raise _Broken(number, f"UPOS is {fields[3][:30]!r}; expected one of {', '.join(UPOS)}, or _")
    if not re.fullmatch(r"_|0|[1-9][0-9]{0,8}", fields[6]):
        raise _Broken(number, f"HEAD is {fields[6][:30]!r}; expected the number of a word, 0 or _")
