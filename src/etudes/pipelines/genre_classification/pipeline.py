"""How data flows through the study."""

from kedro.pipeline import Pipeline

from etudes.pipelines.genre_classification import nodes, report
from etudes.study import load_study, stage_node, study_pipeline, train_node

STUDY = "genre_classification"
MEMBERS = ["tfidf", "doc2vec", "bilstm", "spacy", "encoder_probe", "encoder"]


def create_pipeline() -> Pipeline:
    """The study's graph; it always holds all variants, the parameter ``variants`` selects.

    ::

        raw_train, raw_test ─ ingest ─ train_frame, test_frame, data_card
                                 │
                               split ─ train_split, dev_split, test_split, split_card
                                 │
        majority   tfidf   doc2vec   bilstm   spacy   encoder_probe   encoder     train_<variant>
            │        └────────┴─────────┴───────┴───────────┴────────────┤
            │                                                       combination
            └────────────────────────────┬───────────────────────────────┘
                                      evaluate ─ metrics, predictions, tables
                                         │
                                       report ─ figures, report, predictor
    """
    variants = load_study(STUDY).variants
    splits = ["train_split", "dev_split", "split_card"]
    typed = {
        name: train_node(
            name, getattr(nodes, f"train_{name}"), [*splits, f"params:{name}", "params:run"], tags=tags
        )
        for name, tags in (
            ("doc2vec", []),
            ("spacy", ["gpu"]),
            ("encoder_probe", ["gpu"]),
            ("encoder", ["gpu"]),
        )
    }
    models = {variant: f"{variant}_model" for variant in variants}
    histories = {variant: f"{variant}_history" for variant in variants}
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
            train_node("tfidf", nodes.train_tfidf, [*splits, "params:tfidf"]),
            *typed.values(),
            train_node(
                "bilstm",
                nodes.train_bilstm,
                [*splits, "vectors", "params:bilstm", "params:run"],
                tags=["gpu"],
            ),
            train_node(
                "combination",
                nodes.combine,
                {
                    "dev_split": "dev_split",
                    "split_card": "split_card",
                    "parameters": "params:combination",
                    "run": "params:run",
                    **{member: f"{member}_model" for member in MEMBERS},
                },
            ),
            stage_node(
                "evaluate",
                nodes.evaluate,
                {
                    "test_split": "test_split",
                    "split_card": "split_card",
                    "parameters": "params:evaluation",
                    **models,
                },
                ["metrics", "predictions", "per_class_table", "comparison_card", "inference_resources"],
            ),
            stage_node(
                "report",
                report.draw,
                {
                    "metrics": "metrics",
                    "predictions": "predictions",
                    "per_class_table": "per_class_table",
                    "split_card": "split_card",
                    "tfidf_model": "tfidf_model",
                    "parameters": "params:evaluation",
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
                    "metrics": "metrics",
                    "predictions": "predictions",
                    "test_split": "test_split",
                    "comparison": "comparison_card",
                    "inference": "inference_resources",
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
                    "split_card": "split_card",
                    **models,
                    **{f"{variant}_history": history for variant, history in histories.items()},
                },
                "predictor",
                name="choose_predictor",
            ),
        ],
    )
