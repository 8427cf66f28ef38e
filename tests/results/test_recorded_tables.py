"""Tables of the evaluate stage in the record, and in the READMEs."""

from __future__ import annotations

import html
import json
import shutil
from pathlib import Path

import pytest

from etudes.results import record, tables
from etudes.sources.table import load_sources
from etudes.study import RecordedTable, load_study, study_names
from projects import ROOT, STUDY

HEIGHTS = RecordedTable("heights", ("height", "photos"), ("success",))


def rows(*successes: float) -> list[dict[str, object]]:
    return [
        {"height": 0.05, "photos": "fitted", "success": successes[0], "seconds": 1},
        {"height": 0.1, "photos": "fitted", "success": successes[1], "seconds": 2},
    ]


def test_rows_of_the_same_keys_are_averaged_over_seeds() -> None:
    first, second = record.average_table(HEIGHTS, [rows(0.5, 0.9), rows(0.7, 0.9)])
    assert (first["height"], first["photos"]) == (0.05, "fitted")
    assert first["success"]["mean"] == pytest.approx(0.6)
    assert first["success"]["std"] == pytest.approx(0.2 / 2**0.5)
    assert second["success"]["std"] == 0.0 and "seconds" not in first


def test_a_gap_is_no_number() -> None:
    first, second = record.average_table(HEIGHTS, [rows(float("nan"), 0.9), rows(0.7, float("nan"))])
    assert first["success"]["mean"] == 0.7 and second["success"]["mean"] == 0.9
    (gap, _) = record.average_table(HEIGHTS, [rows(float("nan"), 0.9)])
    assert gap["success"] is None


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([{"height": 0.1, "success": 1.0}], "heights has no column photos; it has height, success"),
        (rows(0.5, 0.9) * 2, "height, photos do not tell its rows apart"),
    ],
)
def test_a_table_of_another_form_is_refused(table: list[dict[str, object]], message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        record.average_table(HEIGHTS, [table])


def test_marks_name_a_study_and_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    study = replace(load_study("genre_classification"), tables=(HEIGHTS,))
    monkeypatch.setattr(tables, "load_study", lambda name: study)
    text = "<!-- results:genre_classification.heights -->\nold\n<!-- /results -->"
    assert "Not recorded yet." in tables.fill(text, tmp_path)
    folder = tmp_path / "docs" / "results"
    folder.mkdir(parents=True)
    recorded = {"tables": {"heights": record.average_table(HEIGHTS, [rows(0.5, 0.9), rows(0.7, 0.9)])}}
    (folder / "genre_classification.json").write_text(json.dumps(recorded))
    filled = tables.fill(text, tmp_path)
    assert "| 0.05 | fitted | 0.600 ± 0.141 |" in filled
    assert filled == tables.fill(filled, tmp_path)
    with pytest.raises(ValueError, match=r"no recorded table 'genre_classification\.widths'; .* heights"):
        tables.fill(text.replace("heights", "widths"), tmp_path)


def test_entries_of_one_key_stand_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    entry = RecordedTable("scores", ("part", "metric"), ("value",), across="metric")
    study = replace(load_study("genre_classification"), tables=(entry,))
    monkeypatch.setattr(tables, "load_study", lambda name: study)
    long = [
        {"part": "bottle", "metric": "auroc", "value": 0.9},
        {"part": "bottle", "metric": "pro", "value": 0.8},
        {"part": "cap", "metric": "auroc", "value": 0.7},
    ]
    folder = tmp_path / "docs" / "results"
    folder.mkdir(parents=True)
    recorded = {"tables": {"scores": record.average_table(entry, [long])}}
    (folder / "genre_classification.json").write_text(json.dumps(recorded))
    filled = tables.fill("<!-- results:genre_classification.scores -->\n<!-- /results -->", tmp_path)
    assert "| part | auroc | pro |" in filled
    assert "| bottle | 0.900 | 0.800 |" in filled and "| cap | 0.700 | - |" in filled


def test_results_page_has_every_study_with_its_table_and_references(tmp_path: Path) -> None:
    folder = tmp_path / "docs" / "results"
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "docs" / "results" / f"{STUDY}.json", folder)
    page = tables.fill("# Results\n\n<!-- results -->\nstale line\n<!-- /results -->\nend\n", tmp_path)
    assert (
        "stale line" not in page
        and page.startswith("# Results\n")
        and page.endswith("<!-- /results -->\nend\n")
    )
    sections = {section.partition("\n")[0]: section for section in page.split("\n## ")[1:]}
    assert sorted(sections) == study_names()
    for name, section in sections.items():
        assert f"| [{name}](#{name}) |" in page
        assert ("Not recorded yet." in section) == (name != STUDY)
        for reference in load_study(name).references:
            assert f"| {reference.name} |" in section
    assert "| `combination` |" in sections[STUDY] and f"(results/{STUDY}.json)" in sections[STUDY]
    assert tables.fill(page, tmp_path) == page


def test_data_page_has_every_data_set_with_licence_citation_and_how_to_get_it(tmp_path: Path) -> None:
    page = tables.fill("<!-- data -->\nold\n<!-- /data -->\n", tmp_path)
    sections = {section.partition("\n")[0]: section for section in page.split("\n## ")[1:]}
    assert list(sections) == list(load_sources())
    for source in load_sources().values():
        section = html.unescape(sections[source.name].replace("\\", ""))
        assert source.licence in section and source.citation in section and f"<{source.source}>" in section
        by_hand = source.instructions in section and f"data/01_raw/{source.name}" in section
        assert by_hand if source.how == "manual" else f"`kedro data fetch {source.name}`" in section
    used = {name for study in study_names() for name in load_study(study).data}
    assert all(f"| [{name}](#" in page for name in used)
    assert "<good" not in page, "a browser would take it for a tag"
    assert tables.fill(page, tmp_path) == page


def test_pages_of_the_documentation_are_refreshed_too(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    page = tmp_path / "docs" / "data.md"
    page.write_text("<!-- data -->\n<!-- /data -->\n")
    assert page in tables.refresh(tmp_path, write=False)
    assert "mnist" not in page.read_text()
