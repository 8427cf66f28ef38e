"""A study's page as text: ``report.md``, Markdown with Jinja.

The text names what it shows, and what it names becomes the inputs of the report node:

- ``figure("losses", caption, note)``, ``image("samples", caption, alt, note)``, ``table("claim", caption, note, columns,
  digits)``: a figure, a picture, a table of the study;
- ``lead(columns)`` the opening table, ``costs(note)`` what each network cost, ``facts(name=value)`` more names and values
  under the headline, ``examples("mistakes", caption)`` cards of single predictions;
- ``metrics["gan.fid"]`` and ``interval("gan.fid")`` a metric, ``trained("gan")`` whether a variant ran, ``variants`` those
  that did, ``best`` the first of them on test, ``embedded`` whether the data are an embedded sample;
- ``say("claim")`` the words of a Python function of the study; ``table`` and ``examples`` take such a function's name too;
- any other name ``<x>_card``, ``<x>_history``, ``<x>_table`` is that output of the study.

Second-level headings are the sections; what stands before the first is the summary. Numbers are formatted by the filters
``num(digits)``, ``count``, ``percent(digits)``, ``signed(digits)``; there is no arithmetic: what must be computed is a function in Python.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from etudes.metrics import as_metric
from etudes.reporting.page import Report
from etudes.reporting.tables import format_value, lead_table
from etudes.study import Study, unit_of

NAME = "report.md"
SHOWN = {"figure": "_figure", "image": "_image", "table": "_table"}
ALWAYS = ("data_card", "split_card", "metrics")
COMPUTED = ("Add", "Sub", "Mul", "Div", "FloorDiv", "Mod", "Pow", "Neg")
COST_NOTE = (
    "Wall time on this machine. Added memory is what the process rose by while the network was trained, peak memory that "
    "of the whole process."
)
MARK = re.compile(r"^\ue000(\d+)\ue001$")


class Document:
    """The page of one study.

    Attributes:
        inputs: the datasets that the text names, besides the costs of every network.
        said: names of the study's functions whose words the text says.

    Raises:
        ValueError: there is no ``report.md``, it is no valid text, or it computes.
    """

    def __init__(self, study: Study) -> None:
        from jinja2 import Environment, StrictUndefined, TemplateSyntaxError, meta, nodes

        self.study = study
        self.path = study.folder / NAME
        if not self.path.is_file():
            raise ValueError(f"{self.path} is missing: it is the text of the study's page")
        self.environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
        self.environment.filters.update(num=num, count=count, percent=percent, signed=signed)
        self.text = self.path.read_text(encoding="utf-8")
        try:
            tree = self.environment.parse(self.text)
        except TemplateSyntaxError as error:
            raise ValueError(f"{self.path}, line {error.lineno}: {error.message}") from error
        for kind in COMPUTED:
            for found in tree.find_all(getattr(nodes, kind)):
                raise ValueError(
                    f"{self.path}, line {found.lineno}: a page does not compute; do it in a function and say() it"
                )
        self.calls = [
            (call.node.name, call.args[0].value)
            for call in tree.find_all(nodes.Call)
            if isinstance(call.node, nodes.Name) and call.args and isinstance(call.args[0], nodes.Const)
        ]
        self.said = {name for kind, name in self.calls if kind == "say"}
        free = meta.find_undeclared_variables(tree) - set(_Writer.NAMES)
        self.named = sorted({*free, *(f"{name}{SHOWN[kind]}" for kind, name in self.calls if kind in SHOWN)})

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys([*ALWAYS, *self.named]))

    @property
    def picture(self) -> str:
        """The output that stands for the study elsewhere: the first image that the text shows, else its first figure."""
        return next(
            (
                f"{name}{SHOWN[kind]}"
                for wanted in ("image", "figure")
                for kind, name in self.calls
                if kind == wanted
            ),
            "",
        )

    def without(self, words: set[str]) -> tuple[str, ...]:
        """The inputs, but for the tables that functions of the study make: those that it lists and the text does not say."""
        made = {f"{word}_table" for word in words - self.said}
        return tuple(name for name in self.inputs if name not in made)

    def render(self, inputs: Mapping[str, Any], words: Mapping[str, Callable[[], Any]]) -> str:
        """The page as HTML.

        Args:
            inputs: the datasets by name, and ``<network>_resources``.
            words: the study's functions, each called when the text names it.

        Raises:
            ValueError: the text names something that is not there, or a figure stands inside a paragraph.
        """
        from jinja2 import TemplateError

        writer = _Writer(self.study.on(inputs["data_card"]), inputs, words)
        try:
            text = self.environment.from_string(self.text).render(writer.context())
        except TemplateError as error:
            raise ValueError(f"{self.path}: {error}") from error
        return writer.page(text, self.path.name).render()


class _Writer:
    """What the text may call while it is rendered; blocks are kept and marked in the text."""

    NAMES = (
        *("figure", "image", "table", "lead", "costs", "facts", "examples", "say", "interval", "trained"),
        *("variants", "best", "embedded", "study"),
    )

    def __init__(
        self, study: Study, inputs: Mapping[str, Any], words: Mapping[str, Callable[[], Any]]
    ) -> None:
        self.study, self.words = study, words
        unit = unit_of(inputs["data_card"], inputs["split_card"].get("unit", "rows"))
        self.inputs = {**inputs, "split_card": {**inputs["split_card"], "unit": unit}}
        self.metrics = inputs["metrics"]
        self.blocks: list[Callable[[Report], Any]] = []
        data, split = inputs["data_card"], inputs["split_card"]
        self.facts_shown: dict[str, Any] = {
            "data": data["source"],
            unit: ", ".join(f"{split[f'{part}_rows']:,} {part}" for part in ("train", "dev", "test")),
        }

    def context(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in self.NAMES}
        return {**self.inputs, **own}

    @property
    def variants(self) -> list[str]:
        """Variants with a score, in the study's order."""
        return [name for name in self.study.variants if f"{name}.{self.study.metric}" in self.metrics]

    @property
    def best(self) -> str:
        """The variant with the best primary metric on test."""
        metric = as_metric(self.study.metric)
        return max(self.variants, key=lambda name: metric.merit(self.metrics[f"{name}.{metric.name}"]))

    @property
    def embedded(self) -> bool:
        return bool(self.inputs["data_card"]["embedded_sample"])

    def trained(self, name: str) -> bool:
        return not self.inputs[f"{name}_resources"].get("skipped")

    def say(self, name: str) -> str:
        return str(self._word(name))

    def figure(self, name: str, caption: str, note: str = "") -> str:
        return self._block(lambda page: page.figure(self._input(f"{name}_figure"), caption, note))

    def image(self, name: str, caption: str, alt: str, note: str = "") -> str:
        return self._block(lambda page: page.image(self._input(f"{name}_image"), caption, alt, note))

    def table(
        self, name: str, caption: str = "", note: str = "", columns: Any = None, digits: int = 3
    ) -> str:
        stored = f"{name}_table" in self.inputs or name not in self.words
        found = self._input(f"{name}_table") if stored else self._word(name)
        if getattr(found, "empty", False):
            return ""
        return self._block(lambda page: page.table(found, caption, note, columns, digits))

    def examples(self, name: str, caption: str) -> str:
        return self._block(lambda page: page.examples(self._word(name), caption))

    def lead(self, columns: Any = None, caption: str = "Every variant on the test split", **how: Any) -> str:
        study, shown = self.study, tuple(columns or self.study.metrics)
        references = [r for r in study.references if r.metric in shown]
        primary = study.metric if study.metric in shown else shown[0]
        table = lead_table(
            self.metrics, study.variants, shown, study.baseline, references, primary, caption=caption, **how
        )
        return self._block(lambda page: page.table(table))

    def costs(self, note: str = COST_NOTE) -> str:
        names = [*self.variants, *self.study.support]
        costs = {name: self.inputs[f"{name}_resources"] for name in names}
        speeds = self.inputs.get("inference_resources", {})
        gpu = any(cost["gpu_peak_memory_mib"] for cost in costs.values())
        rows = []
        for name, cost in costs.items():
            row = {
                "network" if self.study.support else "variant": name,
                "training (s)": cost["seconds"],
                "added memory (MiB)": round(cost["added_memory_mib"]),
                "peak memory (MiB)": round(cost["peak_memory_mib"]),
            }
            if gpu:
                row["GPU memory (MiB)"] = round(cost["gpu_peak_memory_mib"])
            for speed in sorted({key for found in speeds.values() for key in found if "per_second" in key}):
                row[speed.replace("_per_second", " a second").replace("_", " ")] = _rate(
                    speeds.get(name, {}).get(speed)
                )
            rows.append(row)
        return self._block(
            lambda page: page.table(
                rows, f"What each {'network' if self.study.support else 'variant'} costs", note
            )
        )

    def facts(self, **more: Any) -> str:
        self.facts_shown |= {name.replace("_", " "): value for name, value in more.items()}
        return ""

    def interval(self, name: str, digits: int | None = None) -> str:
        """``0.80 [0.71, 0.89]``, or the number alone where there is no interval."""
        metric = as_metric(name.rpartition(".")[2])
        places = metric.digits if digits is None else digits
        value, low, high = (self.metrics.get(f"{name}{end}") for end in ("", ".low", ".high"))
        if value is None:
            raise ValueError(f"there is no metric {name}")
        return (
            num(value, places)
            if low is None
            else f"{num(value, places)} [{num(low, places)}, {num(high, places)}]"
        )

    def page(self, text: str, name: str) -> Report:
        """The rendered text and its blocks as a report."""
        data = self.inputs["data_card"]
        summary, *rest = re.split(r"^## +", text, flags=re.MULTILINE)
        title, summary = _title(summary, self.study.title)
        prints = {name: value for name, value in self.facts_shown.items() if "fingerprint" in name}
        facts = {name: value for name, value in self.facts_shown.items() if name not in prints}
        badges = ["embedded sample"] if self.embedded else []
        page = Report(
            title, summary, badges, facts, {"fingerprint of the data": data["fingerprint"], **prints}
        )
        for part in rest:
            heading, _, body = part.partition("\n")
            page.section(heading.strip())
            self._fill(page, body, name)
        return page

    def _fill(self, page: Report, body: str, name: str) -> None:
        waiting: list[str] = []
        for line in [*body.splitlines(), ""]:
            mark = MARK.match(line.strip())
            if mark is None:
                waiting.append(line)
                continue
            if "\n".join(waiting).strip():
                page.text("\n".join(waiting))
            waiting = []
            self.blocks[int(mark[1])](page)
        if "\ue000" in (rest := "\n".join(waiting)):
            raise ValueError(
                f"{name}: a figure, table or picture must stand on a line of its own: {rest.strip()[:80]}"
            )
        if rest.strip():
            page.text(rest)

    def _block(self, add: Callable[[Report], Any]) -> str:
        self.blocks.append(add)
        return f"\n\n\ue000{len(self.blocks) - 1}\ue001\n\n"

    def _input(self, name: str) -> Any:
        if name not in self.inputs:
            raise ValueError(f"report.md names {name}, which the study does not give")
        return self.inputs[name]

    def _word(self, name: str) -> Any:
        if name not in self.words:
            raise ValueError(
                f"report.md calls {name}, which the study's page() does not list; it lists {', '.join(self.words) or 'none'}"
            )
        return self.words[name]()


def _rate(value: float | None) -> float | None:
    """A speed to two significant digits: the next ones change from run to run."""
    return None if value is None else float(f"{value:.2g}")


def _title(text: str, title: str) -> tuple[str, str]:
    """The page's title, and the summary without it: the text may begin with a first-level heading of its own."""
    start = text.lstrip()
    if start.startswith("# "):
        title, _, text = start[2:].partition("\n")
    return title.strip(), text.strip()


def num(value: float, digits: int = 3) -> str:
    """A number with ``digits`` places after the point."""
    return f"{round(float(value), digits) + 0.0:.{digits}f}"


def count(value: float) -> str:
    """A whole number, thousands apart; another number to four digits."""
    return format_value(value)


def percent(value: float, digits: int = 1) -> str:
    """A fraction as per cent."""
    return f"{float(value):.{digits}%}"


def signed(value: float, digits: int = 3) -> str:
    """A difference with its sign."""
    return f"{float(value):+.{digits}f}"
