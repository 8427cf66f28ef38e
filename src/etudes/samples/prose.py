"""English prose that is there without a download: the language reference of Python, as its own help text.

`pydoc_data.topics` is part of Python's standard library. Only paragraphs of running text are kept: no grammar, no code,
no tables. The text differs a little between versions of Python, hence the version in its name.
"""

from __future__ import annotations

import re
import sys

from etudes.forms.raw import RawFile

SHORTEST = 80  # characters of a paragraph
# What prose does not have: grammar, prompts, rules of tables, references to footnotes at the start.
NOT_PROSE = re.compile(r"::=|>>>|---|==|\*\*\*|\+-|\| |^\[\d+\]|^[*\-+] |^\d+\. |[^ -~]")
LETTERS = 0.75  # smallest share of letters and spaces; code has less


def raw_file(part: str, characters: int) -> RawFile:
    """The first ``characters`` characters of the prose, or all of it if it is shorter; paragraphs apart by blank lines.

    Raises:
        ValueError: an unknown part, or fewer than 1,000 characters asked for.
    """
    if part != "text":
        raise ValueError(f"part = '{part}', expected text")
    if characters < 1000:
        raise ValueError(
            f"characters = {characters}, expected at least 1,000 for a training, dev and test part"
        )
    text = "\n\n".join(paragraphs())[:characters]
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    facts = {"embedded_sample": True, "source": f"prose of the language reference of Python {version}"}
    return RawFile(
        f"embedded sample: {len(text):,} characters of Python {version}'s language reference",
        text.encode(),
        facts,
    )


def paragraphs() -> list[str]:
    """Paragraphs of running text, each once, in the order of the topics' names; lines joined, ASCII."""
    from pydoc_data.topics import topics

    found: dict[str, None] = {}  # a dict keeps the order; topics repeat each other's paragraphs
    for name in sorted(topics):
        for block in re.split(r"\n\s*\n", topics[name]):
            paragraph = " ".join(block.split())
            if is_prose(paragraph):
                found[paragraph] = None
    return list(found)


def is_prose(paragraph: str) -> bool:
    """Whether a paragraph on one line is running text: long enough, a sentence, mostly letters, nothing of a table."""
    if len(paragraph) < SHORTEST or not paragraph[0].isupper() or not paragraph.endswith("."):
        return False
    letters = sum(character.isalpha() or character == " " for character in paragraph)
    return letters >= LETTERS * len(paragraph) and not NOT_PROSE.search(paragraph)
