"""What a project holds of each study: its record, its README, the best of its reports, a picture, its graph."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from etudes.config import outputs_root
from etudes.gallery.model import Entry, Recorded, ReportFile, read_recorded
from etudes.reporting.document import Document
from etudes.results.pictures import picture_path
from etudes.results.tables import fill, load_record
from etudes.study import Study, load_studies, load_study

if TYPE_CHECKING:
    from kedro.pipeline import Pipeline

# An environment of one's own is shown only if it is asked for: its report may hold data that nobody else may see.
ENVIRONMENTS = ("full", "base", "test")
REPORTING = "08_reporting"

logger = logging.getLogger(__name__)


def collect(project: Path, env: str | None = None) -> list[Entry]:
    """An entry for every study of the package.

    Args:
        project: the project's folder.
        env: take reports and pictures of this environment alone.

    Raises:
        ValueError: a record is damaged, or a README asks for a table that its record does not hold.
    """
    return [entry_of(project, study, env) for study in load_studies()]


def entry_of(project: Path, study: Study, env: str | None = None) -> Entry:
    """All that the project holds of one study."""
    outputs = outputs_root(project)
    report = find_report(_output_folders(project, outputs), study.name, (env,) if env else ENVIRONMENTS)
    return Entry(
        study=study,
        record=read_record(project, study),
        readme=_readme(project, study),
        report=report,
        picture=find_picture(project, study, report),
        graph=_graph(study.name),
    )


def read_record(project: Path, study: Study) -> Recorded | None:
    """The record of a study, or None if it was never recorded.

    Raises:
        ValueError: the file cannot be read; the message names it.
    """
    try:
        raw = load_record(project, study.name)
        return None if raw is None else read_recorded(raw, study)
    except (ValueError, OSError) as error:
        path = project / "docs" / "results" / f"{study.name}.json"
        raise ValueError(
            f"{path} is damaged: {error}. Restore it, or record the study again: kedro record {study.name}"
        ) from error


def find_report(
    outputs: Sequence[Path], study: str, environments: Sequence[str] = ENVIRONMENTS
) -> ReportFile | None:
    """The report of the first environment that has one, the newest where several output folders do."""
    for environment in environments:
        found = [folder / REPORTING / environment / study / "report.html" for folder in outputs]
        found = [path for path in found if path.is_file() and path.stat().st_size]
        if found:
            path = max(found, key=lambda path: path.stat().st_mtime)
            made = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            return ReportFile(path, environment, made.strftime("%Y-%m-%d"))
    return None


def find_picture(project: Path, study: Study, report: ReportFile | None) -> Path | None:
    """The picture that a report shows first; where there is no report or it shows none, the recorded one."""
    name, _, kind = Document(study).picture.rpartition("_")
    there = [report.path.with_name(f"{name}.png")] if report and kind == "image" else []
    return next((path for path in [*there, picture_path(project, study.name)] if path.is_file()), None)


def _output_folders(project: Path, outputs: Path) -> list[Path]:
    """The usual outputs, and those of recorded runs, which have folders of their own."""
    return [outputs, *sorted((project / "data" / "records").glob("seed_*"))]


def _readme(project: Path, study: Study) -> str:
    path = study.folder / "README.md"
    if not path.exists():
        return ""
    try:
        return fill(path.read_text(encoding="utf-8"), project)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: its tables cannot be made from docs/results: {error}") from error


def _graph(name: str) -> Pipeline | None:
    """The study's pipeline; the name is checked, so that nothing else can be imported."""
    load_study(name)
    try:
        pipeline: Pipeline = importlib.import_module(f"etudes.pipelines.{name}").create_pipeline()
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0][:160]
        logger.warning("%s: no lineage picture, its pipeline cannot be imported: %s", name, reason)
        return None
    return pipeline
