"""CoNLL-U is read by the rules, and a line that breaks one is named."""

from __future__ import annotations

import pytest

from etudes.forms.conllu import read_conllu
from etudes.forms.raw import RawFile

GOOD = """\
# newdoc id = letters
# sent_id = a-1
# text = Don't run, Ann, nor I.
1-2\tDon't\t_\t_\t_\t_\t_\t_\t_\t_
1\tDo\tdo\tAUX\tVB\t_\t3\taux\t_\t_
2\tn't\tnot\tPART\tRB\t_\t3\tadvmod\t_\t_
3\trun\trun\tVERB\tVB\t_\t0\troot\t_\tSpaceAfter=No
4\t,\t,\tPUNCT\t,\t_\t3\tpunct\t_\t_
5\tAnn\tAnn\tPROPN\tNNP\t_\t3\tvocative\t_\tSpaceAfter=No
6\t,\t,\tPUNCT\t,\t_\t3\tpunct\t_\t_
7\tnor\tnor\tCCONJ\tCC\t_\t8\tcc\t_\t_
8\tI\tI\tPRON\tPRP\t_\t3\tconj\t_\tSpaceAfter=No
8.1\trun\trun\tVERB\tVB\t_\t_\t_\t3:conj\t_
9\t.\t.\tPUNCT\t.\t_\t3\tpunct\t_\t_

# sent_id = a-2
1\t10 000\t_\tNUM\t_\t_\t0\troot\t_\t_

# newdoc
1\tYes\t_\tINTJ\t_\t_\t_\t_\t_\t_

"""


def file(text: str) -> RawFile:
    return RawFile("mine.conllu", text.encode())


def test_tokens_and_words_left_out_are_no_words() -> None:
    first, second, third = read_conllu(file(GOOD))
    assert first.forms == ("Do", "n't", "run", ",", "Ann", ",", "nor", "I", ".")
    assert first.upos == ("AUX", "PART", "VERB", "PUNCT", "PROPN", "PUNCT", "CCONJ", "PRON", "PUNCT")
    assert first.xpos[:3] == ("VB", "RB", "VB") and first.lines == (5, 6, 7, 8, 9, 10, 11, 12, 14)
    assert (first.name, first.text, first.document, first.line) == (
        "a-1",
        "Don't run, Ann, nor I.",
        "letters",
        1,
    )
    assert (second.forms, second.document, second.text) == (("10 000",), "letters", "")
    assert third.document == "2"


def test_windows_lines_and_many_empty_lines_are_the_same_sentences() -> None:
    windows = GOOD.replace("\n", "\r\n").replace("\r\n\r\n", "\r\n\r\n\r\n")
    assert [s.forms for s in read_conllu(file(windows))] == [s.forms for s in read_conllu(file(GOOD))]


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("3\trun\trun", "3 run\trun", 7, "9 fields, expected 10"),
        ("1\tYes\t_\tINTJ\t_\t_\t_\t_\t_\t_", "1 Yes", 20, "1 field, expected 10 (there is no tab in it)"),
        ("3\trun\trun", "4\trun\trun", 7, "the id 4; expected 3"),
        ("3\trun\trun", "03\trun\trun", 7, "the id '03'"),
        ("1-2\tDon't", "2-3\tDon't", 4, "the token 2-3 stands before word 1"),
        ("1-2\tDon't", "1-1\tDon't", 4, "the token 1-1"),
        ("1-2\tDon't\t_\t_", "1-2\tDon't\t_\tAUX", 4, "the token 1-2 has UPOS"),
        ("8.1\trun", "7.1\trun", 13, "the id 7.1; expected 8.1"),
        ("8.1\trun", "8.2\trun", 13, "the id 8.2; expected 8.1"),
        ("VERB\tVB\t_\t0", "VRB\tVB\t_\t0", 7, "UPOS is 'VRB'"),
        ("\t3\tvocative", "\t30\tvocative", 9, "HEAD is 30, the sentence has 9 words"),
        ("\t3\tvocative", "\tthree\tvocative", 9, "HEAD is 'three'"),
        ("5\tAnn\tAnn", "5\t\tAnn", 9, "FORM is empty"),
        ("5\tAnn\tAnn\tPROPN", "5\tAnn\tAnn\tPROPN ", 9, "UPOS is 'PROPN '"),
        ("4\t,\t,", "# aside\n4\t,\t,", 8, "a comment inside a sentence"),
        ("# newdoc\n1\tYes\t_\tINTJ\t_\t_\t_\t_\t_\t_\n", "# newdoc\n", 19, "a sentence without words"),
        ("1\t10 000", "1-2\t10 000\t_\t_\t_\t_\t_\t_\t_\t_\n1\t10 000", 17, "a token reaches to word 2"),
        ("_\t_\t_\t_\n\n", "_\t_\t_\t_\n", 20, "no empty line after it"),
    ],
)
def test_a_broken_line_is_named(old: str, new: str, line: int, message: str) -> None:
    assert old in GOOD
    place = GOOD.rindex(old)
    with pytest.raises(ValueError, match="CoNLL-U") as told:
        read_conllu(file(GOOD[:place] + new + GOOD[place + len(old) :]))
    assert str(told.value).startswith("mine.conllu: a sentence cannot be read")
    assert f"line {line}: " in str(told.value) and message in str(told.value)


def test_many_broken_sentences_are_one_message() -> None:
    with pytest.raises(ValueError, match="7 sentences cannot be read") as told:
        read_conllu(file("1 Yes\n\n" * 7))
    assert "line 9: " in str(told.value) and "... and 2 more" in str(told.value)


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_a_file_without_sentences_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="there are no sentences in it"):
        read_conllu(file(text))
