"""Raw inputs as bytes with a name: what a public file and an embedded sample have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class RawFile:
    """The bytes of one raw file and where they come from.

    ``facts`` says what is known of the data beforehand: ``embedded_sample`` and, for generated data, its ceiling.
    """

    name: str
    content: bytes
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def short_name(self) -> str:
        """The name without its folder: what may be published."""
        return self.name if self.embedded_sample else Path(self.name).name

    @property
    def embedded_sample(self) -> bool:
        return bool(self.facts.get("embedded_sample", False))


@dataclass(frozen=True)
class RawFolder:
    """Many raw files under one name, each read when it is asked for.

    ``entries`` maps the relative name of each file (``/`` between parts) to its path, or to its bytes where a sample
    was made in memory. Iterating gives the names, sorted.
    """

    name: str
    entries: Mapping[str, Path | bytes]
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self.entries))

    def __len__(self) -> int:
        return len(self.entries)

    def __contains__(self, name: object) -> bool:
        return name in self.entries

    def read(self, name: str) -> RawFile:
        """One file.

        Raises:
            ValueError: there is no such file, or it cannot be read.
        """
        if name not in self.entries:
            raise ValueError(f"{self.name}: there is no file {name}")
        entry = self.entries[name]
        if isinstance(entry, bytes):
            return RawFile(f"{self.name}: {name}", entry, self.facts)
        try:
            return RawFile(str(entry), entry.read_bytes(), self.facts)
        except OSError as error:
            raise ValueError(
                f"{entry}: cannot be read ({error.strerror}); expected a readable file"
            ) from error

    @property
    def embedded_sample(self) -> bool:
        return bool(self.facts.get("embedded_sample", False))
