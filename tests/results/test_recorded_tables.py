"""Tables of the evaluate stage in the record, and in the READMEs."""

from __future__ import annotations

import html
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from etudes.results import summaries, tables
from etudes.results.summaries import average_table
from etudes.sources.table import load_sources
from etudes.study import RecordedTable, load_studies, load_study, study_names
from projects import ROOT, STUDY

HEIGHTS = RecordedTable("heights", ("height", "photos"), ("success",))


def rows(*successes: float) -> list[dict[str, object]]:
    return [
        {"height": 0.05, "photos": "fitted", "success": successes[0], "seconds": 1},
        {"height": 0.1, "photos": "fitted", "success": successes[1], "seconds": 2},
    ]


def test_rows_of_the_same_keys_are_averaged_over_seeds() -> None:
    first, second = average_table(HEIGHTS, [rows(0.5, 0.9), rows(0.7, 0.9)])
    assert (first["height"], first["photos"]) == (0.05, "fitted")
    assert first["success"]["mean"] == pytest.approx(0.6)
    assert first["success"]["std"] == pytest.approx(0.2 / 2**0.5)
    assert second["success"]["std"] == 0.0 and "seconds" not in first


def test_a_gap_is_no_number() -> None:
    first, second = average_table(HEIGHTS, [rows(float("nan"), 0.9), rows(0.7, float("nan"))])
    assert first["success"]["mean"] == 0.7 and second["success"]["mean"] == 0.9
    (gap, _) = average_table(HEIGHTS, [rows(float("nan"), 0.9)])
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
        average_table(HEIGHTS, [table])


def test_a_row_with_ends_of_its_own_has_their_reach_beside_the_spread() -> None:
    ended = [{**row, "low": row["success"] - 0.1, "high": row["success"] + 0.05} for row in rows(0.5, 0.9)]  # type: ignore[operator]
    first, _ = average_table(HEIGHTS, [ended, ended])
    assert (first["success"]["low"], first["success"]["high"]) == (pytest.approx(0.4), pytest.approx(0.55))


ends = {"elbo": 1.0, "elbo.low": 0.0, "elbo.high": 2.0, "rate": 3.0}
fitted = {
    "fitted_success": 0.5,
    "fitted_low": 0.4,
    "fitted_high": 0.6,
    "low": 0.1,
    "high": 0.2,
    "success": 0.15,
}


@pytest.mark.parametrize(
    ("row", "name", "first", "expected"),
    [
        (ends, "elbo", False, (0.0, 2.0)),
        (ends, "rate", True, None),
        (fitted, "fitted_success", False, (0.4, 0.6)),
        (fitted, "success", True, (0.1, 0.2)),
        (fitted, "success", False, None),
        ({"low": float("nan"), "high": 1.0}, "value", True, None),
    ],
)
def test_the_ends_of_a_value_are_found_by_its_name(
    row: dict[str, float], name: str, first: bool, expected: tuple[float, float] | None
) -> None:
    assert summaries._row_ends(row, name, first) == expected


def test_the_table_marks_what_dev_chose_and_what_is_best_on_test(tmp_path: Path) -> None:
    folder = tmp_path / "docs" / "results"
    folder.mkdir(parents=True)
    recorded = json.loads((ROOT / "docs" / "results" / f"{STUDY}.json").read_text())
    recorded.pop("chosen", None)

    def mean(variant: str) -> str:
        return f"`{variant}` {recorded['metrics'][f'{variant}.accuracy']['mean']:.3f}"

    def filled(**changes: object) -> str:
        (folder / f"{STUDY}.json").write_text(json.dumps(recorded | changes))
        return tables.fill(f"<!-- results:{STUDY} -->\n<!-- /results -->", tmp_path)

    unknown = filled()
    assert "which variant dev chose is not recorded" in unknown and "on test" not in unknown
    agreed = filled(chosen=["combination"] * 3)
    assert "| `combination`, chosen on dev |" in agreed and "on test" not in agreed
    other = filled(chosen=["encoder", "combination", "encoder"])
    assert "| `encoder`, chosen on dev |" in other and "| `combination`, best on test |" in other
    how = {"part": "half", "variants": ["tfidf"], "recorded": "2026-01-02", "command": "kedro record it"}
    whole = how | {"part": "rest", "variants": []}
    renewed = filled(parts=[how, whole])
    assert "half of `tfidf` anew 2026-01-02 by `kedro record it`; rest anew 2026-01-02" in renewed
    filled(chosen=["encoder", "combination", "encoder"])
    overview = tables.overview(tmp_path, "{name}")
    assert f"| {mean('encoder')} [" in overview
    assert f"chosen on dev; best on test is {mean('combination')} [" in overview
    assert (
        "imdb_genres: 1,855 training, 3,000 test films (2,110 of 54,214 train and 3,000 of 54,200 test rows)"
        in overview
    )
    study = load_study(STUDY)
    scores = tables.scores_of(recorded, study.metric)
    unlike = tables._reference_cell(study, study.headline, scores, "tfidf")
    assert unlike == "TF-IDF + SVM, best public notebook on the full set 0.600, other data"
    alike = replace(study.reference_of(study.headline), like_for_like=True, differs="", variant="tfidf")  # type: ignore[type-var]
    study = replace(study, references=(alike,))
    cell = tables._reference_cell(study, study.headline, scores, "combination")
    gap = recorded["metrics"]["tfidf.accuracy"]["mean"] - 0.6
    assert cell.endswith(f"0.600, like for like; {gap:+.3f} for our {mean('tfidf')}")


def test_two_headlines_of_a_study_say_which_data_each_is_of() -> None:
    rows = tables.overview(ROOT, "{name}").splitlines()
    at = next(i for i, line in enumerate(rows) if line.startswith("| [decoder_transformer]"))
    assert "| drawn recurrences, modulus 7: 1,000 test sequences | accuracy ↑ |" in rows[at]
    assert rows[at + 1].startswith("| | | tiny_shakespeare: 435 test windows of text | cross-entropy")


def test_marks_name_a_study_and_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    study = replace(load_study("genre_classification"), tables=(HEIGHTS,))
    monkeypatch.setattr(tables, "load_study", lambda name: study)
    text = "<!-- results:genre_classification.heights -->\nold\n<!-- /results -->"
    assert "Not recorded yet." in tables.fill(text, tmp_path)
    folder = tmp_path / "docs" / "results"
    folder.mkdir(parents=True)
    recorded = {
        "tables": {"heights": average_table(HEIGHTS, [rows(0.5, 0.9), rows(0.6, 0.9), rows(0.7, 0.9)])}
    }
    (folder / "genre_classification.json").write_text(json.dumps(recorded))
    filled = tables.fill(text, tmp_path)
    assert "| 0.05 | fitted | 0.600 [0.352, 0.848] |" in filled and "| 0.1 | fitted | 0.900 |" in filled
    assert filled == tables.fill(filled, tmp_path)
    with pytest.raises(ValueError, match=r"no recorded table 'genre_classification\.widths'; .* heights"):
        tables.fill(text.replace("heights", "widths"), tmp_path)


def test_a_column_of_another_name_ends_where_its_metric_ends() -> None:
    ended = [{**row, "low": 0.2, "high": 1.1} for row in rows(0.5, 0.9)]
    named = RecordedTable("heights", ("height",), ("success",), metrics={"success": "accuracy"})
    other = RecordedTable("heights", ("height",), ("success",), metrics={"success": "log_loss"})
    assert average_table(named, [ended])[0]["success"]["high"] == 1.0
    assert average_table(other, [ended])[0]["success"]["high"] == pytest.approx(1.1)


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
    recorded = {"tables": {"scores": average_table(entry, [long])}}
    (folder / "genre_classification.json").write_text(json.dumps(recorded))
    filled = tables.fill("<!-- results:genre_classification.scores -->\n<!-- /results -->", tmp_path)
    assert "| part | auroc | per-region overlap (PRO) |" in filled, "a known metric has its name"
    assert "| bottle | 0.900 | 0.800 |" in filled and "| cap | 0.700 | - |" in filled


def test_differences_have_a_p_value_that_counts_all_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = load_study("meta_learning")
    entry = RecordedTable("claim", ("measure",), ("advantage",), tested="advantage")
    made = average_table(
        entry,
        [
            [{"measure": "a", "advantage": 1.0 + step}, {"measure": "b", "advantage": 0.5 * step}]
            for step in (0.1, 0.0, -0.1)
        ],
    )
    monkeypatch.setattr(tables, "load_record", lambda *_: {"tables": {"claim": made}})
    monkeypatch.setattr(tables, "load_study", lambda _: replace(study, tables=(entry,)))
    shown = tables.fill("<!-- results:meta_learning.claim -->\n<!-- /results -->", tmp_path).splitlines()
    assert shown[1] == "| measure | advantage | p (Holm) |"
    assert shown[3].endswith("| 0.007 |") and shown[4].endswith("| 1.000 |")  # 2 x 0.0033, of t = 17.3


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
    assert (
        "| `combination`, chosen on dev |" in sections[STUDY] and f"(results/{STUDY}.json)" in sections[STUDY]
    )
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


def test_pages_list_what_every_study_takes_answers_and_reads(tmp_path: Path) -> None:
    for name, catalog in (
        ("vae", "vae.raw:\n  sample: digits\n"),
        ("revnet", "a:\n  sample: digits\nb:\n  sample: prose\n"),
    ):
        path = tmp_path / "conf" / "base" / "catalog" / f"{name}.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(catalog)
    page = tables.fill(
        "".join(f"<!-- {mark} -->\n<!-- /{mark} -->\n" for mark in ("asked", "gpu", "samples")), tmp_path
    )
    asked, gpu, samples = page.split("<!-- /")[:3]
    for study in load_studies():
        (row,) = [line for line in asked.splitlines() if f"`{study.name}`" in line.split(" | ")[0]]
        assert row.endswith(f"| {study.takes} | {study.answers} |")
        (row,) = [line for line in gpu.splitlines() if f"`{study.name}`" in line.split(" | ")[0]]
        assert row.endswith(f"| {study.gpu} |")
    assert (
        samples.splitlines()[-2].startswith("| `digits` | Real pictures") and "| `revnet`, `vae` |" in samples
    )
    assert samples.splitlines()[-1].startswith("| `prose` |") and samples.endswith("| `revnet` |\n")
    assert tables.fill(page, tmp_path) == page


def test_pages_of_the_documentation_are_refreshed_too(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    page = tmp_path / "docs" / "data.md"
    page.write_text("<!-- data -->\n<!-- /data -->\n")
    assert page in tables.refresh(tmp_path, write=False)
    assert "mnist" not in page.read_text()
