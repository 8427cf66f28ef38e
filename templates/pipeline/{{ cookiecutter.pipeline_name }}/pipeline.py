"""How data flows through the study."""

from kedro.pipeline import Pipeline

from etudes.pipelines.{{ cookiecutter.pipeline_name }} import nodes, report
from etudes.study import load_study, stage_node, study_pipeline, train_node

STUDY = "{{ cookiecutter.pipeline_name }}"


def create_pipeline() -> Pipeline:
    """The study's graph; it always holds all variants, the parameter ``variants`` selects.

    ::

        raw_file ─ ingest ─ checked_frame, data_card
                              │
                            split ─ train_split, dev_split, test_split, split_card
                              │
               most_frequent     nearest_centroid       train_<variant>
                     └────────┬────────┘
                          evaluate ─ metrics, predictions
                              │
                           report ─ figures, report, predictor
    """
    variants = load_study(STUDY).variants
    splits = ["train_split", "dev_split", "split_card"]
    models = {f"{variant}_model": f"{variant}_model" for variant in variants}
    histories = {f"{variant}_history": f"{variant}_history" for variant in variants}
    return study_pipeline(
        STUDY,
        [
            stage_node("ingest", nodes.ingest, ["raw_file"], ["checked_frame", "data_card"]),
            stage_node(
                "preprocess",
                nodes.split,
                ["checked_frame", "params:split"],
                ["train_split", "dev_split", "test_split", "split_card"],
            ),
            train_node("most_frequent", nodes.train_most_frequent, splits),
            train_node("nearest_centroid", nodes.train_nearest_centroid, [*splits, "params:centroid"]),
            stage_node(
                "evaluate",
                nodes.evaluate,
                {
                    "test_split": "test_split",
                    "split_card": "split_card",
                    "parameters": "params:evaluation",
                    **{variant: f"{variant}_model" for variant in variants},
                },
                ["metrics", "predictions"],
            ),
            stage_node(
                "report",
                report.draw,
                ["metrics", "predictions", "split_card"],
                [f"{name}_figure" for name in report.FIGURES],
            ),
            stage_node(
                "report",
                report.write_report,
                {
                    "data_card": "data_card",
                    "split_card": "split_card",
                    "metrics": "metrics",
                    "predictions": "predictions",
                    **{f"{name}_figure": f"{name}_figure" for name in report.FIGURES},
                },
                "report",
            ),
            stage_node(
                "report",
                report.choose_predictor,
                {"data_card": "data_card", "split_card": "split_card", **models, **histories},
                "predictor",
            ),
        ],
    )
