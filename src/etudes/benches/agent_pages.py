"""What the pages of studies of agents show: figures, filmstrips, words. Nothing here changes a number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from etudes.benches.agent_scores import STATISTICS, returns_of
from etudes.benches.parameters import EpisodeScoringParameters
from etudes.benches.several_environments import histories_in, points_below
from etudes.examples import Examples
from etudes.rl.figures import improvement_map, profile_curves, return_curves
from etudes.rl.pictures import filmstrip
from etudes.study import Study

COLUMNS = 6  # frames in a row of a filmstrip


class Resampled(Protocol):
    """Parameters with a number of resamples."""

    @property
    def resamples(self) -> int: ...


def curves(
    study: Study,
    histories: Mapping[str, Any],
    metrics: Mapping[str, float],
    split_card: Mapping[str, Any],
    evaluation: EpisodeScoringParameters,
) -> go.Figure:
    """Dev returns by step; what solves the environment and what the players that learn nothing get, as levels."""
    scores = {name: metrics.get(f"{name}.mean_return") for name in histories}
    return _curves(study, histories, scores, split_card["environment"]["solved"], evaluation.resamples)


def curves_of(
    study: Study,
    histories: Mapping[str, Any],
    returns_table: pd.DataFrame,
    split_card: Mapping[str, Any],
    evaluation: Resampled,
    place: int = 0,
) -> go.Figure:
    """The same of one of several environments, which are counted from 0; an empty figure where there are not so many."""
    names = list(split_card["environments"])
    if place >= len(names):
        return return_curves({}, variants=study.variants, title="There are fewer environments in this run")
    name = names[place]
    rows = returns_table[returns_table["environment"] == name]
    scores = dict(zip(rows["variant"], rows["mean_return"], strict=True))
    solved = split_card["environments"][name]["solved"]
    title = f"Learning curves in {name}"
    return _curves(study, histories_in(histories, name), scores, solved, evaluation.resamples, title)


def _curves(
    study: Study,
    histories: Mapping[str, Any],
    scores: Mapping[str, float | None],
    solved: float,
    resamples: int,
    title: str = "Learning curves",
) -> go.Figure:
    found, levels = {}, {f"solved ({solved:g})": float(solved)}
    for name, history in histories.items():
        agents = [agent["curve"] for agent in history["agents"] if agent.get("curve")]
        if agents:
            steps = [row["step"] for row in agents[0]]
            found[name] = (steps, [[row["dev_mean_return"] for row in curve] for curve in agents])
        elif (score := scores.get(name)) is not None:
            levels[f"{name}, mean on test ({score:.0f})"] = score
    return return_curves(found, variants=study.variants, levels=levels, resamples=resamples, title=title)


def profile(study: Study, predictions: pd.DataFrame, evaluation: EpisodeScoringParameters) -> go.Figure:
    """Share of test episodes above each return."""
    returns = {str(name): returns_of(predictions, name) for name in predictions["variant"].unique()}
    return profile_curves(returns, variants=study.variants, resamples=evaluation.resamples)


def improvement(study: Study, improvement_table: pd.DataFrame) -> go.Figure:
    """How likely an agent of one variant beats one of another."""
    return improvement_map(improvement_table, variants=study.variants)


def strip(episode_samples: Examples, episode: str = "best") -> bytes:
    """The filmstrip of the ``best`` or of the ``worst`` stored episode."""
    chosen = episode_samples.take((episode_samples.rows["episode"] == episode).to_numpy())
    pairs = zip(chosen.rows["step"], chosen.rows["action"], strict=True)
    return filmstrip(list(chosen["frames"]), [f"step {step}: {action}" for step, action in pairs], COLUMNS)


def best_episode(episode_samples: Examples) -> str:
    """What the filmstrip of the best stored episode shows, for its caption."""
    return _told(episode_samples, "best")


def worst_episode(episode_samples: Examples) -> str:
    """The same of the worst."""
    return _told(episode_samples, "worst")


def _told(samples: Examples, episode: str) -> str:
    rows = samples.rows[samples.rows["episode"] == episode]
    return (
        f"{episode} test episode of {rows['variant'].iloc[0]}, return {rows['return'].iloc[0]:.0f}: {len(rows)} moments, "
        f"evenly over {rows['step'].max():,} steps, with the action taken at each"
    )


def crossings(thresholds_table: pd.DataFrame) -> pd.DataFrame:
    """Steps until a return is reached first: a row for each variant, a column for each threshold."""
    rows: dict[str, dict[str, Any]] = {}
    for row in thresholds_table.to_dict("records"):
        steps = "–" if pd.isna(row["median_steps"]) else f"{row['median_steps']:,.0f}"
        found = rows.setdefault(row["variant"], {"variant": row["variant"]})
        found[f"return {row['threshold']:g}"] = f"{steps} ({row['reached']:.0%})"
    return pd.DataFrame(list(rows.values()))


def against(improvement_table: pd.DataFrame, other: str, but: tuple[str, ...] = ()) -> str:
    """The chance that an agent of each variant is better than one of ``other``, in words."""
    parts = []
    for row in improvement_table[improvement_table["other"] == other].to_dict("records"):
        if row["variant"] not in but:
            band = "" if pd.isna(row["low"]) else f" [{row['low']:.2f}, {row['high']:.2f}]"
            parts.append(f"`{row['variant']}` {row['probability']:.2f}{band}")
    return ", ".join(parts) or "nobody to compare with"


def standing(differences_table: pd.DataFrame, variant: str) -> str:
    """How a variant stands to every other: apart where both intervals of the difference exclude 0, else a tie."""
    parts = []
    for row in differences_table.to_dict("records"):
        if variant not in (row["variant"], row["minus"]):
            continue
        sign, other = (1, row["minus"]) if row["variant"] == variant else (-1, row["variant"])
        numbers, apart = [], []
        for name in STATISTICS:
            low, high = sorted(sign * row[f"{name}.{end}"] for end in ("low", "high"))
            numbers.append(f"{sign * row[name]:+.1f} [{low:+.1f}, {high:+.1f}]")
            apart.append((low > 0) - (high < 0))
        word = {1: "beats", -1: "loses to"}.get(apart[0] if len({*apart}) == 1 else 0, "ties")
        parts.append(f"{word} `{other}` ({' and '.join(numbers)})")
    return f"`{variant}` " + ", ".join(parts) if parts else "nobody to compare with"


def speeds(histories: Mapping[str, Any]) -> pd.DataFrame:
    """Agents of each variant, and the median of their environment steps a second."""
    rows = []
    for name, history in histories.items():
        found = [agent["steps_per_second"] for agent in history["agents"] if "steps_per_second" in agent]
        speed = float(np.median(found)) if found else np.nan
        rows.append({"variant": name, "agents": len(history["agents"]), "steps a second": speed})
    return pd.DataFrame(rows)


def gaps(differences_table: pd.DataFrame, other: str, but: tuple[str, ...] = ()) -> str:
    """How many points less than ``other`` the variants get in each of several environments, in words."""
    parts = []
    for name in differences_table["environment"].unique():
        below = points_below(other, differences_table, name)
        for key in (key for key in below if key.endswith(f".below_{other}")):
            variant, ends = key.partition(".")[0], [below[f"{key}.{end}"] for end in ("low", "high")]
            if variant not in but:
                parts.append(f"`{variant}` in {name} {below[key]:.2f} [{ends[0]:.2f}, {ends[1]:.2f}]")
    return ", ".join(parts) or "there is nobody to compare"


def best_in_each(returns_table: pd.DataFrame, other: str, but: tuple[str, ...] = ()) -> str:
    """The variant with the best mean return in each of several environments, beside that of ``other``, in words."""
    parts = []
    for name, rows in returns_table.groupby("environment", sort=False):
        returns = rows.set_index("variant")["mean_return"]
        others = returns.drop([other, *but], errors="ignore")
        best = str((others if len(others) else returns).idxmax())
        beside = f", `{other}` {returns[other]:.2f}" if other in returns and best != other else ""
        parts.append(f"{name}: **`{best}` {returns[best]:.2f}**{beside}")
    return "; ".join(parts)


def speeds_of(histories: Mapping[str, Any]) -> pd.DataFrame:
    """Environment steps a second of all agents side by side, in each of several environments."""
    rows = [
        {"environment": name, "variant": variant, "steps a second": told["agents"][0]["steps_per_second"]}
        for variant, history in histories.items()
        for name, told in history["environments"].items()
        if "steps_per_second" in told["agents"][0]
    ]
    return pd.DataFrame(rows, columns=["environment", "variant", "steps a second"])
