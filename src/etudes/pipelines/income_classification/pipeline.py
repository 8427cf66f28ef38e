"""How data flows through the study."""

from kedro.pipeline import Pipeline

from etudes.pipelines.income_classification import nodes, report
from etudes.study import load_study, stage_node, study_pipeline, train_node

STUDY = "income_classification"


def create_pipeline() -> Pipeline:
    """The study's graph; it always holds all variants, the parameter ``variants`` selects.

    ::

        raw_train, raw_test ─ ingest ─ train_frame, test_frame, data_card
                                 │
                               split ─ train_split, dev_split, test_split, split_card
                                 │
             majority   naive_bayes   gaussian   logistic   boosting        train_<variant>
                 └───────────┴────────────┼──────────┴──────────┘
               ┌──────────────────────────┼───────────────────┐
            evaluate           compare_on_little_data      tabulate
        metrics, predictions,   learning_curve_table,     effect_table,
           group tables         learning_curve_card       path tables
               └──────────────────────────┼───────────────────┘
                                       report ─ figures, report, predictor
    """
    variants = load_study(STUDY).variants
    splits = ["train_split", "dev_split"]
    models = {variant: f"{variant}_model" for variant in variants}
    linear = {f"{name}_model": f"{name}_model" for name in nodes.LINEAR}
    histories = {f"{variant}_history": f"{variant}_history" for variant in variants}
    tables = ["learning_curve_table", "effect_table", "path_table", "path_weight_table", "group_table"]
    return study_pipeline(
        STUDY,
        [
            stage_node(
                "ingest", nodes.ingest, ["raw_train", "raw_test"], ["train_frame", "test_frame", "data_card"]
            ),
            stage_node(
                "preprocess",
                nodes.split,
                ["train_frame", "test_frame", "params:split"],
                ["train_split", "dev_split", "test_split", "split_card"],
            ),
            train_node("majority", nodes.train_majority, splits),
            train_node(
                "naive_bayes",
                nodes.train_naive_bayes,
                [*splits, "params:features", "params:generative"],
            ),
            train_node("gaussian", nodes.train_gaussian, [*splits, "params:features", "params:generative"]),
            train_node(
                "logistic",
                nodes.train_logistic,
                [*splits, "params:features", "params:logistic", "params:run"],
            ),
            train_node(
                "boosting",
                nodes.train_boosting,
                [*splits, "params:features", "params:boosting", "params:run"],
            ),
            stage_node(
                "evaluate",
                nodes.evaluate,
                {"test_split": "test_split", "parameters": "params:evaluation", **models},
                [
                    "metrics",
                    "predictions",
                    "group_table",
                    "gap_table",
                    "comparison_card",
                    "inference_resources",
                ],
            ),
            stage_node(
                "evaluate",
                nodes.compare_on_little_data,
                {
                    "train_split": "train_split",
                    "test_split": "test_split",
                    "features": "params:features",
                    "parameters": "params:learning_curve",
                    "run": "params:run",
                    **{name: models[name] for name in nodes.LINEAR},
                },
                ["learning_curve_table", "advantage_table", "learning_curve_card"],
            ),
            stage_node(
                "evaluate",
                nodes.tabulate,
                {**linear, **{f"{name}_history": histories[f"{name}_history"] for name in nodes.LINEAR}},
                ["effect_table", "path_table", "path_weight_table"],
            ),
            stage_node(
                "report",
                report.draw,
                {
                    "metrics": "metrics",
                    "predictions": "predictions",
                    "parameters": "params:evaluation",
                    **{name: name for name in tables},
                    "logistic_history": "logistic_history",
                    "boosting_history": "boosting_history",
                },
                [f"{name}_figure" for name in report.FIGURES],
                name="draw",
            ),
            stage_node(
                "report",
                report.write_report,
                {
                    "data_card": "data_card",
                    "split_card": "split_card",
                    "metrics": "metrics",
                    "predictions": "predictions",
                    "test_split": "test_split",
                    "comparison": "comparison_card",
                    "learning_curve": "learning_curve_card",
                    "inference": "inference_resources",
                    "group_table": "group_table",
                    "gap_table": "gap_table",
                    **histories,
                    **{f"{name}_figure": f"{name}_figure" for name in report.FIGURES},
                    **{f"{variant}_resources": f"{variant}_resources" for variant in variants},
                },
                "report",
                name="write_report",
            ),
            stage_node(
                "report",
                report.choose_predictor,
                {
                    "data_card": "data_card",
                    "split_card": "split_card",
                    **models,
                    **histories,
                },
                "predictor",
                name="choose_predictor",
            ),
        ],
    )
