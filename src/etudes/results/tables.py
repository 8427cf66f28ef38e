"""Tables of the READMEs and of the pages in ``docs``: results, from ``docs/results/*.json``, and the raw data sets."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from etudes.atomic import atomic_file
from etudes.reporting.metric import KNOWN, Metric
from etudes.results.data_sets import data_sets
from etudes.study import RecordedTable, Study, load_studies, load_study

RESULTS = re.compile(
    r"<!-- (?P<mark>results(?::(?P<name>\w+)(?:\.(?P<detail>\w+))?)?) -->\n.*?<!-- /results -->", re.DOTALL
)
DATA = re.compile(r"<!-- data -->\n.*?<!-- /data -->", re.DOTALL)


def refresh(project: Path, write: bool) -> list[Path]:
    """Replace what stands between the marks that `fill` knows; returns the files that were out of date."""
    stale = []
    readmes = [project / "README.md", *(study.folder / "README.md" for study in load_studies())]
    for path in [*readmes, *sorted((project / "docs").glob("*.md"))]:
        if not path.exists():
            continue
        text = path.read_text(encoding="utf-8")
        fresh = fill(text, project)
        if fresh != text:
            stale.append(path)
            if write:
                with atomic_file(path) as temporary:
                    temporary.write_text(fresh, encoding="utf-8")
    return stale


def fill(text: str, project: Path) -> str:
    """The text with every marked part made anew; a study without a record says so.

    ``<!-- results:STUDY -->`` begins the table of a study, ``results:STUDY.TABLE`` one of its recorded tables,
    ``results:overview`` one row a study; ``results`` alone is the overview and a section for each study, ``data`` are the
    raw data sets.
    """

    def table(match: re.Match[str]) -> str:
        mark, name, detail = match["mark"], match["name"], match["detail"]
        if name is None:
            content = _all_results(project)
        elif detail:
            content = _detail_table(project, name, detail)
        elif name == "overview":
            content = overview(project, "src/etudes/pipelines/{name}/README.md")
        else:
            content = _study_table(project, name)
        return f"<!-- {mark} -->\n{content}\n<!-- /results -->"

    text = RESULTS.sub(table, text)
    return DATA.sub(lambda _: f"<!-- data -->\n{data_sets()}\n<!-- /data -->", text)


def load_record(project: Path, study: str) -> dict[str, Any] | None:
    """A study's record, or None if it was never recorded."""
    path = project / "docs" / "results" / f"{study}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def _study_table(project: Path, name: str) -> str:
    record = load_record(project, name)
    if record is None:
        return "Not recorded yet."
    study = load_study(name)
    variants = sorted(
        # Sorted by name first, so that equals keep one order.
        sorted({key.split(".")[0] for key in record["metrics"] if key.endswith(f".{study.metric}")}),
        key=lambda variant: record["metrics"][f"{variant}.{study.metric}"]["mean"],
        reverse=study.maximise,
    )
    columns = [KNOWN[name] for name in study.metrics]
    lines = [
        "| variant | " + " | ".join(map(_heading, columns)) + " | training (s) | peak memory (MiB) |",
        "|---|" + "---|" * (len(columns) + 2),
    ]
    for variant in variants:
        cells = [_cell(record["metrics"].get(f"{variant}.{m.name}"), m) for m in columns]
        cost = record["resources"].get(variant, {})
        cells += [f"{cost.get('seconds', 0):.0f}", f"{cost.get('peak_memory_mib', 0):.0f}"]
        lines.append(f"| `{variant}` | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", _caption(record)])


def _detail_table(project: Path, study: str, name: str) -> str:
    """One recorded table of the evaluate stage; marked as ``results:STUDY.TABLE``."""
    record = load_record(project, study)
    if record is None:
        return "Not recorded yet."
    try:
        (entry,) = [entry for entry in load_study(study).tables if entry.name == name]
        rows = record["tables"][name]
    except (KeyError, ValueError) as error:
        raise ValueError(
            f"there is no recorded table '{study}.{name}'; study.toml declares "
            f"{', '.join(entry.name for entry in load_study(study).tables) or 'none'} (record the study again "
            "if it was declared since)"
        ) from error
    if entry.across:
        rows, columns = _side_by_side(entry, rows)
    else:
        columns = [value.replace("_", " ") for value in entry.values]
        rows = [
            {**row, **{name: row[value] for name, value in zip(columns, entry.values, strict=True)}}
            for row in rows
        ]
    keys = [key for key in entry.keys if key != entry.across]
    lines = [
        "| " + " | ".join([*(key.replace("_", " ") for key in keys), *columns]) + " |",
        "|" + "---|" * (len(keys) + len(columns)),
    ]
    for row in rows:
        cells = [format_key(row[key]) for key in keys] + [_spread(row.get(name)) for name in columns]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _side_by_side(entry: RecordedTable, rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    """Rows that agree in all keys but ``across`` as one, and the names of the columns this makes."""
    several = len(entry.values) > 1
    wide: dict[tuple[Any, ...], dict[str, Any]] = {}
    columns: dict[str, None] = {}
    for row in rows:
        keys = {key: row[key] for key in entry.keys if key != entry.across}
        found = wide.setdefault(tuple(keys.values()), keys)
        for value in entry.values:
            name = format_key(row[entry.across]) + (f" {value}" if several else "")
            columns[name] = None
            found[name] = row[value]
    return list(wide.values()), list(columns)


def format_key(value: Any) -> str:
    """A key of a table: names as they are, numbers without trailing zeros."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _spread(summary: dict[str, float] | None) -> str:
    if summary is None:
        return "-"
    spread = f" ± {summary['std']:.3f}" if "std" in summary else ""
    return f"{summary['mean']:.3f}{spread}"


def _heading(metric: Metric) -> str:
    unit = "" if metric.unit == "fraction" else f" ({metric.unit})"
    return f"{metric.text}{unit} {metric.arrow}"


def _cell(summary: dict[str, float] | None, metric: Metric) -> str:
    if summary is None:
        return "-"
    spread = f" ± {metric.format(summary['std'])}" if "std" in summary else ""
    return f"{metric.format(summary['mean'])}{spread}"


def count(rows: int | list[int]) -> str:
    """A number of rows; where seeds hold out other data, the least and the largest."""
    if isinstance(rows, list):
        return f"{min(rows):,} to {max(rows):,}"
    return f"{rows:,}"


def _caption(record: dict[str, Any]) -> str:
    data, split = record["data"], record["split"]
    seeds = len(record["seeds"])
    what = "the embedded sample" if data["embedded_sample"] else f"`{data['source']}`"
    minutes = sum(record["wall_seconds"]) / seeds / 60
    given = f" with `--params={record['parameters']}`" if record.get("parameters") else ""
    return (
        f"Recorded {record['recorded']} on {what}{given}: {count(split['train_rows'])} training, {count(split['dev_rows'])} dev and "
        f"{count(split['test_rows'])} test {split.get('unit', 'rows')}; mean ± standard deviation over {seeds} seed{'s' if seeds > 1 else ''}; "
        f"{record['device']}; {minutes:.1f} minutes a run."
    )


def _all_results(project: Path) -> str:
    """The overview, and a section for each study: its table, its references, its file of numbers."""
    return "\n\n".join(
        [overview(project, "#{name}"), *(_section(project, study) for study in load_studies())]
    )


def _section(project: Path, study: Study) -> str:
    parts = [f"## {study.name}", study.summary, _study_table(project, study.name)]
    if study.references:
        lines = ["| reference | metric | value | like for like? | source |", "|---|---|---|---|---|"]
        for entry in study.references:
            same = "yes" if entry.like_for_like else f"no: {entry.note}" if entry.note else "no"
            cells = (entry.name, entry.metric.replace("_", " "), f"{entry.value:g}", same, entry.source)
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        parts.append("\n".join(lines))
    if load_record(project, study.name) is not None:
        parts.append(
            f"All numbers, with intervals and versions: [{study.name}.json](results/{study.name}.json). How to read them: "
            f"`src/etudes/pipelines/{study.name}/README.md`."
        )
    return "\n\n".join(parts)


def overview(project: Path, link: str) -> str:
    """One row for each study: its best variant beside the baseline and the reference.

    ``link`` is where the name of a study points, with ``{name}`` for the name.
    """
    lines = [
        "| study | field | data | primary metric | baseline | best variant | reference |",
        "|---|" + "---|" * 6,
    ]
    for study in load_studies():
        record = load_record(project, study.name)
        cells = _overview_cells(study, record) if record else ["-", "not recorded", "-", "-", "-"]
        target = link.format(name=study.name)
        lines.append(f"| [{study.name}]({target}) | {study.field} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _overview_cells(study: Study, record: dict[str, Any]) -> list[str]:
    scores = {
        key.split(".")[0]: summary
        for key, summary in record["metrics"].items()
        if key.endswith(f".{study.metric}")
    }
    choose = max if study.maximise else min
    best = choose(scores, key=lambda name: scores[name]["mean"])
    references = [r for r in study.references if r.metric == study.metric]
    reference = choose(references, key=lambda r: r.value) if references else None
    told = "-" if reference is None else f"{reference.value:g} ({reference.note or 'like for like'})"
    unit = record["split"].get("unit", "rows")
    rows = f"{count(record['split']['train_rows'])} + {count(record['split']['test_rows'])} {unit}"
    metric = KNOWN[study.metric]
    source = "embedded sample" if record["data"]["embedded_sample"] else record["data"]["source"]
    return [
        f"{source}, {rows}",
        metric.text,
        _cell(scores.get(study.baseline), metric),
        f"`{best}` {_cell(scores[best], metric)}",
        told,
    ]
