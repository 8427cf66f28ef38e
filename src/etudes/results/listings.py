"""What every study says of itself, side by side: tables of the pages on serving, on GPUs and on data, made from ``study.toml`` and the catalogs."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path

from etudes.study import Study, load_studies

SAMPLE = re.compile(r"^  sample: (\w+)$", re.MULTILINE)  # in a catalog
SAMPLES = Path(__file__).parents[1] / "samples"


def asked(project: Path) -> str:
    """What a predictor takes and answers."""
    return _alike("| study | input | the answer |", lambda study: (study.takes, study.answers))


def on_gpu(project: Path) -> str:
    """What of a study a GPU does."""
    return _alike("| study | on a GPU |", lambda study: (study.gpu,))


def samples(project: Path) -> str:
    """Each embedded sample, in the first sentence of its module, and the studies whose catalog names it."""
    users: dict[str, list[str]] = {}
    for study in load_studies():
        catalog = project / "conf" / "base" / "catalog" / f"{study.name}.yml"
        if catalog.exists():
            for sample in sorted(set(SAMPLE.findall(catalog.read_text(encoding="utf-8")))):
                users.setdefault(sample, []).append(study.name)
    lines = ["| sample | what it is | studies |", "|---|---|---|"]
    for sample, studies in sorted(users.items()):
        told = ast.get_docstring(ast.parse((SAMPLES / f"{sample}.py").read_text(encoding="utf-8"))) or ""
        first = told.partition("\n")[0].rstrip(".").replace("|", "\\|")
        lines.append(f"| `{sample}` | {first} | {_names(studies)} |")
    return "\n".join(lines)


def _alike(header: str, cells: Callable[[Study], tuple[str, ...]]) -> str:
    """A row for each different answer, with the studies that give it, in the order of their names."""
    rows: dict[tuple[str, ...], list[str]] = {}
    for study in load_studies():
        rows.setdefault(cells(study), []).append(study.name)
    lines = [header, "|---" * (header.count("|") - 1) + "|"]
    for said, names in rows.items():
        lines.append(f"| {_names(names)} | " + " | ".join(cell.replace("|", "\\|") for cell in said) + " |")
    return "\n".join(lines)


def _names(studies: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in studies)
