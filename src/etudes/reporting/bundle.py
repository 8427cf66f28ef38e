"""plotly for a page: the part of it that draws the usual figures, compressed.

plotly.js is 4.9 MB, most of it maps and three dimensions, and its package ships it whole. It is made of modules that
call each other by name, and one of them lists the kinds of traces: with a shorter list, modules that nothing calls any
more can be left out, which is how plotly's own partial bundles come about. What is left is compressed and inflated by
the page. A figure of another kind, or a plotly.js of another make, gets the whole.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

# scatter is part of plotly's core.
USUAL = frozenset(
    {"scatter", "bar", "box", "contour", "heatmap", "histogram", "histogram2d", "pie", "violin"}
)
# What esbuild wraps a CommonJS module and an ES module in, whatever it calls the wrapper.
COMMON = re.compile(r"([\w$]+)=\(([\w$]+),([\w$]+)\)=>\(\)=>.{0,20}?\3\|\|\2\(\(\3=\{exports:")
ES = re.compile(r"([\w$]+)=\(([\w$]+),([\w$]+)(?:,[\w$]+)?\)=>\(\)=>.{0,60}?\2&&\(\3=\2\(\2=0\)\)")
CALLED = re.compile(r"([\w$]+)\(\)")
TRACE = re.compile(r'moduleType:"trace",name:"(\w+)"')
LIST = re.compile(r"\.register\(\[((?:[\w$]+\(\),?)+)\]\)")


PACKED = re.compile(r'<script type="application/gzip;base64" id="plotly">([^<]*)</script>')


@dataclass(frozen=True)
class Script:
    """A script for a page: ``packed`` (gzip, base64) inflates to a text with the ``digest`` (sha256, base64)."""

    packed: str
    digest: str


def plotly_for(traces: Iterable[str]) -> Script:
    """plotly.js for figures with these kinds of traces."""
    return _usual() if USUAL.issuperset(traces) else _whole()


@cache
def _usual() -> Script:
    from plotly.offline import get_plotlyjs

    return _script(part_of(get_plotlyjs(), USUAL))


@cache
def _whole() -> Script:
    from plotly.offline import get_plotlyjs

    return _script(get_plotlyjs())


def _script(text: str) -> Script:
    packed = gzip.compress(text.encode(), 9, mtime=0)
    digest = hashlib.sha256(text.encode()).digest()
    return Script(base64.b64encode(packed).decode(), base64.b64encode(digest).decode())


def shared(page: str) -> tuple[str, str, str]:
    """A report for a folder of reports that hold plotly once, in a file beside them.

    Its policy then takes scripts from its own folder: a page opened from a file has no other name for a file beside it.

    Returns:
        The page, the file's name (the same for the same script) and its text; two empty texts for a page without figures.
    """
    found = PACKED.search(page)
    if found is None:
        return page, "", ""
    text = gzip.decompress(base64.b64decode(found[1])).decode()
    name = f"plotly-{hashlib.sha256(text.encode()).hexdigest()[:12]}.js"
    page = page.replace(found[0], f'<script src="{name}"></script>', 1)
    return page.replace("script-src ", "script-src 'self' file: ", 1), name, text


def part_of(source: str, traces: Iterable[str]) -> str:
    """A bundle with the modules that these kinds of traces need; the whole if it is not made as expected.

    Args:
        source: plotly.js as esbuild bundles it: ``var a=wrap((...)=>{...});`` for each module, ``a()`` where another needs it.
        traces: names of the kinds of traces.
    """
    common, es = COMMON.search(source), ES.search(source)
    if common is None:
        return source
    starts = list(re.finditer(rf"(?<=\}}\);)var ([\w$]+)={re.escape(common[1])}\((?=\(|[\w$]+=>)", source))
    # All that is no module stands before the first or, with the module that lists the kinds, after the last but one.
    ends = [start.start() for start in starts[1:]]
    modules = {start[1]: source[start.start() : end] for start, end in zip(starts, ends, strict=False)}
    listed = LIST.search(source, ends[-1]) if ends else None
    if listed is None:
        return source
    kinds = {name: _kind(name, modules) for name in CALLED.findall(listed[1])}
    wanted = ",".join(f"{name}()" for name, kind in kinds.items() if kind in ("", *traces))
    first = source[: starts[0].start()]
    last = source[ends[-1] : listed.start(1)] + wanted + source[listed.end(1) :]
    # An ES module stands with declarations outside its wrapper, so it stays with the module before it.
    kept = {name for name, text in modules.items() if es is not None and f"={es[1]}(()=>" in text}
    kept |= {name for name in CALLED.findall(first + last) if name in modules}
    new = kept
    while new:
        new = {called for name in new for called in CALLED.findall(modules[name]) if called in modules} - kept
        kept |= new
    return "".join([first, *(text for name, text in modules.items() if name in kept), last])


def _kind(name: str, modules: dict[str, str], depth: int = 3) -> str:
    """The kind of trace that a module is, or that the modules it is made of are; empty if it is none."""
    text = modules.get(name, "")
    trace = TRACE.search(text)
    if trace is not None or not depth:
        return trace[1] if trace is not None else ""
    return next(filter(None, (_kind(part, modules, depth - 1) for part in CALLED.findall(text))), "")
