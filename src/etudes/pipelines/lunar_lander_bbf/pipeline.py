"""How data flows through the study."""

from kedro.pipeline import Pipeline

from etudes.pipelines.lunar_lander_bbf import nodes, report
from etudes.study import load_study, stage_node, study_pipeline, train_node

STUDY = "lunar_lander_bbf"
# What each learning variant adds to the parameters that all share.
ADDED = {
    "dqn": [],
    "n_step": ["params:annealing"],
    "discount": ["params:annealing"],
    "resets": ["params:resets"],
    "bbf": ["params:annealing", "params:resets"],
}
TABLES = ("seeds", "thresholds", "improvement")


def create_pipeline() -> Pipeline:
    """The study's graph; it always holds all variants, the parameter ``variants`` selects.

    ::

        raw_environment ─ ingest ─ data_card
                            │
                          split ─ train_split, dev_split, test_split (seeds of episodes), split_card
                            │
        random   heuristic   dqn   n_step   discount   resets   bbf          train_<variant>, each with many agents
            └────────┴────────┴───────┴────────┴──────────┴──────┘
                                      │
                                  evaluate ─ metrics, predictions, tables, landing_samples
                                      │
                                    report ─ figures, filmstrips, report, predictor
    """
    variants = load_study(STUDY).variants
    splits = ["train_split", "dev_split", "split_card"]
    models = {f"{variant}_model": f"{variant}_model" for variant in variants}
    histories = {f"{variant}_history": f"{variant}_history" for variant in variants}
    tables = {f"{name}_table": f"{name}_table" for name in TABLES}
    return study_pipeline(
        STUDY,
        [
            stage_node("ingest", nodes.ingest, ["raw_environment"], "data_card"),
            stage_node(
                "preprocess",
                nodes.split,
                ["data_card", "params:split", "params:runs", "params:run"],
                ["train_split", "dev_split", "test_split", "split_card"],
            ),
            train_node("random", nodes.train_random, [*splits, "params:runs"]),
            train_node("heuristic", nodes.train_heuristic, splits),
            *(
                train_node(
                    name,
                    getattr(nodes, f"train_{name}"),
                    [*splits, "params:training", *added, "params:runs", "params:run"],
                )
                for name, added in ADDED.items()
            ),
            stage_node(
                "evaluate",
                nodes.evaluate,
                {
                    "test_split": "test_split",
                    "split_card": "split_card",
                    "parameters": "params:evaluation",
                    **models,
                    **histories,
                },
                ["metrics", "predictions", *tables, "landing_samples"],
            ),
            stage_node(
                "report",
                report.draw,
                {
                    "metrics": "metrics",
                    "predictions": "predictions",
                    "improvement_table": "improvement_table",
                    "split_card": "split_card",
                    "parameters": "params:evaluation",
                    **histories,
                },
                [f"{name}_figure" for name in report.FIGURES],
                name="draw",
            ),
            stage_node(
                "report",
                report.draw_episodes,
                ["landing_samples"],
                [f"{name}_image" for name in report.IMAGES],
                name="draw_episodes",
            ),
            stage_node(
                "report",
                report.write_report,
                {
                    "data_card": "data_card",
                    "split_card": "split_card",
                    "metrics": "metrics",
                    "predictions": "predictions",
                    "landing_samples": "landing_samples",
                    "training": "params:training",
                    **tables,
                    **histories,
                    **{f"{name}_figure": f"{name}_figure" for name in report.FIGURES},
                    **{f"{name}_image": f"{name}_image" for name in report.IMAGES},
                    **{f"{variant}_resources": f"{variant}_resources" for variant in variants},
                },
                "report",
                name="write_report",
            ),
            stage_node(
                "report",
                report.choose_predictor,
                {"data_card": "data_card", "split_card": "split_card", **models, **histories},
                "predictor",
                name="choose_predictor",
            ),
        ],
    )
