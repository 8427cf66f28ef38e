"""The lineage picture: a study's nodes in columns, stages from left to right, variants above one another.

An arrow is drawn where no longer way says the same (the transitive reduction of the graph); a table beside the
picture names every input and output. Columns are ranks, and arrows that pass a column get a lane in it, after
Sugiyama, Tagawa and Toda, "Methods for Visual Understanding of Hierarchical System Structures" (1981).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from etudes.study import STAGES, Study

if TYPE_CHECKING:
    from kedro.pipeline import Pipeline

GAP_X, GAP_Y, PAD = 38, 12, 10
HEAD, LINE = 30, 15  # pixels of a box's first line and of each further one
NAME, SMALL = 7.4, 6.5  # pixels of a character at 12 and 10.5 pixels of a monospaced face
LANE = 10
STAGE_TITLE = 34
OUTPUTS = 7  # lines of outputs in a box
SWEEPS = 4


@dataclass
class Box:
    """A node (or a raw input, or a lane of an arrow that passes a column) and its place."""

    key: str
    title: str = ""
    lines: list[str] = field(default_factory=list)
    kind: str = "node"  # node, raw or lane
    gpu: bool = False
    note: str = ""
    column: int = 0
    x: float = 0.0
    y: float = 0.0
    width: float = 0.0

    @property
    def height(self) -> float:
        return LANE if self.kind == "lane" else HEAD + LINE * len(self.lines) + (4 if self.lines else 0)

    @property
    def middle(self) -> float:
        return self.y + self.height / 2


def draw(pipeline: Pipeline, study: Study) -> dict[str, Any]:
    """Geometry and texts of the picture, for the template; all names without the study's namespace."""
    boxes, parents, stages = _graph(pipeline, study)
    edges = _reduced(parents)
    spans = _columns(boxes, edges, stages)
    chains = _lanes(boxes, edges)
    columns = _ordered(boxes, chains)
    width, height = _place(columns, spans)
    return {
        "width": round(width),
        "height": round(height),
        "boxes": [box for column in columns for box in column if box.kind != "lane"],
        "paths": [_path([boxes[key] for key in chain]) for chain in chains],
        "stages": [
            {
                "name": name,
                "x": columns[first][0].x - PAD,
                "width": _extent(columns[first : last + 1]) + 2 * PAD,
            }
            for name, first, last in spans
        ],
        "title": f"Lineage of {study.name}",
        "description": _described(boxes, stages),
        "rows": _rows(pipeline, study),
    }


def _short(name: str, study: Study) -> str:
    return name.removeprefix("params:").removeprefix(f"{study.name}.")


def _stage(node: Any) -> str:
    return next((stage for stage in STAGES if stage in node.tags), STAGES[-1])


def _graph(
    pipeline: Pipeline, study: Study
) -> tuple[dict[str, Box], dict[str, set[str]], dict[str, list[str]]]:
    """Boxes by name, the boxes each one reads from, and the boxes of every stage, variants in the study's order."""
    order = {f"train_{variant}": index for index, variant in enumerate(study.variants)}
    nodes = sorted(pipeline.nodes, key=lambda n: order.get(_short(n.name, study), -1))
    made = {output: node.name for node in nodes for output in node.outputs}
    boxes: dict[str, Box] = {}
    parents: dict[str, set[str]] = {}
    stages: dict[str, list[str]] = {name: [] for name in ("raw data", *STAGES)}
    for dataset in sorted(name for name in pipeline.inputs() if not name.startswith("param")):
        boxes[dataset] = Box(dataset, _short(dataset, study), kind="raw", note="raw data")
        parents[dataset] = set()
        stages["raw data"].append(dataset)
    for node in nodes:
        stage, short = _stage(node), _short(node.name, study)
        inputs = [name for name in node.inputs if not name.startswith("param")]
        # All training nodes give the same three things; the picture says it once, below.
        outputs = [] if stage == "train" else [_short(output, study) for output in node.outputs]
        if len(outputs) > OUTPUTS:
            outputs = [*outputs[: OUTPUTS - 1], f"+ {len(outputs) - OUTPUTS + 1} more"]
        reads = ", ".join(_short(name, study) for name in node.inputs)
        boxes[node.name] = Box(
            node.name,
            short.removeprefix("train_") if stage == "train" else short,
            outputs,
            gpu="gpu" in node.tags,
            note=f"{short} reads {reads}",
        )
        parents[node.name] = {made.get(name, name) for name in inputs}
        stages[stage].append(node.name)
    return boxes, parents, {stage: keys for stage, keys in stages.items() if keys}


def _ancestors(parents: Mapping[str, set[str]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}

    def of(key: str) -> set[str]:
        if key not in found:
            found[key] = set().union(*({parent} | of(parent) for parent in parents[key]))
        return found[key]

    for key in parents:
        of(key)
    return found


def _reduced(parents: Mapping[str, set[str]]) -> list[tuple[str, str]]:
    """The arrows that remain when those that a longer way implies are left out, in a fixed order."""
    above = _ancestors(parents)
    return [
        (parent, key)
        for key, direct in parents.items()
        for parent in sorted(direct)
        if not any(parent in above[other] for other in direct if other != parent)
    ]


def _columns(
    boxes: Mapping[str, Box], edges: Sequence[tuple[str, str]], stages: Mapping[str, Sequence[str]]
) -> list[tuple[str, int, int]]:
    """Give every box its column; returns the first and last column of each stage."""
    spans, first = [], 0
    for stage, keys in stages.items():
        inside = [(a, b) for a, b in edges if a in keys and b in keys]
        for key in keys:
            boxes[key].column = first
        for _ in keys:  # longest path inside the stage, settled after at most as many rounds as it has nodes
            for parent, child in inside:
                boxes[child].column = max(boxes[child].column, boxes[parent].column + 1)
        last = max(boxes[key].column for key in keys)
        spans.append((stage, first, last))
        first = last + 1
    return spans


def _lanes(boxes: dict[str, Box], edges: Sequence[tuple[str, str]]) -> list[list[str]]:
    """Every arrow as a chain of boxes, one in each column it passes.

    Arrows share a lane with those that end where they end, or start where they start, whichever are more.
    """
    long = [(a, b) for a, b in edges if boxes[b].column - boxes[a].column > 1]
    leaving, arriving = Counter(a for a, _ in long), Counter(b for _, b in long)
    chains = []
    for start, end in edges:
        bundle = f"to {end}" if arriving[end] >= leaving[start] else f"from {start}"
        chain = [start]
        for column in range(boxes[start].column + 1, boxes[end].column):
            key = f"{bundle} {column}"
            boxes.setdefault(key, Box(key, kind="lane", column=column))
            chain.append(key)
        chains.append([*chain, end])
    return chains


def _ordered(boxes: Mapping[str, Box], chains: Sequence[Sequence[str]]) -> list[list[Box]]:
    """Boxes of each column from top to bottom, moved towards the middle of their neighbours so that few arrows cross."""
    count = 1 + max(box.column for box in boxes.values())
    columns: list[list[Box]] = [[] for _ in range(count)]
    for box in boxes.values():
        columns[box.column].append(box)
    before: dict[str, set[str]] = {key: set() for key in boxes}
    after: dict[str, set[str]] = {key: set() for key in boxes}
    for chain in chains:
        for a, b in pairwise(chain):
            before[b].add(a)
            after[a].add(b)
    for sweep in range(SWEEPS):
        neighbours = before if sweep % 2 == 0 else after
        for column in columns if sweep % 2 == 0 else reversed(columns):
            place = {box.key: (i + 0.5) / len(other) for other in columns for i, box in enumerate(other)}
            wanted = {
                box.key: sum(place[key] for key in neighbours[box.key]) / len(neighbours[box.key])
                if neighbours[box.key]
                else place[box.key]
                for box in column
            }
            column.sort(key=lambda box: wanted[box.key])
    return columns


def _place(columns: Sequence[Sequence[Box]], spans: Sequence[tuple[str, int, int]]) -> tuple[float, float]:
    """Coordinates of all boxes; returns the width and height of the picture."""
    heights = [sum(box.height for box in column) + GAP_Y * (len(column) - 1) for column in columns]
    titles = {first: name for name, first, last in spans if first == last}
    x = float(PAD)
    for index, column in enumerate(columns):
        texts = [
            max(
                NAME * (len(box.title) + (5 if box.gpu else 0)),
                *(SMALL * len(line) for line in box.lines),
                0.0,
            )
            for box in column
        ]
        width = max(*texts, NAME * len(titles.get(index, "")), 54.0) + 20
        y = STAGE_TITLE + PAD + (max(heights) - heights[index]) / 2
        for box in column:
            box.x, box.y, box.width = round(x, 1), round(y, 1), round(width, 1)
            y += box.height + GAP_Y
        x += width + GAP_X
    return x - GAP_X + PAD, STAGE_TITLE + max(heights) + 2 * PAD


def _extent(columns: Sequence[Sequence[Box]]) -> float:
    return round(columns[-1][0].x + columns[-1][0].width - columns[0][0].x, 1)


def _path(chain: Sequence[Box]) -> str:
    """An arrow: a curve between columns, a straight line through each lane."""
    parts = [f"M{chain[0].x + chain[0].width:g} {chain[0].middle:g}"]
    for a, b in pairwise(chain):
        start, end = a.x + a.width, b.x - (3 if b is chain[-1] else 0)
        bend = (start + end) / 2
        parts.append(f"C{bend:g} {a.middle:g} {bend:g} {b.middle:g} {end:g} {b.middle:g}")
        if b.kind == "lane":
            parts.append(f"H{b.x + b.width:g}")
    return "".join(parts)


def _described(boxes: Mapping[str, Box], stages: Mapping[str, Sequence[str]]) -> str:
    told = [f"{stage}: {', '.join(boxes[key].title for key in keys)}" for stage, keys in stages.items()]
    return f"From left to right. {'. '.join(told)}. The table below names every input and output."


def _rows(pipeline: Pipeline, study: Study) -> list[dict[str, str]]:
    """The picture as a table: each node with all that it reads and gives."""
    nodes = sorted(pipeline.nodes, key=lambda node: STAGES.index(_stage(node)))
    return [
        {
            "node": _short(node.name, study),
            "stage": _stage(node),
            "reads": ", ".join(_short(n, study) for n in node.inputs if not n.startswith("param")),
            "parameters": ", ".join(_short(n, study) for n in node.inputs if n.startswith("param")),
            "gives": ", ".join(_short(name, study) for name in node.outputs),
        }
        for node in nodes
    ]
