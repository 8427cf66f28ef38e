"""How data flows through the study."""

from kedro.pipeline import Pipeline

from etudes.pipelines.anomaly_padim import nodes, report
from etudes.study import load_study, stage_node, study_pipeline, support_node, train_node

STUDY = "anomaly_padim"


def create_pipeline() -> Pipeline:
    """The study's graph; it always holds all variants, the parameter ``variants`` selects.

    ::

        raw_images ─ ingest ─ train_images, test_images, data_card
                        │
                      split ─ train_split, dev_split, test_split, split_card
                        │
        pretrained ─ train_backbone ─ train_statistics ─ train_importance          (support)
                            │               │                  │
        mean_image        padim      pca  random          best   worst             train_<variant>
            └───────────────┴───────────┬──────────────────────┘
                                     evaluate ─ metrics, predictions, maps_samples, tables
                                        │
                                     report ─ figures, pictures, report, predictor
    """
    study = load_study(STUDY)
    variants = study.variants
    models = {variant: f"{variant}_model" for variant in variants}
    histories = {variant: f"{variant}_history" for variant in variants}
    network = ["backbone_model", "statistics_model"]
    settings = ["params:gaussian", "params:maps"]
    subsets = [*settings, "params:subsets", "params:run"]
    drawn = [f"{name}_figure" for name in report.FIGURES]
    return study_pipeline(
        STUDY,
        [
            stage_node(
                "ingest",
                nodes.ingest,
                ["raw_images", "params:images"],
                ["train_images", "test_images", "data_card"],
            ),
            stage_node(
                "preprocess",
                nodes.split,
                ["train_images", "test_images", "params:split"],
                ["train_split", "dev_split", "test_split", "split_card"],
            ),
            support_node(
                "backbone",
                nodes.train_backbone,
                ["pretrained", "params:backbone", "params:run"],
                tags=["gpu"],
            ),
            support_node(
                "statistics",
                nodes.train_statistics,
                ["train_split", "split_card", "backbone_model", "params:gaussian", "params:run"],
                tags=["gpu"],
            ),
            support_node(
                "importance",
                nodes.train_importance,
                ["dev_split", "split_card", *network, *settings, "params:importance", "params:run"],
                tags=["gpu"],
            ),
            train_node(
                "mean_image",
                nodes.train_mean_image,
                ["train_split", "dev_split", "split_card", *settings, "params:run"],
            ),
            train_node(
                "padim", nodes.train_padim, ["dev_split", *network, *settings, "params:run"], tags=["gpu"]
            ),
            train_node("pca", nodes.train_pca, ["dev_split", *network, *subsets], tags=["gpu"]),
            train_node("random", nodes.train_random, ["dev_split", *network, *subsets], tags=["gpu"]),
            train_node(
                "best", nodes.train_best, ["dev_split", *network, "importance_model", *subsets], tags=["gpu"]
            ),
            train_node(
                "worst",
                nodes.train_worst,
                ["dev_split", *network, "importance_model", *subsets],
                tags=["gpu"],
            ),
            stage_node(
                "evaluate",
                nodes.evaluate,
                {
                    "test_split": "test_split",
                    "dev_split": "dev_split",
                    "split_card": "split_card",
                    "backbone": "backbone_model",
                    "statistics": "statistics_model",
                    "importance": "importance_model",
                    "gaussian": "params:gaussian",
                    "maps": "params:maps",
                    "importances": "params:importance",
                    "subsets": "params:subsets",
                    "parameters": "params:evaluation",
                    "run": "params:run",
                    **models,
                },
                [
                    "metrics",
                    "predictions",
                    "maps_samples",
                    "categories_table",
                    "draws_table",
                    "swapped_table",
                    "importance_table",
                    "inference_resources",
                ],
                tags=["gpu"],
            ),
            stage_node(
                "report",
                report.draw,
                {
                    "metrics": "metrics",
                    "predictions": "predictions",
                    "categories_table": "categories_table",
                    "draws_table": "draws_table",
                    "importance_table": "importance_table",
                    "random_model": "random_model",
                    "backbone_history": "backbone_history",
                },
                drawn,
                name="draw",
            ),
            stage_node(
                "report",
                report.show_pictures,
                ["test_split", "maps_samples"],
                ["gallery_image", "failures_image", "shown_card"],
                name="show_pictures",
            ),
            stage_node(
                "report",
                report.write_report,
                {
                    "data_card": "data_card",
                    "split_card": "split_card",
                    "metrics": "metrics",
                    "categories_table": "categories_table",
                    "draws_table": "draws_table",
                    "swapped_table": "swapped_table",
                    "importance_table": "importance_table",
                    "inference": "inference_resources",
                    "shown": "shown_card",
                    "gallery": "gallery_image",
                    "failures": "failures_image",
                    "backbone_history": "backbone_history",
                    "statistics_history": "statistics_history",
                    "settings": "params:subsets",
                    **{name: name for name in drawn},
                    **{name: f"{name}_resources" for name in (*study.support, *variants)},
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
                    "backbone": "backbone_model",
                    "parameters": "params:images",
                    **models,
                    **{f"{variant}_history": history for variant, history in histories.items()},
                },
                "predictor",
                name="choose_predictor",
            ),
        ],
    )
