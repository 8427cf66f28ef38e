"""The stage report: figures, filmstrips, the page, and the agent to register. Nothing here changes a number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from etudes.examples import Examples
from etudes.pipelines.lunar_lander_bbf.parameters import EvaluationParameters, TrainingParameters
from etudes.pipelines.lunar_lander_bbf.scoring import returns_of
from etudes.study import load_study, selected

STUDY = "lunar_lander_bbf"
FIGURES = ("scores", "curves", "profile", "improvement")
IMAGES = ("filmstrip", "worst")
COLUMNS = 6  # frames in a row of a filmstrip
YARDSTICKS = ("random", "heuristic")  # players that learn nothing


def scored_variants(metrics: Mapping[str, float]) -> list[str]:
    """Variants with a score, in the study's order."""
    return [name for name in load_study(STUDY).variants if f"{name}.iqm" in metrics]


def draw(
    metrics: dict[str, float],
    predictions: pd.DataFrame,
    improvement_table: pd.DataFrame,
    split_card: dict[str, Any],
    parameters: EvaluationParameters,
    **histories: dict[str, Any],
) -> tuple[Any, ...]:
    """All figures, in the order of `FIGURES`."""
    from etudes.reporting import figures
    from etudes.rl.figures import improvement_map, profile_curves, return_curves

    study, variants = load_study(STUDY), scored_variants(metrics)
    references = [reference for reference in study.references if reference.metric == study.metric]
    curves = {}
    for variant in variants:
        agents = [a["curve"] for a in histories[f"{variant}_history"]["agents"] if a.get("curve")]
        if agents:
            steps = [row["step"] for row in agents[0]]
            curves[variant] = (steps, [[row["dev_mean_return"] for row in curve] for curve in agents])
    solved = split_card["environment"]["solved"]
    levels = {f"solved ({solved:g})": float(solved)}
    for name in YARDSTICKS:
        if f"{name}.mean_return" in metrics:
            levels[f"{name}, mean on test ({metrics[f'{name}.mean_return']:.0f})"] = metrics[
                f"{name}.mean_return"
            ]
    returns = {name: returns_of(predictions, name) for name in variants}
    return (
        figures.metric_bars(metrics, study.metric, variants, baseline=study.baseline, references=references),
        return_curves(curves, variants=study.variants, levels=levels, resamples=parameters.resamples),
        profile_curves(returns, variants=study.variants, resamples=parameters.resamples),
        improvement_map(improvement_table, variants=study.variants),
    )


def draw_episodes(landing_samples: Examples) -> tuple[bytes, ...]:
    """The filmstrips of the best and of the worst episode."""
    from etudes.rl.pictures import filmstrip

    strips = []
    for episode in ("best", "worst"):
        chosen = landing_samples.take((landing_samples.rows["episode"] == episode).to_numpy())
        captions = [
            f"step {step}: {action}"
            for step, action in zip(chosen.rows["step"], chosen.rows["action"], strict=True)
        ]
        strips.append(filmstrip(list(chosen["frames"]), captions, COLUMNS))
    return tuple(strips)


def choose_predictor(data_card: dict[str, Any], split_card: dict[str, Any], **inputs: Any) -> Any:
    """The learning variant with the best dev score, and of its agents the best on dev; the yardsticks, which learn
    nothing, are registered only where nothing else was trained."""
    from etudes.pipelines.lunar_lander_bbf.model import LanderPredictor
    from etudes.pipelines.lunar_lander_bbf.scoring import environment_of

    study = load_study(STUDY)
    models = selected({name: inputs[f"{name}_model"] for name in study.variants})
    histories = {name: inputs[f"{name}_history"] for name in models}
    scores = {name: history["dev"][study.dev_metric] for name, history in histories.items()}
    candidates = [name for name, model in models.items() if model.learned] or list(models)
    best = study.best_on_dev({name: scores[name] for name in candidates})
    agents = models[best]
    if agents.learned:
        agents = agents.only(int(np.argmax([told["dev_mean_return"] for told in histories[best]["agents"]])))
    card = study.predictor_card(best, scores[best], split_card["dev_fingerprint"], data_card)
    spec, facts = environment_of(split_card)
    return LanderPredictor(agents, spec, int(np.prod(facts.shape)), card)


def write_report(
    data_card: dict[str, Any],
    split_card: dict[str, Any],
    metrics: dict[str, float],
    predictions: pd.DataFrame,
    landing_samples: Examples,
    training: TrainingParameters,
    seeds_table: pd.DataFrame,
    thresholds_table: pd.DataFrame,
    improvement_table: pd.DataFrame,
    **inputs: Any,
) -> str:
    """The study's page."""
    from etudes.reporting import Report, lead_table

    study, variants = load_study(STUDY), scored_variants(metrics)
    page = Report(
        study.title,
        _summary(data_card, split_card, metrics, predictions, training),
        _badges(data_card, training),
        _facts(data_card, split_card, training),
    )
    page.section("What came out")
    page.table(
        lead_table(
            metrics,
            variants,
            study.metrics,
            study.baseline,
            study.references,
            study.metric,
            caption="Every variant on the test episodes",
            interval="95 % bootstrap interval over agents (trainings from different seeds)",
        )
    )
    page.text(_reading(metrics, improvement_table))
    page.figure(
        inputs["scores_figure"],
        "Interquartile mean of the agents' scores with 95 % bootstrap intervals over agents; a score is an agent's mean "
        "return over all test episodes.",
    )
    page.section("How it was learned")
    page.figure(
        inputs["curves_figure"],
        "Interquartile mean over agents of the return of greedy episodes on dev seeds, with 95 % bootstrap bands over "
        "agents; the number of agents stands behind each name.",
    )
    if len(thresholds_table):
        page.table(
            _crossings(thresholds_table),
            "Steps until the dev curve first reaches a return",
            note="Median over agents, a dash where fewer than half got there; in brackets the share that did.",
        )
    page.table(_costs(variants, inputs), "What each variant costs", note=COST_NOTE, digits=4)
    page.section("How the variants compare")
    page.figure(
        inputs["profile_figure"],
        "Share of an agent's test episodes above a return, mean over agents, with 95 % bootstrap bands: a curve above "
        "another everywhere is better whatever one asks for.",
    )
    page.figure(
        inputs["improvement_figure"],
        "The chance that an agent of the row's variant has a better mean return than one of the column's; 0.5 is a draw. "
        "Hover for the intervals.",
    )
    page.table(seeds_table, "Every agent on the test episodes", note=SEEDS_NOTE)
    page.section(
        "Watch one",
        f"Greedy test episodes of `{landing_samples.rows['variant'].iloc[0]}`, the learning variant with the best "
        "interquartile mean: its best one over all agents, and its worst.",
    )
    for episode, name in (("best", "filmstrip"), ("worst", "worst")):
        rows = landing_samples.rows[landing_samples.rows["episode"] == episode]
        told = f"{episode} test episode of {rows['variant'].iloc[0]}, return {rows['return'].iloc[0]:.0f}"
        page.image(
            inputs[f"{name}_image"],
            f"The {told}: {len(rows)} moments, evenly over {rows['step'].max():,} steps, with the action taken at each.",
            alt=f"Filmstrip of the {told}",
        )
    return page.render()


COST_NOTE = (
    "Wall time of the whole node on this machine, and steps a second of one agent while it acts and learns. Added memory is "
    "what the process of the run rose by; agents trained in processes of their own hold theirs there."
)
SEEDS_NOTE = (
    "Last: with the weights of the last update instead of those kept. Kept step: where on its dev curve the agent's weights "
    "were taken. Dev: mean return over the dev episodes that compare variants."
)


def _badges(data_card: dict[str, Any], training: TrainingParameters) -> list[str]:
    return [f"small run: {training.steps:,} steps an agent"] if data_card["embedded_sample"] else []


def _facts(
    data_card: dict[str, Any], split_card: dict[str, Any], training: TrainingParameters
) -> dict[str, Any]:
    return {
        "environment": f"{data_card['environment']['id']} (gymnasium {data_card['gymnasium']})",
        "steps of an agent": training.steps,
        "updates a step": training.replay_ratio,
        "targets": "double Q-learning" if training.double_q else "Q-learning",
        "episodes": f"{split_card['dev_rows']:,} dev, {split_card['test_rows']:,} test, no seed in two of them",
        "fingerprint of the environment": data_card["fingerprint"],
    }


def _summary(
    data_card: dict[str, Any],
    split_card: dict[str, Any],
    metrics: dict[str, float],
    predictions: pd.DataFrame,
    training: TrainingParameters,
) -> str:
    learned = [name for name in scored_variants(metrics) if name not in YARDSTICKS]
    best = max(learned or scored_variants(metrics), key=lambda name: metrics[f"{name}.iqm"])
    agents = predictions.loc[predictions["variant"] == best, "agent"].nunique()
    kind = "learning variants" if learned else "players"
    text = (
        f"The best of {len(learned or scored_variants(metrics))} {kind} is `{best}`: mean return "
        f"**{metrics[f'{best}.mean_return']:.1f}**{_interval(metrics, f'{best}.mean_return')} over {agents} "
        f"agent{'s' if agents > 1 else ''} and {split_card['test_rows']:,} greedy test episodes each, interquartile mean "
        f"{metrics[f'{best}.iqm']:.1f}, {metrics[f'{best}.solved_share']:.0%} of the episodes at "
        f"{split_card['environment']['solved']:g} or more."
    )
    yardsticks = [
        f"`{n}` gets {metrics[f'{n}.mean_return']:.1f}" for n in YARDSTICKS if f"{n}.iqm" in metrics
    ]
    if yardsticks:
        text += f" Without learning anything, {' and '.join(yardsticks)}."
    if data_card["embedded_sample"]:
        text += (
            f"\n\nThis is a **small run**: {training.steps:,} environment steps an agent show how the parts work together and "
            "are far too few to land. The environment is the real one; `--env=full` gives it the time it needs."
        )
    return text


def _interval(metrics: Mapping[str, float], key: str) -> str:
    if f"{key}.low" not in metrics:
        return ""
    return f" (95 % interval over agents {metrics[f'{key}.low']:.1f} to {metrics[f'{key}.high']:.1f})"


def _reading(metrics: Mapping[str, float], improvement: pd.DataFrame) -> str:
    parts = []
    against = improvement[improvement["other"] == "dqn"]
    told = []
    for row in against.to_dict("records"):
        if row["variant"] in YARDSTICKS:
            continue
        band = "" if pd.isna(row["low"]) else f" [{row['low']:.2f}, {row['high']:.2f}]"
        told.append(f"`{row['variant']}` {row['probability']:.2f}{band}")
    if told:
        parts.append(f"**Against `dqn`**, the chance that an agent is better: {', '.join(told)}.")
    parts.append(
        "Intervals resample agents, each trained from a seed of its own; they say what other seeds would change. Episodes "
        "of one agent are not independent and are never counted as if they were. A single agent has no interval."
    )
    last = [
        f"`{name}` {metrics[f'{name}.last_mean_return']:.1f}"
        for name in scored_variants(metrics)
        if name not in YARDSTICKS
    ]
    if last:
        parts.append(
            "An agent's weights are those of the best point of its dev curve (or the last ones, by parameter). With the "
            f"weights of the last update the mean returns are: {', '.join(last)}. Test episodes were played once, at the end."
        )
    return "\n\n".join(parts)


def _crossings(table: pd.DataFrame) -> list[dict[str, Any]]:
    """One row for each variant, one column for each threshold."""
    rows: dict[str, dict[str, Any]] = {}
    for row in table.to_dict("records"):
        steps = "–" if pd.isna(row["median_steps"]) else f"{row['median_steps']:,.0f}"
        told = rows.setdefault(row["variant"], {"variant": row["variant"]})
        told[f"return {row['threshold']:g}"] = f"{steps} ({row['reached']:.0%})"
    return list(rows.values())


def _costs(variants: list[str], inputs: Mapping[str, Any]) -> pd.DataFrame:
    rows = []
    for name in variants:
        cost, agents = inputs[f"{name}_resources"], inputs[f"{name}_history"]["agents"]
        speeds = [agent["steps_per_second"] for agent in agents if "steps_per_second" in agent]
        rows.append(
            {
                "variant": name,
                "agents": len(agents),
                "training (s)": cost["seconds"],
                "steps a second": float(np.median(speeds)) if speeds else None,
                "added memory (MiB)": round(cost["added_memory_mib"]),
            }
        )
    return pd.DataFrame(rows)
