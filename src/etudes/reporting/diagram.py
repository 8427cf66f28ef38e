"""What a training node trains, as a Mermaid flowchart for kedro-viz.

After a run the diagram lists the layers of the stored model, read from the ``model.json`` that `etudes.models` wrote: names
and shapes, in the order in which the model declares them. Nothing is loaded, so a preview costs a millisecond. Before
a run it shows the method alone, in the words of the study's README.
"""

from __future__ import annotations

import json
import math
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby, pairwise
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from etudes.study import load_study

if TYPE_CHECKING:
    from kedro.pipeline import Node
    from kedro.pipeline.preview_contract import MermaidPreview

MODELS = "06_models"
WIDTH = 44  # characters of a line in a box
BOXES = 30  # in a column; a panel with more is no longer read, and Mermaid itself stops at 50,000 characters
ROWS = 8  # lines of layers in a box
SETTINGS = 8
USUAL = re.compile(r"(weight|bias|running_)")  # arrays that need no name of their own beside their layer's
MARKUP = '"#<>&`\\;'
# Lines are broken here and not by Mermaid, and the large view shows the diagram in its own size.
LOOK: dict[str, Any] = {
    "flowchart": {"wrappingWidth": 500, "useMaxWidth": False, "nodeSpacing": 20, "rankSpacing": 25},
    "textStyle": {"whiteSpace": "nowrap", "padding": "0"},
}
Shape = tuple[int, ...]


@dataclass
class Layer:
    """A part of a model: its own arrays, and the parts inside it; both in the order of declaration."""

    arrays: dict[str, Shape] = field(default_factory=dict)
    parts: dict[str, Layer] = field(default_factory=dict)

    @property
    def numbers(self) -> int:
        """How many numbers the part holds, those of the parts inside included."""
        own = sum(math.prod(shape) for shape in self.arrays.values())
        return own + sum(part.numbers for part in self.parts.values())


def with_diagram(study: str, node: Node) -> Node:
    """A training node that kedro-viz previews as its model's diagram; other nodes, and those with a preview, as they are."""
    from kedro.utils import KedroExperimentalWarning

    if "train" not in node.tags or node._preview_fn is not None:
        return node
    with warnings.catch_warnings():
        # Kedro would say at every command that previews may change.
        warnings.simplefilter("ignore", KedroExperimentalWarning)
        name = node.name.removeprefix("train_")
        return node._copy(preview_fn=partial(preview, study, name, node.inputs))


def preview(study: str, name: str, inputs: Sequence[str]) -> MermaidPreview:
    """The diagram of what ``train_<name>`` gives, for the side panel of kedro-viz.

    Args:
        study: the study.
        name: a variant, or a network that variants need.
        inputs: what the node reads, without the study's namespace.
    """
    from kedro.pipeline.preview_contract import MermaidPreview

    folder = loaded_models_folder()
    path = folder / study / name / "model.json" if folder else None
    stored = json.loads(path.read_text(encoding="utf-8")) if path and path.is_file() else None
    return MermaidPreview(content=draw(study, name, inputs, stored), meta=LOOK)


def loaded_models_folder() -> Path | None:
    """Where models lie in the project and environment whose configuration was read last; None if none was.

    kedro-viz calls a preview without arguments, so the diagram asks the resolver with which the catalog found its paths.
    """
    from omegaconf import OmegaConf

    if not OmegaConf.has_resolver("etudes.outputs"):
        return None
    return Path(OmegaConf.create({"folder": f"${{etudes.outputs:{MODELS}}}"}).folder)


def draw(study: str, name: str, inputs: Sequence[str], stored: Mapping[str, Any] | None) -> str:
    """The flowchart: what the node reads, its method, its model.

    Args:
        study, name, inputs: as in `preview`.
        stored: the content of ``model.json``, None before a run.
    """
    data = ", ".join(entry for entry in inputs if not entry.startswith("params:"))
    parameters = ", ".join(entry.removeprefix("params:") for entry in inputs if entry.startswith("params:"))
    lines = ["flowchart TB"]
    if data:
        lines += [f"  data[{_label(*wrap(data, WIDTH))}] --> method"]
    if parameters:
        lines += [f"  parameters({_label(*wrap(parameters, WIDTH))}) --> method"]
    lines.append(f"  method[{_label(name, *wrap(method_of(study, name), WIDTH))}] --> model")
    if stored is None:
        lines.append(f"  model[{_label('not trained yet', f'kedro run --pipelines={study}')}]")
    elif "skipped" in stored:
        lines.append(f"  model[{_label('left out of the last run', 'by the parameter variants')}]")
    else:
        lines += _model(f"{name}_model", stored)
    return "\n".join(lines)


def method_of(study: str, name: str) -> str:
    """The method in the words of the README: the second cell of the first table row that names it; empty if none does."""
    readme = load_study(study).folder / "README.md"
    if not readme.is_file():
        return ""
    for line in readme.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]
        if len(cells) > 1 and f"`{name}`" in cells[0]:
            return cells[1].replace("`", "")
    return ""


def tree(arrays: Mapping[str, Sequence[int]]) -> Layer:
    """Names like ``encoder/blocks.0.norm.weight`` as parts inside parts; single numbers (counters) are left out."""
    root = Layer()
    for name, shape in arrays.items():
        *places, last = re.split(r"[/.]", name)
        if not shape:
            continue
        layer = root
        for place in places:
            layer = layer.parts.setdefault(place, Layer())
        layer.arrays[last] = tuple(shape)
    return root


def _model(title: str, stored: Mapping[str, Any]) -> list[str]:
    root = tree(stored.get("arrays", {}))
    count = f"{root.numbers:,} numbers" if root.numbers else "no weights"
    if "arrays" not in stored:
        count = "saved by an earlier version; train it again to see its layers"
    lines: list[str] = []
    if settings := list(_values(stored.get("config", {}))):
        lines.append(f"    settings({_label('settings', *_few(settings))})")
    if blobs := list(stored.get("blobs", {}).values()):
        lines.append(f"    blobs[({_label(*_few(blobs))})]")
    for column, (name, alike, part) in enumerate(_siblings(root)):
        boxes = list(_boxes(_named("", name, alike), part))
        if len(boxes) > BOXES:
            boxes = [*boxes[:BOXES], ("and more", ["model.json lists all"])]
        keys = [f"layer{column}_{row}" for row in range(len(boxes))]
        lines += [f"    {key}[{_label(head, *rows)}]" for key, (head, rows) in zip(keys, boxes, strict=True)]
        lines += [f"    {above} --- {below}" for above, below in pairwise(keys)]
    label = _label(f"{title}: {count}")
    return (
        [f"  subgraph model[{label}]", "    direction TB", *lines, "  end"]
        if lines
        else [f"  model[{label}]"]
    )


def _boxes(name: str, layer: Layer) -> Iterator[tuple[str, list[str]]]:
    """A box for a part with few layers, else one for each part inside it: a title, and a line for each layer."""
    rows = list(_rows("", layer))
    simple = all(len(list(_rows("", part))) == 1 for part in layer.parts.values())
    if simple or len(rows) <= ROWS:
        yield name, _few(rows, 2 * ROWS)
        return
    for inner, alike, part in _siblings(layer):
        yield from _boxes(_named(f"{name}.", inner, alike), part)


def _siblings(layer: Layer) -> Iterator[tuple[str, list[str], Layer]]:
    """The parts of a layer; those in a row that differ in their names alone come once, with the names of all."""
    own = {"": Layer(layer.arrays)} if layer.arrays else {}
    for _, group in groupby((own | layer.parts).items(), key=lambda entry: repr(entry[1])):
        alike = list(group)
        yield alike[0][0], [name for name, _ in alike], alike[0][1]


def _named(prefix: str, name: str, alike: Sequence[str]) -> str:
    return f"{prefix}{name}" if len(alike) == 1 else f"{prefix}{name} to {alike[-1]} ({len(alike)} alike)"


def _rows(place: str, layer: Layer) -> Iterator[str]:
    """A line for each layer inside: its place and the shapes of its arrays, ``qkv: 192×64 + 192``."""
    usual = [shape for name, shape in layer.arrays.items() if USUAL.match(name)]
    if usual:
        shapes = [_times(_shape(shape), count) for shape, count in Counter(usual).items()]
        yield f"{place}: {' + '.join(shapes)}" if place else " + ".join(shapes)
    for name, shape in layer.arrays.items():
        if not USUAL.match(name):
            yield f"{f'{place}.{name}' if place else name}: {_shape(shape)}"
    for name, part in layer.parts.items():
        yield from _rows(f"{place}.{name}" if place else name, part)


def _shape(shape: Shape) -> str:
    return "×".join(f"{size:,}" for size in shape)


def _times(text: str, count: int) -> str:
    return text if count == 1 else f"{text} ({count} times)"


def _values(config: Any, place: str = "") -> Iterator[str]:
    """The single values among the constructor's arguments, ``network.hidden: 64``."""
    if isinstance(config, Mapping):
        for name, value in config.items():
            yield from _values(value, f"{place}.{name}" if place else str(name))
    elif isinstance(config, bool | int | float) or (isinstance(config, str) and len(config) <= WIDTH):
        yield f"{place}: {config:g}" if isinstance(config, float) else f"{place}: {config}"


def _few(lines: Sequence[str], most: int = SETTINGS) -> list[str]:
    return list(lines) if len(lines) <= most else [*lines[:most], f"and {len(lines) - most} more"]


def _label(*lines: str) -> str:
    """Lines of text as one quoted Mermaid label; what would be markup stays text."""
    escaped = ("".join(f"#{ord(c)};" if c in MARKUP else c for c in line) for line in lines if line)
    return f'"{"<br/>".join(escaped)}"'
