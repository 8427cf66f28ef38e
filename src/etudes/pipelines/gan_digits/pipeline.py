"""How data flows through the study."""

from kedro.pipeline import Pipeline

from etudes.pipelines.gan_digits import nodes, report
from etudes.study import load_study, stage_node, study_pipeline, support_node, train_node

STUDY = "gan_digits"


def create_pipeline() -> Pipeline:
    """The study's graph; it always holds all variants, the parameter ``variants`` selects.

    ::

        raw_{train,test}_{images,labels} ─ ingest ─ train_images, test_images, data_card
                                             │
                                           split ─ train_split, dev_split, test_split, split_card
                                             │
                        judge ─┬─ class_pixels   gan   vae      train_<name>
                               │        └─────────┼─────┘
                               └────────────── evaluate ─ metrics, samples, tables
                                                  │
                                               report ─ figures, pictures, report, predictor
    """
    variants = load_study(STUDY).variants
    splits = ["train_split", "dev_split"]
    judged = [*splits, "judge_model"]
    models = {variant: f"{variant}_model" for variant in variants}
    histories = {variant: f"{variant}_history" for variant in variants}
    raw = ["raw_train_images", "raw_train_labels", "raw_test_images", "raw_test_labels"]
    return study_pipeline(
        STUDY,
        [
            stage_node("ingest", nodes.ingest, raw, ["train_images", "test_images", "data_card"]),
            stage_node(
                "preprocess",
                nodes.split,
                ["train_images", "test_images", "params:split"],
                ["train_split", "dev_split", "test_split", "split_card"],
            ),
            support_node("judge", nodes.train_judge, [*splits, "params:judge", "params:run"], tags=["gpu"]),
            train_node("class_pixels", nodes.train_class_pixels, [*judged, "params:run"]),
            train_node("gan", nodes.train_gan, [*judged, "params:gan", "params:run"], tags=["gpu"]),
            train_node("vae", nodes.train_vae, [*judged, "params:vae", "params:run"], tags=["gpu"]),
            stage_node(
                "evaluate",
                nodes.evaluate,
                {
                    "train_split": "train_split",
                    "test_split": "test_split",
                    "judge_model": "judge_model",
                    "parameters": "params:evaluation",
                    "run": "params:run",
                    **models,
                },
                ["metrics", "drawn_samples", "panel_samples", "references_table", "claim_table"],
            ),
            stage_node(
                "report",
                report.draw,
                {"metrics": "metrics", **histories},
                [f"{name}_figure" for name in report.FIGURES],
                name="draw",
            ),
            stage_node(
                "report",
                report.show,
                ["drawn_samples", "panel_samples", "test_split"],
                [f"{name}_image" for name in report.IMAGES],
                name="show",
            ),
            stage_node(
                "report",
                report.write_report,
                {
                    "data_card": "data_card",
                    "split_card": "split_card",
                    "metrics": "metrics",
                    "references_table": "references_table",
                    "claim_table": "claim_table",
                    "drawn_samples": "drawn_samples",
                    "panel_samples": "panel_samples",
                    "gan_model": "gan_model",
                    "vae_model": "vae_model",
                    "gan_history": "gan_history",
                    **{f"{name}_figure": f"{name}_figure" for name in report.FIGURES},
                    **{f"{name}_image": f"{name}_image" for name in report.IMAGES},
                    **{name: f"{name}_resources" for name in (*variants, "judge")},
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
                    "judge_model": "judge_model",
                    **models,
                    **{f"{variant}_history": history for variant, history in histories.items()},
                },
                "predictor",
                name="choose_predictor",
            ),
        ],
    )
