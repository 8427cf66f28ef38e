"""A search among settings by Optuna, kept in a file: what was told is there after a kill, and what was begun goes on."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.trial import Trial, TrialState

from etudes.sweeps.space import Setting, Space, nested, text_of, value_at

Kind = Literal["tpe", "random"]
WITHOUT_PRUNING = 5  # trials that end before one is pruned
WARM_UP = 3  # the first step of a training that a trial may be pruned at


class Search:
    """Trials and their dev scores.

    The first trial is the setting as configured, where the space holds it. Each trial's sampler is seeded by its number, so
    that with one trial at a time a search that was killed and continued is the one that was not.

    Args:
        file: SQLite file of Optuna's; one that is there is continued.
        space: what is drawn from.
        configured: the parameters without the search.
        kind: Parzen estimators (Bergstra et al. 2011), or uniform draws.
        maximise: whether the larger dev score is the better.
        places: how many trials run at once.
    """

    def __init__(
        self,
        file: Path,
        space: Space,
        configured: Mapping[str, Any],
        kind: Kind,
        maximise: bool,
        places: int,
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        file.parent.mkdir(parents=True, exist_ok=True)
        self._space, self._kind, self._places = space, kind, places
        self._study = optuna.create_study(
            storage=f"sqlite:///{file}",
            study_name="search",
            direction="maximize" if maximise else "minimize",
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(WITHOUT_PRUNING, WARM_UP),
        )
        first = self._first(configured)
        if not self._study.trials and first:
            self._study.enqueue_trial(first)

    def _first(self, configured: Mapping[str, Any]) -> dict[str, Any]:
        """The configured setting in Optuna's values; empty where the space does not hold it."""
        found: dict[str, Any] = {}
        for name, texts in self._space.choices.items():
            value = value_at(configured, name)
            same = [text for text in texts if value_at(nested({name: text}), name) == value]
            if same:
                found[name] = same[0]
        for name, span in self._space.ranges.items():
            value = value_at(configured, name)
            if span.holds(value):
                found[name] = value
        return found if len(found) == len(self._space.varied) else {}

    def trials(self, total: int) -> Iterator[Trial]:
        """Trials to run: those that a killed search had begun, then new ones until there are ``total``."""
        for begun in self._study.get_trials(states=(TrialState.RUNNING,)):
            yield Trial(self._study, begun._trial_id)
        while (number := self.count) < total:
            self._study.sampler = (
                optuna.samplers.TPESampler(seed=number, constant_liar=self._places > 1)
                if self._kind == "tpe"
                else optuna.samplers.RandomSampler(seed=number)
            )
            yield self._study.ask()

    @property
    def count(self) -> int:
        """How many trials there are, begun ones included."""
        return sum(trial.state != TrialState.WAITING for trial in self._study.get_trials(deepcopy=False))

    @property
    def counts(self) -> dict[str, int]:
        """How many trials ended, were pruned, failed."""
        names = {TrialState.COMPLETE: "ended", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}
        states = [trial.state for trial in self._study.get_trials(deepcopy=False)]
        return {name: states.count(state) for state, name in names.items() if state in states}

    @property
    def observed(self) -> bool:
        """Whether any trial had a dev score while it trained."""
        return any(trial.intermediate_values for trial in self._study.get_trials(deepcopy=False))

    def setting(self, trial: Trial) -> Setting:
        """What a trial draws."""
        drawn: dict[str, Any] = {}
        for name, texts in self._space.choices.items():
            drawn[name] = trial.suggest_categorical(name, texts)
        for name, span in self._space.ranges.items():
            if span.whole:
                drawn[name] = trial.suggest_int(name, int(span.low), int(span.high), log=span.log)
            else:
                drawn[name] = trial.suggest_float(name, span.low, span.high, log=span.log)
        return _texts(drawn)

    def known(self, setting: Setting) -> float | None:
        """The score that a trial of the same setting has, if one has ended."""
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
            if _texts(trial.params) == setting:
                return trial.value
        return None

    def observe(self, trial: Trial, curve: Mapping[int, float]) -> bool:
        """Report a curve of dev scores by step; whether the trial is to be pruned, worse than the median at its last one."""
        there = self._study.get_trials(deepcopy=False)[trial.number].intermediate_values
        for step in sorted(set(curve) - set(there)):
            trial.report(curve[step], step)
        return trial.should_prune()

    def ended(self, trial: Trial, score: float) -> None:
        self._study.tell(trial, score)

    def pruned(self, trial: Trial) -> None:
        self._study.tell(trial, state=TrialState.PRUNED)

    def failed(self, trial: Trial) -> None:
        self._study.tell(trial, state=TrialState.FAIL)

    def best(self) -> tuple[Setting, float]:
        """The best setting on dev and its score.

        Raises:
            RuntimeError: no trial ended.
        """
        if not self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
            raise RuntimeError("no trial ended, so no setting is the best")
        best = self._study.best_trial
        return _texts(best.params), float(best.value if best.value is not None else float("nan"))


def _texts(drawn: Mapping[str, Any]) -> Setting:
    return {name: text_of(drawn[name]) for name in sorted(drawn)}
