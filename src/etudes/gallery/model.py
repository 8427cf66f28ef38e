"""What the gallery says of a study: its chosen variant beside the trivial baseline and the reference."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etudes.metrics import KNOWN, Metric
from etudes.results.tables import chosen_variant, count
from etudes.study import Reference, Study

if TYPE_CHECKING:
    from kedro.pipeline import Pipeline

MINUTE, HOUR = 60, 3600


@dataclass(frozen=True)
class Score:
    """A recorded metric of one variant: mean over seeds, and the ends of its interval if there is one."""

    mean: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Recorded:
    """What the gallery needs of ``docs/results/<study>.json``.

    ``scores`` holds the primary metric of every variant, ``chosen`` the one that dev chose where that is recorded;
    ``interval`` says what their intervals are; ``seconds`` is the wall time of a run, the mean over seeds; ``command`` makes
    the record.
    """

    scores: Mapping[str, Score]
    chosen: str | None
    interval: str
    seeds: int
    device: str
    seconds: float
    day: str
    environment: str
    command: str
    data: str
    embedded_sample: bool
    rows: str

    @property
    def cost(self) -> str:
        """How long a run took on what: ``9.5 min on a CPU``."""
        cpu = self.device.upper().startswith("CPU")
        return f"{duration(self.seconds)} on {'a CPU' if cpu else self.device}"


@dataclass(frozen=True)
class ReportFile:
    """A report page on disk, the environment it was made in and the day."""

    path: Path
    environment: str
    day: str


@dataclass(frozen=True)
class Entry:
    """All that is known of one study; what is missing is None or empty, and the site says so.

    ``readme`` is Markdown with its tables filled, ``picture`` that of the report or the recorded one.
    """

    study: Study
    record: Recorded | None = None
    readme: str = ""
    report: ReportFile | None = None
    picture: Path | None = None
    graph: Pipeline | None = None

    @property
    def metric(self) -> Metric:
        """The primary metric; one that is not known yet is printed without a unit."""
        name = self.study.metric
        return KNOWN.get(name) or Metric(name, unit="", maximise=self.study.maximise)

    @property
    def best(self) -> str | None:
        """The variant that dev chose; where that is not recorded the best on test, the trivial baseline aside."""
        if self.record is None:
            return None
        if self.record.chosen in self.record.scores:
            return self.record.chosen
        scores = {v: s.mean for v, s in self.record.scores.items() if v != self.study.baseline}
        choose = max if self.study.maximise else min
        return choose(scores, key=lambda variant: scores[variant]) if scores else None

    @property
    def reference(self) -> Reference | None:
        """The reference that the study's headline stands beside."""
        return self.study.reference_of(self.study.headline)

    @property
    def compared(self) -> str | None:
        """The variant that is put beside the reference."""
        return (self.reference.variant if self.reference else "") or self.best

    @property
    def gap(self) -> float | None:
        """How far ours lies above a reference that is like for like, in the metric's unit; positive is better."""
        if self.record is None or self.reference is None or not self.reference.like_for_like:
            return None
        score = self.record.scores.get(self.compared or "")
        if score is None:
            return None
        difference = score.mean - self.reference.value
        return difference if self.study.maximise else -difference

    @property
    def relative_gap(self) -> float | None:
        """The gap as a share of the reference, so that studies with different metrics can be put in order."""
        if self.gap is None or self.reference is None or self.reference.value == 0:
            return None
        return self.gap / abs(self.reference.value)

    @property
    def headline(self) -> str:
        """The result in one sentence, for those who cannot see the drawing."""
        if self.record is None:
            return "Not recorded yet."
        said = [f"best {self._said(self.best)}" if self.best else "", self._said(self.study.baseline)]
        if self.reference is not None:
            value = self.metric.format(self.reference.value)
            said.append(f"reference {value} ({self.reference.likeness})")
        return f"{self.metric.text}: {', '.join(part for part in said if part)}"

    def _said(self, variant: str) -> str:
        score = self.record.scores.get(variant) if self.record else None
        return f"{variant} {self.metric.format(score.mean)}" if score else ""


def read_recorded(raw: Any, study: Study) -> Recorded:
    """What the gallery needs of a study's record.

    Raises:
        ValueError: a key is missing or has a value that cannot be; the message does not say in which file.
    """
    try:
        metrics, split, data = raw["metrics"], raw["split"], raw["data"]
        suffix = f".{study.metric}"
        found = {
            name.removesuffix(suffix): summary for name, summary in metrics.items() if name.endswith(suffix)
        }
        # A record may hold variants that the study has no more; those it has now stand in its own order.
        chosen = {variant: found[variant] for variant in study.variants if variant in found}
        if not chosen:
            raise ValueError(f"no variant of the study has the primary metric '{study.metric}'")
        scores = {variant: _score(variant, summary) for variant, summary in chosen.items()}
        seconds = [float(value) for value in raw["wall_seconds"] if value is not None]
        unit = split.get("unit", "rows")
        return Recorded(
            scores=scores,
            chosen=chosen_variant(raw),
            interval="95 % interval over training seeds and test rows",
            seeds=len(raw["seeds"]),
            device=str(raw["device"]),
            seconds=_finite(sum(seconds) / len(seconds)),
            day=str(raw["recorded"]),
            environment=str(raw["environment"]),
            command=str(raw["command"]),
            data="embedded sample" if data["embedded_sample"] else study.headline.data or str(data["source"]),
            embedded_sample=bool(data["embedded_sample"]),
            rows=f"{count(raw['test_rows'][study.metric])} test {study.headline.unit}"
            if study.headline.rows
            else " + ".join(count(split[f"{part}_rows"]) for part in ("train", "dev", "test")) + f" {unit}",
        )
    except KeyError as error:
        raise ValueError(f"it has no {error}") from error
    except (TypeError, AttributeError, ZeroDivisionError) as error:
        raise ValueError(f"it is no record ({error})") from error


def _score(variant: str, summary: Mapping[str, float]) -> Score:
    try:
        return Score(**{key: _finite(summary[key]) for key in ("mean", "low", "high") if key in summary})
    except ValueError as error:
        raise ValueError(f"{variant}: {error}") from error


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value} where a finite number is expected")
    return number


def duration(seconds: float) -> str:
    """``48 s``, ``9.5 min`` or ``2.3 h``."""
    if seconds < 1.5 * MINUTE:
        return f"{seconds:.0f} s" if seconds >= 1 else "under 1 s"
    if seconds < 1.5 * HOUR:
        return f"{seconds / MINUTE:.1f} min"
    return f"{seconds / HOUR:.1f} h"


def signed(value: float, metric: Metric) -> str:
    """A difference with its sign: ``+0.012``, ``−0.018`` with a true minus, ``0.000``."""
    text = metric.format(abs(value))
    if not any(digit in "123456789" for digit in text):
        return text
    return f"{'−' if value < 0 else '+'}{text}"
