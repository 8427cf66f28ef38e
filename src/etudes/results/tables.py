"""Tables of the READMEs and of the pages in ``docs``: results, from ``docs/results/*.json``, raw data sets, what studies say of themselves."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from etudes.atomic import atomic_file
from etudes.evaluation.seeds import holm
from etudes.metrics import KNOWN, Metric
from etudes.results.data_sets import data_sets
from etudes.results.listings import asked, on_gpu, samples
from etudes.results.summaries import p_value, table_metric
from etudes.study import Headline, RecordedTable, Study, load_studies, load_study

RESULTS = re.compile(
    r"<!-- (?P<mark>results(?::(?P<name>\w+)(?:\.(?P<detail>\w+))?)?) -->\n.*?<!-- /results -->", re.DOTALL
)
LISTED = {"data": lambda _: data_sets(), "samples": samples, "asked": asked, "gpu": on_gpu}
LISTING = re.compile(rf"<!-- (?P<mark>{'|'.join(LISTED)}) -->\n.*?<!-- /(?P=mark) -->", re.DOTALL)


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
    raw data sets, ``samples``, ``asked`` and ``gpu`` what `etudes.results.listings` says.
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

    def listing(match: re.Match[str]) -> str:
        mark = match["mark"]
        return f"<!-- {mark} -->\n{LISTED[mark](project)}\n<!-- /{mark} -->"

    return LISTING.sub(listing, text)


def load_record(project: Path, study: str) -> dict[str, Any] | None:
    """A study's record, or None if it was never recorded."""
    path = project / "docs" / "results" / f"{study}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def _study_table(project: Path, name: str) -> str:
    record = load_record(project, name)
    if record is None:
        return "Not recorded yet."
    study = load_study(name)
    return f"{variants_table(study, {'': record})}\n\n{_caption(study, record)}"


def variants_table(study: Study, records: Mapping[str, Mapping[str, Any]]) -> str:
    """One row for each variant: the study's metrics with intervals, and what its training costs.

    Args:
        study: whose columns these are.
        records: by what tells them apart, which the rows begin with where there are several.
    """
    columns = [KNOWN[name] for name in study.metrics]
    names = ["variant", *map(_heading, columns), "agents" if study.agents else "seeds"]
    names += ["training (s)", "added memory (MiB)"]
    several = len(records) > 1
    lines = [f"| {' | '.join(['setting'] * several + names)} |", "|" + "---|" * (len(names) + several)]
    for label, record in records.items():
        for cells in _variant_rows(study, record, columns):
            lines.append(f"| {' | '.join([label] * several + cells)} |")
    return "\n".join(lines)


def _variant_rows(study: Study, record: Mapping[str, Any], columns: Sequence[Metric]) -> Iterator[list[str]]:
    scores = scores_of(record, study.metric)
    # Sorted by name first, so that equals keep one order.
    variants = sorted(sorted(scores), key=lambda v: scores[v]["mean"], reverse=study.maximise)
    chosen = chosen_variant(record)
    for place, variant in enumerate(variants):
        told = ["chosen on dev"] * (variant == chosen) + ["best on test"] * (
            place == 0 and chosen not in (None, variant)
        )
        cost = record["resources"].get(variant, {})
        yield [
            ", ".join([f"`{variant}`", *told]),
            *(cell_of(record["metrics"].get(f"{variant}.{m.name}"), m) for m in columns),
            str(_repeats(study, record, variant)),
            f"{cost.get('seconds', 0):.0f}",
            f"{cost.get('added_memory_mib', 0):.0f}",
        ]


def scores_of(record: Mapping[str, Any], metric: str) -> dict[str, Any]:
    """Summaries of a metric by variant."""
    end = f".{metric}"
    return {name.removesuffix(end): s for name, s in record["metrics"].items() if name.endswith(end)}


def chosen_variant(record: Mapping[str, Any]) -> str | None:
    """The variant that dev chose in most seeds, the first of equals; None where the record does not say."""
    chosen = record.get("chosen")
    return max(chosen, key=chosen.count) if chosen else None


def _repeats(study: Study, record: Mapping[str, Any], variant: str) -> int:
    """How many trainings are behind a variant's numbers: seeds, or the agents of the one run."""
    if study.agents:
        return max(1, sum(row["variant"] == variant for row in record["tables"][study.agents])) * len(
            record["seeds"]
        )
    return int(record["metrics"][f"{variant}.{study.metric}"]["n"])


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
    adjusted = holm([p_value(row[entry.tested]) for row in rows]) if entry.tested else []
    rows = [{**row, **{v: cell_of(row[v], _digits(entry, row, v)) for v in entry.values}} for row in rows]
    if entry.across:
        rows, columns = _side_by_side(entry, rows)
    else:
        columns = [value.replace("_", " ") for value in entry.values]
        rows = [
            {**row, **{name: row[value] for name, value in zip(columns, entry.values, strict=True)}}
            for row in rows
        ]
    if entry.tested:
        columns.append("p (Holm)")
        rows = [{**row, columns[-1]: f"{p:.3f}"} for row, p in zip(rows, adjusted, strict=True)]
    keys = [key for key in entry.keys if key != entry.across]
    lines = [
        "| " + " | ".join([*(key.replace("_", " ") for key in keys), *columns]) + " |",
        "|" + "---|" * (len(keys) + len(columns)),
    ]
    for row in rows:
        cells = [format_key(row[key]) for key in keys] + [row.get(name, "-") for name in columns]
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
            key = row[entry.across]
            name = KNOWN[key].text if key in KNOWN else format_key(key)
            name += f" {value}" if several else ""
            columns[name] = None
            found[name] = row[value]
    return list(wide.values()), list(columns)


def format_key(value: Any) -> str:
    """A key of a table: names as they are, numbers without trailing zeros."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _digits(entry: RecordedTable, row: dict[str, Any], column: str) -> Metric:
    return table_metric(entry, row, column) or Metric(column)


def _heading(metric: Metric) -> str:
    unit = "" if metric.unit == "fraction" else f" ({metric.unit})"
    return f"{metric.text}{unit} {metric.arrow}"


def cell_of(summary: Mapping[str, Any] | None, metric: Metric) -> str:
    """A summary as its mean and interval, with the digits of its metric; a dash for none."""
    if summary is None:
        return "-"
    if "low" not in summary:
        return metric.format(summary["mean"])
    return f"{metric.format(summary['mean'])} [{metric.format(summary['low'])}, {metric.format(summary['high'])}]"


def count(rows: int | list[int]) -> str:
    """A number of rows; where seeds hold out other data, the least and the largest."""
    if isinstance(rows, list):
        return f"{min(rows):,} to {max(rows):,}"
    return f"{rows:,}"


BRACKETS = (
    "Brackets: 95 % interval over training seeds and test rows together; of the test rows alone where there is one seed or "
    "every seed gives the same number, of the seeds alone where a metric has no interval of its test rows"
)
AGENTS = "Brackets: 95 % interval over the agents of a variant and their test episodes"


def _caption(study: Study, record: dict[str, Any]) -> str:
    data, split = record["data"], record["split"]
    known = [seconds for seconds in record["wall_seconds"] if seconds is not None]
    what = "the embedded sample" if data["embedded_sample"] else f"`{data['source']}`"
    rows = (
        f"{count(split['train_rows'])} training, {count(split['dev_rows'])} dev and {count(split['test_rows'])} test "
        f"{split.get('unit', 'rows')}"
    )
    made = f"Recorded {record['recorded']} on {what} by `{record['command']}`: {rows}"
    apart = [
        f"{KNOWN[headline.metric].text} on {data_of(headline, record)}"
        for headline in study.headlines
        if headline.rows and record["test_rows"][headline.metric]
    ]
    if apart:  # the split is of one of several kinds of data
        made = (
            f"Recorded {record['recorded']} by `{record['command']}`: {'; '.join(apart)}; split into {rows}"
        )
    parts = [
        made,
        *map(_anew, record.get("parts", [])),
        *([f"of the public set there were {_public(record)}"] if _is_part(record) else []),
        *([] if "chosen" in record else ["which variant dev chose is not recorded"]),
        record["device"],
        *([f"{sum(known) / len(known) / 60:.1f} minutes a run"] if known else []),
    ]
    return f"{'; '.join(parts)}. {AGENTS if study.agents else BRACKETS}."


def _anew(how: Mapping[str, Any]) -> str:
    """Which part of a record was made by other runs, and how."""
    of = f" of {', '.join(f'`{variant}`' for variant in how['variants'])}" if how["variants"] else ""
    return f"{how['part']}{of} anew {how['recorded']} by `{how['command']}`"


def _is_part(record: Mapping[str, Any]) -> bool:
    return any(used < public for used, public in record["public_rows"].values())


def _public(record: Mapping[str, Any]) -> str:
    """How much of the public set there was, part by part."""
    parts = sorted(record["public_rows"].items(), key=lambda part: part[0] != "train")
    told = [f"{used:,} of {public:,} {part}" for part, (used, public) in parts]
    return " and ".join(told) + (" rows" if {"train", "test"} & set(record["public_rows"]) else "")


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
            same = ": ".join(filter(None, ("yes" if entry.like_for_like else entry.likeness, entry.note)))
            cells = (entry.name, KNOWN[entry.metric].text, f"{entry.value:g}", same, entry.source)
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        parts.append("\n".join(lines))
    if load_record(project, study.name) is not None:
        parts.append(
            f"All numbers, with intervals and versions: [{study.name}.json](results/{study.name}.json). How to read them: "
            f"`src/etudes/pipelines/{study.name}/README.md`."
        )
    return "\n\n".join(parts)


def overview(project: Path, link: str) -> str:
    """One row for each headline of a study: its chosen variant beside the baseline and the reference.

    ``link`` is where the name of a study points, with ``{name}`` for the name.
    """
    lines = [
        "| study | field | data | metric | baseline | variant | seeds | reference |",
        "|---|" + "---|" * 7,
    ]
    for study in load_studies():
        record = load_record(project, study.name)
        head = f"| [{study.name}]({link.format(name=study.name)}) | {study.field} | "
        if record is None:
            lines.append(head + " | ".join(["-", "not recorded", "-", "-", "-", "-"]) + " |")
            continue
        for headline in study.headlines or (study.headline,):
            lines.append(head + " | ".join(_overview_cells(study, headline, record)) + " |")
            head = "| | | "
    return "\n".join(lines)


def _overview_cells(study: Study, headline: Headline, record: dict[str, Any]) -> list[str]:
    scores, metric = scores_of(record, headline.metric), KNOWN[headline.metric]
    best = max(sorted(scores), key=lambda name: metric.merit(scores[name]["mean"]))
    chosen = chosen_variant(record)
    shown = chosen if chosen in scores else best
    told = f"`{shown}` {cell_of(scores[shown], metric)}"
    if chosen is None:
        told += ", best on test (the choice on dev is not recorded)"
    elif shown != chosen:
        told += f", best on test (dev chose `{chosen}`, which has no such number)"
    else:
        told += ", chosen on dev"
        if best != chosen:
            told += f"; best on test is `{best}` {cell_of(scores[best], metric)}"
    trainings = _repeats(study, record, shown)
    return [
        data_of(headline, record),
        _heading(metric),
        cell_of(scores.get(study.baseline), metric),
        told,
        f"{trainings} agent{'s' if trainings > 1 else ''}" if study.agents else str(trainings),
        _reference_cell(study, headline, scores, shown),
    ]


def data_of(headline: Headline, record: Mapping[str, Any]) -> str:
    """Which data a headline is of, and how many: training and test rows of the study's split, or its own test rows."""
    data, split = record["data"], record["split"]
    source = "embedded sample" if data["embedded_sample"] else headline.data or data["source"]
    unit = headline.unit or split.get("unit", "rows")
    rows = record["test_rows"][headline.metric]
    if not rows:  # the predictions of this environment have no such rows
        return source
    tested = count(rows)
    if headline.rows:
        return f"{source}: {tested} test {unit}"
    part = f" ({_public(record)})" if _is_part(record) else ""
    return f"{source}: {count(split['train_rows'])} training, {tested} test {unit}{part}"


def _reference_cell(study: Study, headline: Headline, scores: dict[str, Any], shown: str) -> str:
    """Name, number and likeness of the headline's reference; the gap to ours only where it is like for like."""
    reference = study.reference_of(headline)
    if reference is None:
        return "-"
    metric = KNOWN[headline.metric]
    told = f"{reference.name} {metric.format(reference.value)}, {reference.likeness}".replace("|", "\\|")
    ours = reference.variant or shown
    beside = f"our `{ours}` {metric.format(scores[ours]['mean'])}" if ours in scores and ours != shown else ""
    if reference.like_for_like and ours in scores:
        gap = metric.merit(scores[ours]["mean"]) - metric.merit(reference.value)
        beside = f"{gap:+.{metric.digits}f} for {beside or 'ours'}"
    return f"{told}; {beside}" if beside else told
