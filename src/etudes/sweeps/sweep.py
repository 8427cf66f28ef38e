"""Run a study over seeds and settings, or search among settings first; then one table of what the test data say.

A search trains and reads dev scores: its runs have no evaluate stage, so test data have no part in it. Runs that ended with
the same code and configuration are not repeated, those that a kill interrupted go on from their checkpoints.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etudes.assembly.choice import left_out
from etudes.atomic import atomic_file
from etudes.interrupts import is_interrupt
from etudes.metrics import KNOWN
from etudes.results.record import summarise
from etudes.results.runs import SeedRun, origin, read_run
from etudes.results.side_by_side import RunEngine, side_by_side
from etudes.results.summaries import summarise as summarise_values
from etudes.results.tables import cell_of, chosen_variant, scores_of, variants_table
from etudes.study import Study, load_study
from etudes.sweeps.space import Setting, Space, nested, value_at

if TYPE_CHECKING:
    from optuna.trial import Trial

    from etudes.sweeps.search import Kind
    from etudes.tracking.parent import ParentRun

TRAINING = ("ingest", "preprocess", "train")  # the stages of a trial
HOPELESS = 3  # runs that fail before any ends


@dataclass(frozen=True)
class Plan:
    """What a sweep is asked.

    ``parameters`` are the configured ones with those that the sweep fixes; ``search`` is None for a grid.
    """

    project: Path
    study: str
    env: str
    space: Space
    seeds: int
    parameters: Mapping[str, Any]
    search: Kind | None = None
    trials: int = 0


@dataclass
class Sweep:
    """One sweep.

    Args:
        plan: what is asked.
        folder: of all sweeps of the study in this environment.
        engine: makes the places that execute runs.
        track: opens the MLflow run, given what tells the sweep from others and its parameters; None without MLflow.
        tell: takes a line for the user.
    """

    plan: Plan
    folder: Path
    engine: Callable[[], RunEngine]
    track: Callable[[str, Mapping[str, str]], ParentRun] | None
    tell: Callable[[str], None]
    errors: list[str] = field(default_factory=list)
    _parent: ParentRun | None = None

    @cached_property
    def study(self) -> Study:
        return load_study(self.plan.study)

    @cached_property
    def _origin(self) -> dict[str, Any]:
        return origin(self.plan.project, self.plan.study, self.plan.env, "")

    @cached_property
    def key(self) -> str:
        """What tells the sweep from others: code, configuration, what is varied; not how many seeds and trials."""
        told = {name: value for name, value in self._origin.items() if name != "commit"}
        return _digest([told, repr(self.plan.space), self.plan.search])

    def run(self) -> str:
        """Run what is missing.

        Returns:
            The table, which is also in the sweep's folder and on its MLflow run.

        Raises:
            RuntimeError: runs failed; those that ended are in the table, which has been told.
        """
        plan = self.plan
        asked = {"study": plan.study, "environment": plan.env, "search": plan.search or "grid"}
        varied = {**plan.space.fixed, **{k: ",".join(v) for k, v in plan.space.choices.items()}}
        varied |= {name: f"{span.low:g}..{span.high:g}" for name, span in plan.space.ranges.items()}
        if self.track is not None:
            self._parent = self.track(self.key, {**asked, **varied})
        try:
            settings = [self._searched()] if plan.search else plan.space.grid()
            table = self._evaluated(settings)
        except BaseException as error:
            if self._parent is not None:
                self._parent.end("KILLED" if is_interrupt(error) else "FAILED", error)
            raise
        if self._parent is not None:
            self._parent.end("FAILED" if self.errors else "FINISHED")
        if self.errors:
            self.tell(table)
            raise RuntimeError(
                f"{len(self.errors)} runs failed, the table is of the others:\n" + "\n".join(self.errors)
            )
        return table

    def _seed_run(self, setting: Setting, seed: int, folder: str, stages: tuple[str, ...] = ()) -> SeedRun:
        given = ",".join(f"{name}={value}" for name, value in {**self.plan.space.fixed, **setting}.items())
        made_by = {**self._origin, "parameters": given, "seed": seed}
        outputs = self.folder / "runs" / _digest(given) / folder
        run = SeedRun(self.plan.project, outputs, made_by, True, stages, log=outputs / "run.log")
        if self._parent is None:
            return run
        name = f"{self._label(setting) or self.plan.study}, {folder.replace('_', ' ')}"
        return replace(run, tags=self._parent.tags(self.key, f"{_digest(given)}/{folder}", name))

    def _label(self, setting: Setting) -> str:
        return ", ".join(
            f"{name.removeprefix(f'{self.plan.study}.')}={text}" for name, text in setting.items()
        )

    # --- the search

    def _searched(self) -> Setting:
        """The setting that is best on dev, after the trials that are missing."""
        from etudes.sweeps.search import Search

        plan, metric = self.plan, self.study.dev_metric
        assert plan.search is not None
        engine = self.engine()
        file = self.folder / f"{self.key}.search.db"
        search = Search(
            file, plan.space, plan.parameters, plan.search, self.study.dev_maximise, engine.places
        )
        trials = _Trials(self, search, self._judged())
        side_by_side(engine, trials.runs(), trials.took, trials.watch if trials.prunes else None)
        setting, score = search.best()
        counts = ", ".join(f"{count} {name}" for name, count in search.counts.items())
        self.tell(
            f"Best of {search.count} trials ({counts}) by dev {metric} {score:.5g}: {self._label(setting)}"
        )
        self.tell(trials.on_pruning())
        return setting

    def _judged(self) -> str | None:
        """The one variant that a search is about: the only one that is trained, or the one whose parameters are varied."""
        given = value_at(nested(self.plan.space.fixed), f"{self.plan.study}.variants")
        if isinstance(given, list):
            return str(given[0]) if len(given) == 1 else None
        parts = {tuple(name.split(".")[:2]) for name in self.plan.space.varied}
        (group, variant) = next(iter(parts)) if len(parts) == 1 else ("", "")
        return variant if group == self.plan.study and variant in self.study.variants else None

    # --- all seeds

    def _evaluated(self, settings: Sequence[Setting]) -> str:
        """The table of settings over seeds, after the runs that are missing."""
        plan = self.plan
        runs = {
            self._label(setting): [
                self._seed_run(setting, seed, f"seed_{seed}") for seed in range(plan.seeds)
            ]
            for setting in settings
        }
        every = [run for several in runs.values() for run in several]
        todo = [run for run in every if not run.ended]
        names = {
            run.outputs: f"{label + ', ' if label else ''}seed {run.made_by['seed']}"
            for label, several in runs.items()
            for run in several
        }
        if len(todo) < len(every):
            self.tell(f"{len(every) - len(todo)} of {len(every)} runs ended before and are taken over")
        ended = 0

        def took(run: SeedRun, error: BaseException | None) -> None:
            nonlocal ended
            ended += 1
            self.tell(
                f"[{ended}/{len(todo)}] {names[run.outputs]}{_seconds(run) if error is None else f': {error}'}"
            )
            if error is not None:
                self.failed(f"{names[run.outputs]}: {error}", ended)

        if todo:
            side_by_side(self.engine(), todo, took)
        found = {
            label: [read_run(run.outputs, plan.study, plan.env) for run in several if run.ended]
            for label, several in runs.items()
        }
        found = {label: several for label, several in found.items() if several}
        records = {label: summarise(several) for label, several in found.items()}
        dev = {
            label: summarise_values([run["dev"] for run in several], None, KNOWN.get(self.study.dev_metric))
            for label, several in found.items()
        }
        text = self._told(records, dev)
        summaries = {
            label: {"metrics": record["metrics"], "dev": dev[label]} for label, record in records.items()
        }
        for ending, content in (("md", text), ("json", json.dumps(summaries, indent=1))):
            with atomic_file(self.folder / f"{self.key}.{ending}") as temporary:
                temporary.write_text(content + "\n", encoding="utf-8")
        if self._parent is not None:
            self._parent.log_result(text, summaries)
            if len(records) == 1:
                (record,) = records.values()
                self._parent.log({name: summary["mean"] for name, summary in record["metrics"].items()})
        return text

    def _told(self, records: Mapping[str, Any], dev: Mapping[str, Any]) -> str:
        parts = [variants_table(self.study, records)]
        if len(records) > 1:
            parts.insert(0, self._settings_table(records, dev))
        seeds = f"seeds 0 to {self.plan.seeds - 1}" if self.plan.seeds > 1 else "seed 0"
        parts.append(
            f"`{self.plan.study}` in `{self.plan.env}`, {seeds}. Brackets: 95 % interval over training seeds and test rows "
            "together, where a metric has one."
        )
        return "\n\n".join(parts)

    def _settings_table(self, records: Mapping[str, Any], dev: Mapping[str, Any]) -> str:
        """Each setting's dev score and the test score of the variant that dev chose; the best on dev is marked."""
        metric, on_dev = KNOWN[self.study.metric], KNOWN[self.study.dev_metric]
        best = self.study.best_on_dev({label: summary["mean"] for label, summary in dev.items()})
        lines = [f"| setting | dev {on_dev.text} | test {metric.text} | variant |", "|---|---|---|---|"]
        for label, record in records.items():
            scores = scores_of(record, metric.name)
            variant = chosen_variant(record)
            told = [label + ", best on dev" * (label == best), cell_of(dev[label], on_dev)]
            told += [cell_of(scores.get(str(variant)), metric), f"`{variant}`"]
            lines.append(f"| {' | '.join(told)} |")
        return "\n".join(lines)

    def failed(self, message: str, ended: int) -> None:
        """A run failed; the others go on, unless the first ones all did.

        Raises:
            RuntimeError: nothing ended yet.
        """
        self.errors.append(message)
        if len(self.errors) == ended >= HOPELESS:
            raise RuntimeError(
                f"The first {ended} runs failed, the others are not tried:\n" + "\n".join(self.errors)
            )


class _Trials:
    """The runs of a search: asks for settings, reads dev scores, prunes."""

    def __init__(self, sweep: Sweep, search: Any, variant: str | None) -> None:
        self._sweep, self._search, self._variant = sweep, search, variant
        self._trials: dict[Path, tuple[Trial, Setting]] = {}
        self._pruned: set[Path] = set()
        self._ended = 0
        self.prunes = variant is not None and sweep._parent is not None

    def runs(self) -> Iterator[SeedRun]:
        sweep = self._sweep
        for trial in self._search.trials(sweep.plan.trials):
            setting = self._search.setting(trial)
            score = self._search.known(setting)
            if score is not None:
                self._search.ended(trial, score)
                self._tell(trial, setting, f"{score:.5g}, as before")
                continue
            only = f"{sweep.plan.study}.variants"
            chosen = (
                {only: f"[{self._variant}]"} if self._variant and only not in sweep.plan.space.fixed else {}
            )
            run = sweep._seed_run({**setting, **chosen}, 0, "trial", TRAINING)
            self._trials[run.outputs] = (trial, setting)
            if run.ended:  # and was killed before that was told
                self.took(run, None)
                continue
            yield run

    def watch(self, run: SeedRun) -> None:
        trial, _ = self._trials[run.outputs]
        if run.outputs not in self._pruned and self._search.observe(trial, self._curve(run)):
            self._pruned.add(run.outputs)
            run.stop(at_once=True)

    def took(self, run: SeedRun, error: BaseException | None) -> None:
        trial, setting = self._trials.pop(run.outputs)
        self._ended += 1
        if self.prunes:
            self._search.observe(trial, self._curve(run))
        if error is None:
            score = self._score(run)
            self._search.ended(trial, score)
            self._tell(trial, setting, f"{score:.5g}{_seconds(run)}")
            if self._sweep._parent is not None:
                self._sweep._parent.log({f"dev_{self._sweep.study.dev_metric}": score}, trial.number)
        elif run.outputs in self._pruned:
            self._search.pruned(trial)
            self._tell(trial, setting, "pruned")
        else:
            self._search.failed(trial)
            self._tell(trial, setting, str(error))
            self._sweep.failed(f"trial {trial.number}, {self._sweep._label(setting)}: {error}", self._ended)
        shutil.rmtree(run.outputs, ignore_errors=True)  # its score is kept

    def _tell(self, trial: Trial, setting: Setting, what: str) -> None:
        plan = self._sweep.plan
        self._sweep.tell(f"[trial {trial.number + 1}/{plan.trials}] {self._sweep._label(setting)}: {what}")

    def _curve(self, run: SeedRun) -> dict[int, float]:
        parent, metric = self._sweep._parent, self._sweep.study.dev_metric
        assert parent is not None
        return parent.curve(run.tags["etudes.run"], f"{self._variant}.dev_{metric}")

    def _score(self, run: SeedRun) -> float:
        """The best dev score of the variants that the run trained; the judged one alone if there is one.

        Raises:
            RuntimeError: none of them has one.
        """
        study, metric = self._sweep.study, self._sweep.study.dev_metric
        folder = run.outputs / "06_models" / self._sweep.plan.env / study.name
        wanted = [self._variant] if self._variant else study.variants
        histories = {
            name: json.loads((folder / f"{name}_history.json").read_text("utf-8")) for name in wanted
        }
        scores = {
            name: history["dev"][metric]
            for name, history in histories.items()
            if not left_out(history) and metric in history.get("dev", {})
        }
        if not scores:
            raise RuntimeError(
                f"{', '.join(map(str, wanted))}: none has a dev {metric}, by which a search chooses"
            )
        return float(scores[study.best_on_dev(scores)])

    def on_pruning(self) -> str:
        """What became of pruning, in a sentence."""
        name, metric = self._sweep.plan.study, self._sweep.study.dev_metric
        if self._variant is None:
            return (
                f"No trial was pruned: several variants are trained, each with a curve of its own; name one "
                f"(--params={name}.variants=[VARIANT])"
            )
        if not self.prunes:
            return "No trial was pruned: dev scores of a running training are read from MLflow, which run.track=false switches off"
        if not self._search.observed:
            return f"No trial was pruned: {self._variant} of {name} reports no dev {metric} while it trains"
        return f"Trials were pruned by dev {metric} of {self._variant} against the median of the others at the same step"


def _seconds(run: SeedRun) -> str:
    """How long a run took, of one that ended."""
    path = run.outputs / "runs" / run.made_by["environment"] / f"{run.made_by['study']}.json"
    seconds = json.loads(path.read_text(encoding="utf-8"))["wall_seconds"]
    return f", {seconds:.0f} s" if seconds is not None else ""


def _digest(told: Any) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()[:16]
