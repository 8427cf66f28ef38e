"""How data flows through the study."""

from kedro.pipeline import Pipeline

from etudes.pipelines.decoder_transformer import evaluation, generation, nodes, report
from etudes.study import load_study, stage_node, study_pipeline, train_node

STUDY = "decoder_transformer"
SETTINGS = {"transformer": "params:transformer", "relabelled": "params:relabelled"}


def create_pipeline() -> Pipeline:
    """The study's graph; it always holds all variants, the parameter ``variants`` selects.

    ::

        raw_recurrences, raw_text ─ ingest ─ recurrences_frame, text_frame, data_card
                                      │
             split_recurrences ───────┴─────── split_text
             train_split, dev_split,           text_train_split, text_dev_split,
             test_split, split_card            text_test_split, text_split_card
                                      │
        unigram   bigram   trigram   lookup   transformer   relabelled      train_<variant>
           └────────┴─────────┴───┬────┴───────────┴────────────┘
                                  │                │
                              evaluate        sample_grid        measure_speed
                                  └────────────────┼──────────────────┘
                                                 report ─ figures, report, predictor
    """
    variants = load_study(STUDY).variants
    splits = ["train_split", "dev_split", "text_train_split", "text_dev_split", "text_split_card"]
    models = {variant: f"{variant}_model" for variant in variants}
    histories = {variant: f"{variant}_history" for variant in variants}
    return study_pipeline(
        STUDY,
        [
            stage_node(
                "ingest",
                nodes.ingest,
                ["raw_recurrences", "raw_text"],
                ["recurrences_frame", "text_frame", "data_card"],
            ),
            stage_node(
                "preprocess",
                nodes.split_recurrences,
                ["recurrences_frame", "params:split"],
                ["train_split", "dev_split", "test_split", "split_card"],
            ),
            stage_node(
                "preprocess",
                nodes.split_text,
                ["text_frame", "params:text"],
                ["text_train_split", "text_dev_split", "text_test_split", "text_split_card"],
            ),
            *(
                train_node(
                    variant,
                    getattr(nodes, f"train_{variant}"),
                    [*splits, SETTINGS[variant], "params:run"] if variant in SETTINGS else splits,
                    tags=["gpu"] if variant in SETTINGS else [],
                )
                for variant in variants
            ),
            stage_node(
                "evaluate",
                evaluation.evaluate,
                {
                    "test_split": "test_split",
                    "text_test_split": "text_test_split",
                    "data_card": "data_card",
                    "split_card": "split_card",
                    "parameters": "params:evaluation",
                    **models,
                },
                ["metrics", "predictions", "positions_table", "moduli_table", "ceiling_card"],
            ),
            stage_node(
                "evaluate",
                generation.sample_grid,
                [
                    "test_split",
                    "text_test_split",
                    "data_card",
                    "text_split_card",
                    "transformer_model",
                    "params:generation",
                ],
                ["sampling_table", "texts_table"],
            ),
            stage_node(
                "evaluate",
                generation.measure_speed,
                ["params:speed", "params:transformer"],
                "speed_resources",
            ),
            stage_node(
                "report",
                report.draw,
                {
                    "metrics": "metrics",
                    "positions": "positions_table",
                    "sampling": "sampling_table",
                    "speed": "speed_resources",
                    "data_card": "data_card",
                    "test_split": "test_split",
                    "transformer_model": "transformer_model",
                    **histories,
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
                    "text_card": "text_split_card",
                    "metrics": "metrics",
                    "moduli": "moduli_table",
                    "sampling": "sampling_table",
                    "texts": "texts_table",
                    "ceilings": "ceiling_card",
                    "speed": "speed_resources",
                    **{f"{name}_figure": f"{name}_figure" for name in report.FIGURES},
                    **{variant: f"{variant}_resources" for variant in variants},
                },
                "report",
                name="write_report",
            ),
            stage_node(
                "report",
                report.choose_predictor,
                {
                    "data_card": "data_card",
                    "text_card": "text_split_card",
                    "parameters": "params:predictor",
                    **models,
                    **{f"{variant}_history": history for variant, history in histories.items()},
                },
                "predictor",
                name="choose_predictor",
            ),
        ],
    )
