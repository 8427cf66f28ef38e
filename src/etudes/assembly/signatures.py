"""Names of a function's arguments, read from its source: nothing is imported to build a pipeline."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from functools import cache
from pathlib import Path

PIPELINES = "etudes.pipelines"
_SOURCE = Path(__file__).parents[1]


def absolute(path: str, package: str) -> str:
    return path if path.startswith("etudes.") else f"{package}.{path}"


def _file_of(module: str) -> Path:
    return _SOURCE.joinpath(*module.split(".")[1:]).with_suffix(".py")


def module_of(path: str) -> str:
    parts = path.split(".")
    for end in range(len(parts) - 1, 1, -1):
        if _file_of(".".join(parts[:end])).is_file():
            return ".".join(parts[:end])
    raise ValueError(
        f"'{path}': there is no such module in {_SOURCE}; expected 'module.function' of the study"
    )


@cache
def _parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def arguments_in_source(path: str) -> tuple[str, ...]:
    """Arguments without a default of a function, a class method or a class (its ``__init__``), without importing it."""
    module = module_of(path)
    parts = path.removeprefix(f"{module}.").split(".")
    found = _defined(module, parts)
    if isinstance(found, ast.ClassDef):
        found = _defined(module, [*parts, "__init__"])
        if found is None:  # a predictor's is the base class's, which stands elsewhere
            return ("model", "card")
    if not isinstance(found, ast.FunctionDef):
        raise ValueError(
            f"'{path}': {_file_of(module)} defines no {'.'.join(parts)}; a function that is named must stand there"
        )
    given = [*found.args.posonlyargs, *found.args.args]
    given = given[: len(given) - len(found.args.defaults)]
    keywords = [
        a for a, default in zip(found.args.kwonlyargs, found.args.kw_defaults, strict=True) if default is None
    ]
    names = [a.arg for a in (*given, *keywords)]
    return tuple(names[1:] if names[:1] in (["self"], ["cls"]) else names)


def _defined(module: str, parts: Sequence[str]) -> ast.stmt | None:
    """The definition of ``parts`` in a module, a method also where a base class of the project defines it."""
    body = _parsed(_file_of(module)).body
    named = {s.name: s for s in body if isinstance(s, ast.FunctionDef | ast.ClassDef)}
    first = named.get(parts[0])
    if len(parts) == 1 or not isinstance(first, ast.ClassDef):
        if first is None:
            for source in body:
                if isinstance(source, ast.ImportFrom) and (source.module or "").startswith("etudes."):
                    for alias in source.names:
                        if (alias.asname or alias.name) == parts[0]:
                            return _defined(str(source.module), [alias.name, *parts[1:]])
        return first if len(parts) == 1 else None
    methods = {s.name: s for s in first.body if isinstance(s, ast.FunctionDef)}
    if parts[1] in methods:
        return methods[parts[1]]
    bases = (_defined(module, [base.id, *parts[1:]]) for base in first.bases if isinstance(base, ast.Name))
    return next((found for found in bases if found is not None), None)
